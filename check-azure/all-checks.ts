import type { Check } from "./check.ts";
import { alertQueries } from "./checks/alert-queries.ts";
import { deadLetterKeepsItsNumber } from "./checks/dead-letter-keeps-its-number.ts";
import { deadLetterStaysDeferred } from "./checks/dead-letter-stays-deferred.ts";
import { firstDeployment } from "./checks/first-deployment.ts";
import { kedaCounts } from "./checks/keda-counts.ts";
import { largeBody } from "./checks/large-body.ts";
import { logLines } from "./checks/log-lines.ts";
import { messages } from "./checks/messages.ts";
import { networkPolicy } from "./checks/network-policy.ts";
import { newRole } from "./checks/new-role.ts";
import { notThrottled } from "./checks/not-throttled.ts";
import { ownLink } from "./checks/own-link.ts";
import { ownLogin } from "./checks/own-login.ts";
import { people } from "./checks/people.ts";
import { preflight } from "./checks/preflight.ts";
import { scaleToZero } from "./checks/scale-to-zero.ts";
import { soak } from "./checks/soak.ts";
import { ticksGoOn } from "./checks/ticks-go-on.ts";
import { uninstall } from "./checks/uninstall.ts";
import { upgrade } from "./checks/upgrade.ts";
import { webSockets } from "./checks/web-sockets.ts";

/** All checks, in the order in which they are tried. */
export const CHECKS: readonly Check[] = [
  // The others need what these two make: the deployment, and a way into it.
  firstDeployment,
  newRole,

  // These look at what is deployed.
  preflight,
  kedaCounts,
  messages,
  ownLogin,
  largeBody,
  ownLink,
  networkPolicy,
  logLines,
  alertQueries,
  people,
  deadLetterStaysDeferred,
  deadLetterKeepsItsNumber,

  // These change it.
  ticksGoOn,
  upgrade,
  scaleToZero,
  webSockets,

  // The messages of the soak stay, so that the app would not sleep any more. The uninstallation has to leave them.
  soak,
  notThrottled,
  uninstall,
];
