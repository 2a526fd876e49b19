import type { Azure } from "../azure.ts";
import { type Check, disproven, notTried, proven, type Verdict } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { dispatcherPods, kedaVersion } from "../cluster.ts";
import { untilSettled } from "../until-settled.ts";

/** Sleeps soon, and wakes for messages alone. */
const SLEEPING = { scaleToZero: true, cooldownPeriod: 60, wakeUp: { start: "", end: "" } };
const MINUTES = 15;

export const scaleToZero: Check = {
  question: "Does the app sleep without messages, and wake for the first one?",
  deed: "Deployed with scaleToZero, waited until no pod was left, sent a message, and deployed as before.",
  minutes: 20,
  async run(azure) {
    const version = await kedaVersion(azure);
    if (!isEnough(version)) return notTried(`The cluster's KEDA is ${version}. The chart asks for 2.19 or later.`);
    try {
      await azure.deploy({ scaling: { ...SLEEPING, kedaVersion: version } });
      return await sleepAndWake(azure, version);
    } finally {
      await azure.deploy();
    }
  },
};

async function sleepAndWake(azure: Azure, version: string): Promise<Verdict> {
  const deployedAt = azure.now();
  if (!(await azure.until(async () => (await dispatcherPods(azure)).length === 0, MINUTES)))
    return disproven(`With KEDA ${version} the app was still awake after ${MINUTES} minutes without a message.`);
  const asleep = Math.round((azure.now() - deployedAt) / 1_000);
  const send = () => azure.bus.send(SOURCES.codes, [{ messageId: "scale-to-zero", body: Buffer.from("0") }]);
  const settled = await untilSettled(azure, SOURCES.codes, send, MINUTES);
  if (settled === undefined)
    return disproven(`With KEDA ${version} a message to the sleeping app was not settled after ${MINUTES} minutes.`);
  return proven(
    `With KEDA ${version} the app slept after ${asleep} s. A message to it was settled after ${settled} s.`,
  );
}

function isEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 19);
}
