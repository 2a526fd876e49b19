import { DEEDS } from "./deeds.ts";
import { LOOKS } from "./looks.ts";
import type { Route } from "./route.ts";

/** Everything that may be asked of the API, below `/api/v1`. */
export const ROUTES: readonly Route[] = [...LOOKS, ...DEEDS];

/** A route, and the parameters of its path. */
export interface Match {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

/** Finds the routes of a path, one for each method. Empty if there is none. */
export function routesAt(path: string, routes: readonly Route[] = ROUTES): Match[] {
  const parts = path.split("/").map(decoded);
  const matches = routes.flatMap((route) => {
    const wanted = route.path.split("/");
    const taken: Record<string, string> = {};
    const fits =
      wanted.length === parts.length &&
      wanted.every((step, index) => {
        const part = parts[index];
        const name = /^\{(\w+)\}$/.exec(step)?.[1];
        if (name === undefined) return step === part;
        if (part === undefined || part === "") return false;
        taken[name] = part;
        return true;
      });
    return fits ? [{ route, path: taken }] : [];
  });
  // A path that is written out is meant before one that has a parameter in the same place.
  return matches.toSorted((a, b) => Object.keys(a.path).length - Object.keys(b.path).length);
}

/** Undefined if it can't be decoded, which fits no route. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
