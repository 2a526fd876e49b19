/** What a person may do: look, or also see what senders wrote and change something. */
export type Role = "viewer" | "operator";

/** Who asks, as the door knows it by which the request came. */
export interface Caller {
  readonly role: Role;
  /** Whether the request has a secret that no other site can know. A browser then need not say where it comes from. */
  readonly hasToken: boolean;
  /**
   * Finds the name of the person, for the action log. It is asked only if something is to be changed. `command`: the
   * command that would do the same.
   */
  who(command: string): Promise<string>;
}
