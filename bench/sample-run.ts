import { buildJob } from "../shared/jobs/job-spec.ts";
import type { Module } from "../shared/modules/module.ts";
import type { PeekedMessage } from "../shared/run/message.ts";
import { newRun } from "../shared/run/new-run.ts";
import type { Run } from "../shared/run/run.ts";

/** The instance that every bench runs as. */
export const INSTANCE = "bench";

const fields = { image: "https://images.example/2026/harbour.jpg", sizes: [160, 320, 640, 1280] };

/** The body of every message, unless a bench asks for another. */
export const BODY = JSON.stringify(fields);

/** Makes a body of so many bytes, or a little more if it would not hold its fields. */
export function bodyOf(bytes: number): string {
  const shortest = JSON.stringify({ ...fields, padding: "" });
  return JSON.stringify({ ...fields, padding: "x".repeat(Math.max(0, bytes - shortest.length)) });
}

/** Makes the run that the app would make of a message. */
export function runOf(module: Module, message: { sequenceNumber: number; enqueuedAt: number; messageId: string }): Run {
  const now = Date.now();
  const key = { ...message, source: module.source };
  const sent = { messageId: message.messageId, properties: {} };
  return newRun({ key, message: sent, module: module.name, bodyInBlob: false, now, notBefore: now + 15_000 });
}

/** Makes the Job of a run's first attempt. */
export function jobOf(run: Run, module: Module, namespace: string, body = BODY) {
  const message: PeekedMessage = {
    state: "deferred",
    sequenceNumber: run.sequenceNumber,
    enqueuedAt: run.enqueuedAt,
    messageId: run.messageId,
    contentType: "application/json",
    body: Buffer.from(body),
    properties: {},
  };
  return buildJob({ instance: INSTANCE, namespace, module, run, message });
}
