import { describe, expect, test } from "vitest";
import { moduleIn } from "../../cli/modules/show.ts";
import { entityOf } from "../../cli/send/send.ts";
import { readModules } from "../../shared/module-files/load-modules.ts";
import { aDirectory } from "../unit/module-files/module-files.ts";

// What the command can still do while one module file is wrong.

const zeta = "name: zeta\nsource: { queue: Zeta }\nworker: { image: i }\n";
const acme = "name: acme\nsource: { queue: acme }\nmaxActive: eight\nworker: { image: i }\n";

describe("one wrong module file", () => {
  test.each([
    { what: "of which a field is wrong", text: acme, line: 3 },
    { what: "that is no YAML", text: "name: acme\nsource: x: y\n", line: 2 },
  ])("$what is told of by its module, line and column", ({ text, line }) => {
    const { modules, wrongFiles } = readModules(aDirectory({ "acme.yaml": text, "zeta.yaml": zeta }));
    expect(modules.map(({ name }) => name)).toEqual(["zeta"]);
    const mistakes = [expect.stringMatching(new RegExp(`acme\\.yaml:${line}:\\d+: `))];
    expect(wrongFiles).toEqual([{ module: "acme", mistakes }]);
  });

  test("keeps no other module from being shown, and says what is in force of its own", () => {
    const directory = aDirectory({ "acme.yaml": acme, "zeta.yaml": zeta });
    expect(moduleIn(directory, "zeta")).toMatchObject({ name: "zeta" });
    expect(() => moduleIn(directory, "acme")).toThrow(
      /the file of module acme is wrong, and the running Dispatcher goes on with the files that it read before: .*acme\.yaml:3:12/,
    );
  });

  test("keeps no message from another module, nor from its own", () => {
    const directory = aDirectory({ "acme.yaml": acme, "zeta.yaml": zeta });
    expect(entityOf(directory, "zeta")).toBe("Zeta");
    expect(entityOf(directory, "acme")).toBe("acme");
    expect(() => entityOf(aDirectory({ "zeta.yaml": zeta }), "acme")).toThrow("No module takes messages from acme");
  });
});
