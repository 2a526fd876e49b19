import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Binaries } from "./binaries.ts";
import { type ClusterRecord, writeRecord } from "./cluster-record.ts";
import { type ProcessId, type ServerSpec, startServer } from "./server-process.ts";

/** A started part of the cluster. */
export type StartedPart = ProcessId & Pick<ServerSpec, "name" | "logFile">;

/**
 * Starts a program of the cluster by its name. `file` is the program's file, if it is none that was built. `through` is
 * a command line that ends by running the program; it gets the program's file and arguments added.
 */
export type StartPart = (
  name: string,
  args: readonly string[],
  options?: {
    readonly file?: string;
    readonly through?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  },
) => Promise<StartedPart>;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Makes a function that starts parts and records each one in the cluster's record at once, so that every started part
 * can be ended.
 */
export async function makeStartPart(
  record: ClusterRecord,
  binaries: Binaries,
  signal: AbortSignal,
): Promise<StartPart> {
  const logs = join(record.directory, "logs");
  await mkdir(logs, { recursive: true });
  return async (name, args, options = {}) => {
    signal.throwIfAborted();
    const logFile = join(logs, `${name}.log`);
    const [file = "", ...rest] = [...(options.through ?? []), options.file ?? binaries[name] ?? name, ...args];
    const started = startServer({ name, file, args: rest, env: { PATH, ...options.env }, logFile });
    record.processes.push({ name, ...started });
    writeRecord(record);
    return { name, logFile, ...started };
  };
}
