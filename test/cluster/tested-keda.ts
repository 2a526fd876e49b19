import { KEDA_RELEASES, type KedaRelease, NEWEST_KEDA, readKedaRelease } from "../../real-cluster/keda-releases.ts";

/** The release of KEDA that these tests run on: the newest, unless `TEST_KEDA` names another one. */
export const TESTED_KEDA: KedaRelease = read(process.env["TEST_KEDA"] || NEWEST_KEDA);

function read(text: string): KedaRelease {
  const release = readKedaRelease(text);
  if (release === undefined) throw new Error(`TEST_KEDA is ${text}. Set it to one of ${KEDA_RELEASES.join(", ")}`);
  return release;
}
