#!/usr/bin/env bash
# From nothing to a running Dispatcher, and the way back. `infra/deploy.sh --help` says how.
set -euo pipefail
((BASH_VERSINFO[0] >= 4)) || { echo 'deploy.sh: needs bash 4 or later; on macOS: brew install bash' >&2; exit 1; }

usage() {
  cat <<'TEXT'
usage: infra/deploy.sh ENVIRONMENT --values FILE [--tag TAG] [--no-build] [--what-if] [--region REGION]
       infra/deploy.sh down ENVIRONMENT [--yes]

Deploys infra/ENVIRONMENT.bicepparam (dev, prod, or one of your own), builds the image in the registry, and installs the chart.
It can be repeated: what is there already is brought up to date, what runs goes on.

  --values FILE    the chart's values: your modules. Their queues and topics are made, and the chart runs them
  --tag TAG        tag of the image; by default the commit, or the time where files have changed since
  --no-build       take the image of that tag as it is in the registry
  --what-if        say what the deployment would change, and change nothing
  --region REGION  where Azure keeps the record of the deployment (westeurope); the resources' own region is in the parameter file
  -h, --help       print this, and end
  --version        print the version, and end

`down` uninstalls the Dispatcher. It says what it would delete and asks; --yes answers. Messages stay on the bus.

Needs az (logged in, with the rights to create resources and to assign roles), helm 3.13 or later, and kubelogin.
TEXT
}

# Output of main.bicep, and the value of the chart that it fills.
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
# The federated credentials of main.bicep name this release's service accounts.
readonly RELEASE=dispatcher
readonly NAMESPACE=dispatcher
# A new role takes some minutes to be known everywhere.
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
  say "infra/deploy.sh --help says how it is used."
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
        [[ -n ${2-} && ${2-} != -* ]] || wrong "$1 needs a value"
        [[ $given != *" $1 "* ]] || wrong "$1 twice: one at a time. Of two values files, put what is in one into the other"
        given+="$1 "
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      --no-build) build=false ;;
      --what-if) what_if=true ;;
      --yes) yes=true ;;
      -*) wrong "there is no option $1" ;;
      *)
        [[ -z $environment ]] || wrong "two environments, $environment and $1: one at a time"
        environment=$1
        ;;
    esac
    shift
  done
  check_arguments
}

check_arguments() {
  [[ -n $environment ]] || wrong "which environment? One of: $(environments)"
  [[ $environment =~ ^[a-z][a-z0-9-]*$ ]] || wrong "environment '$environment': lower-case letters, digits and hyphens, a letter first"
  [[ -f $infra/$environment.bicepparam ]] || wrong "there is no $infra/$environment.bicepparam. There are: $(environments)"
  if [[ $command == down ]]; then
    [[ -z $values$tag && $build == true && $what_if == false ]] || wrong "down takes --yes and --region, nothing else"
    return
  fi
  [[ $yes == false ]] || wrong "--yes belongs to down: a deployment asks nothing"
  [[ -n $values ]] || wrong "--values FILE is missing: the chart's values with your modules. keda/values.production.yaml is an example"
  [[ -f $values ]] || wrong "there is no file $values"
  [[ -z $tag || $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || wrong "tag '$tag': letters, digits and . _ -, at most 128"
  [[ $build == true || -n $tag ]] || wrong "--no-build needs --tag: which image?"
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
  command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

check_tools() {
  need az 'https://learn.microsoft.com/cli/azure/install-azure-cli'
  if [[ $what_if == false ]]; then
    need helm 'https://helm.sh/docs/intro/install'
    need kubelogin 'https://azure.github.io/kubelogin/install.html, or: az aks install-cli'
  fi
  az account show --output none 2>/dev/null || fail "az is not logged in: az login, and az account set --subscription NAME"
  say "Subscription: $(az account show --query name --output tsv)"
}

# Bicep reads the values file by a path relative to the parameter file.
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

# Sets $outputs, by name.
declare -A outputs
read_outputs() {
  local pair name query='' found
  local -a names=(resourceGroupName aksName registryName) lines
  for pair in "${VALUES[@]}"; do names+=("${pair%%:*}"); done
  for name in "${names[@]}"; do query+="${query:+, }properties.outputs.$name.value"; done
  found=$(deployment show --query "[$query]" --output tsv) ||
    fail "there is no deployment $RELEASE-$environment in this subscription: was it ever deployed, and is it this subscription?"
  mapfile -t lines <<<"$found"
  for name in "${!names[@]}"; do
    outputs[${names[name]}]=${lines[name]:-}
    [[ -n ${lines[name]:-} && ${lines[name]} != None ]] ||
      fail "the deployment $RELEASE-$environment has no output ${names[name]}: deploy again"
  done
}

image_tag() {
  if [[ -n $tag ]]; then
    return
  fi
  tag=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null) || tag=$(date -u +%Y%m%d%H%M%S)
  # Another image needs another tag, or the cluster takes the one that it has; a values file beside it makes no other image.
  local -a inputs
  mapfile -t inputs < <(sed -n 's/^!//p' "$root/.dockerignore")
  if [[ -n $(git -C "$root" status --porcelain -- Dockerfile .dockerignore "${inputs[@]}" 2>/dev/null) ]]; then
    tag+=-$(date -u +%Y%m%d%H%M%S)
  fi
}

# A kubeconfig of its own: the deployer's is left as it is.
use_cluster() {
  scratch=$(mktemp -d)
  trap 'rm -rf -- "$scratch"' EXIT
  export KUBECONFIG=$scratch/kubeconfig
  az aks get-credentials --resource-group "${outputs[resourceGroupName]}" --name "${outputs[aksName]}" --file "$KUBECONFIG" --only-show-errors
  kubelogin convert-kubeconfig --login azurecli --kubeconfig "$KUBECONFIG"
  local attempt
  for ((attempt = 1; ; attempt++)); do
    if helm list --namespace "$NAMESPACE" >/dev/null 2>"$scratch/error"; then
      return
    fi
    ((attempt < PATIENCE_ATTEMPTS)) ||
      fail "the cluster ${outputs[aksName]} does not let you in. You need the role 'Azure Kubernetes Service RBAC Cluster Admin' on it: $(<"$scratch/error")"
    say "Waiting for the cluster to let you in ($attempt of $PATIENCE_ATTEMPTS)"
    sleep "$PATIENCE_SECONDS"
  done
}

# For the deployer's own kubectl and helm.
way_in() {
  printf 'To reach the cluster: az aks get-credentials --resource-group %s --name %s && kubelogin convert-kubeconfig --login azurecli' \
    "${outputs[resourceGroupName]}" "${outputs[aksName]}"
}

up() {
  use_values
  local parameters=(--location "$region" --parameters "$infra/$environment.bicepparam")
  if [[ $what_if == true ]]; then
    deployment what-if "${parameters[@]}"
    say "Nothing was changed. A deployment would then build the image, and install or upgrade release $RELEASE from $root/keda."
    return
  fi
  say "Deploying $environment: some ten minutes the first time"
  deployment create "${parameters[@]}" --output none ||
    fail "the deployment failed; what is there stays, and it can be repeated. Bicep itself has to be 0.49 or later: az bicep upgrade
RoleAssignmentUpdateNotPermitted says that the cluster, or an identity, was deleted and made anew: its old role assignments are nobody's now, and in the way.
To delete them: az role assignment list --all --query \"[?principalName==''].id\" --output tsv, and az role assignment delete --ids with those of this environment"
  read_outputs
  image_tag
  if [[ $build == true ]]; then
    say "Building ${outputs[imageRepository]}:$tag"
    az acr build --registry "${outputs[registryName]}" --image "${outputs[imageRepository]#*/}:$tag" --target functions --file "$root/Dockerfile" "$root"
  fi
  use_cluster
  local arguments=() pair
  for pair in "${VALUES[@]}"; do arguments+=(--set-literal "${pair#*:}=${outputs[${pair%%:*}]}"); done
  say "Installing release $RELEASE"
  helm upgrade --install "$RELEASE" "$root/keda" --namespace "$NAMESPACE" --create-namespace --values "$values" \
    "${arguments[@]}" --set-literal "image.tag=$tag" --wait --timeout 10m ||
    fail "the chart is not up. Its pods say why: kubectl logs --namespace $NAMESPACE deployment/$RELEASE
Does helm say that another operation is in progress? An earlier run was cut off: helm rollback --namespace $NAMESPACE $RELEASE, or of a first installation helm uninstall, and deploy again.
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
  ${outputs[serviceBusFullyQualifiedNamespace]} with every message: those with an open run stay deferred, new ones wait
  ${outputs[storageAccountName]} with the runs, and the logs of their attempts
  the cluster, and the Jobs in namespace ${outputs[jobNamespace]}: they go on to their end, and are settled by the next deployment

To delete those too, messages included, when you need none of it any more: az group delete --name $group
A lock in that group, as production has on bus and storage, is to be deleted first: az lock list --resource-group $group
TEXT
  if [[ $yes == false ]]; then
    local answer=''
    read -rp "Uninstall the Dispatcher of $environment? Type its name to go on: " answer || true
    [[ $answer == "$environment" ]] || fail "nothing was deleted"
  fi
  use_cluster
  helm uninstall "$RELEASE" --namespace "$NAMESPACE" --ignore-not-found --wait --timeout 10m
  say "Uninstalled. infra/deploy.sh $environment --values FILE brings it back."
}

read_arguments "$@"
check_tools
"$command"
