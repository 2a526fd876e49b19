import { createWriteStream } from "node:fs";
import { type Command, parseFlags, readCommandLine } from "../../shared/command-line.ts";
import { TWINS, twinsNamed } from "./all-twins.ts";
import { publish, readPublished } from "./table.ts";
import { tryTwin } from "./try-twin.ts";
import type { Twin } from "./twin.ts";

// `npm run prove:twins` plays a story for each guard of the app, with the guard and without it. With it, the audit must
// find nothing. Without it, the audit must find something.

const COMMAND = {
  usage: "npm run prove:twins -- [FLAGS] [NAME ...]",
  does: "Takes each guard out of the app, and checks that the audit finds what goes wrong without it.",
  words: { NAME: "which guards are taken out; without a name, all" },
  flags: {
    list: { type: "boolean", default: false, says: "print the names of all guards, and end" },
    docs: { type: "boolean", default: false, says: "write the table of guards in the docs again, and end" },
    publish: {
      type: "boolean",
      default: false,
      says: "if all guards are needed and hold, write what was found into the docs",
    },
    log: { type: "string", value: "FILE", says: "write each line of every process to this file" },
  },
  notes: "Ends with 0 if every guard is needed and holds, 1 if not, 2 for wrong flags.",
} as const satisfies Command;

interface TwinFlags {
  readonly twins: readonly Twin[];
  readonly list: boolean;
  readonly docs: boolean;
  readonly publish: boolean;
  readonly log: string | undefined;
}

function readArgs(args: readonly string[]): TwinFlags {
  const { values, positionals } = parseFlags(COMMAND, args);
  if (values.publish && positionals.length > 0)
    throw new Error("--publish needs the results of all guards: leave out every NAME");
  return { ...values, twins: twinsNamed(positionals), log: values.log };
}

async function prove({ twins, publish: isPublished, log: file }: TwinFlags): Promise<boolean> {
  const log = file === undefined ? undefined : createWriteStream(file);
  const failed: string[] = [];
  const found: Record<string, number> = {};
  for (const twin of twins) {
    const outcome = await tryTwin(twin, (who, line) => log?.write(`${new Date().toISOString()} ${who}: ${line}\n`));
    process.stdout.write(`${outcome.text}\n\n`);
    found[twin.name] = outcome.found;
    if (!outcome.holds) failed.push(twin.name);
  }
  process.stdout.write(
    failed.length === 0
      ? `All ${twins.length} guards are needed, and hold.\n`
      : `${failed.length} of ${twins.length} guards are NOT proven: ${failed.join(", ")}\n`,
  );
  if (isPublished && failed.length === 0) await publish({ date: new Date().toISOString().slice(0, 10), found });
  return failed.length === 0;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

const flags = readCommandLine(COMMAND, readArgs);
if (flags.list) {
  const width = Math.max(...TWINS.map(({ name }) => name.length));
  for (const { name, guard } of flags.twins) process.stdout.write(`${name.padEnd(width)}  ${guard}\n`);
} else if (flags.docs) await publish(await readPublished());
else process.exitCode = (await prove(flags)) ? 0 : 1;
// Timers and sockets of calls that were cut off may still be open, and must not keep this process running.
process.exit();
