{{/* Refuses values that the schema cannot refuse, or refuses less clearly. Each text says what is wrong with which
     field, then what to write. */}}
{{- define "dispatcher.refusals" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository is empty. Write the image's registry and name, such as acme.azurecr.io/dispatcher" }}
{{- end }}
{{- include "dispatcher.refuseConnections" . }}
{{- include "dispatcher.refuseModules" . }}
{{- include "dispatcher.refuseExtraEnv" . }}
{{- include "dispatcher.refusePodMetadata" . }}
{{- include "dispatcher.refuseScaling" . }}
{{- include "dispatcher.refusePage" . }}
{{- end }}

{{- define "dispatcher.refusePage" -}}
{{- $groups := include "dispatcher.pageGroups" . }}
{{- with .Values.page }}
{{- if .enabled }}
{{- if not $.Values.networkPolicy.enabled }}
{{- fail "page.enabled is true, but networkPolicy.enabled is false, so that every pod of the cluster could read the page without a login. Set networkPolicy.enabled to true" }}
{{- end }}
{{- if and (not .origin) (or .issuer .audience $groups .from) }}
{{- fail "page has issuer, audience, groups or from, but page.origin is empty, so that nobody could log in. Write where people find the proxy, such as https://dispatcher.acme.example" }}
{{- end }}
{{- if and .origin (not (and .issuer .audience)) }}
{{- fail (printf "page.origin is %s, but page.issuer or page.audience is empty, so that no login could be checked. Write both, as the proxy has them" .origin) }}
{{- end }}
{{- if and .origin (not $groups) }}
{{- fail (printf "page.origin is %s, but page.groups names no group, so that nobody who logs in could see anything. Write the id of a group as a viewer, operator or admin" .origin) }}
{{- end }}
{{- if and .origin (not .from) }}
{{- fail (printf "page.origin is %s, but page.from names no pods, so that the proxy could not reach the app. Write which pods the proxy has, as keda/values.page.yaml does" .origin) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dispatcher.refuseScaling" -}}
{{- with .Values.scaling }}
{{- if .scaleToZero }}
{{- if not .kedaVersion }}
{{- fail "scaling.scaleToZero is true, but scaling.kedaVersion is empty. Write the version of the cluster's KEDA, such as \"2.19.0\". This shows it as the tag of the operator's image: kubectl get deployments --all-namespaces --output wide | grep keda-operator" }}
{{- end }}
{{- if not (semverCompare ">=2.19.0-0" .kedaVersion) }}
{{- fail (printf "scaling.scaleToZero is true, but KEDA %s (scaling.kedaVersion) may let the app sleep while its messages can't be counted. Upgrade KEDA to 2.19 or later (docs/scaling.md says which AKS has it), or set scaling.scaleToZero to false" .kedaVersion) }}
{{- end }}
{{- else if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "scaling.minReplicas is %d, more than scaling.maxReplicas, which is %d. Write a larger scaling.maxReplicas, or a smaller scaling.minReplicas" (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if ne (empty .wakeUp.start) (empty .wakeUp.end) }}
{{- fail "scaling.wakeUp has only one of start and end, and needs both. Write the other one, or empty both, so that the app is only awake for messages" }}
{{- end }}
{{- if and .wakeUp.start (eq .wakeUp.start .wakeUp.end) }}
{{- fail "scaling.wakeUp.start and scaling.wakeUp.end are the same, which KEDA refuses. Write a later end, or empty both" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dispatcher.refuseExtraEnv" -}}
{{- $own := list }}
{{- range include "dispatcher.ownEnv" . | fromYamlArray }}
{{- $own = append $own .name }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if has .name $own }}
{{- fail (printf "extraEnv sets %s, a variable that the chart sets itself, so that the pod would have it twice. Remove it, and set the chart's own value for it if there is one" .name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dispatcher.refusePodMetadata" -}}
{{- $own := include "dispatcher.podLabels" . | fromYaml }}
{{- range $name, $_ := .Values.podLabels }}
{{- if hasKey $own $name }}
{{- fail (printf "podLabels sets %s, a label that the chart sets itself, because it finds its pods by such labels. Remove it" $name) }}
{{- end }}
{{- end }}
{{- if hasKey .Values.podAnnotations "checksum/modules" }}
{{- fail "podAnnotations sets checksum/modules, which the chart sets itself, so that changed modules replace the pods. Remove it" }}
{{- end }}
{{- end }}

{{- define "dispatcher.refuseConnections" -}}
{{- $bus := .Values.serviceBus }}
{{- $storage := .Values.storage }}
{{- if and $bus.fullyQualifiedNamespace $bus.connectionStringSecret.name }}
{{- fail "serviceBus.fullyQualifiedNamespace and serviceBus.connectionStringSecret.name are both set, and may name two namespaces. Remove one" }}
{{- end }}
{{- if not (or $bus.fullyQualifiedNamespace $bus.connectionStringSecret.name) }}
{{- fail "serviceBus names no Service Bus namespace. Write serviceBus.fullyQualifiedNamespace (with an identity) or serviceBus.connectionStringSecret.name" }}
{{- end }}
{{- $byUri := or $storage.blobServiceUri $storage.tableServiceUri }}
{{- if not (or $storage.accountName $byUri $storage.connectionStringSecret.name) }}
{{- fail "storage names no storage account. Write storage.accountName (with an identity) or storage.connectionStringSecret.name" }}
{{- end }}
{{- if and $storage.connectionStringSecret.name (or $storage.accountName $byUri) }}
{{- fail "storage has accountName or the service URIs, and also connectionStringSecret.name, which may name another account. Keep one of them" }}
{{- end }}
{{- if and $byUri (not (and $storage.blobServiceUri $storage.tableServiceUri)) }}
{{- fail "storage has only one of blobServiceUri and tableServiceUri, and needs both. Write the other one" }}
{{- end }}
{{- range list $storage.blobServiceUri $storage.tableServiceUri }}
{{- if and . $storage.accountName (regexMatch "^https://[a-z0-9]{3,24}(-secondary)?[.](z[0-9]+[.])?(blob|table)[.]" .) (not (regexMatch (printf "^https://%s[.-]" $storage.accountName) .)) }}
{{- fail (printf "storage.accountName is %s, but %s is of another account. Write the same account in both" $storage.accountName .) }}
{{- end }}
{{- end }}
{{- if and (or $bus.fullyQualifiedNamespace $storage.accountName $byUri) (not .Values.workloadIdentity.clientId) }}
{{- fail "workloadIdentity.clientId is empty, but serviceBus or storage needs an identity. Write the client id of the app's managed identity" }}
{{- end }}
{{- end }}

{{- define "dispatcher.refuseModules" -}}
{{- if not .Values.modules }}
{{- fail "modules is empty, so that no message would be read. Write at least one module" }}
{{- end }}
{{- $names := dict }}
{{- range $index, $module := .Values.modules }}
{{- $name := $module.name | default "" }}
{{- $at := printf "modules[%d] (%s)" $index ($name | default "no name") }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" $name) }}
{{- fail (printf "%s: name cannot be part of Job names and labels. Write at most 63 lower-case letters, digits and hyphens" $at) }}
{{- end }}
{{- if hasKey $names $name }}
{{- fail (printf "%s: name is also the name of modules[%d]. Write another one, because Jobs and runs carry it" $at (get $names $name)) }}
{{- end }}
{{- $_ := set $names $name $index }}
{{- $source := $module.source | default dict }}
{{- if and $source.topic (not $source.subscription) }}
{{- fail (printf "%s: source has a topic, %s, but no subscription. Write source.subscription, a subscription for this module alone" $at $source.topic) }}
{{- end }}
{{- if not (or (and $source.queue (not $source.topic) (not $source.subscription)) (and $source.topic $source.subscription (not $source.queue))) }}
{{- fail (printf "%s: source has to be one queue, or one subscription of a topic. Write { queue: NAME } or { topic: NAME, subscription: NAME }" $at) }}
{{- end }}
{{- if kindIs "string" $module.schema }}
{{- fail (printf "%s: schema is a path, %s, but the chart installs no schema files. Write the JSON Schema itself" $at $module.schema) }}
{{- end }}
{{- end }}
{{- $size := len (include "dispatcher.moduleFiles" .) }}
{{- if gt $size 1000000 }}
{{- fail (printf "modules has %d bytes, more than a ConfigMap holds (1,000,000). Split the modules over two releases, each with an instance of its own" $size) }}
{{- end }}
{{- end }}
