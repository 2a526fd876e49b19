import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { ROOT } from "./run-program.ts";

const SCRIPT = join(ROOT, "infra", "deploy.sh");
/** The programs that the script may use besides those that it says it needs. */
const COMMANDS = ["base64", "bash", "cat", "date", "dirname", "env", "git", "grep", "mktemp", "rm", "sed", "sleep"];

/** The object id of whoever is logged in to the stand-in of az. */
export const DEPLOYER = "00000000-0000-0000-0000-0000000000aa";

/**
 * What is printed where all went well: resources, the cluster's id, a pod of KEDA with its identity, and a ScaledObject
 * that scales.
 */
const HEALTHY: Answers = {
  "az-resource-list": [
    "Microsoft.ContainerService/managedClusters\tthe-aks\nMicrosoft.ServiceBus/Namespaces\tthe-bus\nMicrosoft.Storage/storageAccounts\tthe-account\n",
  ],
  "az-aks-show": ["/the-cluster-id"],
  "kubectl-get-pods": ["|AZURE_CLIENT_ID AZURE_FEDERATED_TOKEN_FILE"],
  "kubectl-get-scaledobject": [" Ready=True  Active=False  Fallback=False  Paused=Unknown "],
};

// Each stand-in records how it was called. `FAILS` names the calls that fail, such as "az account" or "helm upgrade".
// `$RECORD.outputs` has the outputs of the deployment. `$ANSWERS` has a directory for each call that prints something,
// with a file for each time that it is called; the last file stays.
const STAND_IN = `#!/usr/bin/env bash
{ printf '%s' "\${0##*/}"; printf '\\t%s' "$@"; printf '\\n'; } >>"$RECORD"
case "\${0##*/} $1 $2 $3" in
  "az account show --query") if [[ $4 == user.type ]]; then echo user; else echo "Acme Development"; fi ;;
  "az account get-access-token "*) echo "\${DEPLOYER_TOKEN}" ;;
  "az role assignment create") : >"$RECORD.admin" ;;
  "az role assignment list") [[ ! -e $RECORD.admin ]] || echo /the-assignment ;;
  "az role assignment delete") rm "$RECORD.admin" ;;
  "az deployment sub create" | "az deployment sub what-if") echo "values: $DISPATCHER_VALUES" >>"$RECORD.values" ;;
  "az deployment sub show")
    [[ $* != *parameters.environmentName* ]] || echo dev
    [[ $* != *"--query location"* ]] || cat "$RECORD.region" || exit 3
    for name in $(grep -oE 'outputs\\.[A-Za-z]+' <<<"$*"); do
      sed -n "s/^\${name#outputs.}=//p" "$RECORD.outputs" | grep . || echo "the-\${name#outputs.}"
    done ;;
  "kubectl auth can-i create") [[ -e $RECORD.admin || $REFUSED != "$4" ]] || { echo no; exit 1; } ;;
  "az aks get-credentials "*) [[ $* == *"--file $KUBECONFIG"* ]] && echo made >"$KUBECONFIG" ;;
esac
for call in "$ANSWERS"/*; do
  [[ "\${0##*/}-$1-$2-$3-$4" == "\${call##*/}"* ]] || continue
  files=("$call"/*)
  cat "\${files[0]}"
  (( \${#files[@]} == 1 )) || rm "\${files[0]}"
done
for failing in \${FAILS//,/ }; do
  [[ "\${0##*/}-$1-$2-$3-$4" == "$failing"* ]] && { echo "stand-in: refused" >&2; exit 1; }
done
exit 0
`;

export interface Deployed {
  readonly code: number;
  readonly said: string;
  /** Each call of a stand-in, beginning with its name. */
  readonly calls: readonly (readonly string[])[];
}

/** What calls print, by the beginning of the call: each text once, and the last one again and again. */
type Answers = Readonly<Record<string, readonly string[]>>;

export interface DeployOptions {
  /** Calls such as "kubectl-get-pods" that print something else than on a healthy cluster. */
  readonly answers?: Answers;
  /** The calls that fail, such as "helm-upgrade". */
  readonly fails?: string;
  /** What the cluster lets only its administrators create, such as "namespaces", and the deployer is none. */
  readonly refused?: string;
  readonly stdin?: string;
  /** The script itself, if it is a copy. */
  readonly program?: string;
  /** Where the record of an earlier deployment is. Without it, there was none. */
  readonly region?: string;
  /** The outputs of the deployment, by name. An output that is missing here becomes `the-<name>`. */
  readonly outputs?: Readonly<Record<string, string>>;
}

/** infra/deploy.sh, with stand-ins for the tools that change something. They record how they are called. */
export interface DeployScript {
  /** The directory where the script is started. */
  readonly directory: string;
  /** The directory of the tools. */
  readonly bin: string;
  run(args: readonly string[], options?: DeployOptions): Promise<Deployed>;
  /** Prepares the stand-ins anew. Resolves to the environment of a program that uses them. */
  prepare(options?: DeployOptions): Promise<Readonly<Record<string, string>>>;
  /** The calls of the stand-ins since they were prepared. */
  calls(): Promise<Deployed["calls"]>;
  close(): Promise<void>;
}

export async function makeDeployScript(): Promise<DeployScript> {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-deploy-"));
  const bin = join(directory, "bin");
  await mkdir(bin);
  for (const command of COMMANDS) await symlink(whereIs(command), join(bin, command));
  for (const name of ["az", "helm", "kubectl", "kubelogin"]) {
    await writeFile(join(bin, name), STAND_IN);
    await chmod(join(bin, name), 0o755);
  }
  const record = join(directory, "record");
  return {
    directory,
    bin,
    prepare,
    calls,
    async run(args, options = {}) {
      const { stdin = "", program = SCRIPT } = options;
      const env = await prepare(options);
      const { code, said } = await new Promise<{ code: number; said: string }>((done) => {
        const child = execFile(program, args, { cwd: directory, env }, (error, stdout, stderr) =>
          done({ code: Number(error?.code ?? 0), said: stdout + stderr }),
        );
        // A script that refuses its arguments ends before it reads anything.
        child.stdin?.on("error", () => {}).end(stdin);
      });
      return { code, said, calls: await calls() };
    },
    close: () => rm(directory, { recursive: true, force: true }),
  };

  async function prepare({ fails = "", refused = "", region, outputs = {}, answers = {} }: DeployOptions = {}) {
    await writeFile(record, "");
    await rm(`${record}.region`, { force: true });
    if (region !== undefined) await writeFile(`${record}.region`, region);
    await writeAnswers(join(directory, "answers"), { ...HEALTHY, ...answers });
    const given = { imageRepository: "acme.azurecr.io/dispatcher", ...outputs };
    await writeFile(
      `${record}.outputs`,
      Object.entries(given)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    return {
      PATH: bin,
      HOME: directory,
      RECORD: record,
      FAILS: fails,
      REFUSED: refused,
      ANSWERS: join(directory, "answers"),
      DEPLOYER_TOKEN: `head.${Buffer.from(JSON.stringify({ oid: DEPLOYER, name: "Ö?>" })).toString("base64url")}.signature`,
      DEPLOY_PATIENCE_SECONDS: "0",
      DEPLOY_PATIENCE_ATTEMPTS: "3",
    };
  }

  async function calls() {
    const lines = (await readFile(record, "utf8")).split("\n").filter(Boolean);
    return lines.map((line) => line.split("\t"));
  }
}

async function writeAnswers(directory: string, answers: Answers): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  for (const [call, texts] of Object.entries(answers)) {
    await mkdir(join(directory, call), { recursive: true });
    for (const [index, text] of texts.entries()) await writeFile(join(directory, call, String(index)), text);
  }
}

function whereIs(command: string): string {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, command));
  return paths.find((path) => existsSync(path)) ?? command;
}
