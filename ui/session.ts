import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Role } from "../shared/api/caller.ts";

/** Which Dispatcher this is, and what may be done here. */
export interface Session {
  readonly instance: string;
  readonly namespace: string;
  readonly place: string;
  readonly version: string;
  readonly role: Role;
  readonly mayChange: boolean;
}

export const SessionContext = createContext<Session>({
  instance: "",
  namespace: "",
  place: "",
  version: "",
  role: "viewer",
  mayChange: false,
});

export function useSession(): Session {
  return useContext(SessionContext);
}
