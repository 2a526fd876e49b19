import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { judgeEnd } from "../../../shared/jobs/judge-end.ts";
import type { AttemptEnd, TemplateFault } from "../../../shared/run/run.ts";
import { aFailedJob, aPod, running, T0, terminated, waiting } from "./objects.ts";

const backoff = aFailedJob("BackoffLimitExceeded", "Job has reached the specified backoff limit");
const failure = (detail: string, exitCode?: number, reason: AttemptEnd["reason"] = "JobFailed"): AttemptEnd => ({
  reason,
  kind: "failure",
  permanent: false,
  detail,
  ...(exitCode === undefined ? {} : { exitCode }),
});
const interruption = (detail: string): AttemptEnd => ({
  reason: "JobFailed",
  kind: "interruption",
  permanent: false,
  detail,
});
const unstarted = (detail: string): AttemptEnd => ({
  reason: "JobNotStarted",
  kind: "unstarted",
  permanent: false,
  detail,
});
const byTemplate = (startFault: TemplateFault, detail: string): AttemptEnd => ({
  ...failure(detail, undefined, "JobNotStarted"),
  startFault,
});
const disrupted = (reason: string, message: string) => [{ type: "DisruptionTarget", status: "True", reason, message }];

interface Case {
  name: string;
  job?: V1Job;
  pods: V1Pod[];
  want: AttemptEnd;
}

const CASES: Case[] = [
  {
    name: "an exit code, with the last line of the termination message",
    pods: [aPod({ status: { containerStatuses: [terminated("worker", 1, { message: "start\nno space left\n\n" })] } })],
    want: failure("worker exited with code 1: no space left", 1),
  },
  {
    name: "an exit code alone, because the pod left no termination message",
    pods: [aPod({ status: { containerStatuses: [terminated("worker", 3)] } })],
    want: failure("worker exited with code 3", 3),
  },
  {
    name: "colours and control characters, which are no part of a reason",
    pods: [
      aPod({
        status: { containerStatuses: [terminated("worker", 1, { message: "\u001b[31mred\u0008\tx\u001b[0m\r\n" })] },
      }),
    ],
    want: failure("worker exited with code 1: red x", 1),
  },
  {
    name: "a very long line, cut",
    pods: [aPod({ status: { containerStatuses: [terminated("worker", 1, { message: "y".repeat(4096) })] } })],
    want: failure(`worker exited with code 1: ${"y".repeat(299)}…`, 1),
  },
  {
    name: "out of memory",
    pods: [aPod({ status: { containerStatuses: [terminated("worker", 137, { reason: "OOMKilled" })] } })],
    want: failure("worker ran out of memory (OOMKilled, exit code 137)", 137),
  },
  {
    name: "prepare failed: the first that failed, in the order in which they run",
    pods: [
      aPod({
        status: {
          initContainerStatuses: [
            terminated("prepare", 7, { message: "no input" }),
            waiting("worker", "PodInitializing"),
          ],
          containerStatuses: [waiting("commit", "PodInitializing")],
        },
      }),
    ],
    want: failure("prepare exited with code 7: no input", 7),
  },
  {
    name: "commit failed after the worker succeeded",
    pods: [
      aPod({
        status: {
          initContainerStatuses: [terminated("prepare", 0), terminated("worker", 0)],
          containerStatuses: [terminated("commit", 9)],
        },
      }),
    ],
    want: failure("commit exited with code 9", 9),
  },
  {
    name: "a sidecar's exit code, which says nothing about the work",
    pods: [
      aPod({
        spec: { containers: [{ name: "worker" }], initContainers: [{ name: "proxy", restartPolicy: "Always" }] },
        status: {
          initContainerStatuses: [terminated("proxy", 143)],
          containerStatuses: [terminated("worker", 4)],
        },
      }),
    ],
    want: failure("worker exited with code 4", 4),
  },
  {
    name: "a command that isn't in the image",
    pods: [
      aPod({
        status: {
          containerStatuses: [
            terminated("worker", 128, {
              reason: "StartError",
              message: 'exec: "nope": executable file not found in $PATH',
            }),
          ],
        },
      }),
    ],
    want: {
      ...failure(
        'worker could not be started (StartError): exec: "nope": executable file not found in $PATH',
        128,
        "JobNotStarted",
      ),
      startFault: "command",
    },
  },
  {
    name: "the pod's own deadline",
    pods: [
      aPod({
        status: {
          reason: "DeadlineExceeded",
          message: "Pod was active on the node longer than the specified deadline",
          containerStatuses: [terminated("worker", 137, { message: "step 3 of 9" })],
        },
      }),
    ],
    want: failure("ran longer than maxRunningTime (600 s): step 3 of 9", undefined, "JobTimedOut"),
  },
  {
    name: "the pod's own deadline, though the worker then exited with 0",
    pods: [aPod({ status: { reason: "DeadlineExceeded", containerStatuses: [terminated("worker", 0)] } })],
    want: failure("ran longer than maxRunningTime (600 s)", undefined, "JobTimedOut"),
  },
  {
    name: "the pod's own deadline, used up by an image that never came",
    pods: [
      aPod({
        status: {
          reason: "DeadlineExceeded",
          containerStatuses: [waiting("worker", "ImagePullBackOff", 'Back-off pulling image "nope:1"')],
        },
      }),
    ],
    want: byTemplate(
      "image",
      'maxRunningTime (600 s) passed before any container ran: worker can\'t start (ImagePullBackOff): Back-off pulling image "nope:1"',
    ),
  },
  {
    name: "the same, as a kubelet reports containers that it never made",
    pods: [
      aPod({
        status: {
          reason: "DeadlineExceeded",
          containerStatuses: [
            {
              ...terminated("worker", 137),
              state: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } },
            },
          ],
        },
      }),
    ],
    want: unstarted("maxRunningTime (600 s) passed before any container ran"),
  },
  {
    name: "the pod's own deadline, used up by a node that makes no container",
    pods: [
      aPod({
        status: { reason: "DeadlineExceeded", containerStatuses: [waiting("worker", "ContainerCreating")] },
      }),
    ],
    want: unstarted("maxRunningTime (600 s) passed before any container ran"),
  },
  {
    name: "the Job's own deadline, which something else set and which took the pod along",
    job: aFailedJob("DeadlineExceeded", "Job was active longer than specified deadline"),
    pods: [],
    want: interruption(
      "something else ended the Job by its deadline (DeadlineExceeded: Job was active longer than specified deadline)",
    ),
  },
  {
    name: "the Job's own deadline, before the cluster made a pod at all",
    job: aFailedJob("DeadlineExceeded", "Job was active longer than specified deadline", {}),
    pods: [],
    want: unstarted("something else ended the Job by its deadline, before the cluster made a pod for it"),
  },
  {
    name: "a permanent exit code",
    job: aFailedJob(
      "PodFailurePolicy",
      "Container worker for pod jobs/p failed with exit code 64 matching FailJob rule at index 1",
    ),
    pods: [aPod({ status: { containerStatuses: [terminated("worker", 64, { message: "bad input" })] } })],
    want: { ...failure("worker exited with code 64, which is permanent: bad input", 64), permanent: true },
  },
  {
    name: "a permanent exit code, the pod gone: the condition tells",
    job: aFailedJob(
      "PodFailurePolicy",
      "Container main for pod ns/name failed with exit code 64 matching FailJob rule at index 1",
    ),
    pods: [],
    want: { ...failure("main exited with code 64, which is permanent", 64), permanent: true },
  },
  {
    name: "a failure policy of words that nobody knows yet",
    job: aFailedJob("PodFailurePolicy", "Something new"),
    pods: [],
    want: { ...failure("PodFailurePolicy: Something new"), permanent: true },
  },
  {
    name: "an eviction, whatever code the worker then exited with",
    job: aFailedJob("PodFailurePolicy", "Pod jobs/p has condition DisruptionTarget matching FailJob rule at index 0"),
    pods: [
      aPod({
        status: {
          conditions: disrupted("EvictionByEvictionAPI", "Eviction API: evicting"),
          containerStatuses: [terminated("worker", 64)],
        },
      }),
    ],
    want: interruption("the cluster took its pod away: EvictionByEvictionAPI: Eviction API: evicting"),
  },
  {
    name: "a disruption, the pod gone",
    job: aFailedJob("PodFailurePolicy", "Pod jobs/p has condition DisruptionTarget matching FailJob rule at index 0"),
    pods: [],
    want: interruption(
      "the cluster took its pod away: PodFailurePolicy: Pod jobs/p has condition DisruptionTarget matching FailJob rule at index 0",
    ),
  },
  {
    name: "a disruption that only the pod tells of",
    pods: [
      aPod({
        status: {
          conditions: disrupted("DeletionByTaintManager", "node not ready"),
          containerStatuses: [running("worker")],
        },
      }),
    ],
    want: interruption("the cluster took its pod away: DeletionByTaintManager: node not ready"),
  },
  {
    name: "a disruption before anything of the pod had started",
    pods: [
      aPod({
        status: {
          conditions: disrupted("PreemptionByScheduler", "more important"),
          containerStatuses: [waiting("worker", "ContainerCreating")],
        },
      }),
    ],
    want: unstarted("the cluster took its pod away: PreemptionByScheduler: more important"),
  },
  ...["DeletionByTaintManager", "DeletionByPodGC"].map(
    (reason): Case => ({
      name: `a node that was lost after it had taken the pod, and had told of no start: ${reason}`,
      pods: [
        aPod({
          status: {
            startTime: new Date(T0),
            conditions: disrupted(reason, "node is gone"),
            containerStatuses: [waiting("worker", "ContainerCreating")],
          },
        }),
      ],
      want: interruption(`the cluster took its pod away: ${reason}: node is gone`),
    }),
  ),
  {
    name: "a node that went away before it had taken the pod",
    pods: [{ status: { conditions: disrupted("DeletionByPodGC", "node is gone") } }],
    want: unstarted("the cluster took its pod away: DeletionByPodGC: node is gone"),
  },
  {
    name: "the same, by the Job's failure policy",
    job: aFailedJob("PodFailurePolicy", "Pod jobs/p has condition DisruptionTarget matching FailJob rule at index 0"),
    pods: [aPod({ status: { conditions: disrupted("EvictionByEvictionAPI", "Eviction API: evicting") } })],
    want: unstarted("the cluster took its pod away: EvictionByEvictionAPI: Eviction API: evicting"),
  },
  {
    name: "a pod deleted by hand before anything of it had started",
    pods: [
      aPod({
        metadata: { deletionTimestamp: new Date(T0 + 34_000), deletionGracePeriodSeconds: 30 },
        status: { containerStatuses: [waiting("worker", "ContainerCreating")] },
      }),
    ],
    want: unstarted("its pod was deleted"),
  },
  {
    name: "a pod deleted by hand, gone without a trace",
    pods: [],
    want: interruption("its pod was deleted"),
  },
  {
    name: "a pod deleted by hand, still in the list: the signal made it exit with 143",
    pods: [
      aPod({
        metadata: { deletionTimestamp: new Date(T0 + 34_000), deletionGracePeriodSeconds: 30 },
        status: { containerStatuses: [terminated("worker", 143)] },
      }),
    ],
    want: interruption("its pod was deleted"),
  },
  {
    name: "a pod deleted after its work had failed",
    pods: [
      aPod({
        metadata: { deletionTimestamp: new Date(T0 + 90_000), deletionGracePeriodSeconds: 30 },
        status: { containerStatuses: [terminated("worker", 5)] },
      }),
    ],
    want: failure("worker exited with code 5", 5),
  },
  ...[
    "NodeLost",
    "NodeShutdown",
    "Terminated",
    "NodeAffinity",
    "UnexpectedAdmissionError",
    "OutOfcpu",
    "OutOfpods",
  ].map(
    (reason): Case => ({
      name: `the node's loss while the work ran: ${reason}`,
      pods: [aPod({ status: { reason, message: "said the node", containerStatuses: [running("worker")] } })],
      want: interruption(`${reason}: said the node`),
    }),
  ),
  ...["NodeAffinity", "UnexpectedAdmissionError", "OutOfcpu", "TopologyAffinityError"].map(
    (reason): Case => ({
      name: `the node's refusal before anything ran: ${reason}`,
      pods: [aPod({ status: { reason, message: "said the node" } })],
      want: unstarted(`${reason}: said the node`),
    }),
  ),
  {
    name: "a node under pressure that takes no pod",
    pods: [aPod({ status: { reason: "Evicted", message: "The node had condition: [DiskPressure]." } })],
    want: unstarted("evicted: The node had condition: [DiskPressure]."),
  },
  {
    name: "a node's refusal of what the template asks for",
    pods: [aPod({ status: { reason: "SysctlForbidden", message: 'forbidden sysctl: "net.core.somaxconn"' } })],
    want: byTemplate("pod-refused", 'SysctlForbidden: forbidden sysctl: "net.core.somaxconn"'),
  },
  ...["ContainerStatusUnknown", "Unknown"].map(
    (reason): Case => ({
      name: `a container that its node lost track of: ${reason}`,
      pods: [aPod({ status: { containerStatuses: [terminated("worker", 255, { reason })] } })],
      want: interruption(`the node lost track of worker (${reason})`),
    }),
  ),
  ...["ContainerStatusUnknown", "Unknown"].map(
    (reason): Case => ({
      name: `a permanent exit code that the node made up, because it lost track of the container: ${reason}`,
      job: aFailedJob(
        "PodFailurePolicy",
        "Container worker for pod jobs/p failed with exit code 137 matching FailJob rule at index 1",
      ),
      pods: [
        aPod({
          status: {
            containerStatuses: [{ ...terminated("worker", 137), state: { terminated: { exitCode: 137, reason } } }],
          },
        }),
      ],
      want: interruption(`the node lost track of worker (${reason})`),
    }),
  ),
  {
    name: "an eviction for using more storage than its own limit, which is no disruption",
    pods: [
      aPod({
        status: {
          reason: "Evicted",
          message: 'Usage of EmptyDir volume "tmp" exceeds the limit "1Mi".',
          containerStatuses: [terminated("worker", 137)],
        },
      }),
    ],
    want: failure('evicted: Usage of EmptyDir volume "tmp" exceeds the limit "1Mi".'),
  },
  {
    name: "such an eviction, with a container of which its node then lost track",
    pods: [
      aPod({
        status: {
          reason: "Evicted",
          message: "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi.",
          containerStatuses: [
            {
              ...terminated("worker", 137),
              state: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } },
            },
          ],
        },
      }),
    ],
    want: failure("evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Mi."),
  },
  ...[
    'Container worker exceeded its local ephemeral storage limit "1Mi". ',
    "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
    'Usage of EmptyDir volume "tmp" exceeds the limit "1Mi". ',
  ].map(
    (message): Case => ({
      name: `such an eviction, so soon that its node never saw the container run: ${message}`,
      pods: [
        aPod({
          status: { reason: "Evicted", message, containerStatuses: [waiting("worker", "ContainerCreating")] },
        }),
      ],
      want: failure(`evicted: ${message.trim()}`),
    }),
  ),
  {
    name: "a pod that says nothing",
    pods: [aPod()],
    want: failure("BackoffLimitExceeded: Job has reached the specified backoff limit"),
  },
  {
    name: "a reason that nobody knows yet",
    job: aFailedJob("SomethingNew", "it happened"),
    pods: [],
    want: failure("SomethingNew: it happened"),
  },
  {
    name: "the newest of several pods",
    pods: [
      aPod({
        metadata: { creationTimestamp: new Date(T0 + 9_000) },
        status: { containerStatuses: [terminated("worker", 2)] },
      }),
      aPod({ status: { containerStatuses: [terminated("worker", 1)] } }),
    ],
    want: failure("worker exited with code 2", 2),
  },
];

describe("how an attempt ended", () => {
  it.each(CASES)("is told from $name", ({ job = backoff, pods, want }) => {
    expect(judgeEnd(job, pods)).toEqual(want);
  });

  it.each([
    { name: "no condition", conditions: [] },
    { name: "only FailureTarget: pods may still run", conditions: [{ type: "FailureTarget", status: "True" }] },
    { name: "success", conditions: [{ type: "Complete", status: "True" }] },
    { name: "a condition that does not hold", conditions: [{ type: "Failed", status: "False" }] },
  ])("is unknown with $name", ({ conditions }) => {
    expect(judgeEnd({ status: { conditions } }, [])).toBeUndefined();
  });
});
