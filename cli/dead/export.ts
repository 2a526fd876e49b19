import { type FileHandle, open } from "node:fs/promises";
import { makeOperator } from "../../shared/operate/operator.ts";
import type { ExportedLetter } from "../../shared/operate/views/export-letters.ts";
import { runId } from "../../shared/run/run.ts";
import { Refusal } from "../refusal.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { plainJson, plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { showProgress } from "../text/progress.ts";
import { counted } from "../text/times.ts";
import { chosenBy } from "./chosen.ts";
import type { WantedFlags } from "./wanted.ts";

type Flags = TargetFlags & WantedFlags & { readonly run?: readonly string[]; readonly bodies?: boolean };

/** Writes the chosen dead letters of a Dispatcher to a new file, or to stdout: a line of JSON for each. */
export async function exportLetters(path: string, { bodies = false, ...flags }: Flags): Promise<number> {
  const target = await openTarget(flags);
  const progress = showProgress("looking through the dead letter queues");
  let file: FileHandle | undefined;
  try {
    file = path === "-" ? undefined : await create(path);
    const operator = makeOperator(target.deps, target.log);
    let letters = 0;
    let gone = 0;
    for await (const exported of operator.exportLetters(await chosenBy(operator, flags), (looked) =>
      progress.at(looked),
    )) {
      await write(file, `${plainJson(lineOf(exported, bodies))}\n`);
      letters += 1;
      if (exported.message === undefined) gone += 1;
    }
    progress.end();
    note(
      plainText(`wrote ${counted(letters, "dead letter")}${gone > 0 ? `, ${gone} of them no longer on the bus` : ""}`),
    );
    return 0;
  } finally {
    progress.end();
    await file?.close();
    await target.close();
  }
}

/** Makes a file that only this user can read, because it may hold bodies. */
async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new Refusal(`${path} can't be made (${code}). Give the path of a file that is not there yet, or -`);
  }
}

async function write(file: FileHandle | undefined, line: string): Promise<void> {
  if (file) await file.writeFile(line);
  // A reader may be slower than the bus.
  else if (!process.stdout.write(line)) await new Promise((resolve) => process.stdout.once("drain", resolve));
}

function lineOf({ letter, message }: ExportedLetter, withBody: boolean) {
  const facts = { run: runId(letter), ...letter, onBus: message !== undefined };
  if (message === undefined) return facts;
  const { body, ...rest } = message;
  return { ...facts, message: { ...rest, ...(withBody ? { body: Buffer.from(body).toString("base64") } : {}) } };
}
