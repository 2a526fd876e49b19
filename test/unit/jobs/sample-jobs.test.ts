import { expect, it } from "vitest";
import { sampleJobs } from "../../../shared/jobs/sample-jobs.ts";
import { aModule } from "./objects.ts";

const [inline, byUrl = inline] = sampleJobs({
  instance: "one",
  namespace: "jobs",
  module: aModule(),
  bodyAccess: "inline",
});
const envOf = (job: typeof inline) => job.spec?.template.spec?.containers[0]?.env?.map(({ name }) => name);

it("makes one Job with the body in it and one with a URL", () => {
  expect(envOf(inline)).toContain("DISPATCHER_MESSAGE_FILE");
  expect(envOf(byUrl)).toContain("DISPATCHER_MESSAGE_URL");
  expect(envOf(byUrl)).not.toContain("DISPATCHER_MESSAGE_FILE");
});

it("makes only the one with a URL if no body may be inline", () => {
  const jobs = sampleJobs({ instance: "one", namespace: "jobs", module: aModule(), bodyAccess: "identity" });
  expect(jobs).toEqual([byUrl]);
});

it("gives them the name of sequence number 0, which no message has", () => {
  expect(inline.metadata?.name).toMatch(/^thumbnail-[a-z\d]+-0-1$/);
  expect(byUrl.metadata?.name).toBe(inline.metadata?.name);
});
