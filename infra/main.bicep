metadata name = 'Dispatcher'
metadata description = 'Everything that the Dispatcher runs on: a cluster with KEDA, a bus with the modules\' entities, storage, a registry, identities with their roles, logs and alerts.'

targetScope = 'subscription'

import { alertLimitsType, entitySettings, nodePoolType, sourceType, tagsType } from 'types.bicep'

@description('Required. Name of this installation, such as dev: lower-case letters, digits and hyphens, a letter first. Never change it: everything else is named after it.')
@minLength(2)
@maxLength(12)
param environmentName string

@description('Optional. Region of everything.')
@minLength(1)
param location string = deployment().location

@description('Optional. Tags of everything.')
param tags tagsType = {}

@description('Required. Where the modules take their messages from: the source of each, as in the chart\'s values.')
param sources sourceType[]

@description('Optional. The table with the runs: the chart\'s settings.table.')
@minLength(3)
@maxLength(63)
param tableName string = 'DispatcherRuns'

@description('Optional. Namespace of the Jobs: the chart\'s jobNamespace.')
@minLength(1)
@maxLength(63)
param jobNamespace string = 'jobs'

@description('Optional. Object id of who deploys, and installs the chart: gets the run of the cluster. By default whoever starts this deployment.')
@minLength(1)
param deployerPrincipalId string = deployer().objectId

@description('Optional. Standard: an API server with a service level.')
@allowed(['Free', 'Standard', 'Premium'])
param clusterTier string = 'Free'

@description('Optional. Version of Kubernetes, such as 1.34. Without it: the default of the region.')
param kubernetesVersion string = ''

@description('Optional. The nodes of the cluster\'s own pods.')
param systemPool nodePoolType = { vmSize: 'Standard_D2ds_v5', minCount: 1, maxCount: 3 }

@description('Optional. The nodes of the Dispatcher and its Jobs.')
param workPool nodePoolType = { vmSize: 'Standard_D4ds_v5', minCount: 1, maxCount: 5 }

@description('Optional. Availability zones of the nodes.')
param availabilityZones string[] = []

@description('Optional. Address ranges that may reach the cluster\'s API server. Without them: every address, with a token.')
param authorizedIpRanges string[] = []

@description('Optional. Standard takes messages of 256 KB; Premium of 1 MB.')
@allowed(['Standard', 'Premium'])
param serviceBusSku string = 'Standard'

@description('Optional. Messaging units, with Premium.')
@allowed([1, 2, 4, 8, 16])
param serviceBusCapacity int = 1

@description('Optional. How often rows, bodies and logs are kept. ZRS: in three zones of the region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

@description('Optional. Days that the logs of attempts are kept.')
@minValue(1)
@maxValue(36500)
param logRetentionDays int = 90

@description('Optional. Whether bus and storage account are locked against deletion.')
param lockData bool = false

@description('Optional. How much the registry holds and serves.')
@allowed(['Basic', 'Standard', 'Premium'])
param registrySku string = 'Basic'

@description('Optional. Days that the app\'s own log lines are kept.')
@minValue(30)
@maxValue(730)
param lineRetentionDays int = 30

@description('Optional. When alerts fire.')
param alertLimits alertLimitsType = { deadLettersIn15Minutes: 0, oldestOpenRunHours: 24, reconcileSilent: true }

@description('Optional. Addresses that alerts are mailed to.')
param alertEmails string[] = []

@description('Optional. Ids of action groups that alerts go to.')
param alertActionGroupIds string[] = []

// The release, as deploy.sh installs it: the federated credentials name its service accounts.
var release = { namespace: 'dispatcher', serviceAccount: 'dispatcher', jobServiceAccount: 'dispatcher-job' }
// Where the AKS add-on runs KEDA.
var keda = { namespace: 'kube-system', serviceAccount: 'keda-operator' }

var suffix = uniqueString(subscription().subscriptionId, environmentName)
var baseName = 'dispatcher-${environmentName}'
var compactName = replace(environmentName, '-', '')

// The bus ignores case in names: two spellings are one entity.
var queues = union(map(filter(sources, source => source.?queue != null), source => toLower(source.queue!)), [])
var topicSources = filter(sources, source => source.?topic != null)
var wrongSources = filter(
  sources,
  source =>
    (source.?queue == null) == (source.?topic == null) || (source.?topic == null) != (source.?subscription == null)
)
var topics = map(union(map(topicSources, source => toLower(source.topic!)), []), topic => {
  name: topic
  subscriptions: union(
    map(
      filter(topicSources, source => toLower(source.topic!) == topic && source.?subscription != null),
      source => toLower(source.subscription!)
    ),
    []
  )
})

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: empty(wrongSources)
    ? 'rg-${baseName}'
    : fail('A source is { queue: NAME } or { topic: NAME, subscription: NAME }, which these are not: ${string(wrongSources)}')
  location: location
  tags: tags
}

module cluster 'modules/cluster.bicep' = {
  scope: group
  name: 'cluster'
  params: {
    name: 'aks-${baseName}'
    location: location
    tags: tags
    tier: clusterTier
    kubernetesVersion: kubernetesVersion
    systemPool: systemPool
    workPool: workPool
    availabilityZones: availabilityZones
    authorizedIpRanges: authorizedIpRanges
    deployerPrincipalId: deployerPrincipalId
  }
}

module appIdentity 'modules/identity.bicep' = {
  scope: group
  name: 'identity-app'
  params: {
    name: 'id-${baseName}-app'
    location: location
    tags: tags
    issuer: cluster.outputs.issuer
    serviceAccountNamespace: release.namespace
    serviceAccountName: release.serviceAccount
  }
}

// Of its own: to count messages it may do more with the entities than the app may.
module kedaIdentity 'modules/identity.bicep' = {
  scope: group
  name: 'identity-keda'
  params: {
    name: 'id-${baseName}-keda'
    location: location
    tags: tags
    issuer: cluster.outputs.issuer
    serviceAccountNamespace: keda.namespace
    serviceAccountName: keda.serviceAccount
  }
}

// Has no role here: give it what the work itself needs.
module jobIdentity 'modules/identity.bicep' = {
  scope: group
  name: 'identity-job'
  params: {
    name: 'id-${baseName}-job'
    location: location
    tags: tags
    issuer: cluster.outputs.issuer
    serviceAccountNamespace: jobNamespace
    serviceAccountName: release.jobServiceAccount
  }
}

module serviceBus 'modules/service-bus.bicep' = {
  scope: group
  name: 'service-bus'
  params: {
    name: 'sbns-${baseName}-${suffix}'
    location: location
    tags: tags
    sku: serviceBusSku
    capacity: serviceBusCapacity
    queues: queues
    topics: topics
    lock: lockData
    appPrincipalId: appIdentity.outputs.principalId
    kedaPrincipalId: kedaIdentity.outputs.principalId
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    name: take('st${compactName}${suffix}', 24)
    location: location
    tags: tags
    sku: storageSku
    tableName: tableName
    logRetentionDays: logRetentionDays
    lock: lockData
    appPrincipalId: appIdentity.outputs.principalId
  }
}

module registry 'modules/registry.bicep' = {
  scope: group
  name: 'registry'
  params: {
    name: 'cr${compactName}${suffix}'
    location: location
    tags: tags
    sku: registrySku
    kubeletPrincipalId: cluster.outputs.kubeletPrincipalId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    workspaceName: 'log-${baseName}'
    componentName: 'appi-${baseName}'
    location: location
    tags: tags
    retentionDays: lineRetentionDays
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  name: 'alerts'
  params: {
    namePrefix: baseName
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    limits: alertLimits
    emails: alertEmails
    actionGroupIds: alertActionGroupIds
  }
}

// What the chart's values need: each output is named after the value that it fills.

@description('image.repository')
output imageRepository string = '${registry.outputs.loginServer}/dispatcher'

@description('jobNamespace')
output jobNamespace string = jobNamespace

@description('serviceBus.fullyQualifiedNamespace')
output serviceBusFullyQualifiedNamespace string = serviceBus.outputs.fullyQualifiedNamespace

@description('storage.accountName')
output storageAccountName string = storage.outputs.name

@description('workloadIdentity.clientId')
output workloadIdentityClientId string = appIdentity.outputs.clientId

@description('workloadIdentity.tenantId')
output workloadIdentityTenantId string = tenant().tenantId

@description('kedaIdentity.clientId')
output kedaIdentityClientId string = kedaIdentity.outputs.clientId

@description('jobIdentity.clientId')
output jobIdentityClientId string = jobIdentity.outputs.clientId

@description('applicationInsights.connectionString')
output applicationInsightsConnectionString string = monitoring.outputs.connectionString

@description('settings.table')
output settingsTable string = storage.outputs.tableName

@description('settings.lockDuration')
output settingsLockDuration string = toLower(replace(entitySettings.lockDuration, 'PT', ''))

// What deploy.sh itself needs.

@description('Name of the resource group.')
output resourceGroupName string = group.name

@description('Name of the cluster.')
output aksName string = cluster.outputs.name

@description('Name of the registry.')
output registryName string = registry.outputs.name
