import { BatchV1Api, KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { jobName } from "../../shared/jobs/job-name.ts";
import { buildJob } from "../contract/job-harness.ts";
import { accessOf, type DispatcherUnderTest, type Sent, startDispatcher } from "./dispatcher-under-test.ts";
import {
  cutsOff,
  type FailingProxy,
  type Fault,
  halves,
  type ProxiedRequest,
  refuses,
  says,
  startFailingProxy,
} from "./failing-proxy.ts";
import { sh } from "./module-files.ts";
import { AT_ONCE, outcomeOf } from "./outcome.ts";
import { letGo, runningPod, UNTIL_LET_GO } from "./pods.ts";

const HTML = says(200, "text/html", "<html><body>Please log in</body></html>");
const TOO_MANY = says(429, "application/json", tooMany());
/** The app sends no more reads until that time. */
const COME_BACK_LATER = says(429, "application/json", tooMany(), { "retry-after": "2" });

function tooMany(): string {
  const message = "Too many requests, please try again later.";
  return JSON.stringify({
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    message,
    reason: "TooManyRequests",
    code: 429,
  });
}

interface Bad {
  readonly name: string;
  readonly fault: Fault;
  readonly why: RegExp;
}

const LISTS: readonly Bad[] = [
  { name: "a list that is cut off", fault: cutsOff, why: /listing (Jobs|pods|cancelled Jobs): no connection/ },
  {
    name: "half a list that claims to be whole",
    fault: halves,
    why: /with something other than a whole JSON object: \{"kind":"Table"/,
  },
  { name: "a proxy's page with status 200", fault: HTML, why: /with something other than a whole JSON object: <html>/ },
  {
    name: "429 with Retry-After",
    fault: COME_BACK_LATER,
    // A request that isn't sent says what another one was answered.
    why: /\b[Ii]t answered 429 TooManyRequests: Too many requests/,
  },
  { name: "a connection that is refused", fault: refuses, why: /no connection/ },
  {
    name: "a list of something else",
    fault: says(200, "application/json", '{"kind":"PodList","items":[]}'),
    why: /other than a table \(kind "PodList"\)/,
  },
];

const CREATES: readonly Bad[] = [
  { name: "429", fault: TOO_MANY, why: /It answered 429 TooManyRequests: Too many requests/ },
  {
    name: "a proxy's 403",
    fault: says(403, "text/html", "<html>Forbidden</html>"),
    why: /It answered 403: not an answer of a Kubernetes API server: <html>Forbidden/,
  },
  {
    name: "a proxy's 404",
    fault: says(404, "text/plain", "default backend - 404"),
    why: /It answered 404: not an answer of a Kubernetes API server: default backend/,
  },
  { name: "an answer that is cut off, though the Job was made", fault: cutsOff, why: /no connection/ },
  {
    name: "half an answer, though the Job was made",
    fault: halves,
    why: /with something other than a whole JSON object/,
  },
];

const isList = ({ method, path }: ProxiedRequest) => method === "GET" && /\/(jobs|pods)\?/.test(path);
const isCreate =
  (module: string) =>
  ({ method, body }: ProxiedRequest) =>
    method === "POST" && body.includes(`"ion/module":"${module}"`) && body.includes('"kind":"Job"');

let proxy: FailingProxy;
let app: DispatcherUnderTest;
let through: { sent: Sent; podName: string };

beforeAll(async () => {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(inject("kubeconfig"));
  proxy = await startFailingProxy(accessOf(kubeConfig));
  const quick = { worker: sh("echo done") };
  app = await startDispatcher({
    modules: {
      long: { worker: sh(UNTIL_LET_GO) },
      quick,
      ...Object.fromEntries(CREATES.map((_, index) => [`create-${index}`, quick])),
      logless: { retry: { maxAttempts: 1 }, worker: sh("echo lost; exit 1") },
      taken: { retry: { backoff: { first: "5s", max: "5s" } }, worker: sh('[ "$DISPATCHER_ATTEMPT" != 1 ]') },
    },
    through: proxy.access,
  });
  const sent = await app.send("long");
  through = { sent, podName: await runningPod(app, await sent.job()) };
});
afterAll(async () => {
  await app?.close();
  await proxy?.close();
});

describe("everything waits, and nothing is settled or started again, while lists are answered with", () => {
  test.for(LISTS)("$name", async ({ fault, why }) => {
    const since = app.log.position();
    const failing = proxy.fail(isList, fault);
    // Heals in any case, because the other tests need the lists.
    onTestFinished(() => failing.heal());
    const sent = await app.send("quick");
    const line = await app.log.until(({ message }) => message === "reconcile is held up", since);
    await app.log.until((later) => later.message === "reconcile is held up" && later !== line, since);
    expect(line["why"]).toMatch(why);
    expect(await through.sent.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    failing.heal();
    expect(await outcomeOf(sent)).toEqual(AT_ONCE);
  });

  test("any of them, and the work that went on meanwhile counts", async () => {
    await letGo(app, through.podName);
    expect(await outcomeOf(through.sent)).toEqual(AT_ONCE);
    expect((await through.sent.end()).logs).toEqual({ "1/worker": "at work\ndone\n" });
  });
});

describe.concurrent("a message starts one Job, and burns no attempt, though its create is answered with", () => {
  test.for(CREATES)("$name", async ({ fault, why }) => {
    const module = `create-${CREATES.findIndex((one) => one.fault === fault)}`;
    const failing = proxy.fail(isCreate(module), fault);
    const sent = await app.send(module);
    const isLeft = ({ message }: { message: string }) => /^left a (deferred message|run) to the/.test(message);
    const line = await app.log.until((line) => isLeft(line) && line["messageId"] === sent.messageId);
    expect(line["why"]).toMatch(why);
    failing.heal();
    expect(await outcomeOf(sent)).toEqual(AT_ONCE);
    const { items } = await app.admin
      .makeApiClient(BatchV1Api)
      .listNamespacedJob({ namespace: app.namespace, labelSelector: `ion/module=${module}` });
    expect(items).toHaveLength(1);
  });
});

test.concurrent("a log that is cut off keeps no message from being settled, and is said to be missing", async () => {
  const isLog = ({ path }: ProxiedRequest) => path.includes("/log?") && path.includes("/logless-");
  const failing = proxy.fail(isLog, cutsOff);
  const { letter, logs } = await (await app.send("logless")).end();
  failing.heal();
  expect(failing.hits()).toBeGreaterThan(0);
  expect(letter?.description).toMatch(/attempt 1 of 1: worker exited with code 1: lost$/);
  expect(letter?.properties).not.toHaveProperty("dispatcher-logs");
  expect(logs).toEqual({});
  const said = app.log.lines().find(({ message }) => message === "a log could not be stored");
  expect(said?.["why"]).toMatch(/reading the log of worker in pod logless-/);
});

test.concurrent("a Job of an attempt's name that isn't the Dispatcher's is left alone, and costs no failure", async () => {
  const sent = await app.send("taken");
  await sent.job();
  const run = await sent.run();
  const name = jobName({ module: "taken", instance: app.instance, key: run, attempt: 2 });
  await app.hands.create({ ...buildJob("somebody-else", "sleep 600", {}), metadata: { name } });
  expect(await outcomeOf(sent)).toEqual({ ...AT_ONCE, attempt: 3, failures: 1, interruptions: 1 });
  const said = app.log
    .lines()
    .find(
      ({ message, messageId, kind }) =>
        message === "an attempt ended" && messageId === sent.messageId && kind === "interruption",
    );
  expect(said?.["why"]).toContain(`a Job named ${name} exists and is not this`);
  const job = await app.admin.makeApiClient(BatchV1Api).readNamespacedJob({ name, namespace: app.namespace });
  expect(job.spec?.activeDeadlineSeconds).toBeUndefined();
});
