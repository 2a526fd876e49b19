import { createWriteStream } from "node:fs";
import { Argument } from "@commander-js/extra-typings";
import pLimit from "p-limit";
import { makeCommand } from "../../shared/command-line.ts";
import { TWINS, twinsNamed } from "./all-twins.ts";
import { publish, readPublished } from "./table.ts";
import { tryTwin } from "./try-twin.ts";
import type { Twin } from "./twin.ts";

// `npm run prove:twins` plays a story for each guard of the app, with the guard and without it. With it, the audit must
// find nothing. Without it, the audit must find something.

const COMMAND = makeCommand("npm run prove:twins --")
  .description("Takes each guard of the app out once, and checks that the proof notices.")
  .addArgument(new Argument("[name...]", "which twins; without a name, all").choices(TWINS.map(({ name }) => name)))
  .option("--list", "print which twins there are, and end")
  .option("--docs", "write the table in the docs anew, for guards that moved, and end")
  .option("--publish", "if all of them hold, write what was found, and the table")
  .option("--log <file>", "where to write each line of every process")
  .addHelpText("after", "\nEnds with 0 if every guard is needed and holds, 1 if not, 2 for wrong flags.")
  .parse();
const flags = COMMAND.opts();
const [names] = COMMAND.processedArgs;

/** So many stories are played at once, because most of a story is waiting. */
const AT_ONCE = 2;

async function prove(twins: readonly Twin[]): Promise<boolean> {
  const log = flags.log === undefined ? undefined : createWriteStream(flags.log);
  const played = await pLimit(AT_ONCE).map(twins, async (twin) => {
    const outcome = await tryTwin(twin, (who, line) =>
      log?.write(`${new Date().toISOString()} ${twin.name}, ${who}: ${line}\n`),
    );
    process.stdout.write(`${outcome.text}\n\n`);
    return { name: twin.name, ...outcome };
  });
  const failed = played.filter(({ holds }) => !holds).map(({ name }) => name);
  process.stdout.write(
    failed.length === 0
      ? `All ${twins.length} guards are needed, and hold.\n`
      : `${failed.length} of ${twins.length} guards are NOT proven: ${failed.join(", ")}\n`,
  );
  if (flags.publish && failed.length === 0) {
    const found = Object.fromEntries(played.map(({ name, found }) => [name, found]));
    await publish({ date: new Date().toISOString().slice(0, 10), found });
  }
  return failed.length === 0;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

if (flags.publish && names.length > 0) COMMAND.error("error: --publish takes all twins, and no name");
const twins = twinsNamed(names);
if (flags.list) {
  const width = Math.max(...TWINS.map(({ name }) => name.length));
  for (const { name, guard } of twins) process.stdout.write(`${name.padEnd(width)}  ${guard}\n`);
} else if (flags.docs) await publish(await readPublished());
else process.exitCode = (await prove(twins)) ? 0 : 1;
// Timers and sockets of calls that were cut off may still be open, and must not keep this process running.
process.exit();
