import type { WrongFile } from "../../shared/modules/wrong-file.ts";

/** Says what is wrong with a module file, and what that means for the Dispatcher that runs. */
export function wrongFileText({ module, mistakes }: WrongFile): string {
  const whose = module === undefined ? "a module file is wrong" : `the file of module ${module} is wrong`;
  return `${whose}, and the running Dispatcher goes on with the files that it read before: ${mistakes.join("; ")}`;
}
