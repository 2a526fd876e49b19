import Long from "long";
import { describe, expect, it } from "vitest";
import { CHECKS } from "../../check-azure/all-checks.ts";
import type { Check } from "../../check-azure/check.ts";
import { alertQueries } from "../../check-azure/checks/alert-queries.ts";
import { firstDeployment } from "../../check-azure/checks/first-deployment.ts";
import { kedaCounts } from "../../check-azure/checks/keda-counts.ts";
import { largeBody } from "../../check-azure/checks/large-body.ts";
import { logLines } from "../../check-azure/checks/log-lines.ts";
import { messages } from "../../check-azure/checks/messages.ts";
import { networkPolicy } from "../../check-azure/checks/network-policy.ts";
import { newRole } from "../../check-azure/checks/new-role.ts";
import { notThrottled } from "../../check-azure/checks/not-throttled.ts";
import { ownLink } from "../../check-azure/checks/own-link.ts";
import { ownLogin } from "../../check-azure/checks/own-login.ts";
import { people } from "../../check-azure/checks/people.ts";
import { preflight } from "../../check-azure/checks/preflight.ts";
import { scaleToZero } from "../../check-azure/checks/scale-to-zero.ts";
import { SOAK_MESSAGES, soak } from "../../check-azure/checks/soak.ts";
import { ticksGoOn } from "../../check-azure/checks/ticks-go-on.ts";
import { uninstall } from "../../check-azure/checks/uninstall.ts";
import { upgrade } from "../../check-azure/checks/upgrade.ts";
import { webSockets } from "../../check-azure/checks/web-sockets.ts";
import { CommandError } from "../../check-azure/command.ts";
import { podList, type Script, scriptedAzure } from "./scripted-azure.ts";

const FAILED = new CommandError("the command", "and why", "ended with 1");
const WAITING = { messageId: "m", state: "active" } as const;
const JOB_FAILED = { messageId: "fails", deadLetterReason: "JobFailed" };
const TWO_PODS = podList({ name: "a" }, { name: "b" });
const rows = (value: unknown) => JSON.stringify({ tables: [{ rows: [[value]] }] });
const tick = (time: string) => `${time}       {"message":"reconciled","open":0}`;

function kedaSees(statuses: readonly string[]): string {
  const names = statuses.map((_, index) => `s${index}-azure-servicebus-q`);
  const health = Object.fromEntries(names.map((name, index) => [name, { status: statuses[index] ?? "" }]));
  return JSON.stringify({ status: { externalMetricNames: names, health } });
}

function deferredMessages(count: number, deliveryCount = 1) {
  return Array.from({ length: count }, (_, index) => ({
    state: "deferred" as const,
    deliveryCount,
    sequenceNumber: Long.fromNumber(index + 1),
  }));
}

const memory = (ki: number) => JSON.stringify({ items: [{ containers: [{ usage: { memory: `${ki}Ki` } }] }] });

const throttled = (totals: readonly (number | null)[]) =>
  JSON.stringify({ value: [{ timeseries: [{ data: totals.map((total) => ({ total })) }] }] });

interface Case extends Script {
  readonly name: string;
  readonly check: Check;
  readonly verdict: "proven" | "disproven" | "not tried";
  readonly says: string;
}

const NODES_3 = "node/a\nnode/b\nnode/c";
const LONG_PODS = podList({ name: "1" }, { name: "2" }, { name: "3" });
const HAPPY = ["Happy", "Happy", "Happy", "Happy", "Happy"];
const KEDA = { "kubectl get deployment keda-operator": "mcr.microsoft.com/oss/kedacore/keda:v2.17.2" };
const NEW_KEDA = { "kubectl get deployment keda-operator": "mcr.microsoft.com/oss/v2/kedacore/keda:2.19.0-6" };
const SOAKS = {
  "kubectl get pods": podList({ name: "a" }),
  "kubectl get --raw": [memory(300_000), memory(310_000)],
};

const CASES: readonly Case[] = [
  { name: "a deployment", check: firstDeployment, deploys: "done", verdict: "proven", says: "did not have to restart" },
  {
    name: "a deployment that had to restart KEDA's operator",
    check: firstDeployment,
    deploys: "Restarting KEDA's operator, because it runs without an identity",
    verdict: "proven",
    says: "had to restart KEDA's operator",
  },
  { name: "a deployment that fails", check: firstDeployment, deploys: FAILED, verdict: "disproven", says: "and why" },
  {
    name: "a role that works at once",
    check: newRole,
    verdict: "proven",
    says: "after 0.0 minutes",
  },
  {
    name: "a role that works late",
    check: newRole,
    answers: {
      "kubectl get pods": [...Array.from({ length: 66 }, () => FAILED), ""],
    },
    verdict: "disproven",
    says: "after 11.0 minutes",
  },
  {
    name: "enough roles",
    check: preflight,
    verdict: "proven",
    answers: { "kubectl exec": "nothing wrong" },
    says: "nothing wrong",
  },
  {
    name: "a missing role",
    check: preflight,
    verdict: "disproven",
    answers: { "kubectl exec": FAILED },
    says: "and why",
  },
  {
    name: "a KEDA that counts",
    check: kedaCounts,
    answers: { ...KEDA, "kubectl get scaledobject": kedaSees(HAPPY) },
    verdict: "proven",
    says: "KEDA 2.17.2 counted all 5 sources",
  },
  {
    name: "a KEDA that can't count one source",
    check: kedaCounts,
    answers: { ...KEDA, "kubectl get scaledobject": kedaSees(["Failing", ...HAPPY.slice(1)]) },
    verdict: "disproven",
    says: "4 of 5 sources. Failing: s0-azure-servicebus-q",
  },
  {
    name: "messages that end as they should",
    check: messages,
    bus: {
      "check-codes": [[WAITING], []],
      "check-codes!": [[JOB_FAILED]],
      "check-events/codes!": [[JOB_FAILED]],
    },
    verdict: "proven",
    says: "within 10 s",
  },
  {
    name: "a message that never ends",
    check: messages,
    bus: { "check-codes": [[WAITING]] },
    verdict: "disproven",
    says: "1 of 4 messages were not settled",
  },
  { name: "a failure that is not dead-lettered", check: messages, verdict: "disproven", says: "All were settled" },
  { name: "a login that may send", check: ownLogin, verdict: "proven", says: "settled after 0 s" },
  {
    name: "a login that may not",
    check: ownLogin,
    answers: { "send to check-codes": FAILED },
    verdict: "disproven",
    says: "and why",
  },
  {
    name: "a sent message that never ends",
    check: ownLogin,
    bus: { "check-codes": [[WAITING]] },
    verdict: "disproven",
    says: "not settled after 10 minutes",
  },
  { name: "a body that arrives", check: largeBody, verdict: "proven", says: "as it was sent" },
  {
    name: "a body that does not arrive",
    check: largeBody,
    bus: { "check-large!": [[{ deadLetterReason: "JobFailed", deadLetterErrorDescription: "exit code 1" }]] },
    verdict: "disproven",
    says: "JobFailed, exit code 1",
  },
  {
    name: "settlements on the link",
    check: ownLink,
    answers: { "kubectl get pods": TWO_PODS, "kubectl exec": '{"ready":true}' },
    verdict: "proven",
    says: "All 2 pods",
  },
  {
    name: "settlements elsewhere",
    check: ownLink,
    answers: { "kubectl get pods": TWO_PODS, "kubectl exec": '{"ready":true,"settledElsewhere":"UNIMPLEMENTED"}' },
    verdict: "disproven",
    says: "UNIMPLEMENTED",
  },
  {
    name: "a policy that holds",
    check: networkPolicy,
    answers: { "kubectl get pods": TWO_PODS, "kubectl exec": ["reached", "not reached"] },
    verdict: "proven",
    says: "not reached",
  },
  {
    name: "a policy that nothing enforces",
    check: networkPolicy,
    answers: { "kubectl get pods": TWO_PODS, "kubectl exec": "reached" },
    verdict: "disproven",
    says: "was reached",
  },
  {
    name: "an app that does not answer at all",
    check: networkPolicy,
    answers: { "kubectl get pods": TWO_PODS, "kubectl exec": "not reached" },
    verdict: "not tried",
    says: "in its own pod",
  },
  {
    name: "lines that arrive",
    check: logLines,
    answers: { "az rest": [rows(0), rows(7)] },
    verdict: "proven",
    says: "7 lines",
  },
  { name: "lines that do not", check: logLines, answers: { "az rest": rows(0) }, verdict: "disproven", says: "none" },
  {
    name: "queries that run",
    check: alertQueries,
    answers: {
      "az resource list --resource-group rg-dispatcher-dev-123456 --resource-type Microsoft.Insights": "/x/one\n/x/two",
      "az rest": rows(0),
    },
    verdict: "proven",
    says: "all 2 queries",
  },
  {
    name: "a query that is refused",
    check: alertQueries,
    answers: { "az resource list": "/x/one", "az rest": FAILED },
    verdict: "disproven",
    says: "one: and why",
  },
  {
    name: "ticks that go on",
    check: ticksGoOn,
    answers: {
      "kubectl get pods": [TWO_PODS, podList({ name: "b" }, { name: "c" })],
      "kubectl logs a": tick("2026-01-01T00:00:00Z"),
      "kubectl logs b": ["", "", tick("2026-01-01T00:00:41Z")],
    },
    verdict: "proven",
    says: "41 s",
  },
  {
    name: "ticks that go on too late",
    check: ticksGoOn,
    answers: {
      "kubectl get pods": [TWO_PODS, podList({ name: "b" })],
      "kubectl logs a": tick("2026-01-01T00:00:00Z"),
      "kubectl logs b": ["", tick("2026-01-01T00:02:00Z")],
    },
    verdict: "disproven",
    says: "120 s",
  },
  {
    name: "ticks that stop",
    check: ticksGoOn,
    answers: {
      "kubectl get pods": [TWO_PODS, podList({ name: "b" })],
      "kubectl logs a": tick("2026-01-01T00:00:00Z"),
    },
    verdict: "disproven",
    says: "No pod ticked for 10 minutes",
  },
  {
    name: "nodes and Jobs that an upgrade leaves alone",
    check: upgrade,
    answers: { "kubectl get nodes": ["node/a", NODES_3], "kubectl get pods": LONG_PODS },
    bus: { "check-long": [[WAITING], []] },
    verdict: "proven",
    says: "Of 3 nodes 0 were gone",
  },
  {
    name: "an upgrade that takes a node away",
    check: upgrade,
    answers: { "kubectl get nodes": ["node/a", NODES_3, NODES_3, "node/a\nnode/b"], "kubectl get pods": LONG_PODS },
    verdict: "disproven",
    says: "Of 3 nodes 1 were gone",
  },
  {
    name: "an upgrade that replaces a Job's pod",
    check: upgrade,
    answers: {
      "kubectl get nodes": ["node/a", NODES_3],
      "kubectl get pods": [LONG_PODS, LONG_PODS, podList({ name: "1" }, { name: "2" }, { name: "4" })],
    },
    verdict: "disproven",
    says: "1 Jobs needed another pod",
  },
  {
    name: "an upgrade that Azure refuses",
    check: upgrade,
    answers: { "kubectl get nodes": ["node/a", NODES_3], "kubectl get pods": LONG_PODS },
    deploys: FAILED,
    verdict: "disproven",
    says: "The second deployment failed",
  },
  {
    name: "a pool that does not grow",
    check: upgrade,
    answers: { "kubectl get nodes": "node/a", "kubectl get pods": LONG_PODS },
    verdict: "not tried",
    says: "no more nodes than 1",
  },
  { name: "a KEDA that is too old", check: scaleToZero, answers: KEDA, verdict: "not tried", says: "KEDA is 2.17.2" },
  {
    name: "an app that sleeps and wakes",
    check: scaleToZero,
    answers: { ...NEW_KEDA, "kubectl get pods": [TWO_PODS, podList()] },
    bus: { "check-codes": [[WAITING], [WAITING], []] },
    verdict: "proven",
    says: "slept after 10 s. A message to it was settled after 20 s",
  },
  {
    name: "an app that does not sleep",
    check: scaleToZero,
    answers: { ...NEW_KEDA, "kubectl get pods": TWO_PODS },
    verdict: "disproven",
    says: "still awake",
  },
  {
    name: "an app that does not wake",
    check: scaleToZero,
    answers: { ...NEW_KEDA, "kubectl get pods": podList() },
    bus: { "check-codes": [[WAITING]] },
    verdict: "disproven",
    says: "was not settled",
  },
  { name: "a port that is enough", check: webSockets, verdict: "proven", says: "settled after 0 s" },
  {
    name: "a port that is not enough",
    check: webSockets,
    bus: { "check-codes": [[WAITING]] },
    verdict: "disproven",
    says: "after 10 minutes",
  },
  {
    name: "an operator who may read",
    check: people,
    bus: { "check-codes!": [[JOB_FAILED]] },
    verdict: "proven",
    says: "1 dead letters",
  },
  {
    name: "an operator who may not",
    check: people,
    answers: { "az storage entity": FAILED },
    verdict: "disproven",
    says: "rows: and why",
  },
  {
    name: "a link that brings all",
    check: soak,
    answers: SOAKS,
    bus: { "check-soak": [deferredMessages(0), deferredMessages(5_000), deferredMessages(SOAK_MESSAGES)] },
    verdict: "proven",
    says: "grew by 10 MiB",
  },
  {
    name: "a link that stalls",
    check: soak,
    answers: SOAKS,
    bus: { "check-soak": [deferredMessages(4_000), [...deferredMessages(7_000), WAITING]] },
    verdict: "disproven",
    says: "7000 of 20000",
  },
  {
    name: "a host that keeps each message",
    check: soak,
    answers: { ...SOAKS, "kubectl get --raw": [memory(300_000), memory(450_000)] },
    bus: { "check-soak": [deferredMessages(5_000), deferredMessages(SOAK_MESSAGES)] },
    verdict: "disproven",
    says: "grew by 146 MiB",
  },
  {
    name: "a host that dies of it",
    check: soak,
    answers: {
      ...SOAKS,
      "kubectl get pods": [podList({ name: "a" }), podList({ name: "a" }), podList({ name: "a", restarts: 1 })],
    },
    bus: { "check-soak": [deferredMessages(5_000), deferredMessages(SOAK_MESSAGES)] },
    verdict: "disproven",
    says: "restarted 1 times",
  },
  {
    name: "a bus that throttles nothing",
    check: notThrottled,
    answers: { "az monitor metrics list": throttled([0, null]) },
    verdict: "proven",
    says: "throttled 0 requests",
  },
  {
    name: "a bus that throttles",
    check: notThrottled,
    answers: { "az monitor metrics list": throttled([3, 4]) },
    verdict: "disproven",
    says: "throttled 7 requests",
  },
  {
    name: "an uninstallation that leaves the messages",
    check: uninstall,
    answers: { "kubectl get pods": podList() },
    bus: { "check-soak": [deferredMessages(3)] },
    verdict: "proven",
    says: "Of 3 messages 3 were left",
  },
  {
    name: "an uninstallation that takes messages away",
    check: uninstall,
    answers: { "kubectl get pods": podList() },
    bus: { "check-soak": [deferredMessages(3), deferredMessages(1)] },
    verdict: "disproven",
    says: "Of 3 messages 1 were left",
  },
];

describe("the checks", () => {
  it.each(CASES)("judge $name", async ({ check, verdict, says, ...script }) => {
    const found = await check.run(scriptedAzure(script));
    expect(found.kind).toBe(verdict);
    expect(found.what).toContain(says);
  });

  it("give the run's own principal its roles on the run's own group", async () => {
    const azure = scriptedAzure({
      answers: {
        "az group show": "/subscriptions/s/resourceGroups/g",
      },
    });
    await newRole.run(azure);
    const given = azure.done.filter((call) => call.startsWith("az role assignment create"));
    expect(given).toHaveLength(2);
    for (const call of given) {
      expect(call).toContain("--assignee-object-id me --assignee-principal-type ServicePrincipal");
      expect(call).toContain("--scope /subscriptions/s/resourceGroups/g");
    }
  });

  it("end all if nothing was deployed, or nothing lets them in", async () => {
    expect(await firstDeployment.run(scriptedAzure({ deploys: FAILED }))).toMatchObject({ endsAll: true });
    const shut = { "kubectl get pods": FAILED };
    expect(await newRole.run(scriptedAzure({ answers: shut }))).toMatchObject({ kind: "disproven", endsAll: true });
  });

  it("wake the app again after they let it sleep", async () => {
    const azure = scriptedAzure({ answers: { ...NEW_KEDA, "kubectl get pods": TWO_PODS } });
    await scaleToZero.run(azure);
    expect(azure.done.filter((call) => call.startsWith("deploy"))).toEqual([
      expect.stringMatching(/"scaleToZero":true.*"kedaVersion":"2.19.0"/),
      "deploy {}",
    ]);
  });

  it("ask a question each, and say what they do and how long it takes", () => {
    expect(new Set(CHECKS.map(({ question }) => question)).size).toBe(CHECKS.length);
    for (const { question, deed, minutes } of CHECKS) {
      expect(question).toMatch(/\?$/);
      expect(deed).toMatch(/\.$/);
      expect(minutes).toBeGreaterThan(0);
    }
  });
});
