import type { Bus } from "./bus.ts";
import type { Values } from "./check-values.ts";
import type { Environment } from "./environment.ts";

/** The deployed environment, as the checks use it. All calls reject if the person interrupts the run. */
export interface Azure {
  readonly environment: Environment;
  /** The object id of the principal of this run. */
  readonly principalId: string;
  readonly bus: Bus;
  /**
   * Deploys with infra/deploy.sh: the first time with the image that the flags name, then with the same image again.
   * Sections of values replace the usual ones. Resolves to all that the script said. Rejects with a CommandError if it
   * fails.
   */
  readonly deploy: (changes?: Values) => Promise<string>;
  /** Uninstalls with infra/deploy.sh, likewise. */
  readonly uninstall: () => Promise<string>;
  /** Runs az. Resolves to its standard output without the last line break. Rejects with a CommandError if it fails. */
  readonly az: (...args: readonly string[]) => Promise<string>;
  /** Runs kubectl on the cluster, likewise. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  /** Sends a body to a queue or topic with the command of npm run send, by the login of az. */
  readonly sendByLogin: (entity: string, body: string) => Promise<void>;
  /** Fetches a kubeconfig of the cluster for `kubectl`. */
  readonly getCredentials: () => Promise<void>;
  /** Asks every 10 s whether something has come about. Resolves to whether it did within that time. */
  readonly until: (isSo: () => Promise<boolean>, minutes: number) => Promise<boolean>;
  /** The time in ms since 1970. */
  readonly now: () => number;
}
