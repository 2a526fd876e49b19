import { makeLog } from "../shared/log.ts";
import { makeDependencies } from "../shared/make-dependencies.ts";
import { PLACES, type RunTable } from "../shared/ports/run-table.ts";
import { runId } from "../shared/run/run.ts";
import { type Source, sourceName } from "../shared/run/source.ts";
import { findOnThisMachine } from "./target/find-target.ts";
import { lazyAdapters } from "./target/lazy-adapters.ts";

/** So many ids are offered: more than anybody reads. */
const MOST = 100;
/** So many runs of each place of a source are looked through, if the numbers of their messages have to fit. */
const LOOKED = 1_000;
/** A shell waits for no more than this. */
const PATIENCE_MS = 1_500;

/**
 * Names open runs whose ids begin like this, for the completion of a shell: those at work first, and then those that
 * wait. It asks the table of the Dispatcher that this machine names, and no cluster, because reading a release from
 * there takes longer than a person waits. Whatever fails, or takes too long, has no names.
 */
export async function runIds(beginning: string): Promise<readonly string[]> {
  const silence = makeLog({ info: () => {}, warn: () => {}, error: () => {} });
  const look = async () => {
    const found = await findOnThisMachine();
    if (!found) return [];
    const { table, instanceTable } = makeDependencies(found.settings, silence, lazyAdapters().adapters, {
      read: { modules: [], wrongFiles: [] },
    });
    return idsIn(table, await instanceTable.sources(), beginning);
  };
  const patience = new Promise<readonly string[]>((resolve) => {
    setTimeout(resolve, PATIENCE_MS, []).unref();
  });
  return Promise.race([look().catch(() => []), patience]);
}

/** Lists up to 100 open runs of these sources whose ids begin like this. */
export async function idsIn(
  table: Pick<RunTable, "inPlace">,
  sources: readonly Source[],
  beginning: string,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const source of sources) {
    const name = `${sourceName(source)}:`;
    if (!name.startsWith(beginning) && !beginning.startsWith(name)) continue;
    const limit = beginning.length > name.length ? LOOKED : MOST;
    for (const place of PLACES) {
      if (ids.length >= MOST) break;
      const runs = await table.inPlace(source, place, limit);
      ids.push(...runs.map(({ run }) => runId(run)).filter((id) => id.startsWith(beginning)));
    }
  }
  return ids.slice(0, MOST);
}
