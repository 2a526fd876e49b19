import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QUEUE, SUBSCRIPTION, TOPIC } from "./kinds.ts";

/** The exit code of work that gives up. */
export const GIVES_UP = 64;
/** The exit code of work that gives up once more, after it was redriven. */
const GIVES_UP_AGAIN = 65;
/** The modules whose dead letters a person has redriven. */
export const REDRIVEN_MODULES: readonly string[] = ["heal", "heal-not"];
/** The attempts of each redrive begin with 1, and are told apart in the ledger by this. */
export const ATTEMPTS_OF_A_REDRIVE = 1_000;

/**
 * Has every worker write a line into the ledger when it starts and when it ends, with the time in ms. Each line is one
 * append, so that no two lines mix. Not every `date` knows parts of a second, and one that does not prints the `N`.
 */
const LEDGER_LINES = `
attempt=$((\${DISPATCHER_REDRIVE:-0} * ${ATTEMPTS_OF_A_REDRIVE} + DISPATCHER_ATTEMPT))
say() {
  at=$(date +%s%3N)
  case "$at" in *N) at=$(date +%s)000 ;; esac
  printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$DISPATCHER_RUN_ID" "$attempt" "$DISPATCHER_MESSAGE_ID" "$at" "$1" "$2" >>"$PROOF_LEDGER"
}
gave_up() { grep -q "^$DISPATCHER_RUN_ID.*end.${GIVES_UP}$" "$PROOF_LEDGER"; }
say start 0
finish() { say end "$1"; exit "$1"; }
`;

/** The size of a big message. It does not fit into a Job, so the app stores it as a blob. */
export const BIG_BYTES = 48 * 1024;

/** The module whose Jobs a person cancels: they never start. */
export const CANCELLED_MODULE = "cancel";

const SCRIPTS: Readonly<Record<string, string>> = {
  succeed: "echo worked; finish 0",
  "succeed-silently": "finish 0",
  // These two wait, so that the audit sees if their messages are settled, or the next attempt starts, before they end.
  "take-time": "sleep 3; finish 0",
  "fail-once": 'if [ "$DISPATCHER_ATTEMPT" -gt 1 ]; then finish 0; fi; echo failing; sleep 1; finish 3',
  fail: "echo failing; finish 3",
  "give-up": "echo no use; finish 64",
  "say-url": 'echo "no use: $DISPATCHER_MESSAGE_URL"; finish 64',
  heal: `if gave_up; then echo healed; finish 0; fi; echo no use; finish ${GIVES_UP}`,
  "heal-not": `if gave_up; then echo no use again; finish ${GIVES_UP_AGAIN}; fi; echo no use; finish ${GIVES_UP}`,
  hang: "exec sleep 60",
  "no-node": "finish 0",
  [CANCELLED_MODULE]: "finish 0",
  "one-slot": "for n in $(seq 150); do sleep 0.1; done; finish 0",
  "not-to-be-ended":
    'if [ "$DISPATCHER_ATTEMPT" -gt 1 ]; then finish 0; fi; trap : TERM; for n in $(seq 100); do sleep 0.1; done; finish 3',
};

/** Asks for a node that doesn't exist. */
const NO_NODE = { nodeSelector: { "example.com/never": "yes" } };

/** The program of a worker that reads its body by URL, and fails if the body is not whole. */
const READ_BIG = `
import { appendFileSync } from "node:fs";
const { DISPATCHER_RUN_ID: run, DISPATCHER_ATTEMPT: attempt, DISPATCHER_MESSAGE_ID: id, PROOF_LEDGER: ledger } = process.env;
const say = (what, value) => appendFileSync(ledger, [run, attempt, id, Date.now(), what, value].join("\\t") + "\\n");
say("start", 0);
// A fetch whose connection breaks at once may never settle. The timer keeps Node from ending with code 13 then.
setInterval(() => {}, 1_000);
let code = 9;
for (let look = 1; look <= 40 && code !== 0; look += 1) {
  try {
    const answer = await fetch(process.env.DISPATCHER_MESSAGE_URL, { signal: AbortSignal.timeout(5_000) });
    const { byteLength } = new Uint8Array(await answer.arrayBuffer());
    if (answer.ok && byteLength === ${BIG_BYTES}) code = 0;
    else console.log("read", answer.status, byteLength);
  } catch (error) {
    console.log(String(error));
  }
  if (code !== 0) await new Promise((resolve) => setTimeout(resolve, 500));
}
say("end", code);
process.exit(code);
`;

/** Writes the modules of the proof, one for each subject. Only their workers write into the ledger. */
export async function writeModules(directory: string, ledger: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const write = (name: string, module: object) =>
    writeFile(join(directory, `${name}.yaml`), JSON.stringify({ name, ...module }));
  for (const [subject, script] of Object.entries(SCRIPTS)) {
    await write(subject, {
      source: { queue: QUEUE },
      when: { subject },
      ...common(subject),
      ...template(
        imageOf(subject),
        shell(script),
        ledger,
        ["no-node", CANCELLED_MODULE].includes(subject) ? NO_NODE : {},
      ),
    });
  }
  await write("read-big", {
    source: { queue: QUEUE },
    when: { subject: "read-big" },
    ...common("read-big"),
    ...template(imageOf("read-big"), [process.execPath, "--input-type=module", "-e", READ_BIG], ledger),
  });
  await write("from-topic", {
    source: { topic: TOPIC, subscription: SUBSCRIPTION },
    ...common("succeed"),
    ...template(imageOf("from-topic"), shell(SCRIPTS["succeed"] ?? ""), ledger),
  });
}

/** Names a module's image. Each module has an image of its own, so that one of them can be missing. */
export function imageOf(module: string): string {
  return `proof/${module}:1`;
}

function shell(script: string): string[] {
  return ["sh", "-eu", "-c", LEDGER_LINES + script];
}

/**
 * Makes a Job template. A module's `worker` would not do, because its pod has a /tmp of its own and the ledger may be
 * below /tmp.
 */
function template(image: string, command: readonly string[], ledger: string, pod: object = {}): object {
  const container = { name: "worker", image, command, env: [{ name: "PROOF_LEDGER", value: ledger }] };
  return { jobTemplate: { spec: { template: { spec: { restartPolicy: "Never", containers: [container], ...pod } } } } };
}

function common(subject: string): object {
  const once = ["hang", "no-node"].includes(subject);
  return {
    retry: {
      maxAttempts: once ? 1 : 3,
      backoff: { first: "500ms", max: "1s" },
      ...(["give-up", "say-url", ...REDRIVEN_MODULES].includes(subject)
        ? { permanentExitCodes: [GIVES_UP, GIVES_UP_AGAIN] }
        : {}),
    },
    ...(subject === "give-up" ? { schema: { type: "object", properties: { size: { type: "integer" } } } } : {}),
    ...(subject === "no-node" ? { startTimeout: "1s" } : {}),
    // Longer than any proof, because the template must not be found at fault before a person cancels the Job.
    ...(subject === CANCELLED_MODULE ? { startTimeout: "1d" } : {}),
    // The worker has to note that it started before its time is over, also on a machine that is busy.
    maxRunningTime: subject === "hang" ? "3s" : "1h",
    maxActive: subject === "one-slot" ? 1 : 1000,
  };
}
