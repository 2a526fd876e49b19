import type { LeaveCause } from "../../shared/run/decide.ts";

/** Why nothing is done about a run just now, in words that follow "because". docs/operate.md says more of each. */
export const CAUSES: Readonly<Record<LeaveCause, string>> = {
  "back-off": "an attempt ended, and the next one has to wait",
  "max-active": "its module has no free slot",
  paused: "a person paused its module",
  unsettled: "too many runs of its module wait to be settled",
  "module-removed": "the file of its module is gone",
  "module-unread":
    "the file of its module is wrong on disk, so that this can't be told; the running Dispatcher goes on with the form that it read before",
  "module-tripped": "the Jobs of its module can't start",
  "wrong-cluster": "this is not the cluster that the Jobs are in, or looks like another one",
  cluster: "the API server can't be asked",
  quota: "a ResourceQuota is full",
  "no-pod": "the cluster has made no pod for its Job",
  "pod-quota": "a ResourceQuota on pods is full",
  "pod-webhook": "a webhook that is asked about pods does not answer",
  "no-node": "no node takes its pod now",
  "scheduling-gate": "a scheduling gate holds its pod back",
  "no-container": "its pod has a node, and none of its containers has started",
  held: "its message would be rejected, and so were ten before it",
  "trigger-at-work": "the process that accepted it is still at work",
  redelivery: "its message was not deferred, and will be delivered again",
  "active-though-deferred": "the bus shows its message as active, though it was deferred",
  "another-instance": "another instance of the Dispatcher has deferred its message",
  "source-held": "the bus has no such entity, or not its messages",
  busy: "another receiver holds its message",
  "job-at-work": "its Job is at work",
  "job-suspended": "its Job is suspended",
  "job-terminating": "its Job is ending",
  "job-overdue": "its Job is past its time limit and not over, which only a person may end",
  "moved-on": "a replica changed it just now",
};
