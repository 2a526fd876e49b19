// A program that looks at an instance as an operator's views do, and sends the bare requests that a view needs in turn
// with it. `look CALLS CLOSED LETTERS`: each view is called so often, and so many runs are closed. It says `{"what",
// "targetMs","ms","bareMs"}` on stderr for each call. Then so many dead letters are redriven, of which it says
// `{"redrive":{..}}`, and at last `{"done":true}`.
import { lazyAdapters } from "../cli/target/lazy-adapters.ts";
import { readConfig } from "../shared/config.ts";
import { makeLog } from "../shared/log.ts";
import { makeDependencies } from "../shared/make-dependencies.ts";
import { makeOperator } from "../shared/operate/operator.ts";
import { readConnections } from "./connections.ts";
import { makeLooks } from "./operate/looks.ts";
import { measureRedrive } from "./operate/redrive-letters.ts";

/** How often each is called before it is measured, so that code and connections are warm. */
const WARM_UP = 10;

const say = (fields: object) => process.stderr.write(`${JSON.stringify(fields)}\n`);
const end = () => process.exit(0);
process.once("SIGTERM", end).once("SIGINT", end).once("disconnect", end);
const [calls, closed, letters] = process.argv.slice(2).map(Number);

const log = makeLog(console);
const deps = makeDependencies(readConfig(), log, lazyAdapters().adapters);
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

const connections = readConnections();
const looks = await makeLooks(makeOperator(deps, log), connections, { closed: closed ?? 0 });
for (const { what, targetMs, view, bare } of looks) {
  for (let call = 0; call < WARM_UP + (calls ?? 0); call += 1) {
    const [ms, bareMs] = [await timeOf(view), await timeOf(bare)];
    if (call >= WARM_UP) say({ what, targetMs, ms, bareMs });
  }
}
if (letters) say({ redrive: await measureRedrive(deps, log, connections, letters) });
say({ done: true });

async function timeOf(act: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return performance.now() - startedAt;
}
