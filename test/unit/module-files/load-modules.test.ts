import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadModules } from "../../../shared/module-files/load-modules.ts";
import { aDirectory, messageOf } from "./module-files.ts";

const load = (files: Record<string, string>) => loadModules(aDirectory(files));
const refusal = (files: Record<string, string>) => {
  const directory = aDirectory(files);
  return messageOf(directory, () => loadModules(directory));
};
/** The refusal of one file that is right but for these lines. */
const withLines = (...lines: string[]) =>
  refusal({ "m.yaml": ["name: m", "source: { queue: q }", "worker: { image: i }", ...lines].join("\n") });

const template = (spec: string, pod: string) =>
  refusal({
    "m.yaml": `name: m\nsource: { queue: q }\njobTemplate:\n  spec:\n    ${spec}\n    template:\n      spec:\n        ${pod}\n`,
  });

const DURATION = "write a duration such as 500ms, 10s, 5m, 1h or 1d";
const FIELDS =
  "$schema, name, source, when, schema, retry, maxRunningTime, startTimeout, maxActive, serviceAccountName, worker, handler, publishes, jobTemplate";

describe("a module file", () => {
  it("needs little, and gets defaults for the rest", () => {
    const [module] = load({
      "greet.yaml": "name: greet\nsource: { queue: greetings }\nworker: { image: busybox:1.36 }",
    });
    expect(module).toEqual({
      name: "greet",
      file: expect.stringMatching(/greet\.yaml$/),
      fileDigest: expect.stringMatching(/^[0-9a-f]{16}$/),
      source: { queue: "greetings" },
      when: undefined,
      schema: undefined,
      retry: {
        maxAttempts: 5,
        backoff: { firstMs: 10_000, maxMs: 600_000 },
        permanentExitCodes: [],
        maxInterruptions: 20,
      },
      maxRunningTimeMs: 3_600_000,
      startTimeoutMs: 900_000,
      maxActive: 100,
      publishes: [],
      work: { kind: "worker", worker: { image: "busybox:1.36" }, handler: undefined },
    });
  });

  it("has another digest if its text or that of its schema is another", () => {
    const digestOf = (schema: string, more = "") =>
      load({
        "greet.schema.json": schema,
        "greet.yaml": `name: greet\nsource: { queue: q }\nschema: greet.schema.json\nworker: { image: w }\n${more}`,
      })[0]?.fileDigest;
    const digests = [digestOf("true"), digestOf("true", "maxActive: 1"), digestOf("false")];
    expect(new Set(digests).size).toBe(3);
    expect(digestOf("true")).toBe(digests[0]);
  });

  it("may say everything", () => {
    const [module] = load({
      "thumbnail.schema.json": '{ "type": "object" }',
      "thumbnail.yaml": `
name: thumbnail
source: { topic: image-uploaded, subscription: thumbnail }
when: { subject: image.uploaded, properties: { size: 3, urgent: true, kind: png } }
schema: thumbnail.schema.json
retry: { maxAttempts: 4, backoff: { first: 500ms, max: 10m }, permanentExitCodes: [65, 64, 65], maxInterruptions: 0 }
maxRunningTime: 1d
startTimeout: 15s
maxActive: 0
worker:
  image: w:1
  command: [run]
  args: [--fast]
  env:
    LEVEL: info
    KEY: { valueFrom: { secretKeyRef: { name: s, key: k } } }
  resources: { limits: { cpu: 1, memory: 1Gi } }
  securityContext: { runAsUser: 1000 }
handler: { image: h:2 }
serviceAccountName: dispatcher-job
publishes: [image.resized]
`,
    });
    expect(module).toMatchObject({
      source: { topic: "image-uploaded", subscription: "thumbnail" },
      when: { subject: "image.uploaded", properties: { size: 3, urgent: true, kind: "png" } },
      schema: { type: "object" },
      retry: {
        maxAttempts: 4,
        backoff: { firstMs: 500, maxMs: 600_000 },
        permanentExitCodes: [64, 65],
        maxInterruptions: 0,
      },
      maxRunningTimeMs: 86_400_000,
      startTimeoutMs: 15_000,
      maxActive: 0,
      publishes: ["image.resized"],
      work: {
        kind: "worker",
        worker: {
          image: "w:1",
          command: ["run"],
          args: ["--fast"],
          env: { LEVEL: "info", KEY: { valueFrom: { secretKeyRef: { name: "s", key: "k" } } } },
          resources: { limits: { cpu: 1, memory: "1Gi" } },
          securityContext: { runAsUser: 1000 },
        },
        handler: { image: "h:2" },
        serviceAccountName: "dispatcher-job",
      },
    });
  });

  it("may have as many attempts as the bus has deliveries for them", () => {
    const lines = [
      "retry: { maxAttempts: 980, maxInterruptions: 20 }",
      "retry: { maxAttempts: 1000, maxInterruptions: 0 }",
    ];
    for (const line of lines)
      expect(load({ "m.yaml": `name: m\nsource: { queue: q }\nworker: { image: i }\n${line}` })).toHaveLength(1);
  });

  it("may hold a whole Job, which is kept as it is", () => {
    const [module] = load({
      "t.json": JSON.stringify({
        name: "t",
        source: { queue: "q" },
        jobTemplate: {
          spec: { suspend: true, template: { spec: { containers: [{ name: "a", image: "a:1", tty: true }] } } },
        },
      }),
    });
    expect(module?.work).toEqual({
      kind: "jobTemplate",
      jobTemplate: {
        spec: { suspend: true, template: { spec: { containers: [{ name: "a", image: "a:1", tty: true }] } } },
      },
    });
  });

  it("may share parts within itself by anchors and merge keys", () => {
    const [module] = load({
      "m.yaml": "name: m\nsource: { queue: q }\nworker: &w { image: i, args: [a] }\nhandler: { <<: *w, args: [b] }",
    });
    expect(module?.work).toMatchObject({ handler: { image: "i", args: ["b"] } });
  });

  it("is found through links, as a mounted ConfigMap has them; schemas, hidden and other files are passed over", () => {
    const good = "source: { queue: q }\nworker: { image: i }";
    const directory = aDirectory({
      "real.yaml": `name: a\n${good}`,
      "b.yml": "name: b\nsource: { queue: r }\nworker: { image: i }",
      "module.schema.json": "{}",
      "x.schema.yaml": "{}",
      ".hidden.yaml": "no: module",
      "README.md": "no module",
    });
    mkdirSync(join(directory, "..data"));
    renameSync(join(directory, "real.yaml"), join(directory, "..data", "a.yaml"));
    symlinkSync(join("..data", "a.yaml"), join(directory, "a.yaml"));
    expect(loadModules(directory).map(({ name }) => name)).toEqual(["a", "b"]);
  });
});

describe("a module file that is wrong stops the app, saying where and what is allowed", () => {
  it.each([
    {
      name: "no name",
      text: "source: { queue: q }\nworker: { image: i }",
      want: "m.yaml:1:1: name: missing; write a name of lower-case",
    },
    {
      name: "a name that isn't a label",
      text: "name: My_Module\nsource: { queue: q }\nworker: { image: i }",
      want: 'm.yaml:1:7: name: "My_Module" is not allowed',
    },
    {
      name: "no source",
      text: "name: m\nworker: { image: i }",
      want: "m.yaml:1:1: source: missing; write { queue: NAME } or",
    },
    {
      name: "half a subscription",
      text: "name: m\nsource: { topic: t }\nworker: { image: i }",
      want: 'm.yaml:2:9: source: {"topic":"t"} is not allowed',
    },
    {
      name: "a queue and a topic",
      text: "name: m\nsource: { queue: q, topic: t, subscription: s }\nworker: { image: i }",
      want: "m.yaml:2:9: source: ",
    },
    {
      name: "a queue's name that isn't one",
      text: "name: m\nsource: { queue: 'q q' }\nworker: { image: i }",
      want: 'm.yaml:2:18: source.queue: "q q" is not allowed',
    },
    {
      name: "no work",
      text: "name: m\nsource: { queue: q }",
      want: "m.yaml:1:1: worker: missing; write worker (an image to run), or jobTemplate",
    },
    {
      name: "a handler alone",
      text: "name: m\nsource: { queue: q }\nhandler: { image: h }",
      want: "worker: missing; write one, because a handler runs around a worker",
    },
    {
      name: "worker and jobTemplate",
      text: "name: m\nsource: { queue: q }\nworker: { image: i }\njobTemplate: { spec: { template: { spec: { containers: [{ name: a, image: a }] } } } }",
      want: "m.yaml:3:1: worker: can't stand beside jobTemplate, which is the whole Job; remove one of them",
    },
    {
      name: "an image missing",
      text: "name: m\nsource: { queue: q }\nworker: { args: [a] }",
      want: "m.yaml:3:9: worker.image: missing; write the image to run",
    },
    {
      name: "an empty image",
      text: "name: m\nsource: { queue: q }\nworker:\n  image:",
      want: "m.yaml:4:3: worker.image: null is not allowed; write the image to run",
    },
    { name: "an empty file", text: "", want: `m.yaml:1:1: null is not allowed; write fields: ${FIELDS}` },
    { name: "a list", text: "- name: m", want: 'm.yaml:1:1: [{"name":"m"}] is not allowed' },
    { name: "broken YAML", text: "name: m\nsource: { queue: q\nworker: x", want: "m.yaml:3:1: " },
    { name: "a field twice", text: "name: m\nname: n", want: "m.yaml:2:1: Map keys must be unique" },
    { name: "two documents", text: "name: m\n---\nname: n", want: "multiple documents" },
    { name: "an alias of nothing", text: "name: *nobody", want: "m.yaml:1:" },
  ])("$name", ({ text, want }) => {
    expect(refusal({ "m.yaml": text })).toMatch(/^ConfigError: m\.yaml:/);
    expect(refusal({ "m.yaml": text })).toContain(want);
  });

  it.each([
    { lines: ["retyr: {}"], want: `m.yaml:4:1: retyr: no such field; write one of ${FIELDS}` },
    {
      lines: ["retry:", "  attempts: 3"],
      want: "m.yaml:5:3: retry.attempts: no such field; write one of maxAttempts, backoff,",
    },
    {
      lines: ["retry: { maxAttempts: 0 }"],
      want: "m.yaml:4:23: retry.maxAttempts: 0 is not allowed; write a whole number from 1 to 1000",
    },
    { lines: ["retry: { maxAttempts: 2.5 }"], want: "2.5 is not allowed; write a whole number" },
    { lines: ["retry: { maxAttempts: '3' }"], want: 'retry.maxAttempts: "3" is not allowed' },
    { lines: ["retry: { maxInterruptions: -1 }"], want: "-1 is not allowed; write a whole number from 0 to 1000" },
    {
      lines: ["retry: { permanentExitCodes: [0] }"],
      want: "retry.permanentExitCodes[0]: 0 is not allowed; write a whole number from 1 to 255",
    },
    {
      lines: ["retry: { permanentExitCodes: 64 }"],
      want: "retry.permanentExitCodes: 64 is not allowed; write a list of exit codes",
    },
    { lines: ["retry: { backoff: { first: 10 } }"], want: `retry.backoff.first: 10 is not allowed; ${DURATION}` },
    {
      lines: ["retry: { backoff: { first: 1h, max: 10m } }"],
      want: "retry.backoff: first (1h) is longer than max (10m); lower first, or raise max",
    },
    { lines: ["retry: { backoff: { first: 11m } }"], want: "retry.backoff: first (11m) is longer than max (10m)" },
    {
      lines: ["retry: { maxAttempts: 600, maxInterruptions: 401 }"],
      want: "m.yaml:4:1: retry: maxAttempts (600) and maxInterruptions (401) are 1001 together, and may be at most 1000; lower one, because each attempt costs the message a delivery, and after 2000 deliveries the bus dead-letters it as MaxDeliveryCountExceeded, whatever became of its Jobs",
    },
    { lines: ["retry: { maxAttempts: 981 }"], want: "maxAttempts (981) and maxInterruptions (20) are 1001 together" },
    { lines: ["retry: { maxInterruptions: 996 }"], want: "maxAttempts (5) and maxInterruptions (996) are 1001" },
    // Its own range says enough.
    { lines: ["retry: { maxAttempts: 1001 }"], want: "retry.maxAttempts: 1001 is not allowed; write a whole number" },
    { lines: ["maxRunningTime: 10 minutes"], want: `maxRunningTime: "10 minutes" is not allowed; ${DURATION}` },
    { lines: ["maxRunningTime: 10"], want: `maxRunningTime: 10 is not allowed; ${DURATION}` },
    { lines: ["maxRunningTime: 999ms"], want: "from 1s to 365d" },
    { lines: ["maxRunningTime: 366d"], want: '"366d" is not allowed' },
    { lines: ["maxRunningTime: -5m"], want: '"-5m" is not allowed' },
    { lines: ["startTimeout: 1y"], want: `startTimeout: "1y" is not allowed; ${DURATION}` },
    {
      lines: ["serviceAccountName: Jobs"],
      want: 'serviceAccountName: "Jobs" is not allowed; write the name of a ServiceAccount in the namespace of the Jobs',
    },
    { lines: ["maxActive: many"], want: 'maxActive: "many" is not allowed; write a whole number from 0 to 100000' },
    { lines: ["publishes: [a.b, 'a,b']"], want: 'publishes[1]: "a,b" is not allowed; write an event type' },
    { lines: ["when: {}"], want: "m.yaml:4:1: when: says nothing" },
    { lines: ["when: { properties: {} }"], want: "when.properties: says nothing" },
    {
      lines: ["when: { properties: { a: [1] } }"],
      want: "when.properties.a: [1] is not allowed; write text, a number, true or false",
    },
    { lines: ["when: { label: a }"], want: "when.label: no such field; write one of subject, properties" },
    {
      lines: ["handler: { image: h, env: { N: 3 } }"],
      want: "handler.env.N: 3 is not allowed; write text (a number in quotes)",
    },
    { lines: ["handler: { image: h, env: { 9N: a } }"], want: 'handler.env.9N: "9N" is not allowed as a name' },
    {
      lines: ["handler:", "  image: h", "  env:", "    DISPATCHER_MESSAGE_ID: x"],
      want: "m.yaml:7:5: handler.env.DISPATCHER_MESSAGE_ID: not allowed; choose another name",
    },
    {
      lines: ["handler: { image: h, args: [1] }"],
      want: "handler.args[0]: 1 is not allowed; write a list of words, each as text",
    },
    {
      lines: ["handler: { image: h, args: 'a b' }"],
      want: 'handler.args: "a b" is not allowed; write a list of words',
    },
    { lines: ["schema: 3"], want: "schema: 3 is not allowed; write a JSON Schema, or the path of one" },
    { lines: ["schema: nowhere.schema.json"], want: "m.yaml:4:9: schema: nowhere.schema.json can't be read (ENOENT" },
    {
      lines: ["schema: { type: strin }"],
      want: "m.yaml:4:9: schema: the JSON Schema is broken: schema is invalid: data/type",
    },
    {
      lines: ["schema: { $ref: 'https://example.com/x.json' }"],
      want: "the JSON Schema is broken: can't resolve reference https://example.com/x.json",
    },
    {
      lines: ["schema: { $schema: 'http://json-schema.org/draft-04/schema#' }"],
      want: "is not supported; name draft 2020-12 or draft-07",
    },
    { lines: ["schema: { $async: true }"], want: "$async is not supported" },
    { lines: ["schema: { pattern: '(' }"], want: "the JSON Schema is broken: " },
  ])("$lines", ({ lines, want }) => {
    expect(withLines(...lines)).toContain(want);
    expect(withLines(...lines).split("\n")).toHaveLength(1);
  });

  it.each([
    { schema: "{", want: "m.yaml:4:9: schema: s.schema.json:1:2: " },
    { schema: "[]", want: "schema: s.schema.json is not a JSON Schema; write an object" },
    { schema: '{ "type": "strin" }', want: "schema: s.schema.json is broken: schema is invalid" },
  ])("a schema file that holds $schema", ({ schema, want }) => {
    const text = "name: m\nsource: { queue: q }\nworker: { image: i }\nschema: s.schema.json";
    expect(refusal({ "m.yaml": text, "s.schema.json": schema })).toContain(want);
  });

  const containers = "containers: [{ name: a, image: a:1 }]";
  it.each([
    {
      name: "no containers",
      spec: "suspend: true",
      pod: "hostNetwork: false",
      want: "m.yaml:8:9: jobTemplate.spec.template.spec.containers: missing; write a list of at least one container",
    },
    {
      name: "an empty list of containers",
      spec: "suspend: true",
      pod: "containers: []",
      want: "containers: [] is not allowed; write a list of at least one container",
    },
    {
      name: "a container without an image",
      spec: "suspend: true",
      pod: "containers: [{ name: a }]",
      want: "jobTemplate.spec.template.spec.containers[0].image: missing; write the image to run",
    },
    {
      name: "an owned field",
      spec: "backoffLimit: 6",
      pod: containers,
      want: "m.yaml:5:5: jobTemplate.spec.backoffLimit: 6 is not allowed; set retry.maxAttempts",
    },
    {
      name: "a service account beside it",
      spec: "suspend: true",
      pod: `${containers}\nserviceAccountName: a`,
      want: "m.yaml:9:1: serviceAccountName: can't stand beside jobTemplate; write it in jobTemplate.spec.template.spec",
    },
    {
      name: "an owned field of the pod",
      spec: "suspend: true",
      pod: `{ activeDeadlineSeconds: 60, ${containers} }`,
      want: "jobTemplate.spec.template.spec.activeDeadlineSeconds: 60 is not allowed; set maxRunningTime",
    },
    {
      name: "an owned variable",
      spec: "suspend: true",
      pod: "containers: [{ name: a, image: a, env: [{ name: DISPATCHER_ATTEMPT, value: '1' }] }]",
      want: 'containers[0].env[0].name: "DISPATCHER_ATTEMPT" is not allowed; choose another name',
    },
  ])("a jobTemplate with $name", ({ spec, pod, want }) => {
    expect(template(spec, pod)).toContain(want);
  });

  it("names all that is wrong in all files at once, in order", () => {
    const lines = refusal({
      "a.yaml": "name: A\nsource: 3\nworker: { image: i, x: 1 }",
      "b.yaml": "name: [",
    }).split("\n");
    expect(lines.map((line) => /([ab]\.yaml:\d+)/.exec(line)?.[1])).toEqual([
      "a.yaml:1",
      "a.yaml:2",
      "a.yaml:3",
      "b.yaml:1",
    ]);
  });
});

const file = (name: string, more = "") => `name: ${name}\nsource: { queue: q }\nworker: { image: i }\n${more}`;

describe("module files that don't go together", () => {
  it("are refused for one name twice", () => {
    expect(refusal({ "a.yaml": file("m", "when: { subject: a }"), "b.yaml": file("m", "when: { subject: b }") })).toBe(
      'ConfigError: b.yaml:1:7: name: "m" is also the name in a.yaml; write another, because Jobs and runs are found by it',
    );
  });

  it.each([
    { name: "both take everything", a: "", b: "" },
    { name: "one takes everything", a: "when: { subject: a }", b: "" },
    { name: "different keys: a message may have both", a: "when: { subject: a }", b: "when: { properties: { p: 1 } }" },
    { name: "the same value", a: "when: { properties: { p: 1 } }", b: "when: { properties: { p: 1 }, subject: b }" },
  ])("are refused where both may claim a message: $name", ({ a, b }) => {
    const text = refusal({ "a.yaml": file("a", a), "b.yaml": file("b", b).replace("queue: q", "queue: Q") });
    expect(text).toMatch(
      /^ConfigError: b\.yaml:2:9: source: a message of Q may fit both this module and that of a\.yaml; write a `when`/,
    );
  });

  it.each([
    { name: "subjects differ", a: "when: { subject: a }", b: "when: { subject: b }" },
    {
      name: "a property differs",
      a: "when: { subject: a, properties: { p: 1 } }",
      b: "when: { subject: a, properties: { p: '1' } }",
    },
  ])("are fine where $name", ({ a, b }) => {
    expect(load({ "a.yaml": file("a", a), "b.yaml": file("b", b) })).toHaveLength(2);
  });

  it("are fine on different sources", () => {
    const other = "name: b\nsource: { topic: q, subscription: q }\nworker: { image: i }";
    expect(load({ "a.yaml": file("a"), "b.yaml": other })).toHaveLength(2);
  });
});

describe("MODULES_DIR", () => {
  it("has to be a directory that can be read", () => {
    const directory = aDirectory({});
    expect(messageOf(directory, () => loadModules(join(directory, "none")))).toMatch(
      /^ConfigError: MODULES_DIR: ".*none" can't be read \(ENOENT.*\); write the path of a directory/,
    );
  });

  it("has to hold a module", () => {
    expect(refusal({ "module.schema.json": "{}", "notes.txt": "" })).toMatch(
      /^ConfigError: MODULES_DIR: .* holds no module file; write at least one NAME\.yaml there$/,
    );
  });
});
