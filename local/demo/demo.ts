import type { ClusterChoice } from "../../cli/up/cluster-flags.ts";
import { whenReaderIsGone } from "../stack/lost-reader.ts";
import { neededEnvironment } from "../stack/own-environment.ts";
import { jsonReport, textReport } from "./report.ts";
import { runDemo } from "./run-demo.ts";

const LIMIT_MS = 120_000;

/**
 * Takes messages of every kind from the bus to Jobs and back, on this machine. Resolves to the exit code, which is 0
 * only if each message ended as its sample expects, and the bus holds nothing else.
 */
export async function demo(cluster: ClusterChoice, flags: { readonly json?: true | undefined }): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  // A second signal ends this process at once, and then the parts end by themselves.
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt).once("SIGHUP", interrupt);
  whenReaderIsGone(interrupt);
  try {
    const isRight = await runDemo({
      cluster,
      report: flags.json ? jsonReport() : textReport(process.stdout),
      env: neededEnvironment(process.env),
      limitMs: LIMIT_MS,
      interrupted: interrupted.signal,
    });
    return isRight ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return interrupted.signal.aborted ? 130 : 1;
  }
}
