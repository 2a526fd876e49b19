import type { Doing } from "../../shared/operate/by.ts";

/** A person who acts, and says why. */
export const BY_HAND: Doing = { by: { who: "ada@laptop", why: "it has to be" } };
