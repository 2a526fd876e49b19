import { makeOperator } from "../../shared/operate/operator.ts";
import { findingText } from "../repair/words.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { plainText } from "../text/plain-text.ts";
import { print } from "../text/print.ts";

/** Lists what only a person may repair. Resolves to 1 if there is anything. */
export async function audit(flags: TargetFlags): Promise<number> {
  const target = await openTarget(flags);
  try {
    const found = await makeOperator(target.deps, target.log).audit();
    for (const finding of found) print(plainText(findingText(finding, target.deps.namespace)));
    if (found.length === 0) print("nothing needs to be repaired");
    return found.length === 0 ? 0 : 1;
  } finally {
    await target.close();
  }
}
