import { randomUUID } from "node:crypto";
import { badRequest } from "../api/api-status.ts";
import { asJob, isObject, type Job, type JsonObject, timestamp } from "../store/wire.ts";

/** The letters and digits that Kubernetes makes random names of. */
const LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/**
 * A prefix and five random characters, the whole cut to 63 characters, as Kubernetes names the objects that it
 * generates.
 */
export function generateName(prefix: string): string {
  let name = prefix.slice(0, 58);
  for (let index = 0; index < 5; index += 1) name += LETTERS[Math.floor(Math.random() * LETTERS.length)] ?? "x";
  return name;
}

/**
 * The Job that a request body asks for, with the fields that the server fills in. Throws 400 if the body isn't a Job
 * for this namespace.
 */
export function admitJob(body: unknown, namespace: string): Job {
  if (!isObject(body)) throw badRequest("the object provided is unrecognized: not a JSON object");
  const { apiVersion = "batch/v1", kind = "Job" } = body;
  if (apiVersion !== "batch/v1" || kind !== "Job") {
    throw badRequest(
      `${String(kind)} in version "${String(apiVersion)}" cannot be handled as a Job: expected batch/v1 Job`,
    );
  }
  const given: JsonObject = isObject(body["metadata"]) ? body["metadata"] : {};
  if (given["namespace"] !== undefined && given["namespace"] !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  const spec = isObject(body["spec"]) ? body["spec"] : {};
  const prefix = typeof given["generateName"] === "string" ? given["generateName"] : "";
  const name =
    typeof given["name"] === "string" && given["name"] !== ""
      ? given["name"]
      : prefix === ""
        ? ""
        : generateName(prefix);
  const uid = randomUUID();
  const labels = labelsOf(given, spec);
  const annotations = isObject(given["annotations"]) ? { annotations: given["annotations"] } : {};
  return asJob({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      ...(prefix === "" ? {} : { generateName: prefix }),
      ...(labels === undefined ? {} : { labels }),
      ...annotations,
      name,
      namespace,
      uid,
      resourceVersion: "",
      generation: 1,
      creationTimestamp: timestamp(),
    },
    spec: withDefaults(spec, name, uid),
    status: {},
  });
}

/** The Job's labels. A Job without labels gets those of its pod template. */
function labelsOf(metadata: JsonObject, spec: JsonObject): JsonObject | undefined {
  const own = metadata["labels"];
  if (isObject(own) && Object.keys(own).length > 0) return own;
  const template = isObject(spec["template"]) ? spec["template"] : {};
  const templateMeta = isObject(template["metadata"]) ? template["metadata"] : {};
  return isObject(templateMeta["labels"]) ? templateMeta["labels"] : undefined;
}

function withDefaults(spec: JsonObject, name: string, uid: string): JsonObject {
  const template = isObject(spec["template"]) ? spec["template"] : {};
  const templateMeta = isObject(template["metadata"]) ? template["metadata"] : {};
  const podSpec = isObject(template["spec"]) ? template["spec"] : {};
  const labels = {
    ...(isObject(templateMeta["labels"]) ? templateMeta["labels"] : {}),
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "job-name": name,
  };
  return {
    parallelism: 1,
    completions: 1,
    backoffLimit: 6,
    completionMode: "NonIndexed",
    manualSelector: false,
    suspend: false,
    podReplacementPolicy: spec["podFailurePolicy"] === undefined ? "TerminatingOrFailed" : "Failed",
    selector: { matchLabels: { "batch.kubernetes.io/controller-uid": uid } },
    ...spec,
    template: {
      ...template,
      metadata: { ...templateMeta, labels },
      spec: {
        terminationGracePeriodSeconds: 30,
        dnsPolicy: "ClusterFirst",
        schedulerName: "default-scheduler",
        securityContext: {},
        ...podSpec,
      },
    },
  };
}
