import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { causeWithoutModule, mistakesFor } from "../../modules/wrong-file.ts";
import { sourcesInOrder } from "../../observe/open-runs.ts";
import { type Count, MOST_COUNTED, type ModuleLater, type ModuleQueue } from "../../ports/run-table.ts";
import type { Spread } from "../../run/durations.ts";
import { type GateState, gateName } from "../../run/gate-state.ts";
import { type ModuleLimit, slotsBy } from "../../run/module-limit.ts";
import { isTripped, type TrippedModule } from "../../run/module-state.ts";
import { type EndsLately, type EndsOf, endsLately, endsOf, type Took, tookLately } from "../../run/recent-ends.ts";
import { isAtWork, type Redrive } from "../../run/redrive.ts";
import { type Source, sourceKey } from "../../run/source.ts";
import type { CountsBy, ModuleAtWork } from "../../run/tick-counts.ts";
import { type InstanceState, readInstance } from "./instance-state.ts";
import { type Problem, problemsIn } from "./problems.ts";

/**
 * Why a run waits for its time, as far as its row says.
 *
 * - `module-removed`, `module-tripped`: it would not start if its time had come.
 * - `module-unread`: the file of its module is wrong, so that nothing is known of the module.
 * - `message-unseen`: a look did not find its message on the bus, and is repeated.
 * - `back-off`: an attempt ended, and the next one waits.
 * - `put-off`: its first attempt could not start just now: a quota is full, or a server was away. The row doesn't say
 *   which.
 */
type LaterCause = "module-removed" | "module-unread" | "module-tripped" | "message-unseen" | "back-off" | "put-off";

/** One module: how much of it works, and how much waits, and for what. */
export interface ModuleStatus {
  /** Empty stands for the messages that no module takes. */
  readonly module: string;
  /** Undefined if only the ticks speak of the module. */
  readonly source: Source | undefined;
  /** The most Jobs at once, by its limit or else by its file. Undefined if the file is gone, or wrong. */
  readonly slots: number | undefined;
  /** The same by its file alone. */
  readonly maxActive: number | undefined;
  /**
   * What is wrong with its file, each with file, line and column. A running Dispatcher goes on with the form that it read
   * before. Empty if the file is right, or gone.
   */
  readonly fileMistakes: readonly string[];
  /** Whether the last tick had another form of its file than the one that was read here. */
  readonly isOtherForm: boolean;
  /** A person's limit; with 0 slots the module is paused. Undefined if there is none. */
  readonly limit: ModuleLimit | undefined;
  /** As the last tick read them. Undefined if that tick was an older release's. */
  readonly atWork: Omit<ModuleAtWork, "oldestAt"> | undefined;
  readonly inLine: Count;
  readonly later: Count & { readonly causes: CountsBy<LaterCause> };
  readonly held: Count;
  /**
   * When the message of the oldest open run was enqueued, or redriven, as far as was looked. Undefined if no run is open.
   */
  readonly oldestAt: EpochMs | undefined;
  /**
   * Undefined unless the module is tripped. If its file is wrong, it may be tripped no more: the row says so of the
   * template whose Jobs could not start, and the running Dispatcher may have another one by now.
   */
  readonly trip: { readonly since: EpochMs; readonly why: string; readonly probeAt: EpochMs } | undefined;
  /** Undefined unless its gate is shut. If its file is wrong, that is believed as long as runs are held there. */
  readonly gate: { readonly name: string; readonly since: EpochMs; readonly problem: string } | undefined;
  /** The runs that were closed in the last hour, by outcome, or since the first end of all. */
  readonly ends: EndsOf;
  /** How many of them were done and how many failed, by slots of five minutes. */
  readonly lately: EndsLately;
  /** How long those took that were done or failed in the last hour. What nothing tells is missing. */
  readonly took: Partial<Took<Spread>>;
}

export interface Status {
  readonly instance: string;
  readonly namespace: string;
  /** When this was read, by the table service's clock. */
  readonly at: EpochMs;
  /** Undefined before the first tick. While nothing is open, only one tick a minute is noted. */
  readonly tick: { readonly at: EpochMs; readonly ageMs: number } | undefined;
  /** The replica that ticks, or last did. */
  readonly ticker: string | undefined;
  /** By source, then by name. */
  readonly modules: readonly ModuleStatus[];
  /** The redrives that are at work. */
  readonly redrives: readonly Redrive[];
  readonly problems: readonly Problem[];
}

/**
 * Shows what runs, what waits and why, and what is wrong, module by module. The runs at work are those that the last tick
 * counted, so that it costs the same however many runs are open or closed: ten requests to the table and one to the
 * cluster, and for each source one request for the lines, one for what is held and one for what waits for its time; a
 * few more if a line has 1,000 or more. All are sent at once, but those of a source only once the sources are known.
 * Rejects with an UnavailableError if the table is away.
 */
export async function status(deps: LookDependencies): Promise<Status> {
  const [instance, lease, waiting, redrives] = await Promise.all([
    readInstance(deps),
    deps.instanceTable.tickLease(),
    readAllWaiting(deps),
    deps.instanceTable.redrives(),
  ]);
  const now = deps.clock.now();
  const modules = modulesOf(deps, instance, waiting);
  const { tick } = instance;
  return {
    instance: deps.instance,
    namespace: deps.namespace,
    at: now,
    tick: tick && { at: tick.at, ageMs: now - tick.at },
    ticker: lease?.lease.holder,
    modules,
    redrives: redrives.map(({ redrive }) => redrive).filter(isAtWork),
    problems: problemsIn(instance, modules, now),
  };
}

/** What waits of one source. */
interface Waiting {
  readonly source: Source;
  readonly lines: readonly ModuleQueue[];
  readonly held: readonly ModuleQueue[];
  readonly later: readonly ModuleLater[];
  /** Whether more runs may wait for their time than were counted. They may be of any module. */
  readonly isMoreLater: boolean;
}

async function readAllWaiting(deps: LookDependencies): Promise<Waiting[]> {
  const sources = await sourcesInOrder(deps);
  return Promise.all(sources.map((source) => readWaiting(deps, source)));
}

async function readWaiting({ table }: LookDependencies, source: Source): Promise<Waiting> {
  const [lines, held, { modules: later, isMore: isMoreLater }] = await Promise.all([
    table.queues(source, "line", MOST_COUNTED),
    table.queues(source, "held", MOST_COUNTED),
    table.laterCounts(source, MOST_COUNTED),
  ]);
  return { source, lines, held, later, isMoreLater };
}

/** Lists the modules of the files, and those of which only rows or ticks speak. */
function modulesOf(deps: LookDependencies, instance: InstanceState, all: readonly Waiting[]): ModuleStatus[] {
  const { counts } = instance.tick ?? {};
  const found: ModuleStatus[] = [];
  const named = new Set<string>();
  for (const waiting of all) {
    const names = new Set([
      ...[...deps.modules.values()]
        .filter(({ source }) => sourceKey(source) === sourceKey(waiting.source))
        .map(({ name }) => name),
      ...[...waiting.lines, ...waiting.held, ...waiting.later].map(({ module }) => module),
    ]);
    for (const name of [...names].toSorted()) {
      found.push(moduleStatus(deps, instance, waiting, name));
      named.add(name);
    }
  }
  const counted = new Set([...Object.keys(counts?.atWork ?? {}), ...Object.keys(instance.ends.modules)]);
  for (const name of [...counted].toSorted())
    if (!named.has(name)) found.push(moduleStatus(deps, instance, undefined, name));
  return found;
}

function moduleStatus(
  deps: LookDependencies,
  instance: InstanceState,
  waiting: Waiting | undefined,
  name: string,
): ModuleStatus {
  const { counts } = instance.tick ?? {};
  const source = waiting?.source;
  const module = deps.modules.get(name);
  const isOfSource = module !== undefined && source !== undefined && sourceKey(module.source) === sourceKey(source);
  const line = waiting?.lines.find((queue) => queue.module === name);
  const held = waiting?.held.find((queue) => queue.module === name);
  const later = waiting?.later.find((one) => one.module === name);
  const fileMistakes = module === undefined && name !== "" ? mistakesFor(deps, name) : [];
  // The gate of a source is known of all its modules' files.
  const isUnread = name === "" ? deps.wrongFiles.length > 0 : fileMistakes.length > 0;
  const limit = isOfSource || fileMistakes.length > 0 ? instance.limits.get(name) : undefined;
  const trip = isOfSource ? instance.trips.get(name) : fileMistakes.length > 0 ? lastTrip(instance, name) : undefined;
  // A module that moved to another source has its counts there.
  const isCounted = isOfSource || module === undefined;
  const working = isCounted ? counts?.atWork[name] : undefined;
  const endsBySlot = isCounted ? instance.endsBySlot : undefined;
  const now = deps.clock.now();
  const { oldestAt: oldestAtWork, ...atWork } = working ?? NOTHING_AT_WORK;
  const times = [line?.firstAt, held?.firstAt, oldestAtWork, later?.oldestAt];
  const oldestAt = Math.min(...times.filter((time) => time !== undefined));
  const maxActive = isOfSource ? module.maxActive : undefined;
  return {
    module: name,
    source,
    slots: slotsBy(limit, maxActive),
    maxActive,
    fileMistakes,
    isOtherForm: module !== undefined && counts?.files !== undefined && counts.files[name] !== module.fileDigest,
    limit,
    atWork: counts && atWork,
    inLine: countOf(line),
    later: {
      count: later?.count ?? 0,
      isMore: waiting?.isMoreLater ?? false,
      causes: later
        ? causesOf(later, {
            noModule: isOfSource ? undefined : causeWithoutModule(deps, name),
            isTripped: trip !== undefined,
          })
        : {},
    },
    held: countOf(held),
    oldestAt: Number.isFinite(oldestAt) ? oldestAt : undefined,
    trip: trip && { since: trip.trippedAt, why: trip.detail, probeAt: trip.probeAt },
    gate: gateIn(
      isUnread && held ? instance.gates.filter(({ status }) => status === "shut") : instance.shutGates,
      name,
      source,
    ),
    ends: isCounted ? endsOf(instance.ends, name) : { since: instance.ends.since },
    lately: endsLately(endsBySlot, name, now),
    took: tookLately(endsBySlot, name, now),
  };
}

const NOTHING_AT_WORK = { byStatus: {}, heldUpBy: {}, busy: 0, oldestAt: undefined };

function countOf(queue: ModuleQueue | undefined): Count {
  return { count: queue?.count ?? 0, isMore: queue?.isMore ?? false };
}

function causesOf(
  { count, doubted, first }: ModuleLater,
  { noModule, isTripped }: { readonly noModule: LaterCause | undefined; readonly isTripped: boolean },
): CountsBy<LaterCause> {
  if (noModule) return { [noModule]: count };
  if (isTripped) return { "module-tripped": count };
  const backOff = count - doubted - first;
  return {
    ...(doubted > 0 ? { "message-unseen": doubted } : {}),
    ...(first > 0 ? { "put-off": first } : {}),
    ...(backOff > 0 ? { "back-off": backOff } : {}),
  };
}

/** Finds how a module is tripped, whatever its template is now. */
function lastTrip({ moduleStates }: InstanceState, module: string): TrippedModule | undefined {
  const state = moduleStates.get(module);
  return state && isTripped(state, state.template) ? state : undefined;
}

/** Finds the gate of a module, or that of the source for the messages that no module takes. */
function gateIn(shut: readonly GateState[], module: string, source: Source | undefined): ModuleStatus["gate"] {
  if (module === "" && source === undefined) return undefined;
  const scope = module === "" && source !== undefined ? { source } : { module };
  const state = shut.find((gate) => gateName(gate.scope).toLowerCase() === gateName(scope).toLowerCase());
  return state && { name: gateName(state.scope), since: state.since, problem: state.problem };
}
