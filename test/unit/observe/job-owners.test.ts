import { describe, expect, it } from "vitest";
import { makeJobOwners } from "../../../shared/observe/job-owners.ts";
import { aRun } from "../../support/a-run.ts";

describe("whom a Job belongs to", () => {
  it("is forgotten by a replica that starts Jobs and never ticks", () => {
    const owners = makeJobOwners();
    for (let n = 1; n <= 50_000; n += 1)
      owners.note({ event: "dispatched", by: "delivery", run: aRun({ sequenceNumber: n, jobName: `job-${n}` }) });
    expect(owners.ownerOf("job-50000")).toMatchObject({ sequenceNumber: 50_000 });
    expect(owners.ownerOf("job-1")).toBeUndefined();
  });

  it("lasts for a tick more than the one that reads the rows", () => {
    const owners = makeJobOwners();
    owners.note({ event: "dispatched", by: "delivery", run: aRun({ jobName: "job-1" }) });
    owners.keep([]);
    expect(owners.ownerOf("job-1")).toBeDefined();
    owners.keep([]);
    expect(owners.ownerOf("job-1")).toBeUndefined();
  });
});
