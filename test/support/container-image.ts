import { readFileSync } from "node:fs";
import { cp, mkdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { Copy, DockerfileParser, From, type Instruction, JSONInstruction, PropertyInstruction } from "dockerfile-ast";
import { glob } from "tinyglobby";
import { ROOT } from "./run-program.ts";

/** The files that one `COPY` brings into an image. */
interface Copied {
  /** Paths in the stage `from`, or in the build's context. A `*` stands for any name. */
  readonly sources: readonly string[];
  readonly from: string | undefined;
  /** An absolute path. With a slash at its end it is a directory. */
  readonly to: string;
}

/** An image as its stage of the Dockerfile describes it, without the content of its base. */
export interface ContainerImage {
  /** With the default of the build argument that names it. */
  readonly base: string;
  readonly copied: readonly Copied[];
  /** The commands that are run while it is built. */
  readonly runs: readonly string[];
  readonly workdir: string;
  readonly user: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  /** The words of its first process: ENTRYPOINT, then CMD. */
  readonly command: readonly string[];
}

const DOCKERFILE = join(ROOT, "Dockerfile");
const KNOWN = new Set(["ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "RUN", "USER", "WORKDIR"]);

/** The names of the Dockerfile's stages, in order. docker builds the last one if no stage is named. */
export function stageNames(): string[] {
  return instructions().flatMap((instruction) =>
    instruction instanceof From ? [instruction.getBuildStage() ?? ""] : [],
  );
}

/**
 * Reads one stage of the Dockerfile, which is the only description of the images' content. Code that assembles an image
 * elsewhere reads it, too. Throws if there is no such stage, or if it has an instruction that this function would
 * ignore.
 */
export function readImage(stage: string): ContainerImage {
  const all = instructions();
  const start = all.findIndex((instruction) => instruction instanceof From && instruction.getBuildStage() === stage);
  const [from, ...rest] = all.slice(start);
  if (start < 0 || !(from instanceof From)) throw wrong(`there is no stage ${stage}`);
  const end = rest.findIndex((instruction) => instruction instanceof From);
  const own = end < 0 ? rest : rest.slice(0, end);

  const unknown = own.find((instruction) => !KNOWN.has(instruction.getKeyword()));
  if (unknown !== undefined) throw wrong(`nothing here knows what ${unknown.getKeyword()} does to an image`);
  const called = (keyword: string) => own.filter((instruction) => instruction.getKeyword() === keyword);
  const texts = (keyword: string) => called(keyword).map((instruction) => instruction.getArgumentsContent() ?? "");
  const workdir = texts("WORKDIR")[0] ?? "/";
  if (texts("WORKDIR").length > 1) throw wrong(`stage ${stage} has more than one WORKDIR`);
  return {
    base: withDefaults(from.getImage() ?? ""),
    copied: called("COPY").map((instruction) => copied(instruction, workdir)),
    runs: texts("RUN"),
    workdir,
    user: texts("USER").at(-1),
    env: Object.assign({}, ...called("ENV").map(pairs)),
    labels: Object.assign({}, ...called("LABEL").map(pairs)),
    ports: texts("EXPOSE"),
    command: [called("ENTRYPOINT"), called("CMD")].flatMap((found) => found.slice(-1).flatMap(listed)),
  };
}

/**
 * Puts the files that an image copies under the directory `root`. `stages` names the directory of each stage that it
 * copies from.
 */
export async function layOut(image: ContainerImage, stages: Readonly<Record<string, string>>, root: string) {
  await mkdir(join(root, image.workdir), { recursive: true });
  for (const { sources, from, to } of image.copied) {
    const directory = stages[from ?? ""];
    if (directory === undefined)
      throw new Error(`a COPY takes files from ${from ?? "the context"}, which is not given`);
    for (const source of sources) {
      const files = await found(directory, source);
      if (files.length === 0) throw wrong(`COPY ${source}: there is no such file in ${directory}`);
      for (const file of files) {
        // Copies the content of a directory, not the directory itself.
        const isInto = to.endsWith("/") && !(await stat(file)).isDirectory();
        await cp(file, join(root, isInto ? posix.join(to, basename(file)) : to), { recursive: true });
      }
    }
  }
}

async function found(directory: string, source: string): Promise<string[]> {
  const pattern = posix.relative("/", posix.resolve("/", source));
  const paths = await glob(pattern, { cwd: directory, dot: true, onlyFiles: false, expandDirectories: false });
  return paths.map((path) => join(directory, path));
}

function instructions(): Instruction[] {
  return dockerfile().getInstructions();
}

function dockerfile() {
  return DockerfileParser.parse(readFileSync(DOCKERFILE, "utf8"));
}

/** Replaces `${NAME}` with the default that the argument NAME has before the first stage. */
function withDefaults(image: string): string {
  const defaults = dockerfile()
    .getInitialARGs()
    .map((argument) => argument.getProperty());
  return image.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = defaults.find((property) => property?.getName() === name)?.getValue();
    if (!value) throw wrong(`the build argument ${name} of a base has no default`);
    return value;
  });
}

function wrong(what: string): Error {
  return new Error(`${DOCKERFILE}: ${what}`);
}

function copied(instruction: Instruction, workdir: string): Copied {
  const words = instruction.getArguments().map((argument) => argument.getValue());
  const flags = instruction instanceof Copy ? instruction.getFlags() : [];
  const other = flags.find((flag) => flag.getName() !== "from");
  if (other !== undefined) throw wrong(`nothing here knows what COPY --${other.getName()} does`);
  const to = words.at(-1) ?? "";
  const path = posix.resolve(workdir, to);
  return {
    sources: words.slice(0, -1),
    from: flags[0]?.getValue() ?? undefined,
    to: /(^|\/)\.?\/?$/.test(to) ? `${path}/` : path,
  };
}

function pairs(instruction: Instruction): Record<string, string> {
  const properties = instruction instanceof PropertyInstruction ? instruction.getProperties() : [];
  return Object.fromEntries(properties.map((property) => [property.getName(), property.getValue() ?? ""]));
}

/** The words of an instruction in its JSON form. The other form runs a shell in between, which swallows signals. */
function listed(instruction: Instruction): string[] {
  if (!(instruction instanceof JSONInstruction) || instruction.getJSONStrings().length === 0)
    throw wrong(`${instruction.getKeyword()} has to be a list of words in JSON`);
  return instruction.getJSONStrings().map((word) => word.getJSONValue());
}
