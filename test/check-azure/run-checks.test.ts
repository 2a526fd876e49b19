import { describe, expect, it } from "vitest";
import { type Check, disproven, notTried, proven, type Verdict } from "../../check-azure/check.ts";
import { CommandError } from "../../check-azure/command.ts";
import { deleteAll, type Leftover } from "../../check-azure/delete-all.ts";
import { environmentOf } from "../../check-azure/environment.ts";
import { leftOut } from "../../check-azure/left-out.ts";
import { isGood, reportText } from "../../check-azure/report.ts";
import { runChecks } from "../../check-azure/run-checks.ts";
import { scriptedAzure } from "./scripted-azure.ts";

const environment = environmentOf("dev-123456");
const aCheck = (question: string, run: () => Promise<Verdict>): Check => ({
  question,
  deed: "Tried.",
  minutes: 1,
  run,
});
const yes = aCheck("Is it so?", async () => proven("It was."));

async function verdictsOf(checks: readonly Check[], interrupted = new AbortController()) {
  const answers = await runChecks(checks, scriptedAzure(), { signal: interrupted.signal, say: () => {} });
  return answers.map(({ verdict }) => `${verdict.kind}: ${verdict.what}`);
}

describe("the run of the checks", () => {
  it("goes on after a check that fails, and says why it has no answer", async () => {
    const failing = aCheck("Does it fail?", () => Promise.reject(new Error("kubectl is away")));
    expect(await verdictsOf([failing, yes])).toEqual(["not tried: kubectl is away", "proven: It was."]);
  });

  it("goes on after something was disproven, unless nothing else can be tried then", async () => {
    const no = aCheck("Is it not?", async () => disproven("It wasn't."));
    const end = aCheck("Is there anything?", async () => ({ ...disproven("Nothing."), endsAll: true }));
    expect(await verdictsOf([no, end, yes])).toEqual([
      "disproven: It wasn't.",
      "disproven: Nothing.",
      "not tried: It needs what failed before: Is there anything?",
    ]);
  });

  it("tries nothing more after an interruption", async () => {
    const interrupted = new AbortController();
    const last = aCheck("Is it over?", async () => {
      interrupted.abort(new Error("The run was interrupted by SIGINT."));
      interrupted.signal.throwIfAborted();
      return proven("Never.");
    });
    expect(await verdictsOf([last, yes], interrupted)).toEqual([
      "not tried: The run was interrupted by SIGINT.",
      "not tried: The run was interrupted.",
    ]);
  });
});

describe("the deletion", () => {
  const REFUSED = new CommandError("az group delete", "ScopeLocked", "ended with 1");
  const RECORD = "az deployment sub list";

  async function deleted(answers: NonNullable<Parameters<typeof scriptedAzure>[0]>["answers"] = {}) {
    const azure = scriptedAzure({ answers });
    const leftovers = await deleteAll(azure.az, environment, () => {});
    return { leftovers, calls: azure.done.filter((call) => / (delete|cancel) /.test(call)) };
  }

  it("stops the deployment, and deletes the group and the record", async () => {
    const { leftovers, calls } = await deleted({ "az group exists": ["true", "false"], [RECORD]: ["x", ""] });
    expect(leftovers).toEqual([]);
    expect(calls).toEqual([
      "az deployment sub cancel --name dispatcher-dev-123456",
      "az group delete --name rg-dispatcher-dev-123456 --yes",
      "az deployment sub delete --name dispatcher-dev-123456",
    ]);
  });

  it("deletes nothing that is not there", async () => {
    expect(await deleted({ "az group exists": "false" })).toEqual({
      leftovers: [],
      calls: ["az deployment sub cancel --name dispatcher-dev-123456"],
    });
  });

  it("deletes a group of nodes that the cluster left behind", async () => {
    const { leftovers, calls } = await deleted({
      "az group exists --name rg-": "false",
      "az group list": "MC_rg-dispatcher-dev-123456_aks_westeurope",
      "az group exists --name MC_": ["true", "false"],
    });
    expect(leftovers).toEqual([]);
    expect(calls).toContain("az group delete --name MC_rg-dispatcher-dev-123456_aks_westeurope --yes");
  });

  it("says what it could not delete, why, and how to, and goes on", async () => {
    const { leftovers, calls } = await deleted({
      "az group exists": "true",
      "az group delete": REFUSED,
      "az deployment sub cancel": REFUSED,
      [RECORD]: "x",
    });
    expect(leftovers).toEqual([
      {
        what: "resource group rg-dispatcher-dev-123456",
        why: expect.stringContaining("ScopeLocked"),
        command: "az group delete --name rg-dispatcher-dev-123456 --yes",
      },
      {
        what: "the record of the deployment dispatcher-dev-123456",
        why: expect.stringContaining("still there"),
        command: "az deployment sub delete --name dispatcher-dev-123456",
      },
    ]);
    expect(calls.at(-1)).toContain("sub delete");
  });
});

describe("the report", () => {
  const answers = [
    { question: "Is it so?", deed: "Tried.", verdict: proven("It was.") },
    { question: "Is it not?", deed: "Tried.", verdict: disproven("It\nwasn't.") },
    { question: "Who knows?", deed: "Tried.", verdict: notTried("It was away.") },
  ];
  const leftovers: Leftover[] = [];

  it("tells what was asked, what was done, and what Azure did, and begins with what was disproven", () => {
    expect(
      reportText({ environment, answers, leftovers, minutes: 99.6 }),
    ).toBe(`Environment dev-123456, 100 minutes: 1 disproven, 1 proven, 1 not tried.

DISPROVEN: Is it not?
  tried:   Tried.
  Azure:   It
           wasn't.

PROVEN: Is it so?
  tried:   Tried.
  Azure:   It was.

NOT TRIED: Who knows?
  tried:   Tried.
  why not: It was away.

Everything was deleted. Azure keeps the deleted workspace for 14 days, at no cost.`);
  });

  it("tells what was not deleted, with the command", () => {
    const left = { what: "resource group x", why: "ScopeLocked", command: "az group delete --name x --yes" };
    expect(reportText({ environment, answers: [], leftovers: [left], minutes: 1 })).toContain(
      "  resource group x: ScopeLocked\n    az group delete --name x --yes",
    );
  });

  it("is good if nothing was disproven and nothing is left", () => {
    const left = { what: "x", why: "y", command: "z" };
    const good = {
      environment,
      answers: answers.filter(({ verdict }) => verdict.kind !== "disproven"),
      leftovers,
      minutes: 1,
    };
    expect(isGood(good)).toBe(true);
    expect(isGood({ ...good, answers })).toBe(false);
    expect(isGood({ ...good, leftovers: [left] })).toBe(false);
  });

  it("names what no check of the run asks, by its flags", () => {
    const flags = { yes: true, region: undefined };
    const asked = leftOut({ ...flags, from: undefined, premium: false }).map(({ question }) => question);
    expect(asked).toEqual(
      expect.arrayContaining([expect.stringContaining("Premium tier"), expect.stringContaining("imported")]),
    );
    const others = leftOut({ ...flags, from: "x", premium: true }).map(({ question }) => question);
    expect(others).toEqual(
      expect.arrayContaining([expect.stringContaining("Standard tier"), expect.stringContaining("build")]),
    );
  });
});
