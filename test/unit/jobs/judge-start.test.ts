import type { CoreV1Event, V1Job, V1Pod } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { faultByEvents, judgeStart, looksStuck, type StartJudgement } from "../../../shared/jobs/judge-start.ts";
import type { Hold, TemplateFault } from "../../../shared/run/run.ts";
import { aPod, running, T0, terminated, waiting } from "./objects.ts";

const aJob = (over: V1Job = {}): V1Job => ({
  metadata: { name: "j", creationTimestamp: new Date(T0) },
  status: { startTime: new Date(T0), active: 1 },
  ...over,
});
const pending = (status: V1Pod["status"] = {}, spec?: V1Pod["spec"]) =>
  aPod({ status: { phase: "Pending", ...status }, ...(spec ? { spec } : {}) });
const stuck = (detail: string, startFault: TemplateFault): StartJudgement => ({
  stuck: { reason: "JobNotStarted", kind: "failure", permanent: false, detail, startFault },
});
const held = (cause: Hold["cause"], detail: string, since = T0): StartJudgement => ({ held: { cause, since, detail } });
const unscheduled = (message: string) => ({
  conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
});
const event = (reason: string, message: string): CoreV1Event => ({ reason, message, metadata: {}, involvedObject: {} });
const unschedulable = unscheduled("0/3 nodes are available");

/** The scheduler sorts its reasons as text. */
const LONG_LIST =
  "0/21 nodes are available: 1 node(s) had untolerated taint {kubernetes.azure.com/scalesetpriority: spot}, " +
  "2 node(s) had untolerated taint {sku: gpu}, 3 node(s) had untolerated taint {workload: batch-memory}, " +
  "4 node(s) didn't find available persistent volumes to bind, 4 node(s) didn't match Pod's node affinity/selector, 7 Insufficient cpu.";

const WRONG_KIND =
  "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";

interface Case {
  name: string;
  job?: V1Job;
  pods?: V1Pod[];
  events?: CoreV1Event[];
  before?: Pick<Hold, "cause" | "since">;
  afterMs: number;
  startTimeoutMs?: number;
  want: StartJudgement;
}

const CASES: Case[] = [
  {
    name: "an invalid image name at once",
    pods: [
      pending({ containerStatuses: [waiting("worker", "InvalidImageName", 'couldn\'t parse "UPPER/bad::name"')] }),
    ],
    afterMs: 0,
    want: stuck("worker can't start (InvalidImageName): couldn't parse \"UPPER/bad::name\"", "image"),
  },
  ...(
    [
      ["ErrImagePull", "image"],
      ["ImagePullBackOff", "image"],
      ["ErrImageNeverPull", "image"],
      ["CreateContainerConfigError", "configuration"],
      ["CreateContainerError", "configuration"],
      ["RunContainerError", "command"],
    ] as const
  ).flatMap(([reason, fault]): Case[] => {
    const pods = [pending({ containerStatuses: [waiting("worker", reason, "said the kubelet")] })];
    const detail = `worker can't start (${reason}): said the kubelet`;
    const afterMs = 700_000;
    const seenAt = (agoMs: number) => ({ cause: fault, since: T0 + afterMs - agoMs });
    return [
      { name: `${reason}: seen for the first time`, pods, afterMs, want: held(fault, detail, T0 + afterMs) },
      {
        name: `${reason}: waits out the grace since it was first seen`,
        pods,
        before: seenAt(29_999),
        afterMs,
        want: held(fault, detail, T0 + afterMs - 29_999),
      },
      { name: `${reason}: ends after the grace`, pods, before: seenAt(30_000), afterMs, want: stuck(detail, fault) },
    ];
  }),
  {
    name: "an image that is missing, once the configuration is there: the grace counts anew",
    pods: [pending({ containerStatuses: [waiting("worker", "ErrImagePull", "not found")] })],
    before: { cause: "configuration", since: T0 },
    afterMs: 40_000,
    want: held("image", "worker can't start (ErrImagePull): not found", T0 + 40_000),
  },
  {
    name: "the worker's missing image, though prepare ran",
    pods: [
      pending({
        initContainerStatuses: [terminated("prepare", 0), waiting("worker", "ImagePullBackOff", "not found")],
        containerStatuses: [waiting("commit", "PodInitializing")],
      }),
    ],
    before: { cause: "image", since: T0 + 10_000 },
    afterMs: 60_000,
    want: stuck("worker can't start (ImagePullBackOff): not found", "image"),
  },
  {
    name: "a second container's missing image, though the first runs",
    pods: [
      aPod({
        status: { phase: "Running", containerStatuses: [running("a"), waiting("b", "ErrImagePull", "not found")] },
      }),
    ],
    before: { cause: "image", since: T0 },
    afterMs: 60_000,
    want: stuck("b can't start (ErrImagePull): not found", "image"),
  },
  {
    name: "a running worker",
    pods: [aPod({ status: { phase: "Running", containerStatuses: [running("worker")] } })],
    afterMs: 10_000_000,
    want: { running: true },
  },
  {
    name: "a worker that runs as an init container: its pod is Pending all along",
    pods: [
      pending({
        initContainerStatuses: [terminated("prepare", 0), running("worker")],
        containerStatuses: [waiting("commit", "PodInitializing")],
      }),
    ],
    afterMs: 10_000_000,
    want: { running: true },
  },
  {
    name: "a sidecar that runs, which is not the work",
    pods: [
      pending(
        { initContainerStatuses: [running("proxy")], containerStatuses: [waiting("worker", "PodInitializing")] },
        { containers: [{ name: "worker" }], initContainers: [{ name: "proxy", restartPolicy: "Always" }] },
      ),
    ],
    afterMs: 900_000,
    want: held("no-container", "worker is waiting (PodInitializing)"),
  },
  {
    name: "a sidecar whose image is missing: the work does not start before it",
    pods: [
      pending(
        {
          initContainerStatuses: [waiting("proxy", "ImagePullBackOff", "not found")],
          containerStatuses: [waiting("worker", "PodInitializing")],
        },
        { containers: [{ name: "worker" }], initContainers: [{ name: "proxy", restartPolicy: "Always" }] },
      ),
    ],
    before: { cause: "image", since: T0 },
    afterMs: 60_000,
    want: stuck("proxy can't start (ImagePullBackOff): not found", "image"),
  },
  {
    name: "a sidecar that can't be pulled again, though the work runs",
    pods: [
      aPod({
        spec: { containers: [{ name: "worker" }], initContainers: [{ name: "proxy", restartPolicy: "Always" }] },
        status: {
          phase: "Running",
          initContainerStatuses: [waiting("proxy", "ImagePullBackOff", "not found")],
          containerStatuses: [running("worker")],
        },
      }),
    ],
    afterMs: 60_000,
    want: { running: true },
  },
  {
    name: "a pod that ended: its Job is about to",
    pods: [aPod({ status: { phase: "Failed", containerStatuses: [terminated("worker", 1)] } })],
    afterMs: 10_000_000,
    want: { running: true },
  },
  {
    name: "no node for it yet",
    pods: [pending(unschedulable)],
    afterMs: 899_999,
    want: { waiting: "Unschedulable: 0/3 nodes are available" },
  },
  {
    name: "no node for it until the start timeout",
    pods: [pending(unschedulable)],
    afterMs: 900_000,
    want: held("no-node", "Unschedulable: 0/3 nodes are available"),
  },
  ...[
    "3 Insufficient cpu, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }. preemption: 0/4 nodes are available",
    "3 node(s) had untolerated taint(s).",
    "3 node(s) had untolerated taint {team: media}.",
    "1 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated taint {team: media}.",
    "2 node(s) didn't match Pod's node affinity/selector.",
    "3 node(s) didn't match pod affinity rules.",
    "3 node(s) had volume node affinity conflict.",
    "something that no scheduler says yet.",
    "1 Insufficient nvidia.com/gpu, 2 node(s) didn't match Pod's node affinity/selector.",
    "3 Too many pods.",
    "3 node(s) exceed max volume count.",
    "3 node(s) didn't have free ports for the requested pod ports.",
    "2 node(s) did not have enough free storage, 1 node(s) had no available disk.",
    "3 node(s) didn't match pod anti-affinity rules.",
    "1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.",
    "3 cannot allocate all claims.",
    "3 node(s) didn't match pod topology spread constraints.",
    "3 node(s) were unschedulable.",
    "3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
    "3 node(s) had untolerated taint {node.cloudprovider.kubernetes.io/uninitialized: true}.",
  ].map((said): Case => {
    const message = `0/3 nodes are available: ${said}`;
    return {
      name: `no node that takes it, which may change: ${said}`,
      pods: [pending(unscheduled(message))],
      afterMs: 900_000,
      want: held("no-node", `Unschedulable: ${message}`),
    };
  }),
  {
    name: "nodes that are full, said after more than is quoted",
    pods: [pending(unscheduled(LONG_LIST))],
    afterMs: 900_000,
    want: held("no-node", `Unschedulable: ${LONG_LIST.slice(0, 299)}…`),
  },
  {
    name: "a cluster without a node",
    pods: [pending(unscheduled("no nodes available to schedule pods"))],
    afterMs: 900_000,
    want: held("no-node", "Unschedulable: no nodes available to schedule pods"),
  },
  {
    name: "no node of its kind, before the start timeout",
    pods: [pending(unscheduled(WRONG_KIND))],
    afterMs: 899_999,
    want: { waiting: `Unschedulable: ${WRONG_KIND}` },
  },
  {
    name: "no node of its kind: every node is named, and none for a taint",
    pods: [pending(unscheduled(WRONG_KIND))],
    afterMs: 900_000,
    want: stuck(`not started after 15 min: Unschedulable: ${WRONG_KIND}`, "node-selector"),
  },
  {
    name: "no node of its kind, where nodes were full before: the time counts from the change",
    pods: [pending(unscheduled(WRONG_KIND))],
    before: { cause: "no-node", since: T0 },
    afterMs: 10_000_000,
    want: held("node-selector", `Unschedulable: ${WRONG_KIND}`, T0 + 10_000_000),
  },
  {
    name: "no node of its kind for long enough, after nodes that were full",
    pods: [pending(unscheduled(WRONG_KIND))],
    before: { cause: "node-selector", since: T0 + 9_100_000 },
    afterMs: 10_000_000,
    want: stuck(`not started after 167 min: Unschedulable: ${WRONG_KIND}`, "node-selector"),
  },
  {
    name: "a claim that does not exist",
    pods: [pending(unscheduled('0/3 nodes are available: persistentvolumeclaim "data" not found. preemption: none.'))],
    afterMs: 900_000,
    want: stuck(
      'not started after 15 min: Unschedulable: 0/3 nodes are available: persistentvolumeclaim "data" not found. preemption: none.',
      "volume",
    ),
  },
  {
    name: "a scheduler that says nothing, however long",
    pods: [{ metadata: { creationTimestamp: new Date(T0) }, status: { phase: "Pending" } }],
    afterMs: 10_000_000,
    want: held("no-node", "no scheduler has looked at its pod"),
  },
  {
    name: "a volume that doesn't mount, which may be its node's fault",
    pods: [pending({ containerStatuses: [waiting("worker", "ContainerCreating")] })],
    events: [event("FailedMount", 'MountVolume.SetUp failed for volume "data" : rpc error: timeout')],
    afterMs: 90_000,
    startTimeoutMs: 60_000,
    want: held("no-container", "worker is waiting (ContainerCreating)"),
  },
  ...[
    'MountVolume.SetUp failed for volume "keys" : secret "no-such-secret" not found',
    'MountVolume.SetUp failed for volume "conf" : configmap "no-such-map" not found',
    'MountVolume.SetUp failed for volume "keys" : references non-existent secret key: password',
    'MountVolume.SetUp failed for volume "conf" : configmap references non-existent config key: limit',
  ].map((said): Case => {
    return {
      name: `a volume without its data: ${said}`,
      pods: [pending({ containerStatuses: [waiting("worker", "ContainerCreating")] })],
      events: [event("FailedMount", said), event("FailedMount", "Unable to attach or mount volumes")],
      afterMs: 90_000,
      startTimeoutMs: 60_000,
      want: stuck(`not started after 90 s: ${said}`, "volume"),
    };
  }),
  {
    name: "a volume that got its data, and an image that is pulled since then",
    pods: [pending({ containerStatuses: [waiting("worker", "ContainerCreating")] })],
    events: [
      {
        ...event("FailedMount", 'MountVolume.SetUp failed for volume "keys" : secret "late" not found'),
        lastTimestamp: new Date(T0 + 120_000),
      },
      { ...event("Pulling", 'Pulling image "huge"'), lastTimestamp: new Date(T0 + 130_000) },
    ],
    before: { cause: "volume", since: T0 },
    afterMs: 920_000,
    want: held("no-container", "worker is waiting (ContainerCreating)"),
  },
  {
    name: "a volume that had no data until half an hour ago",
    pods: [pending({ containerStatuses: [waiting("worker", "ContainerCreating")] })],
    events: [
      {
        ...event("FailedMount", 'MountVolume.SetUp failed for volume "keys" : secret "late" not found'),
        lastTimestamp: new Date(T0 + 100_000),
      },
    ],
    afterMs: 2_000_000,
    want: held("no-container", "worker is waiting (ContainerCreating)"),
  },
  {
    name: "a new pod without a status, counted from its own creation and not the Job's: waiting for a quota doesn't count",
    job: aJob({ metadata: { creationTimestamp: new Date(T0 - 10_000_000) }, status: {} }),
    pods: [pending({ phase: "Pending" })],
    afterMs: 1_000,
    want: { waiting: "its pod is Pending" },
  },
  {
    name: "a scheduling gate, however long",
    pods: [
      pending({ conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated", message: "gated" }] }),
    ],
    afterMs: 10_000_000,
    want: held("scheduling-gate", "its pod is held back by a scheduling gate"),
  },
  {
    name: "a suspended Job, however long",
    job: aJob({ spec: { suspend: true, template: {} } }),
    afterMs: 10_000_000,
    want: { waiting: "suspended" },
  },
  {
    name: "a full quota, however long",
    events: [
      event("FailedCreate", "denied the request: policy"),
      event(
        "FailedCreate",
        'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
      ),
    ],
    afterMs: 10_000_000,
    want: held(
      "pod-quota",
      'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    ),
  },
  {
    name: "a webhook that is down, however long",
    events: [
      event(
        "FailedCreate",
        'Error creating: Internal error occurred: failed calling webhook "w.x.y": failed to call webhook: connection refused',
      ),
    ],
    afterMs: 10_000_000,
    want: held(
      "pod-webhook",
      'Error creating: Internal error occurred: failed calling webhook "w.x.y": failed to call webhook: connection refused',
    ),
  },
  {
    name: "a quota whose use is not counted yet, however long",
    events: [event("FailedCreate", "pods is forbidden: status unknown for quota: q, resources: pods")],
    afterMs: 10_000_000,
    want: held("pod-quota", "pods is forbidden: status unknown for quota: q, resources: pods"),
  },
  {
    name: "a server that has just started, however long",
    events: [event("FailedCreate", "pods is forbidden: not yet ready to handle request")],
    afterMs: 10_000_000,
    want: held("pod-webhook", "pods is forbidden: not yet ready to handle request"),
  },
  ...[
    'pods "x" is forbidden: unable to create new content in namespace jobs because it is being terminated',
    'pods is forbidden: User "system:serviceaccount:kube-system:job-controller" cannot create resource "pods"',
    "Internal error occurred: etcdserver: request timed out",
    "Timeout: request did not complete within requested timeout",
  ].map((said): Case => {
    return {
      name: `no refusal of this pod, however long: ${said}`,
      events: [event("FailedCreate", `Error creating: ${said}`)],
      afterMs: 10_000_000,
      want: held("no-pod", `Error creating: ${said}`),
    };
  }),
  {
    name: "a refusal that is long past: the controller is away since",
    events: [
      { ...event("FailedCreate", "pods is forbidden: violates PodSecurity"), lastTimestamp: new Date(T0 + 60_000) },
    ],
    afterMs: 2_000_000,
    want: held("no-pod", "the cluster has made no pod for it"),
  },
  {
    name: "a refusal that is no quota, before the start timeout",
    events: [event("FailedCreate", "pods is forbidden: violates PodSecurity")],
    afterMs: 60_000,
    want: { waiting: "pods is forbidden: violates PodSecurity" },
  },
  {
    name: "a refusal that is no quota, after the start timeout",
    events: [
      event("FailedCreate", "exceeded quota: q"),
      event("FailedCreate", "pods is forbidden: violates PodSecurity"),
      event("SuccessfulDelete", "Deleted pod"),
    ],
    afterMs: 900_000,
    want: stuck("no pod after 15 min: pods is forbidden: violates PodSecurity", "pod-refused"),
  },
  {
    name: "a Job controller that is slow",
    job: aJob({ status: {} }),
    afterMs: 5_000,
    want: { waiting: "the cluster has made no pod for it" },
  },
  {
    name: "a Job controller that is away",
    job: aJob({ status: {} }),
    afterMs: 900_000,
    want: held("no-pod", "the cluster has made no pod for it"),
  },
  {
    name: "a Job resumed just now, however old it is",
    job: aJob({ metadata: { creationTimestamp: new Date(T0 - 10_000_000) } }),
    afterMs: 5_000,
    want: { waiting: "the cluster has made no pod for it" },
  },
];

describe("whether an active Job starts", () => {
  it.each(CASES)(
    "$name",
    ({ job = aJob(), pods = [], events = [], before, afterMs, startTimeoutMs = 900_000, want }) => {
      expect(judgeStart({ job, pods, events, before, now: T0 + afterMs, startTimeoutMs })).toEqual(want);
    },
  );

  it("never gives up on a pending pod where no timeout is known, as for a removed module", () => {
    const startTimeoutMs = Number.POSITIVE_INFINITY;
    const seen = { job: aJob(), pods: [pending(unschedulable)], events: [], now: T0 + 1e12, startTimeoutMs };
    expect(judgeStart(seen)).toHaveProperty("waiting");
  });
});

describe("what of its template kept a pod from starting until its own deadline", () => {
  const at = (seconds: number, one: CoreV1Event): CoreV1Event => ({
    ...one,
    lastTimestamp: new Date(T0 + seconds * 1_000),
  });
  const noSecret = 'MountVolume.SetUp failed for volume "keys" : secret "no-such-secret" not found';
  const noImage = event("Failed", 'Failed to pull image "nope": not found');

  it.each<{ name: string; events: CoreV1Event[]; before?: Hold["cause"]; want: { cause: string; detail: string } }>([
    {
      name: "a volume without its data",
      events: [event("FailedMount", noSecret)],
      want: { cause: "volume", detail: noSecret },
    },
    {
      name: "an image that can't be pulled",
      events: [event("Pulling", "Pulling image"), noImage, event("Failed", "Error: ErrImagePull")],
      want: { cause: "image", detail: "Error: ErrImagePull" },
    },
    {
      name: "an image that isn't on the node",
      events: [event("ErrImageNeverPull", 'Container image "nope" is not present with pull policy of Never')],
      want: { cause: "image", detail: 'Container image "nope" is not present with pull policy of Never' },
    },
    {
      name: "a container that can't be created",
      events: [
        at(5, event("Pulled", "Successfully pulled image")),
        at(6, event("Failed", 'Error: secret "s" not found')),
      ],
      want: { cause: "configuration", detail: 'Error: secret "s" not found' },
    },
    {
      name: "what an earlier look found, the events gone",
      events: [],
      before: "volume",
      want: { cause: "volume", detail: "an earlier look found the template's volume to blame" },
    },
  ])("is told from $name", ({ events, before, want }) => {
    expect(faultByEvents(events, before)).toEqual(want);
  });

  it.each<{ name: string; events: CoreV1Event[]; before?: Hold["cause"] }>([
    { name: "a network that is not there", events: [event("FailedCreatePodSandBox", "no CNI")], before: "image" },
    { name: "an image that is pulled for long", events: [event("Pulling", 'Pulling image "huge"')] },
    {
      name: "a volume that got its data in time",
      events: [at(10, event("FailedMount", noSecret)), at(20, event("Pulling", "Pulling image"))],
    },
    {
      name: "a registry that was away for a while",
      events: [at(10, noImage), at(50, event("Pulled", "Successfully pulled image"))],
    },
    { name: "no events, and a cluster that was full", events: [], before: "no-node" },
    { name: "no events at all", events: [] },
  ])("is nothing with $name", ({ events, before }) => {
    expect(faultByEvents(events, before)).toBeUndefined();
  });
});

describe("looksStuck", () => {
  it.each([
    "ErrImagePull",
    "Init:ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "Init:CreateContainerConfigError",
  ])("is true for %s", (status) => {
    expect(looksStuck(status)).toBe(true);
  });

  it.each(["Running", "Pending", "Init:0/2", "ContainerCreating", "PodInitializing", "Error", "constructor", ""])(
    "is false for %s",
    (status) => {
      expect(looksStuck(status)).toBe(false);
    },
  );
});
