import type { Edge } from "./edges.ts";

/** One call of a replica, stopped on its way to a server. */
export interface Call<Answer> {
  /** The replica that makes the call, counted from 0. */
  readonly replica: number;
  /**
   * Names what the app does by this call. A transaction on rows can have several names; a call that `edges.ts` doesn't
   * list has none.
   */
  readonly edges: readonly Edge[];
  /** Names the call as the server would. The report prints this for a call without an edge. */
  readonly asked: string;
  /** Sends the call to the server, and resolves to its answer. */
  carryOut(): Promise<Answer>;
  /** Drops what the server sends. Only a delivery has this, because the server waits for no answer to it. */
  loseOnTheWay?(): void;
  /** Makes the answer with which the server would refuse the call. */
  refusal(status: number): Answer;
  /** Tells whether the server did what it was asked for. Only then a fault can happen "after" the call. */
  worked(answer: Answer): boolean;
}

/** What the replica gets instead of an answer: its connection or its link breaks, or it hears nothing more. */
export type NoAnswer = "cut" | "detach" | "silence";

/** Decides for each call of a replica what becomes of it. */
export interface CallHandler {
  /**
   * Sends the call to its server, or does not. Resolves to what the replica gets. Rejects if the server can't be
   * reached.
   */
  handle<Answer>(call: Call<Answer>): Promise<Answer | NoAnswer>;
}
