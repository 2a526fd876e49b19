# shellcheck shell=bash
# Makes sure that KEDA scales the Dispatcher. deploy.sh sources this file.

# Where the AKS add-on runs KEDA. main.bicep names the same service account in the federated credential.
readonly KEDA_NAMESPACE=kube-system
readonly KEDA_OPERATOR=keda-operator

# Restarts KEDA's operator if it runs without an identity, as it does if its pods are older than the webhook of workload
# identity. AKS starts both at once on a new cluster. Without an identity KEDA can't sign in to the bus.
give_keda_identity() {
  wait_for_operator
  if keda_has_identity; then
    return
  fi
  say "Restarting KEDA's operator, because it runs without an identity"
  {
    kubectl annotate serviceaccount "$KEDA_OPERATOR" --namespace "$KEDA_NAMESPACE" --overwrite \
      "azure.workload.identity/client-id=${outputs[kedaIdentityClientId]}" &&
      kubectl rollout restart "deployment/$KEDA_OPERATOR" --namespace "$KEDA_NAMESPACE"
  } >&2 || fail "KEDA's operator could not be restarted with its identity; kubectl says why above.
Remove the cause, then run this command again.
$(way_in)"
  wait_for_operator
  keda_has_identity ||
    fail "KEDA's operator still runs without an identity after a restart, so that it could not sign in to the bus.
Look whether the pods of workload identity run: kubectl get pods --namespace $KEDA_NAMESPACE | grep azure-wi-webhook
If there are none, run: az aks update --resource-group $group --name $cluster --enable-oidc-issuer \\
  --enable-workload-identity
Then run this command again.
$(way_in)"
}

wait_for_operator() {
  kubectl rollout status "deployment/$KEDA_OPERATOR" --namespace "$KEDA_NAMESPACE" --timeout 5m >&2 ||
    fail "KEDA's operator does not run on cluster $cluster, so that nothing would scale the Dispatcher.
kubectl says why above.
If it is not found, run: az aks update --resource-group $group --name $cluster --enable-keda
If it does not get ready, see why: kubectl describe deployment --namespace $KEDA_NAMESPACE $KEDA_OPERATOR
Then run this command again.
$(way_in)"
}

# Whether each pod of the operator got the file with its token. The webhook adds its variable when a pod is created.
keda_has_identity() {
  local pods pod
  # Prints a line per pod: when it was told to end, a bar, and the names of its variables.
  pods=$(kubectl get pods --namespace "$KEDA_NAMESPACE" --field-selector "spec.serviceAccountName=$KEDA_OPERATOR" \
    --output jsonpath='{range .items[*]}{.metadata.deletionTimestamp}|{.spec.containers[*].env[*].name}{"\n"}{end}') ||
    fail "the pods of KEDA's operator could not be read; kubectl says why above.
Remove the cause, then run this command again.
$(way_in)"
  while IFS= read -r pod; do
    # Skips a pod that is ending.
    if [[ $pod == '|'* && $pod != *AZURE_FEDERATED_TOKEN_FILE* ]]; then
      return 1
    fi
  done <<<"$pods"
}

# Waits until KEDA has counted the messages. The ScaledObject is Ready as soon as KEDA understands it; after the first
# count it is also Active or not. If the counts can't be read, it is not Ready. One with a fallback stays Ready, and a
# count is Failing instead.
wait_for_scaling() {
  local attempt state
  # Prints a word such as Ready=True, between spaces, for each condition, and Count=Happy or Count=Failing for each
  # count. Leaves out counts of sources that are gone, which KEDA may still list.
  local template='{{with .status}}{{range .conditions}} {{.type}}={{.status}} {{end}}'
  # shellcheck disable=SC2016 # The variable is one of the template.
  template+='{{$health := .health}}{{if $health}}{{range .externalMetricNames}}{{with index $health .}}'
  template+='Count={{.status}} {{end}}{{end}}{{end}}{{end}}'
  for ((attempt = 1; ; attempt++)); do
    state=$(kubectl get scaledobject "$RELEASE" --namespace "$NAMESPACE" --output "go-template=$template") ||
      fail "the Dispatcher runs, but its ScaledObject could not be read; kubectl says why above.
Remove the cause, then run this command again.
$(way_in)"
    if [[ $state == *' Ready=True '* && $state == *' Active='[TF]* && $state != *Fallback=True* &&
      $state != *Failing* ]]; then
      return
    fi
    ((attempt < PATIENCE_ATTEMPTS)) ||
      fail "the Dispatcher runs, but KEDA does not scale it. KEDA says:
$(scaling_troubles)
A new role takes up to ten minutes to take effect. If KEDA says Unauthorized, wait that long, then run this command
again. If that changes nothing, read what KEDA tries: kubectl logs --namespace $KEDA_NAMESPACE deployment/$KEDA_OPERATOR
$(way_in)"
    say "Waiting until KEDA counts the messages ($attempt of $PATIENCE_ATTEMPTS)"
    sleep "$PATIENCE_SECONDS"
  done
}

# Prints the conditions of the ScaledObject, and the warnings about it.
scaling_troubles() {
  kubectl get scaledobject "$RELEASE" --namespace "$NAMESPACE" \
    --output jsonpath='{range .status.conditions[*]}{.type}={.status}: {.message}{"\n"}{end}' || true
  kubectl get events --namespace "$NAMESPACE" --field-selector involvedObject.kind=ScaledObject,type=Warning \
    --sort-by .lastTimestamp --output jsonpath='{range .items[*]}{.reason}: {.message}{"\n"}{end}' || true
}
