import type { V1Container, V1PodSpec } from "@kubernetes/client-node";
import { expect } from "vitest";
import type { ClusterHands } from "../../local/kit/cluster-hands.ts";
import type { AttemptEnd, TemplateFault } from "../../shared/run/run.ts";
import { NEEDS_KUBELET } from "../support/forbid-skips.ts";
import type { ClusterUnderTest, Outcome } from "./job-harness.ts";

// Every way in which a Job can end, or never start, is a case of the contract here. A case that only a real cluster can
// play says so in its name.

interface JobCase {
  readonly name: string;
  readonly pod: Partial<V1PodSpec>;
  /** How a cluster that runs nothing plays the Job. */
  readonly plays?: Outcome;
}

export interface Ended extends JobCase {
  /** An action on the Job once it runs. */
  readonly meanwhile?: (
    under: ClusterUnderTest,
    job: { jobName: string; uid: string; podName: string },
  ) => Promise<void>;
  /** The reason of the Job's condition `Failed`. */
  readonly because: string;
  readonly end: AttemptEnd;
  /** The output of its containers. It is undefined for one that never ran, or is gone. */
  readonly logs: Readonly<Record<string, string | undefined>>;
  readonly podGoes?: true;
}

export interface NeverStarts extends JobCase {
  /** Prepares the namespace. */
  readonly given?: (hands: ClusterHands) => Promise<void>;
  /** The pod's status in the light list. */
  readonly shows: RegExp;
  readonly says: RegExp;
  /** The worker's log. Undefined if it has none. */
  readonly log?: "";
  /** The attempt is over at once, because no wait helps. */
  readonly atOnce?: true;
  readonly startFault: TemplateFault;
}

/** A container as the Dispatcher makes it, with the end of its log as its termination message. */
function container(name: string, command: string, over: Partial<V1Container> = {}): V1Container {
  return {
    name,
    image: "busybox",
    imagePullPolicy: "IfNotPresent",
    command: ["sh", "-c", command],
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...over,
  };
}

export function main(command: string, over: Partial<V1Container> = {}): Pick<V1PodSpec, "containers"> {
  return { containers: [container("main", command, over)] };
}

/** An image that can't be pulled, because its registry never exists. */
const MISSING = "registry.invalid/missing:1";
/** A sidecar that fails when its pod ends it. */
const SIDECAR = container("proxy", "trap 'exit 3' TERM; while true; do sleep 0.1; done", { restartPolicy: "Always" });
const LONG = main("trap 'exit 143' TERM; echo at work; sleep 60 & wait");

function failed(detail: RegExp, over: Partial<AttemptEnd> = {}): AttemptEnd {
  return { reason: "JobFailed", kind: "failure", permanent: false, detail: expect.stringMatching(detail), ...over };
}

function interrupted(detail: RegExp): AttemptEnd {
  return failed(detail, { kind: "interruption" });
}

export const COMPLETED: readonly JobCase[] = [
  { name: "a worker that exits with 0", pod: main("echo done"), plays: { exitCode: 0 } },
  {
    name: "a worker beside a sidecar that ends badly after it",
    pod: { ...main("echo done"), initContainers: [SIDECAR] },
    plays: { exitCode: 0 },
  },
];

export const FAILED: readonly Ended[] = [
  {
    name: "a worker that exits with 1",
    pod: main("echo copying; echo disk full; exit 1"),
    plays: { exitCode: 1 },
    because: "BackoffLimitExceeded",
    end: failed(/^main exited with code 1: disk full$/, { exitCode: 1 }),
    logs: { main: "copying\ndisk full\n" },
  },
  {
    name: "a permanent exit code",
    pod: main("echo no such customer >&2; exit 64"),
    plays: { exitCode: 64 },
    because: "PodFailurePolicy",
    end: failed(/^main exited with code 64, which is permanent: no such customer$/, {
      exitCode: 64,
      permanent: true,
    }),
    logs: { main: "no such customer\n" },
  },
  {
    name: "a worker that runs into its pod's deadline",
    pod: { ...LONG, activeDeadlineSeconds: 5 },
    plays: "times out",
    because: "BackoffLimitExceeded",
    // The pod may fail before it reports its containers' end.
    end: failed(/^ran longer than maxRunningTime \(5 s\)(: at work)?$/, { reason: "JobTimedOut" }),
    logs: { main: "at work\n" },
  },
  {
    name: "a pod whose deadline passes before anything of it runs",
    pod: { ...main("exit 0", { image: MISSING }), activeDeadlineSeconds: 2 },
    plays: "times out unstarted",
    because: "BackoffLimitExceeded",
    // A kubelet may still say that it is the image, or only that there is no container.
    end: expect.objectContaining({
      reason: "JobNotStarted",
      detail: expect.stringMatching(/^maxRunningTime \(2 s\) passed before any container ran/),
    }),
    logs: { main: undefined },
  },
  {
    name: "the Job's own deadline",
    pod: LONG,
    plays: "runs",
    meanwhile: ({ cluster }, { jobName, uid }) => cluster.end(jobName, uid),
    because: "DeadlineExceeded",
    end: interrupted(/^something else ended the Job by its deadline \(DeadlineExceeded: /),
    logs: { main: undefined },
    podGoes: true,
  },
  {
    name: "a prepare that fails, without the worker having run",
    pod: { ...main("echo worked"), initContainers: [container("prepare", "echo no such blob; exit 3")] },
    plays: { exitCode: 3, container: "prepare" },
    because: "BackoffLimitExceeded",
    end: failed(/^prepare exited with code 3: no such blob$/, { exitCode: 3 }),
    logs: { prepare: "no such blob\n", main: undefined },
  },
  {
    name: "a worker that fails beside a sidecar that ends badly after it",
    pod: { ...main("echo no input; exit 1"), initContainers: [SIDECAR] },
    plays: { exitCode: 1 },
    because: "BackoffLimitExceeded",
    end: failed(/^main exited with code 1: no input$/, { exitCode: 1 }),
    logs: { main: "no input\n" },
  },
  {
    name: "a command that isn't in the image",
    pod: main("", { command: ["/no/such/program"] }),
    plays: { exitCode: 128, reason: "StartError", message: 'exec: "/no/such/program": no such file or directory' },
    because: "BackoffLimitExceeded",
    end: failed(/^main could not be started \(StartError\): .*\/no\/such\/program/, {
      reason: "JobNotStarted",
      exitCode: 128,
      startFault: "command",
    }),
    logs: {},
  },
  {
    name: `a worker that runs out of memory ${NEEDS_KUBELET}`,
    pod: main("echo sorting; exec tail /dev/zero", { resources: { limits: { memory: "24Mi" } } }),
    because: "BackoffLimitExceeded",
    end: failed(/^main ran out of memory \(OOMKilled, exit code 137\): sorting$/, { exitCode: 137 }),
    logs: { main: "sorting\n" },
  },
  {
    name: `a worker that fills the disk beyond its limit ${NEEDS_KUBELET}`,
    pod: main("head -c 4194304 /dev/zero > /full; sleep 60", { resources: { limits: { "ephemeral-storage": "1Mi" } } }),
    because: "BackoffLimitExceeded",
    end: failed(/^evicted: .*exceed.* limit .*1Mi/),
    logs: {},
  },
  {
    name: "a pod that is evicted",
    pod: LONG,
    plays: "runs",
    meanwhile: ({ hands }, { podName }) => hands.evict(podName),
    because: "PodFailurePolicy",
    end: interrupted(/^the cluster took its pod away: /),
    logs: { main: undefined },
    podGoes: true,
  },
  {
    name: "a pod that a person deletes",
    pod: LONG,
    plays: "runs",
    meanwhile: ({ hands }, { podName }) => hands.deletePod(podName),
    because: "BackoffLimitExceeded",
    end: interrupted(/^its pod was deleted$/),
    logs: { main: undefined },
    podGoes: true,
  },
];

const PULL_FAILS = { waiting: "ErrImagePull", message: `failed to pull and unpack image "${MISSING}": not found` };

/** A worker that needs a key of a Secret or ConfigMap. */
export function wanting(
  from: "secretKeyRef" | "configMapKeyRef",
  name: string,
  key: string,
): Pick<V1PodSpec, "containers"> {
  return main('echo "$WANTED"', { env: [{ name: "WANTED", valueFrom: { [from]: { name, key } } }] });
}

/** The state of a container whose configuration is incomplete, in the kubelet's words. `NS` is any namespace. */
function incomplete(words: string): Pick<NeverStarts, "plays" | "shows" | "says" | "startFault"> {
  const said = words.replace("NS/", "[a-z0-9-]+/");
  return {
    plays: { waiting: "CreateContainerConfigError", message: words.replace("NS/", "jobs/") },
    shows: /^CreateContainerConfigError$/,
    says: new RegExp(`^main can't start \\(CreateContainerConfigError\\): ${said}`),
    startFault: "configuration",
  };
}

export const WITHOUT_SECRET = incomplete('secret "late" not found').plays;

export const NEVER_STARTS: readonly NeverStarts[] = [
  {
    name: "an image that is missing",
    pod: main("echo done", { image: MISSING }),
    plays: PULL_FAILS,
    shows: /^(ErrImagePull|ImagePullBackOff)$/,
    says: /^main can't start \((ErrImagePull|ImagePullBackOff)\): .*registry\.invalid\/missing:1/,
    startFault: "image",
  },
  {
    name: "an image that is missing, of an init container",
    pod: { ...main("echo done"), initContainers: [container("prepare", "exit 0", { image: MISSING })] },
    plays: { ...PULL_FAILS, container: "prepare" },
    shows: /^Init:(ErrImagePull|ImagePullBackOff)$/,
    says: /^prepare can't start \((ErrImagePull|ImagePullBackOff)\): .*registry\.invalid\/missing:1/,
    startFault: "image",
  },
  {
    name: "an image whose name is none",
    pod: main("echo done", { image: "UPPER/bad::name" }),
    plays: { waiting: "InvalidImageName", message: `couldn't parse image name "UPPER/bad::name"` },
    shows: /^InvalidImageName$/,
    says: /^main can't start \(InvalidImageName\): .*UPPER\/bad::name/,
    atOnce: true,
    startFault: "image",
  },
  {
    name: "a Secret that is missing",
    pod: wanting("secretKeyRef", "no-such-secret", "password"),
    ...incomplete('secret "no-such-secret" not found'),
  },
  {
    name: "a key that its Secret doesn't have",
    given: (hands) => hands.createSecret("account", { user: "ada" }),
    pod: wanting("secretKeyRef", "account", "password"),
    ...incomplete("couldn't find key password in Secret NS/account"),
  },
  {
    name: "a ConfigMap that is missing",
    pod: wanting("configMapKeyRef", "no-such-map", "limit"),
    ...incomplete('configmap "no-such-map" not found'),
  },
  {
    name: "a key that its ConfigMap doesn't have",
    pod: wanting("configMapKeyRef", "kube-root-ca.crt", "limit"),
    ...incomplete("couldn't find key limit in ConfigMap NS/kube-root-ca.crt"),
  },
  {
    name: `an image that would run as root, which is forbidden ${NEEDS_KUBELET}`,
    pod: main("echo done", { securityContext: { runAsNonRoot: true } }),
    ...incomplete("container has runAsNonRoot and image will run as root"),
  },
  {
    name: `a volume whose Secret is missing ${NEEDS_KUBELET}`,
    pod: {
      ...main("echo done", { volumeMounts: [{ name: "keys", mountPath: "/keys" }] }),
      volumes: [{ name: "keys", secret: { secretName: "no-such-secret" } }],
    },
    shows: /^(Pending|ContainerCreating)$/,
    says: /^(not started after \d+ min: )?MountVolume\.SetUp failed for volume "keys" : secret "no-such-secret" not found$/,
    startFault: "volume",
  },
  {
    name: "an image that is missing, of a sidecar",
    pod: { ...main("echo done"), initContainers: [{ ...SIDECAR, image: MISSING }] },
    plays: { ...PULL_FAILS, container: "proxy" },
    shows: /^Init:(ErrImagePull|ImagePullBackOff)$/,
    says: /^proxy can't start \((ErrImagePull|ImagePullBackOff)\): .*registry\.invalid\/missing:1/,
    startFault: "image",
  },
  {
    name: "a node that there isn't",
    // It tolerates every taint, because a taint is named in place of the selector.
    pod: {
      ...main("echo done"),
      nodeSelector: { "example.com/gpu": "yes" },
      tolerations: [{ operator: "Exists" }],
    },
    plays: { unschedulable: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." },
    shows: /^Pending$/,
    log: "",
    says: /^(not started after \d+ min: )?Unschedulable: 0\/\d+ nodes are available: .*node affinity\/selector/,
    startFault: "node-selector",
  },
];
