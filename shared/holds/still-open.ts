import type { Dependencies } from "../dependencies.ts";
import type { RunKey } from "../run/run.ts";

/**
 * Gives those of the runs that still wait for their messages. A missing message says nothing of a run that has its
 * verdict by now: this replica may have slept since it read the row, while another one settled the message.
 */
export async function stillOpen<Key extends RunKey>(
  { table }: Pick<Dependencies, "table">,
  keys: readonly Key[],
): Promise<Key[]> {
  const open: Key[] = [];
  for (const key of keys) {
    const found = await table.find(key);
    if (found.kind === "open" && found.stored.run.verdict === undefined) open.push(key);
  }
  return open;
}
