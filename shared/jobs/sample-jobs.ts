import type { V1Job } from "@kubernetes/client-node";
import type { Module } from "../modules/module.ts";
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
 * Builds the two kinds of Job that a module's messages get: with the body in the pod, and with a URL to fetch it from.
 * Both have the same name, which is never a real Job's, because sequence numbers begin at 1.
 */
export function sampleJobs(of: { instance: string; namespace: string; module: Module }): [V1Job, V1Job] {
  const { instance, namespace, module } = of;
  const key = { ...MESSAGE, source: module.source };
  const run = newRun({ key, message: MESSAGE, module: module.name, bodyInBlob: false, now: 0 });
  const sample = { instance, namespace, module, run, message: MESSAGE };
  return [buildJob(sample), buildJob({ ...sample, bodyUrl: "https://preflight.invalid/body" })];
}
