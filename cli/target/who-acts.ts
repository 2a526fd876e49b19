import { hostname, userInfo } from "node:os";
import { azureIdentity } from "../../shared/adapters/azure/credential.ts";
import { isRecord, valueAt } from "../../shared/plain-data.ts";
import type { Found } from "./find-target.ts";

const SCOPE = "https://servicebus.azure.net/.default";
/** What a token of Azure calls a person, best first, or else the application. */
const CLAIMS = ["upn", "preferred_username", "unique_name", "email", "appid", "oid"];
const TIMEOUT_MS = 10_000;

/**
 * Finds the name of the person who acts: the user that the cluster knows, or the one that Azure does, or else USER@HOST
 * of this machine. No flag says it otherwise.
 */
export async function whoActs({ kind, settings, kubeConfig }: Found): Promise<string> {
  const names = [
    async () => (kubeConfig === undefined ? undefined : clusterUser(kubeConfig)),
    async () => (kind !== "stack" && settings.serviceBus.kind === "identity" ? azureUser() : undefined),
  ];
  for (const find of names) {
    // Whoever can't be asked is not asked: the action itself will say what is away.
    const name = await find().catch(() => undefined);
    if (name !== undefined) return name;
  }
  return `${userName()}@${hostname()}`;
}

/** A container's user may have a number and no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

async function clusterUser(kubeConfig: NonNullable<Found["kubeConfig"]>): Promise<string | undefined> {
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const { connect } = await import("../../shared/adapters/kubernetes/connection.ts");
  const connection = connect(kubeConfig, { timeoutMs: TIMEOUT_MS, userAgent: "dispatcher" });
  const answer = await connection.json({ method: "POST", path, body: review }).catch(() => undefined);
  const name = valueAt(answer, ["status", "userInfo", "username"]);
  // A cluster before 1.28 does not say it, and the kubeconfig's own name for the user is the next best.
  return typeof name === "string" ? name : kubeConfig.getCurrentUser()?.name;
}

async function azureUser(): Promise<string | undefined> {
  const token = await azureIdentity(undefined).credential.getToken(SCOPE);
  return userOfToken(token?.token ?? "");
}

/** The person or application that a token was given to. Undefined if it is not one that can be read. */
export function userOfToken(token: string): string | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    const values = isRecord(claims) ? CLAIMS.map((name) => claims[name]) : [];
    return values.find((value) => typeof value === "string" && value !== "")?.toString();
  } catch {
    return undefined;
  }
}
