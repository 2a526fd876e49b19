import { parseDuration } from "../duration.ts";
import { isNcrontab } from "./ncrontab.ts";
import { SETTINGS, type Setting, type SettingName } from "./settings.ts";

/** Reads one setting after the other and collects the mistakes, so that one error can name them all. */
export class SettingReader {
  readonly problems: string[] = [];
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** Reads a setting; undefined if it is not set or empty, because charts and portals leave empty ones. */
  optional(name: SettingName): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  /** Reads what only a host reads, and this app never sets. Undefined if it is not set or empty. */
  ofHost(name: `AzureWebJobs${string}`): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  /** Reads a setting, or its default. */
  text(name: SettingName): string {
    return this.optional(name) ?? settingOf(name).default ?? "";
  }

  /** Reads a setting that has to match. */
  matching(name: SettingName, pattern: RegExp, allowed: string): string {
    const value = this.text(name);
    if (!pattern.test(value)) this.refuse(name, allowed);
    return value;
  }

  /** Reads a schedule. */
  schedule(name: SettingName): string {
    const value = this.text(name);
    if (!isNcrontab(value))
      this.refuse(name, "six NCRONTAB fields (second minute hour day month weekday), such as */10 * * * * *");
    return value;
  }

  /** Reads a duration, as milliseconds. */
  duration(name: SettingName, min: string, max: string): number {
    const value = parseDuration(this.text(name)) ?? Number.NaN;
    const isWithin = value >= (parseDuration(min) ?? 0) && value <= (parseDuration(max) ?? 0);
    if (!isWithin) this.refuse(name, `a duration such as 30s, 5m, 1h or 30d, from ${min} to ${max}`);
    return value;
  }

  /** Notes that a setting's value is not allowed, and which values are. Never shows a secret. */
  refuse(name: SettingName, allowed: string): void {
    const shown = settingOf(name).secret ? "its value (a secret, not shown)" : JSON.stringify(this.text(name));
    this.problem(`${name}: ${shown} is not allowed; write ${allowed}`);
  }

  /** Notes a mistake. */
  problem(text: string): void {
    this.problems.push(text);
  }
}

function settingOf(name: SettingName): Setting {
  return SETTINGS.find((setting) => setting.name === name) ?? { name, description: "" };
}
