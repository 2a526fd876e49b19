import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ConfigError, errorText } from "../errors.ts";

const settingsFile = z.object({ Values: z.record(z.string(), z.string()).default({}) });

/**
 * Reads the `Values` of a local.settings.json; none if there is no such file. Throws a ConfigError that names file and
 * field.
 */
export async function readLocalSettings(file: string): Promise<Record<string, string>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw new ConfigError(`${file} can't be read (${errorText(error)}); make it readable, or remove it`, {
      cause: error,
    });
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${file} is not JSON (${errorText(error)}); correct it`, { cause: error });
  }
  const parsed = settingsFile.safeParse(content);
  if (parsed.success) return parsed.data.Values;
  const [issue] = parsed.error.issues;
  throw new ConfigError(`${file}: ${issue?.path.join(".")}: ${issue?.message}`);
}
