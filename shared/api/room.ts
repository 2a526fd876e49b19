import type { Dependencies } from "../dependencies.ts";
import { UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { makeOperator, type Operator } from "../operate/operator.ts";
import { sharedWhileUnderWay } from "../under-way.ts";
import type { Room } from "./route.ts";

/** The version in package.json: `build.js` puts it here. */
declare const PACKAGE_VERSION: string;

/** The Functions host ends its whole worker if a function takes five minutes. */
const LONGEST_AUDIT_MS = 4 * 60_000;

/** Makes what the routes work on, of one Dispatcher. */
export function makeRoom(
  deps: Dependencies,
  log: Log,
  of: Pick<Room, "place" | "target" | "fileMistakes" | "mayChange">,
): Room {
  const { clock, instance, namespace } = deps;
  const operator = makeOperator(deps, log);
  return { operator, audit: makeAudit(deps, operator), clock, instance, namespace, version: PACKAGE_VERSION, ...of };
}

/** Makes the audit of all who ask here. It reads everything, so that they share one, and what takes too long is cut off. */
export function makeAudit({ clock }: Pick<Dependencies, "clock">, operator: Pick<Operator, "audit">): Room["audit"] {
  return sharedWhileUnderWay(() => {
    const began = clock.read().monotonicMs;
    return operator.audit(() => {
      if (clock.read().monotonicMs - began > LONGEST_AUDIT_MS)
        throw new UnavailableError(
          "It was cut off after 4 minutes. At a desk it may take as long as it needs: dispatcher audit",
        );
    });
  });
}
