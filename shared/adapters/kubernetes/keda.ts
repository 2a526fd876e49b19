import { isRecord, valueAt } from "../../plain-data.ts";
import { KubernetesFailure } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";

/** Where the API server describes KEDA's kinds. By default, every user who is signed in may read it. */
const SCHEMAS = "/openapi/v3/apis/keda.sh/v1alpha1";
const STATUS = ["components", "schemas", "sh.keda.v1alpha1.ScaledObject", "properties", "status", "properties"];

/**
 * Tells KEDA 2.19 and later by the description of their ScaledObjects, which has had `status.triggersActivity` since
 * then. The version itself is the tag of an image in KEDA's namespace, which the app may not read. Undefined if the
 * server describes no ScaledObject, or not to us. Throws KubernetesFailure or NoAnswerError.
 */
export async function isKeda219(connection: KubernetesConnection): Promise<boolean | undefined> {
  try {
    const status = valueAt(await connection.json({ method: "GET", path: SCHEMAS }), STATUS);
    return isRecord(status) ? "triggersActivity" in status : undefined;
  } catch (error) {
    // For a page that is missing, the API server answers 404 without the words that it has for a missing object.
    if (error instanceof KubernetesFailure && [401, 403, 404].includes(error.code)) return undefined;
    throw error;
  }
}
