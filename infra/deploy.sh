#!/usr/bin/env bash
# Deploys the Dispatcher and everything that it runs on, or uninstalls it. For the usage run `infra/deploy.sh --help`.
set -euo pipefail
((BASH_VERSINFO[0] >= 4)) || { echo 'deploy.sh: bash is older than 4. On macOS, run: brew install bash' >&2; exit 1; }

usage() {
  cat <<'TEXT'
usage: infra/deploy.sh ENVIRONMENT --values FILE [--tag TAG] [--no-build] [--what-if] [--region REGION]
       infra/deploy.sh down ENVIRONMENT [--yes]

Deploys infra/ENVIRONMENT.bicepparam (dev, prod, or a file of your own), builds the image in the registry, and
installs the chart. Run it again after every change. It updates what exists, and Jobs at work go on.

  --values FILE    the chart's values with your modules; also creates the queues and topics that the modules read
  --tag TAG        tag of the image (the commit, followed by the time if the image's files have changed since)
  --no-build       use the image with this tag that is in the registry already
  --what-if        print what the deployment would change, and change nothing
  --region REGION  where Azure keeps the record of the deployment (westeurope); the resources themselves are in the
                   region that the parameter file names
  -h, --help       print this, and end
  --version        print the version, and end

`down` uninstalls the Dispatcher. It first prints what it deletes and what stays, and asks; --yes skips the question.
Messages stay on the bus.

Needs az (logged in, with the rights to create resources and to assign roles), helm 3.13 or later, and kubelogin.
TEXT
}

# Each output of main.bicep, and the chart's value that it fills.
readonly VALUES=(
  imageRepository:image.repository
  jobNamespace:jobNamespace
  serviceBusFullyQualifiedNamespace:serviceBus.fullyQualifiedNamespace
  storageAccountName:storage.accountName
  workloadIdentityClientId:workloadIdentity.clientId
  workloadIdentityTenantId:workloadIdentity.tenantId
  kedaIdentityClientId:kedaIdentity.clientId
  jobIdentityClientId:jobIdentity.clientId
  applicationInsightsConnectionString:applicationInsights.connectionString
  settingsTable:settings.table
  settingsLockDuration:settings.lockDuration
)
# Names of the Helm release. The federated credentials in main.bicep name its service accounts, so both must agree.
readonly RELEASE=dispatcher
readonly NAMESPACE=dispatcher
# How often, and how many seconds apart, to try the cluster. A new role takes some minutes to take effect.
readonly PATIENCE_ATTEMPTS=${DEPLOY_PATIENCE_ATTEMPTS:-20}
readonly PATIENCE_SECONDS=${DEPLOY_PATIENCE_SECONDS:-15}

infra=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
readonly infra root=${infra%/*}

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "deploy.sh: $*"
  exit 1
}
wrong() {
  say "deploy.sh: $*"
  say "For the usage run: infra/deploy.sh --help"
  exit 2
}

read_arguments() {
  command=up environment='' values='' tag='' region=westeurope build=true what_if=false yes=false
  local given=' '
  if [[ ${1-} == down ]]; then
    command=down
    shift
  fi
  while (($# > 0)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --version)
        sed -n 's/^  "version": "\(.*\)",$/\1/p' "$root/package.json"
        exit 0
        ;;
      --values | --tag | --region)
        [[ -n ${2-} && ${2-} != -* ]] || wrong "$1 needs a value. Write it after the option"
        [[ $given != *" $1 "* ]] || wrong "$1 is given twice. Give it once, and merge two values files into one"
        given+="$1 "
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      --no-build) build=false ;;
      --what-if) what_if=true ;;
      --yes) yes=true ;;
      -*) wrong "there is no option $1. Remove it" ;;
      *)
        [[ -z $environment ]] || wrong "two environments are given, $environment and $1. Name one"
        environment=$1
        ;;
    esac
    shift
  done
  check_arguments
}

check_arguments() {
  [[ -n $environment ]] || wrong "the environment is missing. Name one of: $(environments)"
  [[ $environment =~ ^[a-z][a-z0-9-]*$ ]] ||
    wrong "environment '$environment' is no valid name. Use lower-case letters, digits and hyphens, a letter first"
  [[ -f $infra/$environment.bicepparam ]] ||
    wrong "there is no file $infra/$environment.bicepparam. Create it, or name one of: $(environments)"
  if [[ $command == down ]]; then
    [[ $given == ' ' && $build == true && $what_if == false ]] ||
      wrong "down takes no option but --yes. Remove the others"
    return
  fi
  [[ $yes == false ]] || wrong "--yes belongs to down, because a deployment asks nothing. Remove it"
  [[ -n $values ]] ||
    wrong "--values FILE is missing. Name a values file with your modules, such as keda/values.production.yaml"
  [[ -f $values ]] || wrong "there is no file $values. Correct the path after --values"
  [[ -z $tag || $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
    wrong "tag '$tag' is not valid. Use at most 128 letters, digits and . _ -, and begin with a letter, a digit or _"
  [[ $build == true || -n $tag ]] || wrong "--no-build needs --tag, to know which image to use. Add --tag TAG"
}

environments() {
  local file names=()
  for file in "$infra"/*.bicepparam; do
    file=${file##*/}
    names+=("${file%.bicepparam}")
  done
  printf '%s' "${names[*]}"
}

need() {
  command -v "$1" >/dev/null || fail "$1 is not installed. Install it: $2"
}

check_tools() {
  need az 'https://learn.microsoft.com/cli/azure/install-azure-cli'
  if [[ $what_if == false ]]; then
    need helm 'https://helm.sh/docs/intro/install'
    need kubelogin 'https://azure.github.io/kubelogin/install.html, or with az aks install-cli'
  fi
  az account show --output none 2>/dev/null ||
    fail "az is not logged in. Run az login, then az account set --subscription NAME"
  say "Subscription: $(az account show --query name --output tsv)"
}

# Sets DISPATCHER_VALUES to the path of the values file, relative to the parameter file, because Bicep reads it so.
use_values() {
  local file up
  file=$(cd -- "$(dirname -- "$values")" && pwd -P)/${values##*/}
  values=$file
  local -a parts
  IFS=/ read -ra parts <<<"${infra#/}"
  up=$(printf '%.0s../' "${parts[@]}")
  export DISPATCHER_VALUES=$up${file#/}
}

deployment() {
  az deployment sub "$1" --name "$RELEASE-$environment" "${@:2}"
}

# Reads the outputs of the deployment into $outputs, by name.
declare -A outputs
read_outputs() {
  local pair name query='' found
  local -a names=(resourceGroupName aksName registryName) lines
  for pair in "${VALUES[@]}"; do names+=("${pair%%:*}"); done
  for name in "${names[@]}"; do query+="${query:+, }properties.outputs.$name.value"; done
  found=$(deployment show --query "[$query]" --output tsv) ||
    fail "the deployment $RELEASE-$environment could not be read from this subscription; az says why above.
If it is in another subscription, run: az account set --subscription NAME
If it was never made, run: infra/deploy.sh $environment --values FILE"
  mapfile -t lines <<<"$found"
  for name in "${!names[@]}"; do
    outputs[${names[name]}]=${lines[name]:-}
    [[ -n ${lines[name]:-} && ${lines[name]} != None ]] ||
      fail "the deployment $RELEASE-$environment has no output ${names[name]}.
Run: infra/deploy.sh $environment --values FILE"
  done
}

# Sets $tag to the commit, or to the commit and the time, unless it was given.
image_tag() {
  if [[ -n $tag ]]; then
    return
  fi
  tag=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null) || tag=$(date -u +%Y%m%d%H%M%S)
  # A changed image needs a new tag, because the cluster does not pull a tag that it has already. Only files that the
  # image is built from count as a change, and a values file is none of them.
  local -a inputs
  mapfile -t inputs < <(sed -n 's/^!//p' "$root/.dockerignore")
  if [[ -n $(git -C "$root" status --porcelain -- Dockerfile .dockerignore "${inputs[@]}" 2>/dev/null) ]]; then
    tag+=-$(date -u +%Y%m%d%H%M%S)
  fi
}

# Writes a kubeconfig to a temporary directory, so that the deployer's own stays as it is, and waits for access.
use_cluster() {
  scratch=$(mktemp -d)
  trap 'rm -rf -- "$scratch"' EXIT
  export KUBECONFIG=$scratch/kubeconfig
  az aks get-credentials --resource-group "${outputs[resourceGroupName]}" --name "${outputs[aksName]}" \
    --file "$KUBECONFIG" --only-show-errors
  kubelogin convert-kubeconfig --login azurecli --kubeconfig "$KUBECONFIG"
  local attempt
  for ((attempt = 1; ; attempt++)); do
    if helm list --namespace "$NAMESPACE" >/dev/null 2>"$scratch/error"; then
      return
    fi
    ((attempt < PATIENCE_ATTEMPTS)) ||
      fail "the cluster ${outputs[aksName]} does not let you in. helm says:
$(<"$scratch/error")
Get the role 'Azure Kubernetes Service RBAC Cluster Admin' on this cluster, then run this command again"
    say "Waiting until the cluster lets you in ($attempt of $PATIENCE_ATTEMPTS)"
    sleep "$PATIENCE_SECONDS"
  done
}

# Prints how the deployer's own kubectl and helm reach the cluster.
way_in() {
  printf 'To reach the cluster, run: az aks get-credentials --resource-group %s --name %s' \
    "${outputs[resourceGroupName]}" "${outputs[aksName]}"
  printf ' && kubelogin convert-kubeconfig --login azurecli'
}

up() {
  use_values
  local parameters=(--location "$region" --parameters "$infra/$environment.bicepparam")
  if [[ $what_if == true ]]; then
    deployment what-if "${parameters[@]}"
    say "Nothing was changed. Without --what-if, the next steps are to build the image, and to install or upgrade
release $RELEASE from $root/keda."
    return
  fi
  say "Deploying $environment. The first time takes about ten minutes."
  deployment create "${parameters[@]}" --output none ||
    fail "the deployment failed; az says why above. What was created stays.
Correct the cause, then run this command again.
If az's Bicep is older than 0.49, run: az bicep upgrade
RoleAssignmentExists means that an identity has a role already, by an assignment of another name. It was made by hand,
or by a version of infra/ that did not yet put the identity into the name.
List the assignments with: az role assignment list --all --query \"[?contains(scope, '/rg-dispatcher-')].id\" --output tsv
Delete the one that is in the way with: az role assignment delete --ids ID"
  read_outputs
  image_tag
  if [[ $build == true ]]; then
    say "Building ${outputs[imageRepository]}:$tag"
    az acr build --registry "${outputs[registryName]}" --image "${outputs[imageRepository]#*/}:$tag" \
      --target functions --file "$root/Dockerfile" "$root"
  fi
  use_cluster
  local arguments=() pair
  for pair in "${VALUES[@]}"; do arguments+=(--set-literal "${pair#*:}=${outputs[${pair%%:*}]}"); done
  say "Installing release $RELEASE"
  helm upgrade --install "$RELEASE" "$root/keda" --namespace "$NAMESPACE" --create-namespace --values "$values" \
    "${arguments[@]}" --set-literal "image.tag=$tag" --wait --timeout 10m ||
    fail "helm could not bring up release $RELEASE; it says why above.
If its pods do not get ready, read their log: kubectl logs --namespace $NAMESPACE deployment/$RELEASE
If another operation is in progress, an earlier run was cut off. Run: helm rollback --namespace $NAMESPACE $RELEASE
If that was the first installation, run instead: helm uninstall --namespace $NAMESPACE $RELEASE
Then run this command again.
$(way_in)"
  say "The Dispatcher runs. $(way_in)"
}

down() {
  read_outputs
  local group=${outputs[resourceGroupName]}
  cat >&2 <<TEXT
This deletes, on cluster ${outputs[aksName]}:
  release $RELEASE in namespace $NAMESPACE: the Dispatcher itself, its configuration, and its rights

This stays:
  ${outputs[serviceBusFullyQualifiedNamespace]} with every message: messages of open runs stay deferred, new ones wait
  ${outputs[storageAccountName]} with the runs and the logs of their attempts
  the cluster, and the Jobs in namespace ${outputs[jobNamespace]}: they go on; the next deployment settles their messages

To delete that too, with all messages, run: az group delete --name $group
If the group has locks, as in production, delete them first. List them with: az lock list --resource-group $group
TEXT
  if [[ $yes == false ]]; then
    local answer=''
    read -rp "Uninstall the Dispatcher of $environment? Type $environment to go on: " answer || true
    [[ $answer == "$environment" ]] || fail "nothing was deleted, because the answer was not $environment"
  fi
  use_cluster
  helm uninstall "$RELEASE" --namespace "$NAMESPACE" --ignore-not-found --wait --timeout 10m
  say "Uninstalled. To install it again, run: infra/deploy.sh $environment --values FILE"
}

read_arguments "$@"
check_tools
"$command"
