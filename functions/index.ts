import { app } from "@azure/functions";
import { compose } from "../shared/compose.ts";
import { readConfig } from "../shared/config.ts";
import { makeLog } from "../shared/log.ts";
import { makeAcceptHandler } from "./accept-message.ts";
import { makeLiveHandler, makeReadyHandler } from "./health.ts";
import { makePageHandler } from "./page.ts";
import { makeReconcileHandler } from "./reconcile-runs.ts";
import { acceptName, sourceTrigger } from "./source-trigger.ts";
import { STOP_FILE, whenToldToStop } from "./told-to-stop.ts";

// A wrong setting or module file throws here, and the host stops and says why.
const settings = readConfig();
const dispatcher = await compose(settings);

for (const source of dispatcher.sources)
  app.generic(acceptName(source), { trigger: sourceTrigger(source), handler: makeAcceptHandler(dispatcher, source) });

app.timer("reconcile", { schedule: settings.reconcileSchedule, handler: makeReconcileHandler(dispatcher) });

app.http("live", {
  route: "health/live",
  methods: ["GET"],
  authLevel: "anonymous",
  handler: makeLiveHandler(dispatcher),
});
app.http("ready", {
  route: "health/ready",
  methods: ["GET"],
  authLevel: "anonymous",
  handler: makeReadyHandler(dispatcher),
});

// Their door looks by itself who asks.
if (dispatcher.page) {
  const handler = makePageHandler(dispatcher.page, dispatcher.instance);
  app.http("api", { route: "v1/{*path}", methods: ["GET", "POST"], authLevel: "anonymous", handler });
  app.http("page", { route: "ui/{*path}", methods: ["GET"], authLevel: "anonymous", handler });
}

// The host waits for the tick that runs. Its watch need not be waited for. The standalone host hears the signal itself.
const log = makeLog(console, { instance: dispatcher.instance });
whenToldToStop(() => dispatcher.endWatch(), log, dispatcher.isInStandaloneHost ? undefined : STOP_FILE);

// The host calls it when it has drained the triggers.
app.hook.appTerminate(() => dispatcher.stop());
