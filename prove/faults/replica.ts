/** One replica under proof, as far as a fault can reach it. */
export interface Replica {
  readonly isUp: boolean;
  /** Rises with each process that takes the replica's place. */
  readonly generation: number;
  kill(): void;
  /** Freezes the process for so long. Resolves when the process runs again. */
  freeze(ms: number): Promise<void>;
  /** Freezes the process until `woken` resolves. Resolves when the process runs again. */
  freezeUntil(woken: Promise<unknown>): Promise<void>;
}
