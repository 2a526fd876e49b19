import type { Books, Finding } from "../audit/audit.ts";
import type { Planned } from "../stage/kinds.ts";
import type { Stage } from "../stage/stage.ts";
import type { LogBook } from "./log-book.ts";

/** What a storm is to be: its size, and how long what is bad about it lasts. */
export interface StormSize {
  readonly messages: number;
  readonly seed: number;
  /** How long a server is away or throttled, or an image is missing. */
  readonly outageMs: number;
}

/** One thing that has to hold beside the audit. */
export interface Check {
  /** What has to hold, as a claim. */
  readonly claim: string;
  readonly holds: boolean;
  /** What was counted. */
  readonly found: string;
}

/** What a storm sees of the world, and what it may do to it. */
export interface Scene {
  readonly stage: Stage;
  readonly size: StormSize;
  readonly lockMs: number;
  /** Sends messages, all at once. Everything that was sent has to end. */
  readonly send: (messages: readonly Planned[]) => Promise<void>;
  /** What the Dispatchers wrote so far. */
  readonly lines: Pick<LogBook, "linesWith" | "aheadMs">;
  /** Looks at this every second until it is so, or the patience is over. Resolves to whether it came about. */
  readonly until: (isSo: () => Promise<boolean> | boolean) => Promise<boolean>;
  readonly say: (text: string) => void;
}

/** Judges what only this storm is about, once everything is at rest. */
export type Judge = (books: Books) => readonly Check[];

export interface Storm {
  /** In a sentence. */
  readonly about: string;
  /** Unless a flag says otherwise. */
  readonly messages: number;
  /** Unless a flag says otherwise; 0 where nothing is away. */
  readonly outageMs: number;
  /** Beside the settings of each Dispatcher. */
  environmentOf?(slot: number): Readonly<Record<string, string>>;
  /** Sends, and does what is bad. Resolves, when that is over, to what is asked of the books beside the audit. */
  readonly rage: (scene: Scene) => Promise<Judge>;
  /** What the audit finds, and what is no fault in this storm: the price that the design names. */
  readonly allows?: (finding: Finding, books: Books) => boolean;
}
