{{/* Renders the app's variables: the chart's own, and those of extraEnv. */}}
{{- define "dispatcher.env" -}}
{{ include "dispatcher.ownEnv" . | trim }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Renders the app's settings and those of its hosts. A setting without a value is left out, so that the app's default
     applies. */}}
{{- define "dispatcher.ownEnv" -}}
{{- with .Values.serviceBus }}
{{- if .fullyQualifiedNamespace }}
- { name: ServiceBus__fullyQualifiedNamespace, value: {{ .fullyQualifiedNamespace | quote }} }
{{- else }}
- name: ServiceBus
  valueFrom: { secretKeyRef: { name: {{ .connectionStringSecret.name | quote }}, key: {{ .connectionStringSecret.key | quote }} } }
{{- end }}
{{- end }}
{{- with .Values.network }}
{{- if or .webSockets .httpsProxy }}
- { name: AzureFunctionsJobHost__extensions__serviceBus__transportType, value: AmqpWebSockets }
{{- end }}
{{- if .httpsProxy }}
# In capitals, because the Functions worker would ask the proxy of https_proxy for its own host.
- { name: HTTPS_PROXY, value: {{ .httpsProxy | quote }} }
- { name: NO_PROXY, value: {{ concat (list "127.0.0.1" "localhost") .noProxy | join "," | quote }} }
{{- end }}
{{- end }}
{{- with .Values.storage }}
{{- if .accountName }}
- { name: AzureWebJobsStorage__accountName, value: {{ .accountName | quote }} }
{{- end }}
{{- if .blobServiceUri }}
- { name: AzureWebJobsStorage__blobServiceUri, value: {{ .blobServiceUri | quote }} }
- { name: AzureWebJobsStorage__tableServiceUri, value: {{ .tableServiceUri | quote }} }
{{- end }}
{{- if .connectionStringSecret.name }}
- name: AzureWebJobsStorage
  valueFrom: { secretKeyRef: { name: {{ .connectionStringSecret.name | quote }}, key: {{ .connectionStringSecret.key | quote }} } }
{{- end }}
{{- end }}
- { name: DISPATCHER_INSTANCE, value: {{ .Values.instance | quote }} }
- { name: JOB_NAMESPACE, value: {{ .Values.jobNamespace | quote }} }
- { name: MODULES_DIR, value: /etc/dispatcher/modules }
{{- with .Values.settings }}
{{- $optional := list (list "DISPATCHER_TABLE" .table) (list "RECONCILE_SCHEDULE" .reconcileSchedule) (list "LOCK_DURATION" .lockDuration) (list "PAYLOADS" .payloads) (list "JOB_RETENTION" .jobRetention) (list "HISTORY_RETENTION" .historyRetention) }}
{{- range $optional }}
{{- if last . }}
- { name: {{ first . }}, value: {{ last . | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.scaling.scaleToZero }}
- { name: KEDA_VERSION, value: {{ .Values.scaling.kedaVersion | quote }} }
{{- end }}
{{- if .Values.page.enabled }}
- { name: PAGE_AT, value: {{ .Values.page.origin | default "local" | quote }} }
{{- end }}
{{- if include "dispatcher.hasLogin" . }}
- { name: PAGE_ISSUER, value: {{ .Values.page.issuer | quote }} }
- { name: PAGE_AUDIENCE, value: {{ .Values.page.audience | quote }} }
- { name: PAGE_GROUPS, value: {{ include "dispatcher.pageGroups" . | quote }} }
{{- end }}
# Settings of the Functions host. The standalone host ignores them.
{{- with .Values.applicationInsights.connectionString }}
- { name: APPLICATIONINSIGHTS_CONNECTION_STRING, value: {{ . | quote }} }
{{- with $.Values.workloadIdentity.clientId }}
- { name: APPLICATIONINSIGHTS_AUTHENTICATION_STRING, value: {{ printf "Authorization=AAD;ClientId=%s" . | quote }} }
{{- end }}
{{- if eq $.Values.applicationInsights.logLevel "Information" }}
- { name: AzureFunctionsJobHost__logging__ApplicationInsights__logLevel__Function, value: Information }
{{- end }}
{{- end }}
- { name: FUNCTIONS_WORKER_RUNTIME, value: node }
- { name: AzureFunctionsWebHost__hostid, value: {{ include "dispatcher.hostId" . | quote }} }
# Lets the host stop its listeners first on SIGTERM. Without it, they take messages until the process ends.
- { name: FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING, value: "true" }
- { name: languageWorkers__node__arguments, value: {{ .Values.heapFlags | quote }} }
# The same flags for the standalone host.
- { name: NODE_OPTIONS, value: {{ .Values.heapFlags | quote }} }
{{- end }}
