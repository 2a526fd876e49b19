import type { StoredObject } from "../store/wire.ts";
import { badRequest } from "./api-status.ts";

export type Selector = (object: StoredObject) => boolean;

/** Selects everything. */
const everything: Selector = () => true;

/** Parses a label selector (`a=b,c!=d,e in (f,g),h,!i`). Throws 400 if it is malformed. */
export function parseLabelSelector(text: string | null): Selector {
  if (text === null || text.trim() === "") return everything;
  const requirements = splitAtCommas(text).map(parseLabelRequirement);
  return (object) => {
    const labels = object.metadata.labels ?? {};
    return requirements.every((holds) => holds(labels));
  };
}

type Labels = Readonly<Record<string, string>>;

function splitAtCommas(text: string): string[] {
  return text.split(/,(?![^(]*\))/u).map((part) => part.trim());
}

function parseLabelRequirement(text: string): (labels: Labels) => boolean {
  const set = /^(?<key>\S+)\s+(?<operator>in|notin)\s*\((?<values>[^)]*)\)$/u.exec(text)?.groups;
  if (set !== undefined) {
    const { key = "", operator, values = "" } = set;
    const wanted = new Set(values.split(",").map((value) => value.trim()));
    const isIn = (labels: Labels): boolean => Object.hasOwn(labels, key) && wanted.has(labels[key] ?? "");
    return operator === "in" ? isIn : (labels) => !isIn(labels);
  }
  const equality = /^(?<key>[^\s=!]+)\s*(?<operator>==|=|!=)\s*(?<value>[^\s=!]*)$/u.exec(text)?.groups;
  if (equality !== undefined) {
    const { key = "", operator, value = "" } = equality;
    const equals = (labels: Labels): boolean => Object.hasOwn(labels, key) && labels[key] === value;
    return operator === "!=" ? (labels) => !equals(labels) : equals;
  }
  const existence = /^(?<not>!?)\s*(?<key>[^\s=!(),]+)$/u.exec(text)?.groups;
  if (existence !== undefined) {
    const { not, key = "" } = existence;
    return (labels) => Object.hasOwn(labels, key) !== (not === "!");
  }
  throw badRequest(`unable to parse requirement: found '${text}', expected: in, notin, =, ==, !=, !key or key`);
}

/** The fields that Kubernetes lets each resource be selected by. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  jobs: ["metadata.name", "metadata.namespace", "status.successful"],
  pods: [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
  ],
  events: [
    "metadata.name",
    "metadata.namespace",
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
};

/** Parses a field selector of a resource. Throws 400 for a field that Kubernetes doesn't select by. */
export function parseFieldSelector(text: string | null, plural: string): Selector {
  if (text === null || text.trim() === "") return everything;
  const requirements = text.split(",").map((part) => {
    const match = /^(?<field>[^=!]+)(?<operator>==|=|!=)(?<value>.*)$/u.exec(part.trim())?.groups;
    if (match === undefined) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const { field = "", operator, value = "" } = match;
    if (FIELDS[plural]?.includes(field) !== true) throw badRequest(`field label not supported: ${field}`);
    const path = field.split(".");
    return (object: StoredObject) => (valueAt(object, path) === value) === (operator !== "!=");
  });
  return (object) => requirements.every((holds) => holds(object));
}

function valueAt(object: unknown, path: readonly string[]): string {
  let value: unknown = object;
  for (const part of path) {
    value = typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined;
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
