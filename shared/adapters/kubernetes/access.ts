import { isRecord, valueAt } from "../../plain-data.ts";
import type { Right } from "../../ports/rights.ts";
import type { KubernetesConnection } from "./connection.ts";

/**
 * Asks the API server whether this connection's credentials may do this in the namespace. Throws KubernetesFailure or
 * NoAnswerError.
 */
export async function isAllowed(
  connection: KubernetesConnection,
  namespace: string,
  right: Pick<Right, "verb" | "group" | "resource">,
): Promise<boolean> {
  const [resource, subresource] = right.resource.split("/");
  const review = await connection.json({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectAccessReview",
      spec: {
        resourceAttributes: {
          namespace,
          verb: right.verb,
          group: right.group,
          resource,
          ...(subresource === undefined ? {} : { subresource }),
          // The namespace itself is in its own namespace, and the Role may name it.
          ...(resource === "namespaces" ? { name: namespace } : {}),
        },
      },
    },
  });
  return isRecord(review) && valueAt(review, ["status", "allowed"]) === true;
}
