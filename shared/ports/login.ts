/** A person, as a login that was checked says. */
export interface Person {
  /** For the action log, such as `ada@acme.example`. */
  readonly name: string;
  /** The groups that the person is in, by the ids that the issuer gives them. */
  readonly groups: readonly string[];
}

/** Tells from a token who has logged in. */
export interface Login {
  /**
   * Resolves to the person whom the issuer's signature vouches for, or to a sentence that says why the token is refused.
   * Rejects with an UnavailableError if the issuer can't be asked for its keys.
   */
  personOf(token: string): Promise<Person | { readonly refused: string }>;
}
