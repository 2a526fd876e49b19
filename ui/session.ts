import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Role } from "../shared/api/caller.ts";

/** Which Dispatcher this is, and what may be done here. */
export interface Session {
  readonly instance: string;
  readonly namespace: string;
  readonly place: string;
  /** The flags that a command needs to be about this Dispatcher, each after a space. */
  readonly target: string;
  readonly version: string;
  readonly role: Role;
  readonly mayChange: boolean;
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only what says that the page is locked is not inside.
export const SessionContext = createContext({ target: "" } as Session);

export function useSession(): Session {
  return useContext(SessionContext);
}
