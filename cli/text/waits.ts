import type { WaitListed } from "../../shared/operate/views/listed.ts";

/** What a run waits for, as short as a list says it. `runs explain` says more. */
export const WAITS: Readonly<Record<WaitListed, string>> = {
  "module-removed": "its module's file is gone",
  "module-unread": "its module's file on disk is wrong",
  "wrong-cluster": "nothing starts in this cluster",
  "source-held": "its source is held",
  "module-tripped": "its module is tripped",
  paused: "its module is paused",
  "max-active": "in line for a slot",
  "message-unseen": "its message was not to be seen",
  "back-off": "an attempt ended, and the next one waits",
  "put-off": "it could not start",
  held: "held at a gate",
  busy: "another receiver holds its message",
  image: "its image can't be pulled",
  configuration: "its configuration is wrong",
  command: "its command can't be run",
  volume: "a volume can't be mounted",
  "pod-refused": "its pod is refused",
  "node-selector": "no node has the labels it asks for",
  "no-pod": "the cluster has made no pod",
  "pod-quota": "a quota on pods is full",
  "pod-webhook": "a webhook for pods does not answer",
  "no-node": "no node takes its pod",
  "scheduling-gate": "a scheduling gate holds its pod back",
  "no-container": "none of its containers has started",
};
