import leven from "leven";
import { SETTINGS } from "./settings.ts";

/**
 * What the Functions host, `DefaultAzureCredential` and the runtimes read, beside the app's own settings. Names are
 * compared without their case.
 */
const OF_OTHERS = [
  /^AzureFunctionsJobHost__/i,
  /^AzureWebJobs/i,
  /^ServiceBus__/i,
  /^(FUNCTIONS|AZURE|WEBSITE|APPLICATIONINSIGHTS|APPINSIGHTS|NODE|languageWorkers)_/i,
  /^(HTTPS?_PROXY|NO_PROXY|ALL_PROXY|NODE_EXTRA_CA_CERTS)$/i,
];

/** So many letters may be wrong in a name that still passes for a slip of the pen. */
const SLIPS = 2;

/**
 * Says which names of a settings file no program reads, a sentence for each. It has the setting that is nearly called
 * so, if there is one.
 */
export function unknownSettings(values: Readonly<Record<string, string>>): string[] {
  return Object.keys(values).flatMap((name) => {
    if (isKnown(name)) return [];
    const { setting, wrong } = nearest(name);
    if (wrong <= SLIPS) return [`${name}: no program reads this setting; did you mean ${setting}?`];
    if (OF_OTHERS.some((pattern) => pattern.test(name))) return [];
    return [`${name}: no program reads this setting; docs/settings.md lists all settings`];
  });
}

/**
 * Says which names of an environment are a slip away from one of the app's settings. An environment is full of names
 * that are none of ours, so only those are told.
 */
export function misspeltSettings(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(env).flatMap((name) => {
    if (isKnown(name) || OF_OTHERS.some((pattern) => pattern.test(name))) return [];
    const { setting, wrong } = nearest(name);
    if (wrong > 1) return [];
    return [`${name}: no program reads this variable; did you mean ${setting}?`];
  });
}

function isKnown(name: string): boolean {
  return SETTINGS.some((setting) => setting.name === name);
}

/** The setting with the nearest name. Case and underscores don't count as wrong letters. */
function nearest(name: string): { readonly setting: string; readonly wrong: number } {
  const distances = SETTINGS.map((setting) => ({
    setting: setting.name,
    wrong: leven(letters(name), letters(setting.name)),
  }));
  return distances.reduce((best, one) => (one.wrong < best.wrong ? one : best));
}

function letters(name: string): string {
  return name.toLowerCase().replaceAll("_", "");
}
