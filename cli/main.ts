#!/usr/bin/env node
import { basename } from "node:path";
import { makeProgram } from "./program.ts";

// The command `dispatcher`. `kubectl dispatcher` is the same by its second name.
const isPlugin = basename(process.argv[1] ?? "").startsWith("kubectl-");
await makeProgram(isPlugin ? "kubectl dispatcher" : "dispatcher").parseAsync();
