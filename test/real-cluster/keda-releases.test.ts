import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { KEDA_MODULES, KEDA_RELEASES, NEWEST_KEDA, readKedaRelease } from "../../real-cluster/keda-releases.ts";

it.each(KEDA_RELEASES)("the Go module of KEDA %s pins that release, and builds its operator", (release) => {
  const module = readFileSync(`real-cluster/go/${KEDA_MODULES[release]}/go.mod`, "utf8");
  const versions = [...module.matchAll(/^\s+github\.com\/kedacore\/keda\/v2 v(\d+\.\d+)\.\d+/gm)].map(
    ([, found]) => found,
  );
  expect(versions).toEqual([release]);
  expect(module).toContain("tool github.com/kedacore/keda/v2/cmd/operator\n");
});

it("releases are read by name, and the newest is the last", () => {
  for (const release of KEDA_RELEASES) expect(readKedaRelease(release)).toBe(release);
  for (const text of ["2.1", "2.20", "", "latest"]) expect(readKedaRelease(text)).toBeUndefined();
  expect(KEDA_RELEASES.at(-1)).toBe(NEWEST_KEDA);
});

it("the pages name the releases that can be built", () => {
  for (const page of ["docs/develop.md", "docs/scaling.md"])
    for (const release of KEDA_RELEASES) expect(readFileSync(page, "utf8")).toContain(release);
  expect(readFileSync("docs/develop.md", "utf8")).toContain(`--versions ${KEDA_RELEASES.join(",")}`);
});
