import { createWriteStream } from "node:fs";
import { parseArgs } from "node:util";
import { TWINS, twinsNamed } from "./all-twins.ts";
import { publish, readPublished } from "./table.ts";
import { tryTwin } from "./try-twin.ts";
import type { Twin } from "./twin.ts";

// `npm run prove:twins`: each guard of the app is taken out once, and the proof has to notice; with the guard in, the same story has to end well.

const USAGE = `usage: npm run prove:twins -- [--list] [--docs] [--publish] [--log FILE] [NAME ...]
  NAME       which twins; all of them by default
  --list     says which there are
  --docs     writes the table in the docs anew, for guards that moved
  --publish  when all of them hold, writes what was found, and the table in the docs
  --log FILE where to write each line of every process`;

interface TwinFlags {
  readonly twins: readonly Twin[];
  readonly list: boolean;
  readonly docs: boolean;
  readonly publish: boolean;
  readonly log: string | undefined;
}

function readArgs(): TwinFlags | undefined {
  try {
    const flag = { type: "boolean", default: false } as const;
    const options = { list: flag, docs: flag, publish: flag, log: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (values.publish && positionals.length > 0) throw new Error("--publish takes all twins");
    return { ...values, twins: twinsNamed(positionals), log: values.log };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    return undefined;
  }
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
      : `${failed.length} of ${twins.length} are NOT proven: ${failed.join(", ")}\n`,
  );
  if (isPublished && failed.length === 0) await publish({ date: new Date().toISOString().slice(0, 10), found });
  return failed.length === 0;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

const flags = readArgs() ?? process.exit(2);
if (flags.list) {
  const width = Math.max(...TWINS.map(({ name }) => name.length));
  for (const { name, guard } of flags.twins) process.stdout.write(`${name.padEnd(width)}  ${guard}\n`);
} else if (flags.docs) await publish(await readPublished());
else process.exitCode = (await prove(flags)) ? 0 : 1;
// What was cut off may keep timers and sockets for a while.
process.exit();
