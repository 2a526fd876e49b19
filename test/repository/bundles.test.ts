import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { expect, it } from "vitest";

const BUNDLES = ["dist/functions/index.js", "dist/host/main.js", ...globSync("dist/cli/*.js")];

it.each(BUNDLES)("%s has no character for which V8 would keep all of it in two bytes each", (file) => {
  expect([...readFileSync(file, "utf8").matchAll(/[^\0-\xff]/g)].map(([character]) => character)).toEqual([]);
});
