{{/* The release's name names its objects: `dispatcher`, as the identities' federated credentials expect. */}}
{{- define "dispatcher.selector" -}}
app.kubernetes.io/name: dispatcher
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dispatcher.labels" -}}
{{ include "dispatcher.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Of objects without a namespace, where two releases of one name would meet. */}}
{{- define "dispatcher.clusterName" -}}
{{ .Release.Namespace }}-{{ .Release.Name }}
{{- end }}

{{/* Fixed, or each pod would be a host of its own, with timers and keys of its own. The host allows 32 characters, and no two hyphens in a row. */}}
{{- define "dispatcher.hostId" -}}
{{- if or (gt (len .Values.instance) 32) (contains "--" .Values.instance) -}}
dispatcher-{{ sha256sum .Values.instance | trunc 21 }}
{{- else -}}
{{ .Values.instance }}
{{- end -}}
{{- end }}
