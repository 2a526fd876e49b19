import { describe, expect, it } from "vitest";
import { readObject } from "../../../shared/adapters/kubernetes/objects.ts";

describe("an answer of the API server", () => {
  it("has its times as Dates, wherever they are, and nothing of what is null", () => {
    const startedAt = "2026-01-01T00:00:00Z";
    const status = {
      startTime: startedAt,
      containerStatuses: [{ state: { terminated: { startedAt: null, exitCode: 1 } } }],
    };
    const { items } = readObject("PodList", {
      kind: "PodList",
      items: [{ metadata: { creationTimestamp: startedAt }, status }],
    });
    expect(items).toEqual([
      {
        metadata: { creationTimestamp: new Date(startedAt) },
        status: { startTime: new Date(startedAt), containerStatuses: [{ state: { terminated: { exitCode: 1 } } }] },
      },
    ]);
  });

  it("keeps labels and annotations as they are, whatever anybody calls them", () => {
    const metadata = { labels: { startTime: "now" }, annotations: { finishedAt: "2026-01-01T00:00:00Z" } };
    expect(readObject("Job", { kind: "Job", metadata })).toEqual({ kind: "Job", metadata });
  });

  it.each([
    ["another kind", { kind: "Status" }],
    ["a list", { kind: "JobList", items: [] }],
    ["nonsense", { kind: { toString: "" } }],
    ["an array", []],
    ["null", null],
  ])("is refused as a Job where it is %s", (_, answer) => {
    expect(() => readObject("Job", answer)).toThrow(/something other than a Job/);
  });

  it("is an empty list where its items are null, as Go may write it", () => {
    expect(readObject("PodList", { kind: "PodList", items: null }).items).toEqual([]);
  });
});
