import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { ConfigError } from "../../../shared/errors.ts";
import { readLocalSettings } from "../../../shared/settings/local-settings.ts";

let file: string;
beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-settings-"));
  file = join(directory, "local.settings.json");
  return () => rm(directory, { recursive: true, force: true });
});

it("gives the Values of the file, and none where there is no file", async () => {
  expect(await readLocalSettings(file)).toEqual({});
  await writeFile(file, JSON.stringify({ IsEncrypted: false, Values: { A: "b" } }));
  expect(await readLocalSettings(file)).toEqual({ A: "b" });
});

it.each([
  { text: `{"Values":{"A":1}}`, says: /local\.settings\.json: Values\.A: / },
  { text: "{", says: /local\.settings\.json is not JSON/ },
])("says of $text where it is wrong", async ({ text, says }) => {
  await writeFile(file, text);
  await expect(readLocalSettings(file)).rejects.toThrow(says);
  await expect(readLocalSettings(file)).rejects.toThrow(ConfigError);
});
