{{/* Renders the module files. The pods are replaced if this text changes. */}}
{{- define "dispatcher.moduleFiles" -}}
{{- $files := dict }}
{{- range .Values.modules }}
{{- $_ := set $files (printf "%s.yaml" .name) (printf "%s\n" (toYaml .)) }}
{{- end }}
{{- toYaml $files }}
{{- end }}

{{/* Renders the distinct sources as JSON, `{"sources": [...]}`. Names that differ only in case are one entity. */}}
{{- define "dispatcher.sources" -}}
{{- $seen := dict }}
{{- $sources := list }}
{{- range .Values.modules }}
{{- $key := lower (printf "%s|%s|%s" (.source.queue | default "") (.source.topic | default "") (.source.subscription | default "")) }}
{{- if not (hasKey $seen $key) }}
{{- $_ := set $seen $key true }}
{{- $sources = append $sources .source }}
{{- end }}
{{- end }}
{{- dict "sources" $sources | toJson }}
{{- end }}

{{/* Renders the ServiceAccounts that Jobs may have, as a list of CEL: the namespace's default, the chart's own, and
     those that modules name. */}}
{{- define "dispatcher.jobAccounts" -}}
{{- $accounts := list "default" (printf "%s-job" .Release.Name) }}
{{- range .Values.modules }}
{{- $pod := dig "jobTemplate" "spec" "template" "spec" dict . }}
{{- $accounts = concat $accounts (compact (list .serviceAccountName $pod.serviceAccountName $pod.serviceAccount)) }}
{{- end -}}
[{{ range $index, $account := uniq $accounts }}{{ if $index }}, {{ end }}{{ $account | squote }}{{ end }}]
{{- end }}

{{/* Renders the namespace as KEDA takes it, without its domain. In another cloud KEDA needs the domain as well. */}}
{{- define "dispatcher.triggerNamespace" -}}
{{- with .Values.serviceBus.fullyQualifiedNamespace -}}
{{- $suffix := splitList "." . | rest | join "." -}}
namespace: {{ splitList "." . | first | quote }}
{{- if ne $suffix "servicebus.windows.net" }}
cloud: Private
endpointSuffix: {{ $suffix | quote }}
{{- end }}
{{- end }}
{{- end }}
