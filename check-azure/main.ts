// `npm run check:azure` tries on Azure itself what no stand-in can tell.
import { join } from "node:path";
import { ClientSecretCredential } from "@azure/identity";
import { ServiceBusClient } from "@azure/service-bus";
import { privateEnvironment } from "../local/kit/private-environment.ts";
import { PROJECT_ROOT } from "../local/stack/project-root.ts";
import { errorText } from "../shared/errors.ts";
import { CHECKS } from "./all-checks.ts";
import { checkAzure } from "./check-azure.ts";
import { readFlags } from "./flags.ts";
import { planText } from "./plan-text.ts";
import { isGood, reportText } from "./report.ts";
import { readSignIn, withoutSignIn } from "./sign-in.ts";

const say = (text: string) => void process.stderr.write(`${text}\n`);

/** A signal that is aborted when a person wants the run to end. */
function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (interrupted.signal.aborted) say("Still deleting. Azure takes some ten minutes for it.");
      else say(`Interrupted by ${signal}. What was created is deleted now.`);
      interrupted.abort(new Error(`The run was interrupted by ${signal}.`));
    });
  return interrupted.signal;
}

/** Resolves to the exit code. */
async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2));
  if (!flags.yes) {
    say(`${planText(CHECKS, flags)}\nTo start it, run: npm run check:azure -- --yes`);
    return 2;
  }
  const env = privateEnvironment(process.env, join(PROJECT_ROOT, "private.env"));
  const signIn = readSignIn(env);
  const { tenantId, clientId, clientSecret } = signIn;
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret);
  say(planText(CHECKS, flags));
  const signal = interruption();
  const outcome = await checkAzure({
    flags,
    signIn,
    checks: CHECKS,
    root: PROJECT_ROOT,
    env: withoutSignIn(process.env),
    connect: (fullyQualifiedNamespace) => new ServiceBusClient(fullyQualifiedNamespace, credential),
    signal,
    say,
    onSaid: (text) => void process.stderr.write(text),
  });
  process.stdout.write(`${reportText(outcome)}\n`);
  return isGood(outcome) && !signal.aborted ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(errorText(error));
  process.exitCode = 2;
}
