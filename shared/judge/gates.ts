import type { Dependencies } from "../dependencies.ts";
import { ConflictError, UnavailableError } from "../errors.ts";
import type { Module } from "../modules/module.ts";
import {
  afterRejection,
  type GateScope,
  type GateState,
  gateName,
  isOpen,
  isShut,
  mayReject,
  opened,
  type Rejection,
} from "../run/gate-state.ts";
import { sourceKey } from "../run/source.ts";
import { makeSharedStates } from "../shared-states.ts";
import type { Events } from "../telemetry/events.ts";
import { filesOf } from "./files-of.ts";

/**
 * Knows whether the rejections of each module and source are to be believed: a gate for each of them. All replicas
 * share the gates.
 */
export interface Gates {
  /** Reads the gates' rows. Each tick begins with it. */
  refresh(): Promise<void>;
  /** The same, unless it was done a moment ago. */
  refreshIfOld(): Promise<void>;
  /** The state of a gate that is shut, as last read; undefined if it isn't. */
  shut(scope: GateScope): GateState | undefined;
  /** Whether all rejections go through a gate, so that it need not be asked about any. */
  isOpen(scope: GateScope): boolean;
  /** Counts a message that would be rejected. Resolves to false if it is to be held instead. */
  mayReject(rejection: Omit<Rejection, "files">, events: Events): Promise<boolean>;
  /**
   * Notes that a module accepted a message, which opens its gate and its source's. Each is written once for each version
   * of its files, and costs nothing from then on. Never rejects because the table is away.
   */
  noteAccepted(module: Module, events: Events): Promise<void>;
}

/** Keeps the gates in the table. */
export function makeGates({
  instanceTable,
  clock,
  modules,
}: Pick<Dependencies, "instanceTable" | "clock" | "modules">): Gates {
  const states = makeSharedStates<GateState>({
    read: () => instanceTable.gateStates(),
    save: (state, etag) => instanceTable.saveGateState(state, etag),
    keyOf: ({ scope }) => keyOf(scope),
    clock,
  });
  const files = new Map<string, string>();
  // The gates that this process knows to be open. The files are the same for as long as it lives. It is a hint, not
  // state: a replica that forgets it reads the gate's row.
  const passed = new Set<string>();

  /** The files don't change as long as the process lives, and a schema may be long. */
  function filesFor(scope: GateScope): string {
    const key = keyOf(scope);
    const known = files.get(key) ?? filesOf(scope, modules.values());
    files.set(key, known);
    return known;
  }

  /**
   * Opens a gate, if it isn't open. Does so again only if rejections were counted since for our files: in a rollout, two
   * versions of the files would otherwise write over each other with each message.
   */
  async function open(scope: GateScope, events: Events): Promise<void> {
    const files = filesFor(scope);
    const key = keyOf(scope);
    const isToOpen = (state: GateState | undefined) =>
      !isOpen(state, files) && (state?.files === files || !passed.has(key));
    if (isToOpen(states.get(key))) {
      let openedByUs = false;
      await states.change(key, (state) => {
        openedByUs = isShut(state, files);
        return isToOpen(state) ? opened(state, { scope, files }, clock.now()) : null;
      });
      if (openedByUs) events.tell({ event: "gate opened", gate: gateName(scope) });
    }
    passed.add(key);
  }

  const isOpenNow = (scope: GateScope) => passed.has(keyOf(scope)) || isOpen(states.get(keyOf(scope)), filesFor(scope));

  return {
    refresh: () => states.refresh(),
    refreshIfOld: () => states.refreshIfOld(),
    isOpen: isOpenNow,
    shut(scope) {
      const state = states.get(keyOf(scope));
      return isShut(state, filesFor(scope)) ? state : undefined;
    },

    async mayReject({ scope, runId, problem }, events) {
      if (isOpenNow(scope)) {
        await open(scope, events);
        return true;
      }
      const rejection = { scope, files: filesFor(scope), runId, problem };
      let shutByUs = false;
      const state = await states.change(keyOf(scope), (earlier) => {
        const next = afterRejection(earlier, rejection, clock.now());
        // Set anew with each try, because the replica that lost the race did not shut the gate.
        shutByUs = next?.status === "shut";
        return next;
      });
      if (shutByUs) events.tell({ event: "gate shut", gate: gateName(scope), why: problem });
      return mayReject(state, rejection);
    },

    async noteAccepted(module, events) {
      for (const scope of [{ module: module.name }, { source: module.source }]) {
        try {
          await open(scope, events);
        } catch (error) {
          // The message is accepted all the same, and the next one opens the gate.
          if (!(error instanceof UnavailableError || error instanceof ConflictError)) throw error;
          events.tell({ event: "failed", what: "left a gate to the next message that is accepted", error });
        }
      }
    },
  };
}

/** Makes a key that is the same for two scopes if they have the same gate. */
function keyOf(scope: GateScope): string {
  return "module" in scope ? `m|${scope.module}` : sourceKey(scope.source);
}
