import { LOOKS } from "../../shared/api/looks.ts";
import { closedMessageId } from "../backlog/history.ts";

/**
 * Not asked: an audit is measured as a command, the bench's cluster keeps neither logs nor events, and all letters are of
 * runs.
 */
const LEFT_OUT = [
  "audit",
  "readLogs",
  "readLastLines",
  "showJob",
  "listOtherDeadLetters",
  "showOtherDeadLetter",
  "showOtherDeadLetterContent",
];

/** One look of the page's API. */
export interface PageLook {
  readonly what: string;
  /** Gives the path and query of the next request, below the API's own. */
  readonly path: () => string;
}

/**
 * Makes every look of the API that is measured, as the page asks for it. `ids`: a run at work, one in a long line, and one
 * that has left a dead letter. Throws if the API has a look that is not known here.
 */
export function pageLooks(ids: {
  readonly working: string;
  readonly waiting: string;
  readonly dead: string;
  /** How many runs are closed. */
  readonly closed: number;
}): PageLook[] {
  let sought = 0;
  // Another one each time, because none should be in any cache.
  const someMessage = () => closedMessageId(1 + ((sought += 7919) % ids.closed));
  const looks: Readonly<Record<string, readonly PageLook[]>> = {
    session: [given("/session")],
    status: [given("/status")],
    listRuns: ["", "&status=held", "&which=closed"].map((which) => given(`/runs?limit=100${which}`)),
    search: [of("/search?id={message}", someMessage)],
    showRun: [of("/runs/{run at work}", () => ids.working)],
    showContent: [of("/runs/{run at work}/content", () => ids.working)],
    explainRun: [
      of("/runs/{run at work}/explanation", () => ids.working),
      of("/runs/{run in line}/explanation", () => ids.waiting),
    ],
    listFailureGroups: [given("/failure-groups?limit=50")],
    listDeadLetters: [given("/dead-letters?limit=100")],
    showDeadLetter: [of("/dead-letters/{run}", () => ids.dead)],
    showDeadLetterContent: [of("/dead-letters/{run}/content", () => ids.dead)],
    listRedrives: [given("/redrives")],
    listModules: [given("/modules")],
    listActions: [given("/actions?limit=100")],
  };
  return LOOKS.filter(({ name }) => !LEFT_OUT.includes(name)).flatMap(({ name }) => {
    const known = looks[name];
    if (known === undefined) throw new Error(`the bench does not know how to ask for ${name}`);
    return known;
  });
}

function given(path: string): PageLook {
  return { what: path, path: () => path };
}

/** `what`: the path, with what stands for an id in braces. */
function of(what: string, id: () => string): PageLook {
  return { what, path: () => what.replace(/\{.+\}/, encodeURIComponent(id())) };
}
