import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { KubernetesObject } from "@kubernetes/client-node";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import type { Binaries } from "../../real-cluster/binaries.ts";
import { valueAt } from "../../shared/plain-data.ts";

const run = promisify(execFile);

/** The chart's directory. */
export const CHART = join(PROJECT_ROOT, "keda");
/** The release's name, as infra/deploy.sh and the federated credentials have it. */
export const RELEASE = "dispatcher";

/** Runs helm with nothing of the developer's own, and resolves to what it wrote. Rejects with its words. */
export type Helm = (...args: readonly string[]) => Promise<string>;

/** `home`: a directory for what it keeps. */
export function makeHelm(binaries: Binaries, home: string, env: Readonly<Record<string, string>> = {}): Helm {
  const file = binaries["helm"] ?? "helm";
  return async (...args) =>
    (await run(file, args, { env: { HOME: home, ...env }, maxBuffer: 16 * 1024 * 1024 })).stdout;
}

/** A file in keda/, or values of a test's own. */
export type Values = string | object;

/** The chart, in the hands of somebody with helm and no cluster. */
export interface Chart {
  readonly helm: Helm;
  /** What helm makes of values, each laid over the one before, in a namespace. Rejects with its words. */
  render(values: readonly Values[], namespace?: string, ...args: readonly string[]): Promise<Rendered[]>;
  /** The arguments that name these values. */
  files(values: readonly Values[]): Promise<string[]>;
  close(): Promise<void>;
}

/** An object as the chart has it: whatever else its kind has. */
export type Rendered = KubernetesObject & { readonly kind: string };

const object = z.record(z.string(), z.unknown());

/** The object in an object, by its path; throws where there is none. */
export function objectAt(value: unknown, ...path: readonly string[]): Record<string, unknown> {
  return object.parse(valueAt(value, path));
}

/** The list of objects in an object, by its path; throws where there is none. */
export function objectsAt(value: unknown, ...path: readonly string[]): Record<string, unknown>[] {
  return z.array(object).parse(valueAt(value, path));
}

export async function openChart(binaries: Binaries): Promise<Chart> {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-chart-"));
  const home = join(directory, "home");
  await mkdir(home);
  const helm = makeHelm(binaries, home);
  let written = 0;
  async function fileOf(values: Values): Promise<string> {
    if (typeof values === "string") return join(CHART, values);
    const file = join(directory, `${written++}.json`);
    await writeFile(file, JSON.stringify(values));
    return file;
  }
  const files = async (values: readonly Values[]) =>
    (await Promise.all(values.map(fileOf))).map((file) => `--values=${file}`);
  return {
    helm,
    files,
    async render(values, namespace = RELEASE, ...args) {
      const flags = [...(await files(values)), `--namespace=${namespace}`, ...args];
      return parseAllDocuments(await helm("template", RELEASE, CHART, ...flags)).map(
        (document): Rendered => document.toJS(),
      );
    },
    close: () => rm(directory, { recursive: true, force: true }),
  };
}
