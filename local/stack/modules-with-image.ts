import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { glob } from "tinyglobby";
import { parseDocument } from "yaml";

/**
 * Copies a directory of modules so that every worker and handler runs `image`. Resolves to the copy's directory, which
 * the caller removes.
 */
export async function modulesWithImage(directory: string, image: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "dispatcher-modules-"));
  await cp(directory, copy, { recursive: true });
  for (const file of await glob("**/*.{yaml,yml}", { cwd: copy, absolute: true })) {
    const document = parseDocument(await readFile(file, "utf8"));
    for (const container of ["worker", "handler"])
      if (document.hasIn([container, "image"])) document.setIn([container, "image"], image);
    await writeFile(file, document.toString());
  }
  return copy;
}
