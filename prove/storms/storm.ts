import type { Finding, Records } from "../audit/audit.ts";
import type { PlannedMessage } from "../stage/kinds.ts";
import type { Stage } from "../stage/stage.ts";
import type { LogBook } from "./log-book.ts";

/** How many messages a storm sends, and how long its outage lasts. */
export interface StormSize {
  readonly messages: number;
  readonly seed: number;
  /** How long a server is away or throttled, or an image is missing. */
  readonly outageMs: number;
}

/** One thing that a storm checks beside the audit. */
export interface Check {
  /** What has to hold, as a claim. */
  readonly claim: string;
  readonly holds: boolean;
  /** What was found, in numbers. */
  readonly found: string;
}

/** The tools of a storm: what it can look at, and what it can do. */
export interface StormContext {
  readonly stage: Stage;
  readonly size: StormSize;
  readonly lockMs: number;
  /** Sends messages, many at once. Each of them has to end. */
  readonly send: (messages: readonly PlannedMessage[]) => Promise<void>;
  /** What the replicas have logged so far. */
  readonly lines: Pick<LogBook, "linesWith" | "aheadMs">;
  /** Checks every second until this is so, or the patience is over. Resolves to whether it came about. */
  readonly until: (isSo: () => Promise<boolean> | boolean) => Promise<boolean>;
  /** Tells the person who watches what happens. */
  readonly say: (text: string) => void;
}

/** Makes a storm's own checks, once everything is at rest. */
export type FinalChecks = (records: Records) => readonly Check[];

/** One kind of trouble for the Dispatcher, and what has to hold in it. */
export interface Storm {
  /** What happens in the storm, in one sentence. */
  readonly about: string;
  /** How many messages it sends, unless a flag says otherwise. */
  readonly messages: number;
  /** How long its outage lasts, unless a flag says otherwise; 0 if it has no outage. */
  readonly outageMs: number;
  /** Says that it has more rows at once than Azurite serves in time, so that the tables are kept elsewhere. */
  readonly hasManyRows?: boolean;
  /** Gives what a replica's environment has beside its settings. The replicas are counted from 0. */
  environmentOf?(replica: number): Readonly<Record<string, string>>;
  /**
   * Sends the messages and makes the outage. Resolves when that is over, to the checks of the records that come last.
   */
  readonly run: (context: StormContext) => Promise<FinalChecks>;
  /** Tells whether this storm allows a finding of the audit, because the design names it as the price. */
  readonly allows?: (finding: Finding, records: Records) => boolean;
}
