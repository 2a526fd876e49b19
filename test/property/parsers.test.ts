import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import * as fc from "fast-check";
import Long from "long";
import { describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { readDelivery } from "../../shared/accept/read-delivery.ts";
import { KubernetesFailure, NoAnswerError, readWarnings } from "../../shared/adapters/kubernetes/answer.ts";
import type { KubernetesConnection } from "../../shared/adapters/kubernetes/connection.ts";
import { readObject } from "../../shared/adapters/kubernetes/objects.ts";
import { listTable } from "../../shared/adapters/kubernetes/tables.ts";
import { toPeekedMessage } from "../../shared/adapters/service-bus/message.ts";
import { BadRowError } from "../../shared/adapters/tables/columns.ts";
import { escapeKey, sourcePartition } from "../../shared/adapters/tables/keys.ts";
import { readModuleState, writeModuleState } from "../../shared/adapters/tables/module-entity.ts";
import { readClosedRun, readOpenRun, readSource, writeOpenRun } from "../../shared/adapters/tables/run-entity.ts";
import { readConfig } from "../../shared/config.ts";
import { durationText, parseDuration } from "../../shared/duration.ts";
import { ConfigError, InvalidMessageError } from "../../shared/errors.ts";
import { isOurs, readJobIdentity } from "../../shared/jobs/job-identity.ts";
import { jobName } from "../../shared/jobs/job-name.ts";
import { judgeEnd } from "../../shared/jobs/judge-end.ts";
import { judgeStart } from "../../shared/jobs/judge-start.ts";
import { bodyText, propertiesJson } from "../../shared/jobs/message-files.ts";
import { parseModuleFile } from "../../shared/module-files/parse-module-file.ts";
import { checkBody } from "../../shared/modules/check-body.ts";
import { type Source, sourceKey } from "../../shared/run/source.ts";
import { withoutSignatures } from "../../shared/run/without-signatures.ts";
import { isNcrontab } from "../../shared/settings/ncrontab.ts";
import { SETTINGS } from "../../shared/settings/settings.ts";
import { aModule } from "../support/a-module.ts";
import { aRun } from "../support/a-run.ts";
import { PROPERTY_TIMEOUT_MS, propertyOptions } from "../support/property-options.ts";

const SOURCE: Source = { queue: "q" };

/** Expects that `holds` is true for any input. If not, fast-check prints the shrunk input and its seed. */
function expectAlways<T>(any: fc.Arbitrary<T>, holds: (value: T) => boolean | void, runs = 300): void {
  expect(() => fc.assert(fc.property(any, holds), propertyOptions(runs))).not.toThrow();
}

/** Calls `act`, and lets it throw only errors of these kinds. */
function only(kinds: readonly (new (...args: never[]) => Error)[], act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (kinds.some((kind) => error instanceof kind)) return true;
    throw error;
  }
}

/** The text as it is written in UTF-8, which has no form for half of a surrogate pair. */
const utf8 = (text: string) => Buffer.from(text).toString();

/** Text as a sender may write it, which is any Unicode, halves of surrogate pairs included. */
const anyText = fc.string({ unit: "binary" });
const anyJson = fc.jsonValue();

/** A parsed object with another value in one of its places. */
function mutated(whole: object): fc.Arbitrary<unknown> {
  const paths = pathsOf(whole);
  return fc.tuple(fc.constantFrom(...paths), fc.oneof(anyJson, fc.constant(undefined))).map(([path, value]) => {
    const copy: unknown = structuredClone(whole);
    set(copy, path, value);
    return copy;
  });
}

function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([name, item]) => pathsOf(item, [...path, name]))].filter(
    ({ length }) => length > 0,
  );
}

function set(root: unknown, path: readonly string[], value: unknown): void {
  const parent = path.slice(0, -1).reduce((at: unknown, step) => Reflect.get(Object(at), step) as unknown, root);
  Reflect.set(Object(parent), path.at(-1) ?? "", value);
}

const MODULE = {
  name: "thumbnail",
  source: { topic: "image-uploaded", subscription: "thumbnail" },
  when: { subject: "image.uploaded", properties: { tenant: "acme" } },
  schema: { type: "object", properties: { width: { type: "integer" } } },
  retry: { maxAttempts: 4, backoff: { first: "10s", max: "10m" }, permanentExitCodes: [64], maxInterruptions: 20 },
  maxRunningTime: "10m",
  maxActive: 50,
  worker: {
    image: "busybox",
    args: ["a"],
    env: { A: "b", C: { valueFrom: { secretKeyRef: { name: "s", key: "k" } } } },
  },
  publishes: ["image.resized"],
};

vi.setConfig({ testTimeout: PROPERTY_TIMEOUT_MS });

describe("a module file", () => {
  const isAnswered = (text: string) => {
    const { module, errors } = parseModuleFile("m.yaml", text);
    expect(module === undefined).toBe(errors.length > 0);
    for (const error of errors) expect(error).toMatch(/^m\.yaml:\d+:\d+: [^\n]+$/);
  };

  it("of any text is a module, or gives errors of a line each, with file, line and column", () => {
    expectAlways(
      fc.oneof(
        anyText,
        anyJson.map((value) => stringify(value)),
      ),
      isAnswered,
    );
  });

  it("with one wrong place is a module, or gives errors of a line each", () => {
    isAnswered(stringify(MODULE));
    expect(parseModuleFile("m.yaml", stringify(MODULE)).errors).toEqual([]);
    expectAlways(mutated(MODULE), (value) => isAnswered(stringify(value)), 200);
  });
});

describe("a message envelope", () => {
  const anyBody = fc.oneof(
    fc.uint8Array(),
    anyText,
    fc.array(fc.uint8Array()),
    fc.anything({ withDate: true, withTypedArray: true, withBigInt: true }),
  );
  const anyMessage = fc.record({
    sequenceNumber: fc.maxSafeNat().map((number) => Long.fromNumber(number % 2 ** 48)),
    state: fc.constantFrom("active", "deferred", "scheduled"),
    body: anyBody,
    messageId: fc.option(fc.oneof(anyText, fc.integer(), fc.uint8Array()), { nil: undefined }),
    correlationId: fc.option(fc.oneof(anyText, fc.integer(), fc.uint8Array()), { nil: undefined }),
    subject: fc.option(anyText, { nil: undefined }),
    enqueuedTimeUtc: fc.option(fc.date({ noInvalidDate: true }), { nil: undefined }),
    expiresAtUtc: fc.option(fc.date(), { nil: undefined }),
    applicationProperties: fc.dictionary(
      anyText,
      fc.anything({ withDate: true, withTypedArray: true, withBigInt: true }),
    ),
  });

  it("of any content is read, and becomes files that fit into a pod's annotations", () => {
    expectAlways(anyMessage, (message) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The test is about messages of any shape.
      const peeked = toPeekedMessage(SOURCE, message as unknown as ServiceBusReceivedMessage);
      expect(peeked.body).toBeInstanceOf(Uint8Array);
      const properties: unknown = JSON.parse(propertiesJson(peeked));
      expect(properties).toMatchObject({ sequenceNumber: peeked.sequenceNumber });
    });
  });

  it("keeps every byte of its body, as text or as base64", () => {
    expectAlways(
      fc.oneof(
        fc.uint8Array(),
        anyText.map((text) => Buffer.from(text)),
      ),
      (body) => {
        const { text, encoding } = bodyText(body);
        expect(Buffer.from(text, encoding === "base64" ? "base64" : "utf8").equals(body)).toBe(true);
      },
    );
  });

  it("with any body fits its schema or not, and the reason quotes nothing of it", () => {
    const module = aModule({ schema: { type: "object", properties: { size: { type: "integer" } } } });
    const secret = "s3cr3t-of-the-sender";
    const anyWrong = fc.oneof(
      fc.constant(`{"size":"${secret}"}`),
      fc.constant(secret),
      fc.constant(`{"size":["${secret}`),
    );
    expectAlways(
      fc.oneof(
        fc.uint8Array(),
        anyWrong.map((text) => Buffer.from(text)),
      ),
      (body) => {
        const problem = checkBody(module, body);
        expect(problem ?? "").not.toContain(secret);
      },
    );
  });
});

describe("what a trigger hands over", () => {
  it("is a delivery, or says why it can't be one", () => {
    const metadata = fc.record(
      { sequenceNumber: fc.anything(), lockToken: fc.anything() },
      { requiredKeys: [], noNullPrototype: true },
    );
    expectAlways(fc.option(metadata, { nil: undefined }), (given) =>
      only([InvalidMessageError], () => readDelivery(given)),
    );
  });
});

describe("an answer of the Kubernetes API", () => {
  it("that is a failure of any content has a text, and faults only of text", () => {
    expectAlways(
      fc.oneof(
        anyText,
        anyJson.map((value) => JSON.stringify(value)),
      ),
      (body) => {
        const failure = new KubernetesFailure(500, body, { "retry-after": body });
        expect(failure.message).not.toBe("");
        expect(
          failure.faults.every(({ field, message }) => typeof field === "string" && typeof message === "string"),
        ).toBe(true);
      },
    );
  });

  it("with any warnings gives texts", () => {
    expectAlways(anyText, (header) => readWarnings(header).every((text) => typeof text === "string"));
  });

  const TABLE = {
    kind: "Table",
    metadata: {},
    columnDefinitions: [{ name: "Name" }, { name: "Status" }],
    rows: [{ cells: ["job-1", "Running"], object: { metadata: { creationTimestamp: "2026-01-01T00:00:00Z" } } }],
  };

  it("to a list becomes rows of text, or is refused", async () => {
    const lists = fc.asyncProperty(fc.oneof(anyJson, mutated(TABLE)), async (answer) => {
      let asked = 0;
      const json = () => Promise.resolve((asked += 1) === 1 ? answer : TABLE);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The code asks for nothing else of a connection.
      const connection = { json } as unknown as KubernetesConnection;
      const listed = listTable(connection, "/jobs", { labelSelector: "a=b" }, (row) => row);
      const { rows } = await listed.catch((error: unknown) => {
        if (error instanceof NoAnswerError) return { rows: [] };
        throw error;
      });
      for (const row of rows) expect(Object.values(row).every((cell) => typeof cell === "string")).toBe(true);
    });
    await expect(fc.assert(lists, propertyOptions(300))).resolves.toBeUndefined();
  });

  const JOB = {
    metadata: {
      name: "j",
      labels: {
        "app.kubernetes.io/managed-by": "dispatcher",
        "app.kubernetes.io/instance": "i",
        "ion/module": "m",
        "ion/attempt": "1",
      },
      annotations: { "ion/source": '{"queue":"q"}', "ion/sequence-number": "1", "ion/enqueued-ms": "2" },
    },
  };

  it("to a look at a Job, its pods or its events becomes an object or a list of objects of that kind, or is refused", () => {
    const answers = {
      Job: { kind: "Job", ...JOB, status: { startTime: "2026-01-01T00:00:00Z", conditions: [{ type: "Failed" }] } },
      PodList: { kind: "PodList", items: [{ metadata: { creationTimestamp: "2026-01-01T00:00:00Z" } }] },
      EventList: { kind: "EventList", items: [{ reason: "FailedCreate", lastTimestamp: null }] },
    };
    for (const kind of ["Job", "PodList", "EventList"] as const)
      expectAlways(fc.oneof(anyJson, mutated(answers[kind])), (answer) =>
        only([NoAnswerError], () => {
          const read: object = readObject(kind, answer);
          const items: unknown = kind === "Job" ? [] : Reflect.get(read, "items");
          expect(items).toSatisfy((list: object[]) => list.every((item) => typeof item === "object"));
        }),
      );
  });

  it("that is a Job of any labels and annotations has an identity if it is ours", () => {
    expectAlways(fc.oneof(mutated(JOB), fc.constant(JOB)), (value) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- A person may write any text there.
      const job = JSON.parse(
        JSON.stringify(value, (_, part: unknown) => (typeof part === "number" ? String(part) : part)),
      ) as typeof JOB;
      if (typeof job.metadata !== "object" || job.metadata === null) return;
      const identity = readJobIdentity(job);
      const isExpected = isOurs(job, "i", { source: SOURCE, sequenceNumber: 1, enqueuedAt: 2 }, 1);
      expect(identity !== undefined || !isExpected).toBe(true);
    });
  });

  it("that is a failed Job with pods in any state becomes an attempt end with a text and a kind", () => {
    const anyWord = fc.option(
      fc.oneof(anyText, fc.constantFrom("Evicted", "DeadlineExceeded", "OOMKilled", "NodeLost")),
      { nil: undefined },
    );
    const terminated = fc.record({ exitCode: fc.integer(), reason: anyWord, message: anyWord });
    const state = fc.oneof(
      terminated.map((ended) => ({ terminated: ended })),
      fc.record({ reason: anyWord, message: anyWord }).map((waiting) => ({ waiting })),
      fc.constant({ running: {} }),
      fc.constant({}),
    );
    const pod = fc.record({
      metadata: fc.record({ creationTimestamp: fc.option(fc.date({ noInvalidDate: true }), { nil: undefined }) }),
      status: fc.record({
        phase: fc.constantFrom("Pending", "Running", "Failed", "Succeeded", "Unknown"),
        reason: anyWord,
        message: anyWord,
        containerStatuses: fc.array(
          state.map((one) => ({ name: "c", image: "", imageID: "", ready: false, restartCount: 0, state: one })),
        ),
      }),
    });
    const anyPods = fc.array(pod, { maxLength: 3 });
    const reasons = fc.constantFrom("DeadlineExceeded", "PodFailurePolicy", "BackoffLimitExceeded", "Other");
    expectAlways(fc.tuple(reasons, anyWord, anyPods), ([reason, message, given]) => {
      const pods: object[] = given;
      const failed = { type: "Failed", status: "True", reason, ...(message === undefined ? {} : { message }) };
      const job = { status: { conditions: [failed] } };
      const end = judgeEnd(job, pods);
      expect(["failure", "interruption", "unstarted"]).toContain(end?.kind);
      expect(end?.detail).not.toBe("");
      const start = judgeStart({ job: {}, pods, events: [], now: 1, startTimeoutMs: 1 });
      expect(Object.keys(start)).toHaveLength(1);
    });
  });
});

describe("a row", () => {
  it("of any columns becomes a run, or is refused as a bad row", () => {
    const columns = writeOpenRun(aRun({ status: "settling", verdict: { outcome: "failed", reason: "JobFailed" } }));
    const anyColumns = fc.oneof(
      fc.dictionary(fc.string(), fc.anything()),
      fc
        .tuple(fc.constantFrom(...Object.keys(columns)), fc.anything())
        .map(([name, value]) => ({ ...columns, [name]: value })),
    );
    expectAlways(anyColumns, (row) => {
      only([BadRowError], () => readOpenRun(SOURCE, row));
      only([BadRowError], () => readClosedRun(SOURCE, row));
      only([BadRowError], () => readSource(row));
    });
  });

  it("of a module becomes its state, or is refused as a bad row", () => {
    const columns = writeModuleState({
      module: "m",
      template: "t",
      failed: ["r"],
      since: 1,
      fault: "image",
      detail: "d",
      probes: 0,
    });
    const anyColumns = fc
      .tuple(fc.constantFrom(...Object.keys(columns)), fc.anything())
      .map(([name, value]) => ({ ...columns, [name]: value }));
    expectAlways(fc.oneof(fc.dictionary(fc.string(), fc.anything()), anyColumns), (row) =>
      only([BadRowError], () => readModuleState(row)),
    );
  });

  it("has a key that no other source or instance has, and no character that a key must not have", () => {
    const anyName = fc.oneof(fc.string(), anyText, fc.constantFrom("a|b", "a", "b", "a/b", "_7c"));
    expectAlways(fc.tuple(anyName, anyName), ([a, b]) => {
      const key = escapeKey(a);
      const isDistinct = (key === escapeKey(b)) === (utf8(a) === utf8(b));
      return isDistinct && /^[a-z0-9._-]*$/.test(key);
    });
    const anySource = fc.oneof(
      anyName.map((queue): Source => ({ queue })),
      fc.tuple(anyName, anyName).map(([topic, subscription]): Source => ({ topic, subscription })),
    );
    expectAlways(fc.tuple(anySource, anySource), ([a, b]) => {
      return sourcePartition("i", a) !== sourcePartition("i", b) || utf8(sourceKey(a)) === utf8(sourceKey(b));
    });
  });
});

describe("the name of a Job", () => {
  it("is a DNS label of at most 57 characters, whatever the module is called", () => {
    const any = fc.tuple(
      anyText,
      anyText,
      fc.nat({ max: 2 ** 48 - 1 }),
      fc.nat({ max: 4_102_444_800_000 }),
      fc.integer({ min: 1, max: 99_999 }),
    );
    expectAlways(any, ([module, instance, sequenceNumber, enqueuedAt, attempt]) => {
      const name = jobName({ module, instance, key: { source: SOURCE, sequenceNumber, enqueuedAt }, attempt });
      expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
      expect(name.length).toBeLessThanOrEqual(57);
    });
  });
});

describe("settings", () => {
  it("of any values are read, or refused with an error that has no secret in it", () => {
    const secret = "s3cr3t-k3y";
    const value = fc.oneof(
      anyText,
      fc.constant(""),
      fc.constant("5m"),
      fc.string().map((text) => `${text}${secret}`),
    );
    const env = fc.dictionary(fc.constantFrom(...SETTINGS.map(({ name }) => name)), value, { noNullPrototype: true });
    expectAlways(env, (given) => {
      const isPlain = SETTINGS.every((setting) => "secret" in setting || !given[setting.name]?.includes(secret));
      try {
        readConfig(given);
        return true;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return !isPlain || !error.message.includes(secret);
      }
    });
  });

  it("that are durations come back as they were written, and no other text is a duration", () => {
    expectAlways(fc.nat({ max: 999_999_999 }), (ms) => parseDuration(durationText(ms)) === ms);
    expectAlways(anyText, (text) => parseDuration(text) === undefined || /^\d+(ms|s|m|h|d)$/.test(text));
  });

  it("that are schedules are told from any other text", () => {
    expectAlways(
      fc.oneof(anyText, fc.stringMatching(/^[-\d*/, a-z]{0,40}$/)),
      (text) => typeof isNcrontab(text) === "boolean",
    );
  });
});

describe("a text that comes from elsewhere", () => {
  it("has no signature in it after it was cleaned, however the URL in it is written", () => {
    const signature = fc.stringMatching(/^[A-Za-z0-9%]{8,44}$/);
    const before = fc.constantFrom("?", "&", "\\u0026", "%26", "&amp;", "%3F", "%2526");
    const equals = fc.constantFrom("=", "%3D", "%3d", "%253D");
    expectAlways(fc.tuple(anyText, before, equals, signature, anyText), ([start, separator, is, secret, end]) => {
      expect(withoutSignatures(`${start}https://a/b?x=1${separator}sig${is}${secret}" ${end}`)).not.toContain(secret);
    });
  });
});
