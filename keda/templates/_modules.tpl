{{/* The modules' files. The same text decides whether the pods roll. */}}
{{- define "dispatcher.moduleFiles" -}}
{{- $files := dict }}
{{- range .Values.modules }}
{{- $_ := set $files (printf "%s.yaml" .name) (printf "%s\n" (toYaml .)) }}
{{- end }}
{{- toYaml $files }}
{{- end }}

{{/* The distinct sources, as JSON in `{"sources": [...]}`: names of entities are the same in upper and lower case. */}}
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

{{/* KEDA wants the namespace without its domain; one in another cloud is told by its domain. */}}
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
