import { describe, expect, it } from "vitest";
import { finishedAt, isOurs, isRetired, LABELS, readJobIdentity } from "../../../shared/jobs/job-identity.ts";
import { buildJob } from "../../../shared/jobs/job-spec.ts";
import { aFailedJob, aMessage, aModule, aRun, T0 } from "./objects.ts";

const run = aRun({ source: { topic: "Images", subscription: "thumb" }, attempt: 3 });
const job = () => buildJob({ instance: "dispatcher", namespace: "jobs", module: aModule(), run, message: aMessage() });

describe("which attempt a Job is", () => {
  it("is read back from the Job of a redriven run, which a release that knows no redrives takes for none of its own", () => {
    const redriven = { ...run, redrive: 2 };
    const made = buildJob({
      instance: "dispatcher",
      namespace: "jobs",
      module: aModule(),
      run: redriven,
      message: aMessage(),
    });
    expect(readJobIdentity(made)?.key).toEqual({ source: run.source, sequenceNumber: 42, enqueuedAt: T0, redrive: 2 });
    expect(made.metadata?.annotations).not.toHaveProperty(["ion/source"]);
    expect(made.metadata?.name).not.toBe(job().metadata?.name);
    expect(isOurs(made, "dispatcher", redriven, 3)).toBe(true);
    expect(isOurs(made, "dispatcher", run, 3)).toBe(false);
    expect(isOurs(job(), "dispatcher", redriven, 3)).toBe(false);
    expect(made.spec?.template.metadata?.annotations).toHaveProperty(["ion/run-id"], `Images/thumb:42:${T0}`);
  });

  it("is read back from the Job itself, so that a lost row can be rebuilt", () => {
    expect(readJobIdentity(job())).toEqual({
      key: { source: run.source, sequenceNumber: 42, enqueuedAt: T0 },
      attempt: 3,
      module: "thumbnail",
    });
  });

  it.each([
    { name: "a Job without labels", edit: { labels: {} } },
    { name: "another program's Job", edit: { labels: { ...job().metadata?.labels, [LABELS.managedBy]: "Helm" } } },
    { name: "an edited attempt", edit: { labels: { ...job().metadata?.labels, [LABELS.attempt]: "x" } } },
    { name: "no annotations", edit: { annotations: {} } },
    { name: "a source that isn't JSON", edit: { annotations: { ...job().metadata?.annotations, "ion/source": "{" } } },
    { name: "a source that is none", edit: { annotations: { ...job().metadata?.annotations, "ion/source": "null" } } },
    {
      name: "a number that isn't safe",
      edit: { annotations: { ...job().metadata?.annotations, "ion/sequence-number": "9999999999999999" } },
    },
  ])("is unknown for $name", ({ edit }) => {
    const edited = job();
    expect(readJobIdentity({ ...edited, metadata: { ...edited.metadata, ...edit } })).toBeUndefined();
  });
});

it("is unknown, and no error, where an annotation is no text at all", () => {
  const answer = JSON.stringify(job(), (name, value: unknown) =>
    name === "ion/enqueued-ms" ? { toString: null } : value,
  );
  expect(readJobIdentity(JSON.parse(answer))).toBeUndefined();
});

describe("isOurs", () => {
  it("knows the Job of exactly this attempt", () => {
    expect(isOurs(job(), "dispatcher", run, 3)).toBe(true);
    expect(isOurs(job(), "dispatcher", { ...run, source: { topic: "images", subscription: "THUMB" } }, 3)).toBe(true);
  });

  it.each([
    { name: "another instance's", instance: "other", key: run, attempt: 3 },
    { name: "another attempt's", instance: "dispatcher", key: run, attempt: 2 },
    { name: "another message's", instance: "dispatcher", key: { ...run, sequenceNumber: 43 }, attempt: 3 },
    { name: "an earlier entity's", instance: "dispatcher", key: { ...run, enqueuedAt: T0 - 1 }, attempt: 3 },
    { name: "another source's", instance: "dispatcher", key: { ...run, source: { queue: "images" } }, attempt: 3 },
  ])("refuses $name", ({ instance, key, attempt }) => {
    expect(isOurs(job(), instance, key, attempt)).toBe(false);
  });
});

const labelled = (name: string, value: string) => ({ metadata: { labels: { [name]: value } } });

describe("a Job's marks", () => {
  it("is retired by the label's value true and no other", () => {
    expect(isRetired(labelled("ion/retired", "true"))).toBe(true);
    expect(isRetired(labelled("ion/retired", "false"))).toBe(false);
    expect(isRetired({})).toBe(false);
  });

  it("has finished by Complete and Failed, not by the early conditions", () => {
    expect(finishedAt(aFailedJob("BackoffLimitExceeded", ""))).toBe(T0 + 60_000);
    const early = [
      { type: "FailureTarget", status: "True" },
      { type: "SuccessCriteriaMet", status: "True" },
    ];
    expect(finishedAt({ status: { conditions: early } })).toBeUndefined();
    expect(finishedAt({ status: { conditions: [{ type: "Failed", status: "False" }] } })).toBeUndefined();
    expect(finishedAt({})).toBeUndefined();
  });
});
