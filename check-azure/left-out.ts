import { notTried } from "./check.ts";
import type { Flags } from "./flags.ts";
import type { Answer } from "./run-checks.ts";

/** What only Azure can tell, and no check of this run asks. */
export function leftOut({ from, premium }: Flags): readonly Answer[] {
  const otherTier = premium
    ? leaving("Does all this hold with a bus of the Standard tier?", "Run the check again without --premium.")
    : leaving("Does all this hold with a bus of the Premium tier?", "Run the check again with --premium.");
  const otherImage =
    from === undefined
      ? leaving(
          "Can a released image be imported by its digest?",
          "Run the check again with --from IMAGE@sha256:DIGEST.",
        )
      : leaving("Can this subscription build the image in its registry?", "Run the check again without --from.");
  return [
    otherTier,
    otherImage,
    leaving(
      "How often does a night of node upgrades interrupt a Job?",
      "AKS upgrades nodes when it has a new image for them, and not when it is asked to.",
    ),
    leaving(
      "Does the deployment work with the zones, locks and sizes of prod?",
      "It takes 62 vCPU. Deploy prod to a subscription for tests, and look at its first messages.",
    ),
    leaving("Does it work in another cloud?", "It takes a subscription of that cloud."),
    leaving("Does all go through an HTTPS proxy?", "It takes a network with a proxy and without another way out."),
    leaving(
      "Do messages keep their numbers when a Premium bus with Geo-Replication changes its region?",
      "It takes two regions, and hours. Try it with the bus that you mean to use.",
    ),
  ];
}

function leaving(question: string, why: string): Answer {
  return { question, deed: "Nothing.", verdict: notTried(why) };
}
