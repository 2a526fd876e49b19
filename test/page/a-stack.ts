import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import type { Stack } from "../../local/stack/start-stack.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { type Running, runProgram } from "../support/run-program.ts";

/** Text that would do harm if it were taken for anything but text. */
const MARKUP = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
/** An id that turns its text around and colours a terminal. */
export const HOSTILE_ID = `m-\u001b[31m\u202e-${MARKUP}`;

/** A module with a queue of its own name. */
export const module = (name: string, script: string, more: object = {}) => {
  const container = { name: "main", image: "busybox:1.36", command: ["sh", "-c", script] };
  const spec = { template: { spec: { containers: [container] } } };
  return { name, source: { queue: name }, jobTemplate: { spec }, ...more };
};
export const ONCE = { retry: { maxAttempts: 1 } };
/** A worker that writes markup, escape sequences and a line of 200 KB, and fails. */
const HOSTILE = String.raw`printf '<script>document.title="owned"</script>\n\033[2Jcleared\n'; head -c 200000 /dev/zero | tr '\0' x; echo; printf '\342\200\256turned <b>around</b>\n'; exit 3`;
const MODULES = [
  module("good", "echo all is well"),
  module("bad", HOSTILE, ONCE),
  module("worse", 'echo "no space left on disk 7"; exit 4', ONCE),
  module("again", "echo try; exit 1", { retry: { maxAttempts: 3, backoff: { first: "1h", max: "1h" } } }),
  module("slow", "echo begun; sleep 600", { maxActive: 2 }),
  module("idle", "true", { maxActive: 0 }),
  module("many", "true", { maxActive: 0 }),
  { ...module("strict", "true"), schema: { type: "object", required: ["name"] } },
];

/** A stack of this machine, and what a person does with it. */
export interface AStack {
  readonly stack: Stack;
  /** The address of the app, which serves its page to look only. */
  readonly app: string;
  /** Runs the command, and resolves to what it printed. */
  readonly dispatcher: (...args: readonly string[]) => Promise<string>;
  /** Sends so many messages with the body of the stack. */
  readonly send: (source: string, count: number, ...flags: readonly string[]) => Promise<string>;
  /** Starts the page's server, and resolves to the address that it printed. */
  serve(...flags: readonly string[]): Promise<string>;
  /** Ends the server that printed this address. */
  endServer(address: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a stack on which runs of every kind are, also hostile ones. */
export async function startAStack(): Promise<AStack> {
  const started = await startStackWith(MODULES, { name: "Ada", secret: MARKUP }, { before: buryOne });
  const { dispatcher, send } = started;
  await send("good", 5, "--correlation-id", "order-7");
  await send("worse", 4);
  await send("again", 1);
  await send("slow", 3);
  await send("idle", 3);
  await send("many", 130, "--correlation-id", "bulk");
  await send("bad", 1, "--id", HOSTILE_ID);
  await send("good", 1, "--id", "good-1");
  for (const id of ["good-1", HOSTILE_ID]) await untilClosed(dispatcher, id);
  return started;
}

/** Has another program dead-letter a message before the app takes it. */
async function buryOne({ settings }: Stack): Promise<void> {
  const client = new ServiceBusClient(settings["ServiceBus"] ?? "");
  await client
    .createSender("strict")
    .sendMessages({ messageId: HOSTILE_ID, subject: MARKUP, body: { secret: MARKUP } });
  const receiver = client.createReceiver("strict");
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
  const why = { deadLetterReason: MARKUP, deadLetterErrorDescription: MARKUP };
  if (message) await receiver.deadLetterMessage(message, why);
  await client.close();
}

/** Lists a view of each kind on such a stack, by its address. */
export async function viewsOf(stack: AStack): Promise<string[]> {
  const [hostile, good, slow] = await Promise.all([
    viewOfRun(stack, "--message-id", HOSTILE_ID),
    viewOfRun(stack, "--message-id", "good-1"),
    viewOfRun(stack, "--module", "slow"),
  ]);
  return [
    "",
    "failures",
    "dead-letters",
    "dead-letters/others",
    await otherOf(stack),
    "runs",
    "runs?which=closed",
    hostile,
    good,
    slow,
    "modules",
    "modules/slow",
    "audit",
    "actions",
    "search?id=order-7",
    "nowhere",
  ];
}

/** The view of the letter that no run left. */
export async function otherOf({ dispatcher }: AStack): Promise<string> {
  return `dead-letters/others/${encodeURIComponent((await dispatcher("dead", "others", "--output", "name")).trim())}`;
}

/** The view of the first run that this chooses. */
export async function viewOfRun(stack: AStack, ...which: readonly string[]): Promise<string> {
  return `runs/${encodeURIComponent(await runOf(stack, ...which))}`;
}

/** The first run that this chooses. */
export async function runOf({ dispatcher }: AStack, ...which: readonly string[]): Promise<string> {
  const [run = ""] = (await dispatcher("runs", "ls", ...which, "--output", "name")).trim().split("\n");
  return run;
}

interface How {
  /** What is done before the app starts. */
  readonly before?: (stack: Stack) => Promise<void>;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts a stack with these modules and the app. */
export async function startStackWith(
  modules: readonly { readonly name: string }[],
  sent: object,
  { before, settings }: How = {},
): Promise<AStack> {
  const directory = await mkdtemp(join(tmpdir(), "page-"));
  for (const one of modules) await writeFile(join(directory, `${one.name}.json`), JSON.stringify(one));
  const body = join(directory, "body");
  await writeFile(body, JSON.stringify(sent));
  const stack = await startLocalStack(directory, {
    settings: { RECONCILE_SCHEDULE: "*/1 * * * * *", PAGE_AT: "local", ...settings },
  });
  const servers: Running[] = [];
  const run = (...args: readonly string[]) => runProgram("cli", { args, env: stack.settings, cwd: directory });
  const dispatcher = async (...args: readonly string[]) => {
    const running = run(...args);
    await running.ended;
    return running.said.stdout + running.said.stderr;
  };
  await before?.(stack);
  const { ready } = await stack.startApp();
  return {
    stack,
    app: `http://127.0.0.1:${String(ready["port"])}`,
    dispatcher,
    // A message with an id of its own is sent without a count.
    send: (source, count, ...flags) =>
      dispatcher("send", "--source", source, ...(count === 1 ? [] : ["--count", String(count)]), ...flags, body),
    async serve(...flags) {
      const server = run("ui", "--port", "0", ...flags);
      servers.push(server);
      while (!server.said.stdout.includes("\n")) {
        if (server.child.exitCode !== null) throw new Error(`the page's server ended: ${server.said.stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return server.said.stdout.trim();
    },
    async endServer(address) {
      const server = servers.find(({ said }) => said.stdout.trim() === address);
      server?.child.kill("SIGTERM");
      await server?.ended;
    },
    async stop() {
      for (const { child, ended } of servers) {
        child.kill("SIGTERM");
        await ended;
      }
      await stack.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilClosed(dispatcher: AStack["dispatcher"], id: string): Promise<void> {
  while ((await dispatcher("runs", "wait", id, "--timeout", "60s")).includes("No run has the id"));
}
