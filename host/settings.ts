/** App settings by name, as a host reads them from its environment. */
export type Settings = Readonly<Record<string, string | undefined>>;

/** The value of a binding's setting, `%NAME%` replaced by that app setting. Throws an Error that names binding and setting. */
export function resolveSetting(settings: Settings, value: unknown, where: string): string {
  if (typeof value !== "string" || value === "") throw new Error(`${where} is missing`);
  return value.replaceAll(/%([^%]+)%/g, (_, name: string) => {
    const found = settings[name];
    if (found === undefined) throw new Error(`${where} is "${value}", but there is no setting ${name}`);
    return found;
  });
}
