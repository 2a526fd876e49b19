# shellcheck shell=bash
# Lets the deployer into the cluster for as long as deploy.sh runs. deploy.sh sources this file.

readonly ADMIN_ROLE='Azure Kubernetes Service RBAC Cluster Admin'
# Marks an assignment as made here, so that it is taken back and no other is.
readonly ADMIN_MARK='Only while infra/deploy.sh runs'

# Makes the deployer an administrator of the cluster with this id, unless the deployer may install already.
# Takes the role back when the script ends, also one that an earlier run could not take back, because it was killed.
borrow_admin() {
  admin_scope=$1
  deployer=$(object_id)
  [[ -n $deployer ]] || fail "az's token does not tell who you are. Run az login, then run this command again"
  trap 'return_admin; leave' EXIT
  # Asks in another way than use_cluster, because the cluster remembers a refusal for some minutes.
  if may_install --namespace kube-system; then
    return
  fi
  local type
  type=$(az account show --query user.type --output tsv) ||
    fail "az does not tell whether you are a person or a program; it says why above. Run this command again"
  if [[ $type == user ]]; then type=User; else type=ServicePrincipal; fi
  az role assignment create --role "$ADMIN_ROLE" --scope "$admin_scope" --description "$ADMIN_MARK" \
    --assignee-object-id "$deployer" --assignee-principal-type "$type" --output none ||
    fail "you could not be made an administrator of the cluster; az says why above. Get the right to assign roles on
$admin_scope
or have somebody who has it give you the role '$ADMIN_ROLE' there, then run this command again"
}

# Whether the deployer may create what of the chart takes an administrator: may_install WHERE. AKS's roles for writers and
# for admins of namespaces let them do all the rest. Leaves in $scratch/answer what the cluster says.
may_install() {
  local kind
  for kind in namespaces validatingadmissionpolicies.admissionregistration.k8s.io; do
    kubectl auth can-i create "$kind" "$@" >"$scratch/answer" 2>&1 || return 1
  done
}

# Takes the role back. Says how to do so by hand if that fails.
return_admin() {
  local found
  local -a ids
  if found=$(az role assignment list --scope "$admin_scope" --role "$ADMIN_ROLE" --output tsv \
    --query "[?description=='$ADMIN_MARK' && principalId=='$deployer'].id"); then
    [[ -n $found ]] || return 0
    mapfile -t ids <<<"$found"
    if az role assignment delete --ids "${ids[@]}" --output none; then
      return 0
    fi
  fi
  say "The role '$ADMIN_ROLE' could not be taken back from you; az says why above.
Run this command again later, or delete the role assignment with the description '$ADMIN_MARK' on
$admin_scope"
}

# Prints the object id of the person or program that is logged in. It is read from a token, because a program may
# not ask Microsoft Graph.
object_id() {
  local payload
  payload=$(az account get-access-token --query accessToken --output tsv) || fail "az gives no token; it says why above.
Run az login, then run this command again"
  payload=${payload#*.} payload=${payload%%.*}
  payload=${payload//-/+} payload=${payload//_//}
  while ((${#payload} % 4 != 0)); do payload+='='; done
  base64 -d <<<"$payload" | sed -n 's/.*"oid":"\([0-9a-fA-F-]*\)".*/\1/p'
}
