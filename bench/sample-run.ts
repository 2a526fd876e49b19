import { buildJob } from "../shared/jobs/job-spec.ts";
import type { Module } from "../shared/modules/module.ts";
import type { PeekedMessage } from "../shared/ports/message-broker.ts";
import type { Run } from "../shared/run/run.ts";
import { INSTANCE, SOURCE } from "./servers.ts";

/** The body of every message of the bench. */
export const BODY = JSON.stringify({ image: "https://images.example/2026/harbour.jpg", sizes: [160, 320, 640, 1280] });

/** The run that the app makes of one of its messages. */
export function runOf(message: { sequenceNumber: number; enqueuedAt: number; messageId: string }): Run {
  return {
    source: SOURCE,
    sequenceNumber: message.sequenceNumber,
    enqueuedAt: message.enqueuedAt,
    status: "accepted",
    module: "bench",
    messageId: message.messageId,
    acceptedAt: Date.now(),
    attempt: 1,
    failures: 0,
    interruptions: 0,
    bodyInBlob: false,
    notBefore: Date.now() + 15_000,
    busyCount: 0,
  };
}

/** The Job of that run's first attempt. */
export function jobOf(run: Run, module: Module, namespace: string) {
  const message: PeekedMessage = {
    state: "deferred",
    sequenceNumber: run.sequenceNumber,
    enqueuedAt: run.enqueuedAt,
    messageId: run.messageId,
    contentType: "application/json",
    body: Buffer.from(BODY),
    properties: {},
  };
  return buildJob({ instance: INSTANCE, namespace, module, run, message });
}
