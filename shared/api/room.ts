import type { Dependencies } from "../dependencies.ts";
import type { Log } from "../log.ts";
import { makeOperator } from "../operate/operator.ts";
import type { Room } from "./route.ts";

/** The version in package.json: `build.js` puts it here. */
declare const PACKAGE_VERSION: string;

/** Makes what the routes work on, of one Dispatcher. */
export function makeRoom(deps: Dependencies, log: Log, of: Pick<Room, "place" | "fileMistakes" | "mayChange">): Room {
  const { clock, instance, namespace } = deps;
  return { operator: makeOperator(deps, log), clock, instance, namespace, version: PACKAGE_VERSION, ...of };
}
