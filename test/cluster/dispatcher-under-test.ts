import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { inject } from "vitest";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { type ClusterHands, clusterHands } from "../../local/kit/cluster-hands.ts";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import type { Part } from "../../local/stack/part.ts";
import { untilReady } from "../../local/stack/readiness.ts";
import { startStack } from "../../local/stack/start-stack.ts";
import { type DispatcherAccount, makeAccount } from "../../real-cluster/service-account.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import type { Run, RunKey } from "../../shared/run/run.ts";
import { type AppLog, makeAppLog } from "./app-log.ts";
import { lookFromOutside, type MessageEnd } from "./message-end.ts";
import { makeNamespace } from "./namespace.ts";

export interface DispatcherOptions {
  /** The content of each module file, by the module's name, which is also its queue's. */
  readonly modules: Readonly<Record<string, object>>;
  readonly settings?: Readonly<Record<string, string>>;
  /** Another cluster than the one that all tests share. */
  readonly kubeconfig?: string;
  /** Another way to the API server than the kubeconfig's own. */
  readonly through?: { readonly server: string; readonly ca: string };
  /** The namespace of its ServiceAccount, if it isn't the one of its Jobs. */
  readonly home?: string;
}

/** A message that was sent. */
export interface Sent {
  readonly messageId: string;
  /** Resolves to the name of an attempt's Job once the app has started it. */
  job(attempt?: number): Promise<string>;
  /** The message's run, as the row has it now. */
  run(): Promise<Run>;
  /** Resolves once the app says that the run is closed. */
  end(): Promise<MessageEnd>;
}

/**
 * The built app with a bus and storage of its own. Its only credential is a token of a ServiceAccount with exactly the
 * documented Role, in a namespace that enforces the Pod Security level `restricted`.
 */
export interface DispatcherUnderTest {
  readonly namespace: string;
  readonly instance: string;
  /** The configuration of a user who may do everything in the cluster. */
  readonly admin: KubeConfig;
  readonly hands: ClusterHands;
  readonly account: DispatcherAccount;
  readonly settings: Readonly<Record<string, string>>;
  /** The files that the app reads: its kubeconfig, and its token. */
  readonly files: { readonly kubeconfig: string; readonly token: string };
  readonly log: AppLog;
  send(module: string, message?: { messageId?: string; body?: unknown }): Promise<Sent>;
  /** How many messages of a module were dead-lettered. */
  letters(module: string): Promise<number>;
  stopApp(): Promise<void>;
  startApp(): Promise<void>;
  close(): Promise<void>;
}

const READY_LIMIT_MS = 60_000;
const RESTRICTED = {
  "pod-security.kubernetes.io/enforce": "restricted",
  "pod-security.kubernetes.io/warn": "restricted",
};

export async function startDispatcher(options: DispatcherOptions): Promise<DispatcherUnderTest> {
  const admin = new KubeConfig();
  admin.loadFromFile(options.kubeconfig ?? inject("kubeconfig"));
  const namespace = await makeNamespace(admin, `dispatcher-${randomUUID().slice(0, 8)}`, RESTRICTED);
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-under-test-"));
  const files = { kubeconfig: join(directory, "kubeconfig"), token: join(directory, "token") };
  const account = await makeAccount(admin, namespace.name, RIGHTS, options.home);
  await writeFile(files.token, await account.token(), { mode: 0o600 });
  const access = options.through ?? accessOf(admin);
  await writeFile(files.kubeconfig, kubeconfigText({ name: "dispatcher", ...access, tokenFile: files.token }), {
    mode: 0o600,
  });
  const modulesDir = await mkdtemp(join(directory, "modules-"));
  for (const [name, content] of Object.entries(options.modules))
    await writeFile(join(modulesDir, `${name}.json`), JSON.stringify({ name, source: { queue: name }, ...content }));

  const log = makeAppLog();
  const address = inject("address");
  const stack = await startStack({
    modulesDir,
    cluster: {
      kind: "kubeconfig",
      file: files.kubeconfig,
      namespace: namespace.name,
      ...(address === undefined ? {} : { address }),
    },
    filters: {},
    settings: { RECONCILE_SCHEDULE: "* * * * * *", ...options.settings },
    env: neededEnvironment(process.env),
    onLine: (part, line) => {
      if (part === "app") log.take(line);
    },
  });
  const outside = lookFromOutside(stack.settings);
  let app: Part | undefined;
  const startApp = async () => {
    app = await stack.startApp();
    const problems = await untilReady(`http://127.0.0.1:${String(app.ready["port"])}`, READY_LIMIT_MS);
    if (problems.length > 0) throw new Error(problems.join("\n"));
  };
  const close = async () => {
    await outside.close();
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
    await namespace.remove();
  };

  const sent = (messageId: string, queue: string): Sent => {
    const isIts = (message: string) => (line: Record<string, unknown>) =>
      line["message"] === message && line["messageId"] === messageId;
    const key = async (): Promise<RunKey> => {
      const { runId } = await log.until(isIts("handled a delivery"));
      const [, sequenceNumber, enqueuedAt] = /:(\d+):(\d+)$/.exec(String(runId)) ?? [];
      return { source: { queue }, sequenceNumber: Number(sequenceNumber), enqueuedAt: Number(enqueuedAt) };
    };
    return {
      messageId,
      async job(attempt = 1) {
        // A delivery or a tick started it.
        const isStart = (line: Record<string, unknown>) => line["messageId"] === messageId && "jobName" in line;
        const line = await log.until((line) => isStart(line) && line["attempt"] === attempt);
        return String(line["jobName"]);
      },
      async run() {
        const found = await outside.find(await key());
        if (found.kind !== "open") throw new Error(`the run of ${messageId} is ${found.kind}`);
        return found.stored.run;
      },
      async end() {
        await log.until(isIts("closed a run"));
        return outside.end(await key());
      },
    };
  };

  try {
    await startApp();
  } catch (error) {
    await close();
    throw error;
  }
  let count = 0;
  return {
    namespace: namespace.name,
    instance: stack.settings["DISPATCHER_INSTANCE"] ?? "",
    admin,
    hands: clusterHands(admin, namespace.name),
    account,
    settings: stack.settings,
    files,
    log,
    async send(module, message = {}) {
      count += 1;
      const { messageId = `${module}-${count}`, body = {} } = message;
      await outside.send(module, { messageId, body });
      return sent(messageId, module);
    },
    letters: (module) => outside.letters(module),
    stopApp: async () => app?.stop(),
    startApp,
    close,
  };
}

/** The server of a kubeconfig, and the certificate authority that vouches for it. */
export function accessOf(kubeConfig: KubeConfig): { server: string; ca: string } {
  const cluster = kubeConfig.getCurrentCluster();
  return { server: cluster?.server ?? "", ca: Buffer.from(cluster?.caData ?? "", "base64").toString() };
}
