import { Cron } from "croner";
import type { EpochMs } from "../clock.ts";

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/** The six fields in order: seconds, minutes, hours, day of the month, month, day of the week. */
const FIELDS: readonly { min: number; max: number; names?: readonly string[] }[] = [
  { min: 0, max: 59 },
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
];

/** How croner reads such an expression as the Functions host does. */
export const NCRONTAB = { mode: "6-part", timezone: "UTC", domAndDow: true } as const;

/** Says when a schedule is due next after a time, in ms since 1970; undefined if never. */
export function nextOccurrence(schedule: string, afterMs: EpochMs): EpochMs | undefined {
  return new Cron(schedule, NCRONTAB).nextRun(new Date(afterMs))?.getTime();
}

/** Whether this is a six-field NCRONTAB expression, as the Functions timer takes it: lists, ranges, steps and names. */
export function isNcrontab(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  return fields.length === FIELDS.length && FIELDS.every((field, index) => isField(fields[index] ?? "", field));
}

function isField(text: string, field: (typeof FIELDS)[number]): boolean {
  return text.split(",").every((item) => {
    const [range = "", step, ...more] = item.split("/");
    if (more.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step))) return false;
    if (range === "*") return true;
    const [from, to, ...rest] = range.split("-").map((value) => numberOf(value, field));
    if (rest.length > 0 || from === undefined) return false;
    return range.includes("-") ? to !== undefined && from <= to : true;
  });
}

function numberOf(text: string, { min, max, names = [] }: (typeof FIELDS)[number]): number | undefined {
  const name = names.indexOf(text.slice(0, 3).toUpperCase());
  if (name >= 0 && /^[A-Za-z]+$/.test(text)) return min + name;
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const number = Number(text);
  return number >= min && number <= max ? number : undefined;
}
