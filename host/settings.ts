/** App settings by name, as a host reads them from its environment. */
export type Settings = Readonly<Record<string, string | undefined>>;

/**
 * The value of a binding's setting, in which `%NAME%` is replaced by that app setting. Throws an Error that names
 * binding and setting.
 */
export function resolveSetting(settings: Settings, value: unknown, where: string): string {
  if (typeof value !== "string" || value === "")
    throw new Error(`${where} is missing. Set it in the function's registration`);
  return value.replaceAll(/%([^%]+)%/g, (_, name: string) => {
    const found = settings[name];
    if (found === undefined) throw new Error(`${where} is "${value}", but the setting ${name} is missing. Set ${name}`);
    return found;
  });
}
