import { request } from "node:https";
import { json } from "node:stream/consumers";
import { z } from "zod";
import type { ClusterAccess } from "../../local/kit/cluster-access.ts";

const page = z.object({ metadata: z.object({ continue: z.string().optional() }), items: z.array(z.unknown()) });

/** Lists all Jobs of the namespace, page by page. Rejects if the cluster refuses. */
export async function* listJobs(access: ClusterAccess): AsyncGenerator {
  let token: string | undefined;
  do {
    const query = new URLSearchParams({ limit: "500", ...(token === undefined ? {} : { continue: token }) });
    const path = `/apis/batch/v1/namespaces/${access.namespace}/jobs?${query.toString()}`;
    const { metadata, items } = page.parse(await getJson(access, path));
    yield* items;
    token = metadata.continue;
  } while (token !== undefined && token !== "");
}

function getJson({ server, token, ca }: ClusterAccess, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request(server + path, { ca, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      if (answer.statusCode === 200) json(answer).then(resolve, reject);
      else reject(new Error(`the cluster answered ${answer.statusCode} to ${path}`));
    })
      .once("error", reject)
      .end();
  });
}
