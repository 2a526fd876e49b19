import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

/** A cluster that shows one release of the chart, and nothing else. */
export interface Release {
  /** A kubeconfig whose only context is `prod`. */
  readonly kubeconfig: string;
  close(): void;
}

/** Serves a release with these settings and the modules of a directory, and writes a kubeconfig for it to `kubeconfig`. */
export async function startRelease(
  settings: Readonly<Record<string, string>>,
  modulesDir: string,
  kubeconfig: string,
): Promise<Release> {
  const env = Object.entries({ ...settings, MODULES_DIR: "/modules" }).map(([name, value]) => ({ name, value }));
  const container = { name: "dispatcher", env, volumeMounts: [{ name: "modules", mountPath: "/modules" }] };
  const volumes = [{ name: "modules", configMap: { name: "modules" } }];
  const deployment = { metadata: { name: "acme" }, spec: { template: { spec: { containers: [container], volumes } } } };
  const files = await readdir(modulesDir);
  const texts = await Promise.all(files.map((file) => readFile(join(modulesDir, file), "utf8")));
  const data = Object.fromEntries(files.map((file, index) => [file, texts[index]]));
  const objects: Readonly<Record<string, object>> = {
    "/apis/apps/v1/namespaces/dispatcher/deployments": { items: [deployment] },
    "/api/v1/namespaces/dispatcher/configmaps/modules": { kind: "ConfigMap", data },
  };
  const server = createServer(({ url = "" }, response) => {
    const found = objects[url.split("?")[0] ?? ""];
    response.writeHead(found ? 200 : 404, { "Content-Type": "application/json" });
    response.end(JSON.stringify(found ?? { kind: "Status", message: "not found", code: 404 }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  await writeFile(
    kubeconfig,
    JSON.stringify({
      "current-context": "prod",
      clusters: [{ name: "c", cluster: { server: url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: "t" } }],
      contexts: [{ name: "prod", context: { cluster: "c", user: "u" } }],
    }),
  );
  return {
    kubeconfig,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
