/** What a person may do. Each role may also do what those before it may. docs/page.md says which may do what. */
export const ROLES = ["viewer", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

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

/** Whether a role may do what takes `least`. */
export function isAtLeast(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}
