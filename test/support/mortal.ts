import { UnavailableError } from "../../shared/errors.ts";
import { type Ports, watchPorts } from "./watched-ports.ts";

/**
 * The things that can happen to a process at one of its calls. There is no "dies before", because it is the same as
 * dying after the call before.
 */
export const FATES = [
  /** The call does its work, and the process dies before the answer arrives. */
  "dies after",
  /** The call does nothing and fails. The process lives on. */
  "fails",
  /** The call does its work, and its reply never comes. The process lives on. */
  "loses the reply of",
  /** Other processes overtake this one, which goes on a moment later. */
  "pauses before",
  /** The process is frozen, and goes on long after. */
  "sleeps before",
  "sleeps after",
] as const;
export type Fate = (typeof FATES)[number];

export interface Mortal {
  readonly ports: Ports;
  /** The calls made so far, in order, such as `table.insert`. */
  readonly calls: readonly string[];
  /** Whether it still lives. */
  isAlive(): boolean;
}

/**
 * The ports, as one process sees them, with something that happens at its call number `at`, counted from 0. `pause` and
 * `sleep` run what goes on meanwhile.
 */
export function makeMortal(
  ports: Ports,
  fate?: { readonly kind: Fate; readonly at: number; pause(): Promise<void>; sleep(): Promise<void> },
): Mortal {
  const calls: string[] = [];
  let alive = true;
  const die = (): never => {
    alive = false;
    throw new Error("the process is dead");
  };
  async function call(name: string, method: () => Promise<unknown>): Promise<unknown> {
    if (!alive) die();
    const kind = fate?.at === calls.length ? fate.kind : undefined;
    calls.push(name);
    if (kind === "fails") throw new UnavailableError(`${name} failed`);
    if (kind === "pauses before") await fate?.pause();
    if (kind === "sleeps before") await fate?.sleep();
    const result = await method();
    if (kind === "dies after") die();
    if (kind === "loses the reply of") throw new UnavailableError(`the reply of ${name} was lost`);
    if (kind === "sleeps after") await fate?.sleep();
    return result;
  }
  return {
    ports: watchPorts(ports, call),
    calls,
    isAlive: () => alive,
  };
}
