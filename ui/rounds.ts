import type { Answer } from "../shared/operate/answer.ts";
import type { RedrivePlan } from "../shared/operate/redrive-letters.ts";

/** What the server answers to an action. */
export interface Acted {
  readonly command: string;
  readonly answers?: readonly (Answer & { readonly name: string })[];
  readonly before?: number;
  readonly plan?: {
    readonly chosen: number;
    readonly onBus?: number;
    readonly inFront?: number;
    readonly tooDeep?: number;
  };
  readonly plans?: readonly Omit<RedrivePlan, "met">[];
  /** The named runs that have no dead letter on the bus. */
  readonly missing?: readonly string[];
  readonly done?: { readonly removed: number; readonly gone: number; readonly left: number };
}

/** Sends the requests of an action, one after another, and tells after each what became of all until then. */
export type Rounds = (
  send: (body: object) => Promise<Acted>,
  body: object,
  /** What the dry run said; undefined if this is the dry run. */
  tried: Acted | undefined,
) => AsyncGenerator<Round>;

/** How far an action is that takes several requests. */
export interface Round {
  readonly acted: Acted;
  readonly done: number;
  readonly of: number;
}

/** Does all in one request. */
export const atOnce: Rounds = async function* (send, body) {
  yield { acted: await send(body), done: 1, of: 1 };
};

/** So many runs are named in one request at most. */
export const NAMED = 100;

/** Names runs in requests of a hundred. */
export const cancelInRounds = (runs: readonly string[]): Rounds =>
  async function* (send) {
    const answers: NonNullable<Acted["answers"]>[number][] = [];
    for (let at = 0; at < runs.length; at += NAMED) {
      const acted = await send({ runs: runs.slice(at, at + NAMED) });
      answers.push(...(acted.answers ?? []));
      yield { acted: { ...acted, answers: [...answers] }, done: Math.min(at + NAMED, runs.length), of: runs.length };
    }
  };

/** So many letters are purged in one request at most. */
const PURGED = 500;

/** Purges the letters that the dry run has counted, and none that failed since. */
export const purgeInRounds: Rounds = async function* (send, body, tried) {
  if (tried?.plan === undefined) {
    yield* atOnce(send, body, tried);
    return;
  }
  const { plan, before } = tried;
  let [removed, gone] = [0, 0];
  for (let left = plan.chosen; left > 0; ) {
    const acted = await send({ ...body, before, count: left, most: PURGED });
    const now = acted.done ?? { removed: 0, gone: 0, left: 0 };
    removed += now.removed;
    gone += now.gone;
    left = plan.chosen - removed - gone;
    // Then the others can't be reached just now. Those that are named are few, and go at once.
    const isOver = now.removed + now.gone === 0 || "runs" in body;
    const done = { removed, gone, left: isOver ? left : 0 };
    yield { acted: { ...acted, plan, done }, done: removed + gone, of: plan.chosen };
    if (isOver) return;
  }
};
