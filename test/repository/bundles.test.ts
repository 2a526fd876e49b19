import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { expect, it } from "vitest";

const BUNDLES = ["dist/functions/index.js", "dist/host/main.js", ...globSync("dist/cli/*.js")];

it.each(BUNDLES)("%s has no character for which V8 would keep all of it in two bytes each", (file) => {
  expect([...readFileSync(file, "utf8").matchAll(/[^\0-\xff]/g)].map(([character]) => character)).toEqual([]);
});

it.each(BUNDLES)("%s has no parts of the Kubernetes client and of zod that nothing uses", (file) => {
  const parts = readFileSync(file, "utf8").matchAll(/^\/\/ node_modules\/(\S+)$/gm);
  const unused = [...parts].map(([, part = ""]) => part).filter((part) => UNUSED.test(part));
  expect(unused).toEqual([]);
});

/** The models of the whole API, and the languages of error texts, of which an empty list is left. */
const UNUSED = /^@kubernetes\/client-node\/dist\/gen\/models\/|^zod\/v4\/locales\/(?!(en|index)\.js$)/;
