import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { RIGHTS, rightsInWords } from "../../../shared/ports/rights.ts";

const words = z.array(z.string());
const role = z.looseObject({ rules: z.array(z.strictObject({ apiGroups: words, resources: words, verbs: words })) });

it("are the rules of the Role in docs/operate.md", () => {
  const docs = readFileSync("docs/operate.md", "utf8");
  const yaml = /```yaml\n(.*?kind: Role\n.*?)```/s.exec(docs)?.[1] ?? "";
  const { rules } = role.parse(parse(yaml));
  const written = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource} ${JSON.stringify(group)}`)),
    ),
  );
  expect(written).toEqual(RIGHTS.map(({ verb, resource, group }) => `${verb} ${resource} ${JSON.stringify(group)}`));
});

it("go into one line", () => {
  expect(rightsInWords()).toBe(
    "jobs (create, get, list, watch, patch), pods (list, watch), pods/log (get), events (list) and namespaces (get)",
  );
});
