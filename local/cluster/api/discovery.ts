interface ResourceRow {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
}

const LIST_VERBS = ["delete", "deletecollection", "get", "list", "patch", "watch"];

const CONFIG_VERBS = ["create", "delete", "get", "list", "watch"];

const CORE: readonly ResourceRow[] = [
  { name: "pods", kind: "Pod", verbs: LIST_VERBS, shortNames: ["po"] },
  { name: "pods/log", kind: "Pod", verbs: ["get"] },
  { name: "pods/eviction", kind: "Eviction", verbs: ["create"] },
  { name: "events", kind: "Event", verbs: ["get", "list", "watch"], shortNames: ["ev"] },
  { name: "secrets", kind: "Secret", verbs: CONFIG_VERBS },
  { name: "configmaps", kind: "ConfigMap", verbs: CONFIG_VERBS, shortNames: ["cm"] },
];

const BATCH: readonly ResourceRow[] = [{ name: "jobs", kind: "Job", verbs: ["create", ...LIST_VERBS] }];

const AUTHORIZATION: readonly ResourceRow[] = [
  { name: "selfsubjectaccessreviews", kind: "SelfSubjectAccessReview", verbs: ["create"] },
];

const GROUPS: Readonly<Record<string, readonly ResourceRow[]>> = {
  batch: BATCH,
  "authorization.k8s.io": AUTHORIZATION,
};

/** The list of resources, which kubectl reads before it does anything. Undefined if the path isn't discovery. */
export function discover(path: readonly string[]): object | undefined {
  switch (path.join("/")) {
    case "api":
      return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
    case "apis":
      return { kind: "APIGroupList", apiVersion: "v1", groups: Object.keys(GROUPS).map(group) };
    case "api/v1":
      return resourceList("v1", CORE);
    case "version":
      return { major: "1", minor: "36", gitVersion: "v1.36.0-local", platform: `${process.platform}/${process.arch}` };
    default: {
      const [first, name = "", version] = path;
      const rows = first === "apis" ? GROUPS[name] : undefined;
      if (rows === undefined) return undefined;
      if (path.length === 2) return { kind: "APIGroup", apiVersion: "v1", ...group(name) };
      return path.length === 3 && version === "v1" ? resourceList(`${name}/v1`, rows) : undefined;
    }
  }
}

function group(name: string): object {
  const version = { groupVersion: `${name}/v1`, version: "v1" };
  return { name, versions: [version], preferredVersion: version };
}

function resourceList(groupVersion: string, rows: readonly ResourceRow[]): object {
  const resources = rows.map((row) => ({
    singularName: row.kind.toLowerCase(),
    namespaced: row.kind !== "SelfSubjectAccessReview",
    ...row,
  }));
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources };
}
