import { readFile } from "node:fs/promises";
import { z } from "zod";

const settingsFile = z.object({ Values: z.record(z.string(), z.string()).default({}) });

/** The `Values` of a local.settings.json; none where there is no such file. Throws an Error that names file and field. */
export async function readLocalSettings(file: string): Promise<Record<string, string>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const parsed = settingsFile.safeParse(content);
  if (parsed.success) return parsed.data.Values;
  const [issue] = parsed.error.issues;
  throw new Error(`${file}: ${issue?.path.join(".")}: ${issue?.message}`);
}

/**
 * Whether the settings name a real service for this connection: an identity-based one (`__fullyQualifiedNamespace`, `__accountName`, ...), or
 * a connection string that is not one of the development kind.
 */
export function isReal(settings: Readonly<Record<string, string>>, connection: string): boolean {
  const value = settings[connection]?.trim() ?? "";
  if (value !== "") return !/UseDevelopmentEmulator=true|UseDevelopmentStorage=true|devstoreaccount1/i.test(value);
  return Object.entries(settings).some(([name, set]) => name.startsWith(`${connection}__`) && set.trim() !== "");
}
