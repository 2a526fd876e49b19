import type { V1Job } from "@kubernetes/client-node";
import type { Module } from "../modules/module.ts";
import type { BodyAccess } from "../ports/payload-store.ts";
import type { PeekedMessage } from "../run/message.ts";
import { newRun } from "../run/new-run.ts";
import { buildJob } from "./job-spec.ts";

const MESSAGE: PeekedMessage = {
  state: "deferred",
  sequenceNumber: 0,
  enqueuedAt: 0,
  messageId: "preflight",
  body: Buffer.from("{}"),
  properties: {},
};

/**
 * Builds the kinds of Job that a module's messages get: with a URL to fetch the body from and, if bodies may be inline,
 * with the body in the pod. Both have the same name, which is never a real Job's, because sequence numbers begin at 1.
 */
export function sampleJobs(of: {
  readonly instance: string;
  readonly namespace: string;
  readonly module: Module;
  readonly bodyAccess: BodyAccess;
}): [V1Job, ...V1Job[]] {
  const { instance, namespace, module, bodyAccess } = of;
  const key = { ...MESSAGE, source: module.source };
  const run = newRun({ key, message: MESSAGE, module: module.name, bodyInBlob: false, now: 0 });
  const sample = { instance, namespace, module, run, message: MESSAGE };
  const byUrl = buildJob({ ...sample, bodyUrl: "https://preflight.invalid/body" });
  return bodyAccess === "identity" ? [byUrl] : [buildJob(sample), byUrl];
}
