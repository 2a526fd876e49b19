{{/* The app's settings, and what the hosts read besides. A setting without a value is left out: the app's own default holds. */}}
{{- define "dispatcher.env" -}}
{{- with .Values.serviceBus }}
{{- if .fullyQualifiedNamespace }}
- { name: ServiceBus__fullyQualifiedNamespace, value: {{ .fullyQualifiedNamespace | quote }} }
{{- else }}
- name: ServiceBus
  valueFrom: { secretKeyRef: { name: {{ .connectionStringSecret.name }}, key: {{ .connectionStringSecret.key }} } }
{{- end }}
{{- end }}
{{- with .Values.storage }}
{{- if .accountName }}
- { name: AzureWebJobsStorage__accountName, value: {{ .accountName | quote }} }
{{- else if .blobServiceUri }}
- { name: AzureWebJobsStorage__blobServiceUri, value: {{ .blobServiceUri | quote }} }
- { name: AzureWebJobsStorage__tableServiceUri, value: {{ .tableServiceUri | quote }} }
{{- else }}
- name: AzureWebJobsStorage
  valueFrom: { secretKeyRef: { name: {{ .connectionStringSecret.name }}, key: {{ .connectionStringSecret.key }} } }
{{- end }}
{{- end }}
- { name: DISPATCHER_INSTANCE, value: {{ .Values.instance | quote }} }
- { name: JOB_NAMESPACE, value: {{ .Values.jobNamespace | quote }} }
- { name: MODULES_DIR, value: /etc/dispatcher/modules }
{{- with .Values.settings }}
{{- $optional := list (list "DISPATCHER_TABLE" .table) (list "RECONCILE_SCHEDULE" .reconcileSchedule) (list "LOCK_DURATION" .lockDuration) (list "JOB_RETENTION" .jobRetention) (list "HISTORY_RETENTION" .historyRetention) }}
{{- range $optional }}
{{- if last . }}
- { name: {{ first . }}, value: {{ last . | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.applicationInsights.connectionString }}
- { name: APPLICATIONINSIGHTS_CONNECTION_STRING, value: {{ . | quote }} }
{{- end }}
# The Functions host's own settings; the standalone host passes over them.
- { name: FUNCTIONS_WORKER_RUNTIME, value: node }
- { name: AzureFunctionsWebHost__hostid, value: {{ include "dispatcher.hostId" . | quote }} }
# Without it the host ends on SIGTERM with its listeners still taking messages.
- { name: FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING, value: "true" }
- { name: languageWorkers__node__arguments, value: {{ .Values.heapFlags | quote }} }
# The same for the standalone image.
- { name: NODE_OPTIONS, value: {{ .Values.heapFlags | quote }} }
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
