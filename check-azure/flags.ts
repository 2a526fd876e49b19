import { InvalidArgumentError } from "@commander-js/extra-typings";
import { makeCommand } from "../shared/command-line.ts";

/** `npm run check:azure`, as its user sees it. */
const CHECK_AZURE = makeCommand("npm run check:azure --")
  .description(
    "Deploys the Dispatcher into a resource group of its own, tries there what only Azure can tell, deletes everything, and prints a report.",
  )
  .option("--yes", "start; without it, the command says what it would do, how long and at what cost")
  .option("--region <name>", "where to deploy, such as northeurope; without it, where dev is", regionName)
  .option(
    "--from <image>",
    "import this released image, REGISTRY/NAME@sha256:DIGEST; without it, one is built",
    imageByDigest,
  )
  .option("--premium", "a bus of the Premium tier; without it, Standard")
  .addHelpText(
    "after",
    "\nEnds with 0 if nothing was disproven and all is deleted, 1 if not or if it was interrupted, 2 if nothing was started.\nThe report goes to standard output, all else to standard error.",
  );

/** What the command line asks for. */
export interface Flags {
  readonly yes: boolean;
  readonly region: string | undefined;
  /** The released image to import; undefined if one is built. */
  readonly from: string | undefined;
  readonly premium: boolean;
}

/** Reads the command line. */
export function readFlags(args: readonly string[]): Flags {
  const { yes = false, region, from, premium = false } = CHECK_AZURE.parse(args, { from: "user" }).opts();
  return { yes, region, from, premium };
}

function regionName(text: string): string {
  if (/^[a-z][a-z0-9]+$/.test(text)) return text;
  throw new InvalidArgumentError("Give a region's short name, as az account list-locations prints it.");
}

function imageByDigest(text: string): string {
  if (/^[^\s@]+\/[^\s@]+@sha256:[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError("Give REGISTRY/NAME@sha256:DIGEST, as the release prints it.");
}
