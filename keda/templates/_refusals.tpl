{{/* What the schema can't say, or says less clearly: each refusal names the field, and what to write. */}}
{{- define "dispatcher.refusals" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository is empty; write the image's registry and name, such as acme.azurecr.io/dispatcher" }}
{{- end }}
{{- include "dispatcher.refuseConnections" . }}
{{- include "dispatcher.refuseModules" . }}
{{- end }}

{{- define "dispatcher.refuseConnections" -}}
{{- $bus := .Values.serviceBus }}
{{- $storage := .Values.storage }}
{{- if and $bus.fullyQualifiedNamespace $bus.connectionStringSecret.name }}
{{- fail "serviceBus.fullyQualifiedNamespace and serviceBus.connectionStringSecret.name are both set, and may be two namespaces; remove one" }}
{{- end }}
{{- if not (or $bus.fullyQualifiedNamespace $bus.connectionStringSecret.name) }}
{{- fail "serviceBus: no way to the bus; write serviceBus.fullyQualifiedNamespace (with an identity), or serviceBus.connectionStringSecret.name" }}
{{- end }}
{{- $byUri := or $storage.blobServiceUri $storage.tableServiceUri }}
{{- $ways := 0 }}
{{- range list $storage.accountName $byUri $storage.connectionStringSecret.name }}
{{- if . }}{{ $ways = add1 $ways }}{{ end }}
{{- end }}
{{- if eq (int $ways) 0 }}
{{- fail "storage: no way to the storage account; write storage.accountName (with an identity), or storage.connectionStringSecret.name" }}
{{- end }}
{{- if gt (int $ways) 1 }}
{{- fail "storage: accountName, the service URIs and connectionStringSecret.name may be two accounts; keep one of them" }}
{{- end }}
{{- if and $byUri (not (and $storage.blobServiceUri $storage.tableServiceUri)) }}
{{- fail "storage.blobServiceUri and storage.tableServiceUri go together; write both" }}
{{- end }}
{{- if and (or $bus.fullyQualifiedNamespace $storage.accountName $byUri) (not .Values.workloadIdentity.clientId) }}
{{- fail "workloadIdentity.clientId is empty, but bus or storage is reached with an identity; write the client id of the app's managed identity" }}
{{- end }}
{{- end }}

{{- define "dispatcher.refuseModules" -}}
{{- if not .Values.modules }}
{{- fail "modules: there are none, so no message would ever be taken; write at least one" }}
{{- end }}
{{- $names := dict }}
{{- range $index, $module := .Values.modules }}
{{- $name := $module.name | default "" }}
{{- $at := printf "modules[%d] (%s)" $index ($name | default "no name") }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" $name) }}
{{- fail (printf "%s: name: Jobs and labels are named by it; write lower-case letters, digits and hyphens, at most 63 characters" $at) }}
{{- end }}
{{- if hasKey $names $name }}
{{- fail (printf "%s: name: modules[%d] has this name too; write another, for Jobs and runs are told apart by it" $at (get $names $name)) }}
{{- end }}
{{- $_ := set $names $name $index }}
{{- $source := $module.source | default dict }}
{{- if and $source.topic (not $source.subscription) }}
{{- fail (printf "%s: source.subscription: missing beside the topic %s; write the module's own subscription of it" $at $source.topic) }}
{{- end }}
{{- if not (or (and $source.queue (not $source.topic) (not $source.subscription)) (and $source.topic $source.subscription (not $source.queue))) }}
{{- fail (printf "%s: source: write { queue: NAME } or { topic: NAME, subscription: NAME }" $at) }}
{{- end }}
{{- if kindIs "string" $module.schema }}
{{- fail (printf "%s: schema: %s is a path, and there are no files beside a module in a chart's values; write the JSON Schema itself" $at $module.schema) }}
{{- end }}
{{- end }}
{{- $size := len (include "dispatcher.moduleFiles" .) }}
{{- if gt $size 1000000 }}
{{- fail (printf "modules: %d bytes are more than a ConfigMap holds (1,000,000); split them over two releases, each with an instance of its own" $size) }}
{{- end }}
{{- end }}
