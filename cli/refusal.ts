/** The command can't do what it was told. The message says in a sentence what is wrong, and then what to do. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}
