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
/** The release's name, which infra/deploy.sh and the federated credentials use, too. */
export const RELEASE = "dispatcher";

/** Runs helm without any settings of the developer, and resolves to its output. Rejects with helm's own words. */
export type Helm = (...args: readonly string[]) => Promise<string>;

/** `home` is a directory for helm's own files. */
export function makeHelm(binaries: Binaries, home: string, env: Readonly<Record<string, string>> = {}): Helm {
  const file = binaries["helm"] ?? "helm";
  return async (...args) =>
    (await run(file, args, { env: { HOME: home, ...env }, maxBuffer: 16 * 1024 * 1024 })).stdout;
}

/** The name of a file in keda/, or values of a test's own. */
export type Values = string | object;

/** The chart, as a user with helm and without a cluster sees it. */
export interface Chart {
  readonly helm: Helm;
  /**
   * The objects that helm makes of values, each laid over the one before, in a namespace. Rejects with helm's own
   * words.
   */
  render(values: readonly Values[], namespace?: string, ...args: readonly string[]): Promise<Rendered[]>;
  /** The arguments that name these values. */
  files(values: readonly Values[]): Promise<string[]>;
  close(): Promise<void>;
}

/** An object as the chart has it, with the fields of its kind. */
export type Rendered = KubernetesObject & { readonly kind: string };

const object = z.record(z.string(), z.unknown());

/** The object at a path in an object. Throws if there is none. */
export function objectAt(value: unknown, ...path: readonly string[]): Record<string, unknown> {
  return object.parse(valueAt(value, path));
}

/** The list of objects at a path in an object. Throws if there is none. */
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
