import { UnavailableError } from "../../shared/errors.ts";

/** Does something again for as long as it fails because other processes had the processor. */
export function withTheProcessor<T>(act: () => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof UnavailableError) || attempt === 60) throw error;
    }
  }
}
