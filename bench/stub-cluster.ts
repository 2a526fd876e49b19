// A program that serves the cluster stand-in as a stub. It stores Jobs and never runs them, but gives each a running
// pod at once, because Jobs without pods would look stuck after a while. It writes one JSON line to stdout when it
// listens.
import { randomBytes, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { startApiServer } from "../local/cluster/api/server.ts";
import { makeCertificate } from "../local/cluster/certificate.ts";
import { kubeconfigText } from "../local/cluster/kubeconfig.ts";
import { generateName } from "../local/cluster/rules/job-admission.ts";
import { makeClusterState } from "../local/cluster/store/cluster-state.ts";
import { type Job, type Pod, timestamp } from "../local/cluster/store/wire.ts";
import { makeCommand } from "../shared/command-line.ts";

const { kubeconfig, namespace } = makeCommand("node dist/bench/stub-cluster.js")
  .usage("--kubeconfig <file> --namespace <name>")
  .description("Serves Jobs that never run, each with a running pod, to the benchmarks.")
  .requiredOption("--kubeconfig <file>", "the new file that says how to reach it")
  .requiredOption("--namespace <name>", "its namespace")
  .parse()
  .opts();

const state = makeClusterState(["default", namespace]);
state.jobs.listen(({ type, object }) => {
  if (type === "ADDED") state.pods.insert(runningPod(object));
});
const token = randomBytes(32).toString("base64url");
const certificate = await makeCertificate();
const server = await startApiServer({ state, runner: undefined }, { port: 0, token, certificate });
const access = { server: `https://127.0.0.1:${server.port}`, token, ca: certificate.cert, namespace };
await writeFile(kubeconfig, kubeconfigText({ name: "bench", ...access }), { mode: 0o600, flag: "wx" });

const end = () => void server.close().then(() => process.exit(0));
process.once("SIGTERM", end).once("SIGINT", end).once("disconnect", end);
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

function runningPod({ metadata, spec }: Job): Pod {
  const [container] = spec?.template.spec?.containers ?? [];
  const { name = "worker", image = "" } = container ?? {};
  const startedAt = timestamp();
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...spec?.template.metadata,
      name: generateName(`${metadata.name}-`),
      namespace: metadata.namespace,
      uid: randomUUID(),
      resourceVersion: "",
      creationTimestamp: startedAt,
    },
    spec: { ...spec?.template.spec, containers: spec?.template.spec?.containers ?? [], nodeName: "node" },
    status: {
      phase: "Running",
      startTime: startedAt,
      containerStatuses: [
        { name, image, imageID: image, ready: true, restartCount: 0, state: { running: { startedAt } } },
      ],
    },
  };
}
