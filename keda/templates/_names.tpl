{{/* All objects are named after the release. Name it `dispatcher`, as the federated credentials in Azure expect. Every
     template quotes names, because a name may be a number, such as 2026. */}}
{{- define "dispatcher.selector" -}}
app.kubernetes.io/name: dispatcher
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "dispatcher.labels" -}}
{{ include "dispatcher.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Labels of the app's pods, without those that podLabels adds. */}}
{{- define "dispatcher.podLabels" -}}
{{ include "dispatcher.labels" . }}
{{- if .Values.workloadIdentity.clientId }}
azure.workload.identity/use: "true"
{{- end }}
{{- end }}

{{/* Names the PriorityClass of the app's pods. Empty if they have none. */}}
{{- define "dispatcher.priorityClass" -}}
{{- with .Values.priorityClass }}
{{- if .name }}{{ .name }}{{ else if .create }}{{ include "dispatcher.clusterName" $ }}{{ end }}
{{- end }}
{{- end }}

{{/* Names an object that is in no namespace. The release's name alone may be taken by another release. */}}
{{- define "dispatcher.clusterName" -}}
{{ .Release.Namespace }}-{{ .Release.Name }}
{{- end }}

{{/* Makes all pods one Functions host. Otherwise each pod would have timers and keys of its own. The host allows
     at most 32 characters, and no two hyphens in a row. */}}
{{- define "dispatcher.hostId" -}}
{{- if or (gt (len .Values.instance) 32) (contains "--" .Values.instance) -}}
dispatcher-{{ sha256sum .Values.instance | trunc 21 }}
{{- else -}}
{{ .Values.instance }}
{{- end -}}
{{- end }}

{{/* Says whether people log in to the page. Empty if not. */}}
{{- define "dispatcher.hasLogin" -}}
{{- if and .Values.page.enabled .Values.page.origin }}true{{ end }}
{{- end }}

{{/* Renders the roles of groups as the setting PAGE_GROUPS has them. */}}
{{- define "dispatcher.pageGroups" -}}
{{- $pairs := list }}
{{- range $role := list "viewer" "operator" "admin" }}
{{- range index $.Values.page.groups $role }}
{{- $pairs = append $pairs (printf "%s=%s" $role .) }}
{{- end }}
{{- end }}
{{- join "," $pairs }}
{{- end }}

{{/* The port of the proxy's URL. */}}
{{- define "dispatcher.proxyPort" -}}
{{- $url := urlParse .httpsProxy -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary 443 80 (eq $url.scheme "https")) -}}
{{- end }}
