import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

/** Imports that the linter refuses, as the importing file and the imported one. */
const REFUSED = [
  ["functions/x.ts", "../local/stack/part.ts"],
  ["functions/x.ts", "../host/host.ts"],
  ["functions/x.ts", "../cli/repair/repair.ts"],
  ["shared/x.ts", "../prove/proof/flags.ts"],
  ["shared/run/x.ts", "../../bench/table.ts"],
  ["shared/run/x.ts", "../errors.ts"],
  ["shared/run/x.ts", "../modules/module.ts"],
  ["shared/run/x.ts", "../ports/message-broker.ts"],
  ["shared/run/x.ts", "p-limit"],
  ["shared/adapters/x.ts", "../../local/broker/filter.ts"],
  ["shared/adapters/x.ts", "../../real-cluster/cluster.ts"],
  ["shared/adapters/x.ts", "../../test/support/a-run.ts"],
  ["shared/adapters/x.ts", "../../cli/repair/repair.ts"],
  ["shared/jobs/x.ts", "@kubernetes/client-node"],
  ["host/x.ts", "../local/stack/part.ts"],
  ["host/x.ts", "../test/support/a-run.ts"],
  ["cli/x.ts", "../local/kit/listen.ts"],
  ["cli/x.ts", "../ui/page.ts"],
  ["shared/x.ts", "../ui/page.ts"],
  ["ui/views/x.ts", "../../local/kit/listen.ts"],
  ["ui/x.ts", "../host/host.ts"],
  ["local/stack/x.ts", "../../test/support/a-run.ts"],
  ["local/demo/x.ts", "../../prove/proof/flags.ts"],
  ["local/broker/x.ts", "../kit/listen.ts"],
  ["local/broker/x.ts", "../../shared/clock.ts"],
  ["local/azurite/x.ts", "../stack/part.ts"],
  ["local/cluster/x.ts", "../kit/listen.ts"],
  ["local/cluster/x.ts", "../../shared/clock.ts"],
  ["local/cluster/api/x.ts", "../../kit/listen.ts"],
  ["local/cluster/store/x.ts", "../../../shared/clock.ts"],
  ["local/kit/x.ts", "../cluster/certificate.ts"],
  ["local/table-server/x.ts", "../broker/filter.ts"],
  ["local/table-server/x.ts", "../../shared/clock.ts"],
  ["real-cluster/x.ts", "../test/cluster/namespace.ts"],
  ["real-cluster/forward/x.ts", "../../bench/table.ts"],
  ["prove/stage/x.ts", "../../bench/table.ts"],
  ["prove/twins/x.ts", "../../test/support/a-run.ts"],
  ["bench/x.ts", "../prove/proof/flags.ts"],
  ["bench/cluster/x.ts", "../../test/cluster/namespace.ts"],
  ["check-azure/x.ts", "../prove/proof/flags.ts"],
  ["check-azure/checks/x.ts", "../../real-cluster/kubectl.ts"],
  ["prove/x.ts", "../check-azure/bus.ts"],
  ["shared/x.ts", "../check-azure/bus.ts"],
  ["local/stack/x.ts", "../../check-azure/bus.ts"],
  ["test/unit/x.ts", "../../check-azure/bus.ts"],
  ["test/check-azure/x.ts", "../../prove/proof/flags.ts"],
  ["test/unit/x.ts", "../../prove/proof/flags.ts"],
  ["test/support/x.ts", "../../bench/table.ts"],
  ["test/prove/x.ts", "../../bench/table.ts"],
  ["test/upgrade/x.ts", "../../bench/table.ts"],
  ["test/variants/x.ts", "../../bench/table.ts"],
  ["test/bench/x.ts", "../../prove/proof/flags.ts"],
] as const;

/** Similar imports that it allows. */
const ALLOWED = [
  ["functions/y.ts", "../shared/clock.ts"],
  ["shared/adapters/y.ts", "@kubernetes/client-node"],
  ["shared/run/y.ts", "../clock.ts"],
  ["shared/run/y.ts", "../plain-data.ts"],
  ["shared/run/y.ts", "./run.ts"],
  ["shared/run/y.ts", "node:crypto"],
  ["host/y.ts", "../shared/errors.ts"],
  ["ui/views/y.ts", "../../cli/text/times.ts"],
  ["ui/y.ts", "../shared/clock.ts"],
  ["local/stack/y.ts", "../broker/filter.ts"],
  ["local/stack/y.ts", "../../shared/clock.ts"],
  ["local/cluster/y.ts", "./store/wire.ts"],
  ["local/cluster/api/y.ts", "../store/wire.ts"],
  ["local/table-server/y.ts", "../kit/listen.ts"],
  ["real-cluster/y.ts", "../local/kit/tcp-proxy.ts"],
  ["prove/stage/y.ts", "../../local/kit/cluster-access.ts"],
  ["prove/stage/y.ts", "../../local/table-server/start-table-server.ts"],
  ["bench/cluster/y.ts", "../../real-cluster/cluster.ts"],
  ["test/unit/y.ts", "../../local/kit/cluster-hands.ts"],
  ["test/prove/y.ts", "../../prove/proof/flags.ts"],
  ["test/bench/y.ts", "../../bench/table.ts"],
  ["check-azure/checks/y.ts", "../../shared/run/source.ts"],
  ["test/check-azure/y.ts", "../../check-azure/bus.ts"],
] as const;

const answer = z.object({
  diagnostics: z.array(z.object({ code: z.string().optional(), filename: z.string() })),
});
const config = z.looseObject({ options: z.looseObject({}) });

let directory: string;
/** The files in which the linter refused an import. */
let refused: ReadonlySet<string>;

/** The name of a case's file. Each case has one of its own. */
const fileOf = (kind: string, index: number, file: string) => file.replace(/\w+\.ts$/, `${kind}-${index}.ts`);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-fences-"));
  // Runs the linter without types, which takes only a moment. The rule needs none.
  const { options, ...rest } = config.parse(JSON.parse(await readFile(".oxlintrc.json", "utf8")));
  const own = { ...rest, options: { ...options, typeAware: false } };
  await writeFile(join(directory, ".oxlintrc.json"), JSON.stringify(own));
  for (const [kind, cases] of Object.entries({ refused: REFUSED, allowed: ALLOWED })) {
    for (const [index, [file, imported]] of cases.entries()) {
      const path = join(directory, fileOf(kind, index, file));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `import { x } from "${imported}";\nexport const y = x;\n`);
    }
  }
  const oxlint = resolve("node_modules/oxlint/bin/oxlint");
  const said = await new Promise<string>((done) => {
    execFile(process.execPath, [oxlint, "--format=json"], { cwd: directory }, (_, stdout) => done(stdout));
  });
  const found = answer
    .parse(JSON.parse(said))
    .diagnostics.filter(({ code }) => code?.includes("no-restricted-imports") === true);
  refused = new Set(found.map(({ filename }) => relative(directory, resolve(directory, filename))));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("the linter's fences between the folders", () => {
  it.each(REFUSED.map(([file, imported], index) => ({ file, imported, index })))(
    "refuse that $file imports $imported",
    ({ file, index }) => {
      expect(refused).toContain(fileOf("refused", index, file));
    },
  );

  it.each(ALLOWED.map(([file, imported], index) => ({ file, imported, index })))(
    "let $file import $imported",
    ({ file, index }) => {
      expect(refused).not.toContain(fileOf("allowed", index, file));
    },
  );
});
