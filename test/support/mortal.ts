import { UnavailableError } from "../../shared/errors.ts";
import { type Ports, watchPorts } from "./watched-ports.ts";

/**
 * The things that can happen to a replica at one of its calls. There is no "dies before", because it is the same as
 * dying after the call before.
 */
export const FATES = [
  /** The call does its work, and the replica dies before the answer arrives. */
  "dies after",
  /** The call does nothing and fails. The replica lives on. */
  "fails",
  /** The call does its work, and fails as if its reply was lost. The replica lives on. */
  "loses the reply of",
  /** Other replicas overtake this one, which goes on a moment later. */
  "is overtaken before",
  /** The replica is frozen, and goes on long after. */
  "sleeps before",
  "sleeps after",
] as const;
export type Fate = (typeof FATES)[number];

export interface Mortal {
  readonly ports: Ports;
  /** The calls made so far, in order, such as `table.insert`. */
  readonly calls: readonly string[];
  /** Whether the replica still lives. */
  isAlive(): boolean;
}

/**
 * The ports, as one replica sees them, with something that happens at its call number `at`, counted from 0. `overtake`
 * and `sleep` run what goes on meanwhile.
 */
export function makeMortal(
  ports: Ports,
  fate?: { readonly kind: Fate; readonly at: number; overtake(): Promise<void>; sleep(): Promise<void> },
): Mortal {
  const calls: string[] = [];
  let alive = true;
  const die = (): never => {
    alive = false;
    throw new Error("the replica is dead");
  };
  async function call(name: string, method: () => Promise<unknown>): Promise<unknown> {
    if (!alive) die();
    const kind = fate?.at === calls.length ? fate.kind : undefined;
    calls.push(name);
    if (kind === "fails") throw new UnavailableError(`${name} failed`);
    if (kind === "is overtaken before") await fate?.overtake();
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
