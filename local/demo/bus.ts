import type { ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import { type Source, sourceKey, sourceName } from "../../shared/run/source.ts";
import type { SentSample } from "./follow-runs.ts";
import { SAMPLES, type Sample } from "./samples.ts";

/** Distinguishes the samples on the bus, because two of them share their message id. */
const SAMPLE_NUMBER = "demo-sample";
const MOST_MESSAGES = 250;

/** Sends the samples, one after the other. No receiver may take them before `findSent` has seen them. */
export async function sendSamples(client: ServiceBusClient, samples: readonly Sample[]): Promise<void> {
  for (const sample of samples) {
    const { source, message } = sample;
    const sender = client.createSender("queue" in source ? source.queue : source.topic);
    const number = SAMPLES.indexOf(sample);
    await sender.sendMessages({
      ...message,
      applicationProperties: { ...message.applicationProperties, [SAMPLE_NUMBER]: number },
    });
    await sender.close();
  }
}

/**
 * Finds each sample on the bus. Throws an Error if one is missing because the entity's filter dropped it, or it was
 * sent elsewhere.
 */
export async function findSent(client: ServiceBusClient, samples: readonly Sample[]): Promise<SentSample[]> {
  const waiting = new Map<number, SentSample>();
  for (const source of distinctSources(samples)) {
    for (const message of await peekAll(receiverOf(client, source))) {
      const number = numberOf(message);
      const sample = number === undefined ? undefined : SAMPLES[number];
      if (number === undefined || !sample) continue;
      const sequenceNumber = message.sequenceNumber?.toNumber() ?? 0;
      const enqueuedAt = message.enqueuedTimeUtc?.getTime() ?? 0;
      const key = { source, sequenceNumber, enqueuedAt };
      waiting.set(number, { sample, messageId: String(message.messageId), key });
    }
  }
  return samples.map((sample) => {
    const sent = waiting.get(SAMPLES.indexOf(sample));
    if (!sent) throw new Error(`The message "${sample.title}" was sent, but is not in ${sourceName(sample.source)}.`);
    return sent;
  });
}

/** The messages that queues, subscriptions and their dead letter queues hold. */
export interface Holdings {
  /** The dead letter of each sample that has one. */
  readonly deadLetters: ReadonlyMap<Sample, { readonly reason: string; readonly description: string }>;
  /** Samples that are still where they arrived. */
  readonly remaining: ReadonlySet<Sample>;
  /** A sentence for each unexpected thing, such as a message that the demo did not send, or one that is there twice. */
  readonly surprises: readonly string[];
}

/** Looks into every entity that the samples went to. */
export async function lookIntoBus(client: ServiceBusClient, samples: readonly Sample[]): Promise<Holdings> {
  const deadLetters = new Map<Sample, { reason: string; description: string }>();
  const remaining = new Set<Sample>();
  const surprises: string[] = [];
  for (const source of distinctSources(samples)) {
    for (const message of await peekAll(receiverOf(client, source))) {
      const sample = sampleOf(message, source);
      if (sample) remaining.add(sample);
      else
        surprises.push(
          `${sourceName(source)} holds a message that the demo did not send, ${String(message.messageId)}`,
        );
    }
    for (const message of await peekAll(receiverOf(client, source, "deadLetter"))) {
      const sample = sampleOf(message, source);
      if (!sample || deadLetters.has(sample))
        surprises.push(
          `the dead letter queue of ${sourceName(source)} holds a message twice, or one that the demo did not send, ${String(message.messageId)}`,
        );
      else
        deadLetters.set(sample, {
          reason: message.deadLetterReason ?? "",
          description: message.deadLetterErrorDescription ?? "",
        });
    }
  }
  return { deadLetters, remaining, surprises };
}

function distinctSources(samples: readonly Sample[]): Source[] {
  return [...new Map(samples.map(({ source }) => [sourceKey(source), source])).values()];
}

function receiverOf(client: ServiceBusClient, source: Source, subQueue?: "deadLetter"): ServiceBusReceiver {
  const options = subQueue === undefined ? {} : { subQueueType: subQueue };
  return "queue" in source
    ? client.createReceiver(source.queue, options)
    : client.createReceiver(source.topic, source.subscription, options);
}

async function peekAll(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage[]> {
  try {
    return await receiver.peekMessages(MOST_MESSAGES);
  } finally {
    await receiver.close();
  }
}

function sampleOf(message: ServiceBusReceivedMessage, source: Source): Sample | undefined {
  const number = numberOf(message);
  const sample = number === undefined ? undefined : SAMPLES[number];
  return sample && sourceKey(sample.source) === sourceKey(source) ? sample : undefined;
}

function numberOf(message: ServiceBusReceivedMessage): number | undefined {
  const number = message.applicationProperties?.[SAMPLE_NUMBER];
  return typeof number === "number" ? number : undefined;
}
