#!/usr/bin/env bash
# Deploys the Dispatcher and everything that it runs on, or uninstalls it. For the usage run `infra/deploy.sh --help`.
set -euo pipefail
((BASH_VERSINFO[0] >= 4)) || { echo 'deploy.sh: bash is older than 4. On macOS, run: brew install bash' >&2; exit 1; }

usage() {
  cat <<'TEXT'
usage: infra/deploy.sh ENVIRONMENT --values FILE IMAGE [--region REGION]
       infra/deploy.sh ENVIRONMENT --values FILE --what-if [--region REGION]
       infra/deploy.sh down ENVIRONMENT [--yes]

Deploys infra/ENVIRONMENT.bicepparam (dev, prod, or a file of your own), puts the image into the registry, and
installs the chart. Run it again after every change. It updates what exists, and Jobs at work go on.

IMAGE is one of these:
  --from IMAGE@sha256:DIGEST   import a released image, such as ghcr.io/acme/dispatcher@sha256:...
  --build [--image NAME]       build an image of this checkout in the registry: functions, on the Azure Functions host
                               (the default), or standalone, on the small host of host/
  --tag TAG                    use the image with this tag that is in the registry already

  --values FILE    the chart's values with your modules; also creates the queues and topics that the modules read
  --tag TAG        with --build: tag of the image (the commit, followed by the time if the image's files have changed
                   or the registry has that tag already)
  --what-if        print what the deployment would change, and change nothing
  --region REGION  where Azure keeps the record of the deployment (where it is already, or else the location that the
                   parameter file names, which is where the resources are)
  -h, --help       print this, and end
  --version        print the version, and end

`down` uninstalls the Dispatcher, also after a deployment that failed half-way. It first prints what it deletes and
what stays, and asks; --yes skips the question. Messages stay on the bus.

Needs az (logged in, with the rights to create resources and to assign roles), helm 3.13 or later, kubectl and
kubelogin. You are an administrator of the cluster only while this command runs.
TEXT
}

# Each output of main.bicep, and the chart's value that it fills.
readonly VALUES=(
  imageRepository:image.repository
  jobNamespace:jobNamespace
  serviceBusFullyQualifiedNamespace:serviceBus.fullyQualifiedNamespace
  storageAccountName:storage.accountName
  storageBlobServiceUri:storage.blobServiceUri
  storageTableServiceUri:storage.tableServiceUri
  workloadIdentityClientId:workloadIdentity.clientId
  workloadIdentityTenantId:workloadIdentity.tenantId
  kedaIdentityClientId:kedaIdentity.clientId
  jobIdentityClientId:jobIdentity.clientId
  applicationInsightsConnectionString:applicationInsights.connectionString
  applicationInsightsLogLevel:applicationInsights.logLevel
  settingsTable:settings.table
  settingsLockDuration:settings.lockDuration
)
# Values that the chart refuses to go without, as check_chart invents them before the deployment has made the real ones.
readonly INVENTED=(
  image.repository=invented.azurecr.io/dispatcher
  serviceBus.fullyQualifiedNamespace=invented.servicebus.windows.net
  storage.accountName=invented
  workloadIdentity.clientId=00000000-0000-0000-0000-000000000000
)
# Names of the Helm release. The federated credentials in main.bicep name its service accounts, so both must agree.
readonly RELEASE=dispatcher
readonly NAMESPACE=dispatcher
# How often, and how many seconds apart, to try what waits for a role. A new role takes up to ten minutes to take effect.
readonly PATIENCE_ATTEMPTS=${DEPLOY_PATIENCE_ATTEMPTS:-40}
readonly PATIENCE_SECONDS=${DEPLOY_PATIENCE_SECONDS:-15}

infra=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
readonly infra root=${infra%/*}
# shellcheck source-path=SCRIPTDIR source=deploy/access.sh
source "$infra/deploy/access.sh"
# shellcheck source-path=SCRIPTDIR source=deploy/image.sh
source "$infra/deploy/image.sh"
# shellcheck source-path=SCRIPTDIR source=deploy/scaling.sh
source "$infra/deploy/scaling.sh"

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
  command=up environment='' values='' region='' what_if=false yes=false
  from='' build=false image=functions tag=''
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
      --values | --tag | --from | --image | --region)
        [[ -n ${2-} && ${2-} != -* ]] || wrong "$1 needs a value. Write it after the option"
        [[ $given != *" $1 "* ]] || wrong "$1 is given twice. Give it once, and merge two values files into one"
        given+="$1 "
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      --build) build=true given+="$1 " ;;
      --what-if) what_if=true given+="$1 " ;;
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
    [[ $given == ' ' ]] || wrong "down takes no option but --yes. Remove the others"
    return
  fi
  [[ $yes == false ]] || wrong "--yes belongs to down, because a deployment asks nothing. Remove it"
  [[ -n $values ]] ||
    wrong "--values FILE is missing. Name a values file with your modules, such as keda/values.production.yaml"
  [[ -f $values ]] || wrong "there is no file $values. Correct the path after --values"
  [[ -z $tag || $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
    wrong "tag '$tag' is not valid. Use at most 128 letters, digits and . _ -, and begin with a letter, a digit or _"
  [[ $what_if == true ]] || check_image_arguments
}

check_image_arguments() {
  [[ $build == true || -n $from || -n $tag ]] ||
    wrong "no image is named. Import a released one with --from IMAGE@sha256:DIGEST, or build one with --build"
  [[ $build == false || -z $from ]] || wrong "--build and --from name two images. Remove one of them"
  [[ -z $from || -z $tag ]] || wrong "--from and --tag are both given, but the digest makes the tag. Remove --tag"
  [[ -z $from || $from =~ ^[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$ ]] ||
    wrong "--from '$from' names no image by its digest. Write REGISTRY/NAME@sha256:DIGEST, as the release prints it"
  [[ $build == true || $given != *' --image '* ]] ||
    wrong "--image says what --build builds, and there is no --build. Add --build, or remove --image"
  [[ $image == functions || $image == standalone ]] ||
    wrong "--image '$image' is not an image of the Dockerfile. Write functions or standalone"
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
  need helm 'https://helm.sh/docs/intro/install'
  if [[ $what_if == false ]]; then
    need kubectl 'https://kubernetes.io/docs/tasks/tools, or with az aks install-cli'
    need kubelogin 'https://azure.github.io/kubelogin/install.html, or with az aks install-cli'
  fi
  local subscription
  subscription=$(az account show --query name --output tsv 2>/dev/null) ||
    fail "az is not logged in. Run az login, then az account set --subscription NAME"
  say "Subscription: $subscription"
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

# Renders the chart, so that a wrong value is told before anything is deployed.
check_chart() {
  local literal literals=() oldest
  # helm alone would render for its own version of Kubernetes, which the chart may refuse.
  oldest=$(sed -n 's/^kubeVersion: ">=\(.*\)-0"$/\1/p' "$root/keda/Chart.yaml")
  for literal in "${INVENTED[@]}"; do literals+=(--set-literal "$literal"); done
  helm template "$RELEASE" "$root/keda" --namespace "$NAMESPACE" --kube-version "$oldest" \
    --values "$infra/values.aks.yaml" --values "$values" "${literals[@]}" >/dev/null ||
    fail "the chart refuses the values in $values; helm says why above. Nothing was deployed.
Correct the values, then run this command again"
}

deployment() {
  az deployment sub "$1" --name "$RELEASE-$environment" "${@:2}"
}

# Sets $region to where Azure keeps the record of the deployment, unless it was given. Azure refuses to move a record,
# and each cloud has regions of its own.
find_region() {
  [[ -z $region ]] || return 0
  region=$(deployment show --query location --output tsv 2>/dev/null) ||
    region=$(sed -n "s/^param location = '\([^']*\)'.*/\1/p" "$infra/$environment.bicepparam")
  region=${region:-westeurope}
}

# Reads the outputs of the deployment into $outputs, by name.
declare -A outputs
read_outputs() {
  local pair name query='' found
  local -a names=(resourceGroupName aksName registryName alertAddressees) lines
  for pair in "${VALUES[@]}"; do names+=("${pair%%:*}"); done
  for name in "${names[@]}"; do query+="${query:+, }properties.outputs.$name.value"; done
  found=$(deployment show --query "[$query]" --output tsv) || no_record
  mapfile -t lines <<<"$found"
  for name in "${!names[@]}"; do
    outputs[${names[name]}]=${lines[name]:-}
    [[ -n ${lines[name]:-} && ${lines[name]} != None ]] ||
      fail "the deployment $RELEASE-$environment has no output ${names[name]}.
Run the deployment again: infra/deploy.sh $environment --values FILE --tag TAG"
  done
  group=${outputs[resourceGroupName]} cluster=${outputs[aksName]}
}

no_record() {
  fail "the deployment $RELEASE-$environment could not be read from this subscription; az says why above.
If it is in another subscription, run: az account set --subscription NAME
If it was never made, there is nothing to uninstall.
To make it, run: infra/deploy.sh $environment --values FILE --build"
}

# Writes a kubeconfig to a temporary directory, so that the deployer's own stays as it is, and waits for access.
use_cluster() {
  scratch=$(mktemp -d)
  trap leave EXIT
  export KUBECONFIG=$scratch/kubeconfig
  az aks get-credentials --resource-group "$group" --name "$cluster" --file "$KUBECONFIG" --only-show-errors ||
    fail "az gives no access to the cluster $cluster in resource group $group; it says why above.
If the cluster could not be created, nothing runs on it. See its state with:
az aks show --resource-group $group --name $cluster --query provisioningState
If that is Failed, remove the cause, and deploy again: infra/deploy.sh $environment --values FILE --build
To delete everything instead, run: az group delete --name $group"
  kubelogin convert-kubeconfig --login azurecli --kubeconfig "$KUBECONFIG"
  local id attempt
  id=$(az aks show --resource-group "$group" --name "$cluster" --query id --output tsv) ||
    fail "the cluster $cluster in resource group $group could not be read; az says why above. Run this command again"
  # az takes an empty scope for the whole subscription.
  [[ $id == /?* ]] || fail "az tells no id of the cluster $cluster in resource group $group. Run this command again"
  borrow_admin "$id"
  for ((attempt = 1; ; attempt++)); do
    if may_install --all-namespaces; then
      return
    fi
    ((attempt < PATIENCE_ATTEMPTS)) ||
      fail "the cluster $cluster does not let you install. kubectl auth can-i says:
$(<"$scratch/answer")
You have the role '$ADMIN_ROLE', or get it while this command runs, which can take ten minutes. Run this command again"
    say "Waiting until the cluster lets you install ($attempt of $PATIENCE_ATTEMPTS)"
    sleep "$PATIENCE_SECONDS"
  done
}

# Removes the temporary directory.
leave() {
  rm -rf -- "$scratch"
}

# Prints how the deployer's own kubectl and helm reach the cluster.
way_in() {
  printf 'To reach the cluster, run: az aks get-credentials --resource-group %s --name %s' "$group" "$cluster"
  printf ' && kubelogin convert-kubeconfig --login azurecli\n'
  printf 'To be let in, add yourself to operatorPrincipalIds of infra/%s.bicepparam' "$environment"
}

up() {
  use_values
  check_chart
  find_region
  local parameters=(--location "$region" --parameters "$infra/$environment.bicepparam")
  if [[ $what_if == true ]]; then
    deployment what-if "${parameters[@]}"
    say "Nothing was changed. Without --what-if, the next steps are to put the image into the registry, and to install
or upgrade release $RELEASE from $root/keda."
    return
  fi
  say "Deploying $environment. The first time takes about ten minutes."
  deployment create "${parameters[@]}" --output none ||
    fail "the deployment failed; az says why above. What was created stays.
Correct the cause, then run this command again. To remove what was created, run: infra/deploy.sh down $environment
If az's Bicep is older than 0.49, run: az bicep upgrade
RoleAssignmentExists means that an identity has a role already, by an assignment of another name. It was made by hand,
or by a version of infra/ that did not yet put the identity into the name.
List them with: az role assignment list --all --query \"[?contains(scope, '/rg-dispatcher-')].id\" --output tsv
Delete the one that is in the way with: az role assignment delete --ids ID
If that says ScopeLocked, first take the lock off the resource; the next deployment puts it back:
az lock delete --name keep --resource-group GROUP --resource-type TYPE --resource-name NAME"
  read_outputs
  put_image
  use_cluster
  give_keda_identity
  local arguments=() pair
  for pair in "${VALUES[@]}"; do arguments+=(--set-literal "${pair#*:}=${outputs[${pair%%:*}]}"); done
  say "Installing release $RELEASE"
  helm upgrade --install "$RELEASE" "$root/keda" --namespace "$NAMESPACE" --create-namespace \
    --values "$infra/values.aks.yaml" --values "$values" "${arguments[@]}" --set-literal "image.tag=$tag" \
    --wait --timeout 10m ||
    fail "helm could not bring up release $RELEASE; it says why above.
If its pods do not get ready, read their log: kubectl logs --namespace $NAMESPACE deployment/$RELEASE
If its ScaledObject does not, read what KEDA says: kubectl describe scaledobject --namespace $NAMESPACE $RELEASE
If another operation is in progress, an earlier run was cut off. Run: helm rollback --namespace $NAMESPACE $RELEASE
If that was the first installation, run instead: helm uninstall --namespace $NAMESPACE $RELEASE
Then run this command again.
$(way_in)"
  wait_for_scaling
  [[ ${outputs[alertAddressees]} != 0 ]] ||
    say "WARNING: nobody is told of an alert. Write a mail address into alertEmails, or an action group into
alertActionGroupIds, in $infra/$environment.bicepparam. Then run this command again."
  say "The Dispatcher runs. $(way_in)
To send it a message, run: npm run send -- --bus ${outputs[serviceBusFullyQualifiedNamespace]} --source QUEUE FILE"
}

# Finds what a deployment has made, though it may have failed half-way. A failed one has no outputs, but its record has
# its parameters.
find_resources() {
  local name found type
  name=$(deployment show --query properties.parameters.environmentName.value --output tsv) || no_record
  group=rg-$RELEASE-$name cluster='' bus='' account=''
  found=$(az resource list --resource-group "$group" --query '[].[type, name]' --output tsv) ||
    fail "the resource group $group could not be read; az says why above.
If it was deleted, nothing is left to uninstall"
  while IFS=$'\t' read -r type name; do
    case ${type,,} in
      microsoft.containerservice/managedclusters) cluster=$name ;;
      microsoft.servicebus/namespaces) bus=$name ;;
      microsoft.storage/storageaccounts) account=$name ;;
    esac
  done <<<"$found"
}

down() {
  find_resources
  if [[ -z $cluster ]]; then
    say "There is no cluster in resource group $group, so that nothing is installed. What else was created stays.
To delete the group with all that is in it, run: az group delete --name $group"
    return
  fi
  cat >&2 <<TEXT
This deletes, on cluster $cluster:
  release $RELEASE in namespace $NAMESPACE: the Dispatcher itself, its configuration, and its rights

This stays, as far as it was created:
  Service Bus namespace ${bus:-(none yet)} with every message: messages of open runs stay deferred, new ones wait
  storage account ${account:-(none yet)} with the runs and the logs of their attempts
  the cluster, and the Jobs on it: they go on; the next deployment settles their messages

To delete that too, with all messages, run: az group delete --name $group
If the group has locks, as in production, delete them first. List them with: az lock list --resource-group $group
TEXT
  if [[ $yes == false ]]; then
    local answer=''
    read -rp "Uninstall the Dispatcher of $environment? Type $environment to go on: " answer || true
    [[ $answer == "$environment" ]] || fail "nothing was deleted, because the answer was not $environment"
  fi
  use_cluster
  helm uninstall "$RELEASE" --namespace "$NAMESPACE" --ignore-not-found --wait --timeout 10m ||
    fail "helm could not uninstall release $RELEASE; it says why above.
See what is left of it, then run this command again: kubectl get all --namespace $NAMESPACE
$(way_in)"
  say "Uninstalled. To install it again, run: infra/deploy.sh $environment --values FILE --build"
}

read_arguments "$@"
check_tools
"$command"
