import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { demo as runDemo } from "../../local/demo/demo.ts";
import type { up as runUp } from "../../local/start/up.ts";
import { PROJECT_ROOT } from "../../shared/project-root.ts";
import { Refusal } from "../refusal.ts";

type Up = typeof runUp;
type Demo = typeof runDemo;

/** Runs the stack of this machine: see local/start/up.ts. */
export const up: Up = async (...args) => {
  const loaded: { readonly up: Up } = await load("start/up.js");
  return loaded.up(...args);
};

/** Runs the demo: see local/demo/demo.ts. */
export const demo: Demo = async (...args) => {
  const loaded: { readonly demo: Demo } = await load("demo/demo.js");
  return loaded.demo(...args);
};

/** Loads a program by its path, and not by its name, because the images are built without local/. */
async function load(file: string) {
  const path = join(PROJECT_ROOT, "dist", "local", file);
  if (!existsSync(path))
    throw new Refusal("The stack of one machine is not part of the images. Run this in a checkout of the project.");
  return import(pathToFileURL(path).href);
}
