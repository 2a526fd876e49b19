import type { LookDependencies } from "../../dependencies.ts";
import { filesOf } from "../../judge/files-of.ts";
import { gateOf } from "../../judge/gate-of.ts";
import type { LastTick, StoredSourceHold } from "../../ports/instance-table.ts";
import { type ClusterHold, type ClusterRecord, holdOf } from "../../run/cluster-record.ts";
import { type GateState, gateName, isShut } from "../../run/gate-state.ts";
import { isInForce, type ModuleLimit } from "../../run/module-limit.ts";
import type { ModuleState, TrippedModule } from "../../run/module-state.ts";
import { type EndsBySlot, type RecentEnds, recentEnds } from "../../run/recent-ends.ts";
import type { Run } from "../../run/run.ts";
import { type Source, sourceKey } from "../../run/source.ts";
import { tripsIn } from "../../start/breakers.ts";
import { type Sought, sought } from "./sought.ts";

/** What the instance's own rows say, and which cluster is seen. */
export interface InstanceState {
  readonly tick: LastTick | undefined;
  /** How many runs were closed in the last hour. */
  readonly ends: RecentEnds;
  /** The same, as the replicas noted them. */
  readonly endsBySlot: EndsBySlot | undefined;
  /** The tripped modules, by name. */
  readonly trips: ReadonlyMap<string, TrippedModule>;
  /** The states of all modules that ever had trouble, by name. */
  readonly moduleStates: ReadonlyMap<string, ModuleState>;
  /** The limits of modules that are in force, by name. */
  readonly limits: ReadonlyMap<string, ModuleLimit>;
  readonly shutGates: readonly GateState[];
  /** All gates that ever counted a rejection, whatever files they are known of. */
  readonly gates: readonly GateState[];
  readonly heldSources: readonly StoredSourceHold[];
  readonly record: ClusterRecord | undefined;
  /** Why nothing starts in this cluster; `null` if something may. */
  readonly clusterHold: Sought<ClusterHold>;
}

/** Reads it, all at once: seven requests to the table, and one to the cluster. Rejects if the table is away. */
export async function readInstance(deps: LookDependencies): Promise<InstanceState> {
  const { instanceTable, modules } = deps;
  const [tick, ends, states, limits, storedGates, heldSources, stored, uid] = await Promise.all([
    instanceTable.lastTick(),
    instanceTable.ends(),
    instanceTable.moduleStates(),
    instanceTable.limits(),
    instanceTable.gateStates(),
    instanceTable.heldSources(),
    instanceTable.cluster(),
    sought(deps.cluster.namespaceUid()),
  ]);
  const record = stored?.record;
  const gates = storedGates.map(({ state }) => state);
  return {
    tick,
    ends: recentEnds(ends?.ends, deps.clock.now()),
    endsBySlot: ends?.ends,
    trips: tripsIn(modules, states),
    moduleStates: new Map(states.map(({ state }) => [state.module, state])),
    limits: new Map(
      limits.flatMap(({ limit }) => (isInForce(limit, deps.clock.now()) ? [[limit.module, limit] as const] : [])),
    ),
    shutGates: gates.filter((state) => isShut(state, filesOf(state.scope, modules.values()))),
    gates,
    heldSources,
    record,
    clusterHold: "unavailable" in uid ? uid : { found: (record && holdOf(record, uid.found ?? undefined)) ?? null },
  };
}

/** Says why nothing starts in the cluster that is seen; `null` if something may, or if the cluster is away. */
export function holdOnCluster({ clusterHold }: InstanceState): ClusterHold | null {
  return "found" in clusterHold ? clusterHold.found : null;
}

/** Finds the hold of a source. */
export function holdOfSource({ heldSources }: InstanceState, source: Source): StoredSourceHold | undefined {
  return heldSources.find((held) => sourceKey(held.source) === sourceKey(source));
}

/** Finds the shut gate at which a held run stands. */
export function gateOfRun(
  { modules }: Pick<LookDependencies, "modules">,
  { shutGates }: InstanceState,
  run: Run,
): GateState | undefined {
  const scope = gateOf(modules, run);
  if (scope === undefined) return undefined;
  const name = gateName(scope).toLowerCase();
  return shutGates.find((gate) => gateName(gate.scope).toLowerCase() === name);
}
