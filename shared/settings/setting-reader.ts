import { parseDuration } from "../duration.ts";
import { isNcrontab } from "./ncrontab.ts";
import { SETTINGS, type Setting, type SettingName } from "./settings.ts";

/** Reads one setting after the other and remembers what is wrong, so that all of it is said at once. */
export class SettingReader {
  readonly problems: string[] = [];
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** An empty setting is none: charts and portals leave such. */
  optional(name: SettingName): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  text(name: SettingName): string {
    return this.optional(name) ?? settingOf(name).default ?? "";
  }

  matching(name: SettingName, pattern: RegExp, allowed: string): string {
    const value = this.text(name);
    if (!pattern.test(value)) this.refuse(name, allowed);
    return value;
  }

  schedule(name: SettingName): string {
    const value = this.text(name);
    if (!isNcrontab(value))
      this.refuse(name, "six NCRONTAB fields (second minute hour day month weekday), such as */10 * * * * *");
    return value;
  }

  duration(name: SettingName, min: string, max: string): number {
    const value = parseDuration(this.text(name)) ?? Number.NaN;
    const isWithin = value >= (parseDuration(min) ?? 0) && value <= (parseDuration(max) ?? 0);
    if (!isWithin) this.refuse(name, `a duration such as 30s, 5m, 1h or 30d, from ${min} to ${max}`);
    return value;
  }

  refuse(name: SettingName, allowed: string): void {
    const shown = settingOf(name).secret ? "its value (a secret, not shown)" : JSON.stringify(this.text(name));
    this.problem(`${name}: ${shown} is not allowed; write ${allowed}`);
  }

  problem(text: string): void {
    this.problems.push(text);
  }
}

function settingOf(name: SettingName): Setting {
  return SETTINGS.find((setting) => setting.name === name) ?? { name, description: "" };
}
