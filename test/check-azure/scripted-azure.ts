import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import type { Azure } from "../../check-azure/azure.ts";
import type { PeekOptions } from "../../check-azure/bus.ts";
import { environmentOf } from "../../check-azure/environment.ts";
import { type Source, sourceName } from "../../shared/run/source.ts";

/** What Azure answers, by the beginning of the call: a text, or one for each time that it is called. */
type Answer = string | Error;
type Answers = Readonly<Record<string, Answer | readonly Answer[]>>;

export interface Script {
  /** Answers of az and kubectl, such as { "kubectl get pods": "..." }. The longest beginning counts. */
  readonly answers?: Answers;
  /** What the bus holds at each look at a source: `queue`, or `queue!` for its dead letters. The last one stays. */
  readonly bus?: Readonly<Record<string, readonly (readonly Partial<ServiceBusReceivedMessage>[])[]>>;
  /** What infra/deploy.sh says, or why it fails. */
  readonly deploys?: string | Error;
}

/** Azure as a script says, whose clock moves by 10 s at each look, and which records what is done. */
export interface ScriptedAzure extends Azure {
  readonly done: string[];
}

export function scriptedAzure({ answers = {}, bus = {}, deploys = "" }: Script = {}): ScriptedAzure {
  const done: string[] = [];
  const times = new Map<string, number>();
  let clock = Date.parse("2026-01-01T00:00:00Z");
  /** Counts how often something was asked for, from 0. */
  const turn = (what: string): number => {
    const count = times.get(what) ?? 0;
    times.set(what, count + 1);
    return count;
  };
  const call = async (program: string, args: readonly string[]): Promise<string> => {
    const words = [program, ...args].join(" ");
    done.push(words);
    const [known] = Object.keys(answers)
      .filter((start) => words.startsWith(start))
      .toSorted((a, b) => b.length - a.length);
    const answer = [answers[known ?? ""] ?? ""].flat();
    const said = answer[Math.min(turn(known ?? ""), answer.length - 1)] ?? "";
    if (said instanceof Error) throw said;
    return said;
  };
  return {
    done,
    environment: environmentOf("dev-123456"),
    principalId: "me",
    async deploy(changes) {
      done.push(`deploy ${JSON.stringify(changes ?? {})}`);
      if (deploys instanceof Error) throw deploys;
      return deploys;
    },
    async uninstall() {
      done.push("uninstall");
      return "";
    },
    az: (...args) => call("az", args),
    kubectl: (...args) => call("kubectl", args),
    sendByLogin: async (entity) => void (await call("send to", [entity])),
    getCredentials: async () => {},
    bus: {
      async send(source, messages) {
        done.push(`send ${messages.length} to ${sourceName(source)}`);
      },
      async peek(source: Source, { deadLetters = false, from }: PeekOptions = {}) {
        const name = `${sourceName(source)}${deadLetters ? "!" : ""}`;
        const looks = bus[name] ?? [[]];
        const found = looks[Math.min(turn(name), looks.length - 1)] ?? [];
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The checks read no other fields.
        const messages = found as readonly ServiceBusReceivedMessage[];
        return messages.filter(({ sequenceNumber }) => from === undefined || !sequenceNumber?.lessThan(from));
      },
      client: () => Promise.reject(new Error("no check of this test takes the client")),
    },
    async until(isSo, minutes) {
      const deadline = clock + minutes * 60_000;
      while (!(await isSo())) {
        if (clock > deadline) return false;
        clock += 10_000;
      }
      return true;
    },
    now: () => clock,
  };
}

/** A list of pods as kubectl prints it. */
export function podList(...pods: readonly { name: string; phase?: string; restarts?: number }[]): string {
  return JSON.stringify({
    items: pods.map(({ name, phase = "Running", restarts = 0 }, index) => ({
      metadata: { name, uid: `uid-${name}` },
      spec: {},
      status: { phase, podIP: `10.0.0.${index + 1}`, containerStatuses: [{ ready: true, restartCount: restarts }] },
    })),
  });
}
