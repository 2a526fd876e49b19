import { UnavailableError } from "../../shared/errors.ts";
import { type Ports, watchPorts } from "./watched-ports.ts";

/** The ways to release a call that waits at its gate. */
export const RELEASES = [
  /** It does its work, and its reply arrives. */
  "answers",
  /** It does its work, and the replica is frozen before the reply arrives. The reply waits at a gate of its own. */
  "sleeps on its reply",
  /** It does nothing, and fails. */
  "fails",
  /** It does its work, and fails as if its reply was lost. */
  "loses its reply",
  "dies before it",
  "dies after it",
] as const;
export type Release = (typeof RELEASES)[number];

/**
 * The ports, as one replica sees them. Every call waits until the test lets it go, so that two replicas can interleave
 * in any way.
 */
export interface GatedPorts {
  readonly ports: Ports;
  /** The calls that wait, oldest first, such as `table.insert`. */
  waiting(): readonly string[];
  /**
   * Lets the waiting call at `index` go. If it dies, the whole replica dies with it, and none of its calls goes on.
   */
  release(index: number, how: Release): void;
  isAlive(): boolean;
}

export function makeGatedPorts(ports: Ports): GatedPorts {
  const gates: { readonly name: string; open(how: Release): void }[] = [];
  let alive = true;
  const gate = (name: string) => new Promise<Release>((open) => gates.push({ name, open }));
  const die = (): Promise<never> => {
    alive = false;
    gates.length = 0;
    return forever();
  };

  async function call(name: string, method: () => Promise<unknown>): Promise<unknown> {
    if (!alive) return forever();
    const how = await gate(name);
    if (how === "dies before it") return die();
    if (how === "fails") throw new UnavailableError(`${name} failed`);
    const result = await method();
    if (how === "dies after it") return die();
    if (how === "sleeps on its reply") {
      const later = await gate(`${name}'s reply`);
      if (later.startsWith("dies")) return die();
    }
    if (how === "loses its reply") throw new UnavailableError(`the reply of ${name} was lost`);
    return result;
  }
  return {
    ports: watchPorts(ports, call),
    waiting: () => gates.map(({ name }) => name),
    release: (index, how) => gates.splice(index, 1)[0]?.open(how),
    isAlive: () => alive,
  };
}

function forever(): Promise<never> {
  return new Promise(() => {});
}
