import { z } from "zod";
import { DURATION_PATTERN, parseDuration } from "../duration.ts";
import { DEFAULT_RETRY, MAX_BUDGETED_ATTEMPTS } from "../run/retry-policy.ts";

/**
 * Makes a schema for text that is not empty. All messages of this file complete the sentence "... is not allowed; write
 * ...".
 */
const nonempty = (allowed: string) => z.string({ error: allowed }).regex(/^\S(.*\S)?$/s, allowed);

const matching = (pattern: RegExp, allowed: string) => z.string({ error: allowed }).regex(pattern, allowed);

function wholeNumber(min: number, max: number) {
  const allowed = `a whole number from ${min} to ${max}`;
  return z.int({ error: allowed }).min(min, allowed).max(max, allowed);
}

/** Makes a schema for a duration, which is text in the file and milliseconds in the module. */
function duration(min: string, max: string) {
  const allowed = `a duration such as 500ms, 10s, 5m, 1h or 1d, from ${min} to ${max}`;
  const isWithin = (text: string) => {
    const value = parseDuration(text) ?? Number.NaN;
    return value >= (parseDuration(min) ?? 0) && value <= (parseDuration(max) ?? 0);
  };
  return matching(DURATION_PATTERN, allowed)
    .refine(isWithin, allowed)
    .transform((text) => parseDuration(text) ?? 0);
}

/** Makes a schema for an object with these fields and no others. */
function fields<Shape extends z.core.$ZodShape>(shape: Shape) {
  const names = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: ({ code }) => (code === "unrecognized_keys" ? `one of ${names}` : `fields: ${names}`),
  });
}

/** Makes a schema for a part of a pod or Job of which only the API server judges the content. */
const kubernetes = (allowed: string) => z.looseObject({}, { error: allowed });

const ENTITY = /^[A-Za-z\d]([A-Za-z\d._/-]{0,258}[A-Za-z\d])?$/;
const SUBSCRIPTION = /^[A-Za-z\d]([A-Za-z\d._-]{0,48}[A-Za-z\d])?$/;
const SOURCE = "{ queue: NAME } or { topic: NAME, subscription: NAME }";
const entity = matching(ENTITY, "the entity's name: letters, digits and . - _ / inside, at most 260 characters");

const source = z
  .union(
    [
      fields({ queue: entity }),
      fields({
        topic: entity,
        subscription: matching(
          SUBSCRIPTION,
          "the subscription's name: letters, digits and . - _ inside, at most 50 characters",
        ),
      }),
    ],
    { error: SOURCE },
  )
  .meta({ description: "Where the messages come from: a queue, or one subscription of a topic. It has to exist." });

const propertyValue = z.union([z.string(), z.number(), z.boolean()], { error: "text, a number, true or false" });
const when = fields({
  subject: nonempty("the subject that a message must have, as text")
    .exactOptional()
    .meta({ description: "The message's subject." }),
  properties: z
    .record(z.string(), propertyValue, { error: "application properties by name" })
    .exactOptional()
    .meta({ description: "Application properties by name, each equal in value and type." }),
}).meta({
  description:
    "Which messages of the source are this module's: all of it must hold. Without it: every message. Modules that share a source need `when`s of which no message can fit two.",
});

const envValue = z.union([z.string(), fields({ valueFrom: kubernetes("a source, such as secretKeyRef") })], {
  error: "text (a number in quotes), or { valueFrom: ... }",
});
const ENV_NAME = "letters, digits and _ . -, not a digit first";
const env = z.record(matching(/^[-._A-Za-z][-._A-Za-z\d]*$/, ENV_NAME), envValue, {
  error: "values by name, or { valueFrom: ... }",
});
const list = (allowed: string) => z.array(z.string({ error: `${allowed}, each as text` }), { error: allowed });

const container = fields({
  image: matching(/^\S+$/, "the image to run, such as ghcr.io/acme/thumbnail:1.4"),
  command: list("a list of words").exactOptional().meta({ description: "Instead of the image's entrypoint." }),
  args: list("a list of words")
    .exactOptional()
    .meta({ description: "May use $(DISPATCHER_MESSAGE_ID) and the like; never inside a shell's command text." }),
  env: env
    .exactOptional()
    .meta({ description: "Values by name: text, or `valueFrom` as in a pod; secrets by `valueFrom.secretKeyRef`." }),
  resources: kubernetes("requests and limits, as in a pod")
    .exactOptional()
    .meta({ description: "As in a pod's container." }),
  securityContext: kubernetes("a security context, as in a pod")
    .exactOptional()
    .meta({ description: "Over the restricted default, field by field, as in a pod's container." }),
});

const templateContainer = z.looseObject(
  { name: nonempty("the container's name"), image: matching(/^\S+$/, "the image to run") },
  { error: "a container, as in a pod" },
);
const jobTemplate = fields({
  metadata: kubernetes("labels and annotations").exactOptional(),
  spec: z.looseObject(
    {
      template: z.looseObject(
        {
          metadata: kubernetes("labels and annotations").exactOptional(),
          spec: z.looseObject(
            {
              containers: z
                .array(templateContainer, { error: "a list of at least one container" })
                .min(1, "a list of at least one container"),
              initContainers: z.array(templateContainer, { error: "a list of containers" }).exactOptional(),
            },
            { error: "a pod's spec with containers" },
          ),
        },
        { error: "a pod template: metadata and spec" },
      ),
    },
    { error: "a Job's spec with template" },
  ),
}).meta({
  description:
    "Instead of worker and handler: a Job in the words of a CronJob's jobTemplate. Fields that the Dispatcher owns are refused, naming the setting to use instead.",
});

const backoff = fields({
  first: duration("0s", "1d").prefault("10s").meta({ description: "The wait after the first failure; it doubles." }),
  max: duration("0s", "7d").prefault("10m").meta({ description: "The longest wait." }),
});

const retry = fields({
  maxAttempts: wholeNumber(1, MAX_BUDGETED_ATTEMPTS)
    .prefault(DEFAULT_RETRY.maxAttempts)
    .meta({
      description: `Failures that it takes to give up; the first attempt counts. Together with maxInterruptions at most ${MAX_BUDGETED_ATTEMPTS}.`,
    }),
  backoff: backoff
    .prefault({})
    .meta({ description: "How long to wait between attempts; jitter takes off up to half." }),
  permanentExitCodes: z
    .array(wholeNumber(1, 255), { error: "a list of exit codes from 1 to 255" })
    .max(255, "a list of exit codes from 1 to 255")
    .prefault([])
    .meta({ description: "Exit codes after which another attempt cannot help: the message is dead-lettered at once." }),
  maxInterruptions: wholeNumber(0, MAX_BUDGETED_ATTEMPTS)
    .prefault(DEFAULT_RETRY.maxInterruptions)
    .meta({
      description: `How often the cluster may take a Job away that has started: eviction, node loss, deletion. Together with maxAttempts at most ${MAX_BUDGETED_ATTEMPTS}.`,
    }),
});

/** The schema of a module file: its fields, what each means, and the defaults. */
export const moduleFileSchema = fields({
  $schema: z.string().exactOptional().meta({ description: "For editors." }),
  name: matching(
    /^[a-z\d]([-a-z\d]{0,61}[a-z\d])?$/,
    "a name of lower-case letters, digits and hyphens, at most 63 characters",
  ).meta({ description: "The module's name: in Job names, labels and logs." }),
  source,
  when: when.exactOptional(),
  schema: z
    .union([nonempty("a path"), z.boolean(), z.looseObject({})], { error: "a JSON Schema, or the path of one" })
    .exactOptional()
    .meta({
      description: "JSON Schema of the body (draft 2020-12 or draft-07): inline, or a path relative to this file.",
    }),
  retry: retry.prefault({}).meta({ description: "How often and how soon a failed attempt is repeated." }),
  maxRunningTime: duration("1s", "365d")
    .prefault("1h")
    .meta({ description: "How long an attempt's pod may run. Waiting for a node or a quota doesn't count." }),
  startTimeout: duration("1s", "30d")
    .prefault("15m")
    .meta({ description: "When a Job that has not started is reported, or ended if its own template is to blame." }),
  maxActive: wholeNumber(0, 100_000)
    .prefault(100)
    .meta({ description: "Jobs at once, approximately; 0 pauses the module. A ResourceQuota is the hard limit." }),
  serviceAccountName: matching(
    /^[a-z\d]([-a-z\d.]{0,251}[a-z\d])?$/,
    "the name of a ServiceAccount in the namespace of the Jobs",
  )
    .exactOptional()
    .meta({ description: "The ServiceAccount whose Azure identity the pod of worker and handler has." }),
  worker: container.exactOptional().meta({ description: "The container that does the work." }),
  handler: container.exactOptional().meta({
    description: "Runs before the worker (prepare) and after it (commit), over a volume that they share.",
  }),
  publishes: z
    .array(matching(/^[A-Za-z\d][A-Za-z\d._:/-]*$/, "an event type: letters, digits and . _ : / -"), {
      error: "a list of event types",
    })
    .prefault([])
    .meta({ description: "Event types that the handler may publish: DISPATCHER_PUBLISHES, a comma list." }),
  jobTemplate: jobTemplate.exactOptional(),
});

/** A module file that fits its schema, with the defaults filled in and durations in milliseconds. */
export type ModuleFile = z.output<typeof moduleFileSchema>;

/** Makes the JSON Schema of a module file for editors, `modules/module.schema.json`. */
export function moduleJsonSchema(): Record<string, unknown> {
  // Editors support draft-07 best.
  const schema = z.toJSONSchema(moduleFileSchema, { io: "input", target: "draft-07" });
  return {
    title: "A module of the Dispatcher",
    ...schema,
    oneOf: [{ required: ["worker"] }, { required: ["jobTemplate"] }],
  };
}
