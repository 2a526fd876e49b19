import { Cron } from "croner";
import { NCRONTAB } from "../shared/settings/ncrontab.ts";
import { errorStack } from "./error-stack.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoke } from "./invoke.ts";
import { asJson, type RegisteredFunction } from "./rpc.ts";
import type { Listener } from "./service-bus-listener.ts";

/**
 * Runs a function by its six-field NCRONTAB schedule, in UTC. If it is due while it still runs, it runs once more as
 * soon as it is over, as in the real host. Throws an Error if the schedule is malformed.
 */
export function tick(fn: RegisteredFunction, schedule: string, invoke: Invoke, log: HostLog): Listener {
  let running: Promise<void> | undefined;
  let last = new Date(0);
  let isDue = false;
  const stopping = new AbortController();

  async function run(job: Cron): Promise<void> {
    if (running) {
      isDue = true;
      return;
    }
    do {
      isDue = false;
      running = once(job).finally(() => {
        running = undefined;
      });
      await running;
    } while (isDue && !stopping.signal.aborted);
  }

  async function once(job: Cron): Promise<void> {
    const status = { Last: last.toISOString(), Next: job.nextRun()?.toISOString(), LastUpdated: last.toISOString() };
    last = new Date();
    const input = asJson({ Schedule: { AdjustForDST: true }, ScheduleStatus: status, IsPastDue: false });
    await invoke(fn, { input, metadata: {} }).catch((error: unknown) =>
      log.of(fn.name)("error", "system", `failed: ${errorStack(error)}`),
    );
  }

  const cron = cronOf(fn, schedule, run);
  if (fn.trigger.binding["runOnStartup"] === true) void run(cron);
  return {
    async stop() {
      stopping.abort();
      cron.stop();
      await running;
    },
  };
}

function cronOf(fn: RegisteredFunction, schedule: string, run: (job: Cron) => Promise<void>): Cron {
  try {
    return new Cron(schedule, NCRONTAB, run);
  } catch (error) {
    throw new Error(
      `function ${fn.name} has the schedule "${schedule}", which is no six-field NCRONTAB expression, such as "*/10 * * * * *": ${String(error)}`,
      {
        cause: error,
      },
    );
  }
}
