import type { Processes } from "../processes.ts";
import { type BareFigures, measureBare } from "./bare-jobs.ts";
import type { Contender } from "./contender.ts";
import { startDispatcher } from "./dispatcher.ts";
import { startScaledJobs } from "./scaled-job.ts";
import { type ContenderFigures, measureContender, type PeersOptions } from "./scenarios.ts";
import { setStage, type WholeStage } from "./stage.ts";

export interface PeersFigures {
  readonly options: PeersOptions;
  readonly versions: WholeStage["versions"];
  /** The Dispatcher first. */
  readonly contenders: readonly ContenderFigures[];
  readonly bare: BareFigures;
}

/** Measures the Dispatcher, ScaledJobs with each of the polls, and the bare cluster, one after another. */
export async function measurePeers(
  processes: Processes,
  options: PeersOptions,
  polls: readonly number[],
  progress: (what: string) => void,
): Promise<PeersFigures> {
  const stage = await setStage(processes, polls, progress);
  const starts = [() => startDispatcher(stage), ...polls.map((seconds) => () => startScaledJobs(stage, seconds))];
  const bare = await measureBare(stage, options);
  await removeJobs(stage);
  const contenders: ContenderFigures[] = [];
  for (const start of starts) contenders.push(await measureAndStop(stage, await start(), options));
  await stage.stop();
  return { options, versions: stage.versions, contenders, bare };
}

async function measureAndStop(
  stage: WholeStage,
  contender: Contender,
  options: PeersOptions,
): Promise<ContenderFigures> {
  const figures = await measureContender(stage, contender, options);
  await contender.stop();
  await removeJobs(stage);
  return figures;
}

async function removeJobs({ kubectl, cluster }: WholeStage): Promise<void> {
  await kubectl(["--namespace", cluster.namespace, "delete", "jobs", "--all", "--timeout=120s"]);
}
