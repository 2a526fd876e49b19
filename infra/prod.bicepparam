using 'main.bicep'

import { sourcesOf } from 'types.bicep'

// The values file with which the chart is installed. deploy.sh passes its path, relative to this file.
var values = any(loadYamlContent(readEnvironmentVariable('DISPATCHER_VALUES', '../keda/values.production.yaml')))

param environmentName = 'prod'
param location = 'westeurope'
param sources = sourcesOf(values.?modules ?? [])
param jobNamespace = values.?jobNamespace ?? 'jobs'
param instance = empty(values.?instance) ? 'dispatcher' : values.instance
param tableName = empty(values.?settings.?table) ? 'DispatcherRuns' : values.settings.table
param payloads = empty(values.?settings.?payloads) ? 'inline' : values.settings.payloads
param alertLimits = {
  deadLettersIn15Minutes: 0
  oldestOpenRunHours: 24
  reconcileSilent: !(values.?scaling.?scaleToZero ?? false)
}
param lockData = true
param clusterTier = 'Standard'
param systemPool = { vmSize: 'Standard_D4ds_v5', minCount: 3, maxCount: 6 }
param workPool = { vmSize: 'Standard_D8ds_v5', minCount: 3, maxCount: 50 }
param availabilityZones = ['1', '2', '3']
param storageSku = 'Standard_ZRS'
param registrySku = 'Standard'
param lineRetentionDays = 90
// Without an address here, or an action group in alertActionGroupIds, alerts fire but notify nobody.
param alertEmails = []
// Object ids of the groups that may look, may repair, and may send. Without them only the app has access.
// Print the id of a group with: az ad group show --group NAME --query id
param viewerPrincipalIds = []
param operatorPrincipalIds = []
param senderPrincipalIds = []
