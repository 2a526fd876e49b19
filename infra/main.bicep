metadata name = 'Dispatcher'
metadata description = 'Deploys everything that the Dispatcher runs on: cluster, bus, storage, registry, identities, logs and alerts.'

targetScope = 'subscription'

import { alertLimitsType, entitySettings, logDetailType, nodePoolType, sourceType, tagsType } from 'types.bicep'

@description('Required. Name of this environment, such as dev: lower-case letters, digits and hyphens, beginning with a letter. All resources are named after it, so never change it.')
@minLength(2)
@maxLength(12)
param environmentName string

@description('Optional. Region of all resources.')
@minLength(1)
param location string = deployment().location

@description('Optional. Tags of all resources.')
param tags tagsType = {}

@description('Required. The queues and subscriptions that the modules read: the source of each module in the chart\'s values.')
param sources sourceType[]

@description('Optional. Name of the table that holds the runs. The chart gets it as settings.table.')
@minLength(3)
@maxLength(63)
param tableName string = 'DispatcherRuns'

@description('Optional. Kubernetes namespace in which the Jobs run. The chart gets it as jobNamespace.')
@minLength(1)
@maxLength(63)
param jobNamespace string = 'jobs'

@description('Optional. Name of the instance, which every log line carries. The alerts read its lines alone. The chart gets it as instance.')
@minLength(1)
@maxLength(40)
param instance string = 'dispatcher'

@description('Optional. How Jobs get the bodies of their messages: inline, or identity. With identity, the identity of the Jobs may read the bodies in the storage account. The chart gets it as settings.payloads.')
@allowed(['inline', 'identity'])
param payloads string = 'inline'

@description('Optional. Object ids of the groups or people that may look at rows, logs of attempts, counts of messages, and log lines. With payloads identity they see Jobs and pods too; with inline they do not, because a Job holds the body of its message.')
param viewerPrincipalIds string[] = []

@description('Optional. Object ids of the groups or people that may repair. They may look too, see Jobs and pods, change rows, and read messages and bodies.')
param operatorPrincipalIds string[] = []

@description('Optional. Object ids of the groups, people or programs that may send messages.')
param senderPrincipalIds string[] = []

@description('Optional. Pricing tier of the cluster. Standard and Premium guarantee the uptime of its API server, Free does not.')
@allowed(['Free', 'Standard', 'Premium'])
param clusterTier string = 'Free'

@description('Optional. Version of Kubernetes, such as 1.34. If empty, AKS chooses its default for the region.')
param kubernetesVersion string = ''

@description('Optional. The nodes for the cluster\'s own pods and the Dispatcher. AKS asks for at least two, each with 4 vCPU or more.')
param systemPool nodePoolType = { vmSize: 'Standard_D4ds_v5', minCount: 2, maxCount: 3 }

@description('Optional. The nodes for the Jobs.')
param workPool nodePoolType = { vmSize: 'Standard_D4ds_v5', minCount: 1, maxCount: 5 }

@description('Optional. Availability zones that the nodes are spread over. If empty, the nodes are tied to no zone.')
param availabilityZones string[] = []

@description('Optional. Address ranges that may reach the cluster\'s API server. If empty, every address may, and needs a token.')
param authorizedIpRanges string[] = []

@description('Optional. Tier of the Service Bus namespace. Standard takes messages up to 256 KB, Premium up to 1 MB.')
@allowed(['Standard', 'Premium'])
param serviceBusSku string = 'Standard'

@description('Optional. Messaging units of a Premium namespace. A Standard namespace has none.')
@allowed([1, 2, 4, 8, 16])
param serviceBusCapacity int = 1

@description('Optional. Size in MB at which a queue or topic refuses its senders. A message takes space until it is settled, also while its Job runs. Default: the most that the tier allows, which is 5 GB in Standard and 80 GB in Premium.')
@allowed([1024, 2048, 3072, 4096, 5120, 10240, 20480, 40960, 81920])
param entityMaxSizeInMegabytes int = serviceBusSku == 'Premium' ? 81920 : 5120

@description('Optional. Replication of the storage account. LRS keeps three copies in one data centre, ZRS three copies in three zones, GZRS also copies in another region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

@description('Optional. Days for which the storage account keeps the logs of attempts.')
@minValue(1)
@maxValue(36500)
param logRetentionDays int = 90

@description('Optional. Whether locks protect the Service Bus namespace and the storage account from deletion.')
param lockData bool = false

@description('Optional. Tier of the registry. It sets how much the registry stores, and how fast it serves.')
@allowed(['Basic', 'Standard', 'Premium'])
param registrySku string = 'Basic'

@description('Optional. Days for which the Log Analytics workspace keeps the app\'s log lines.')
@minValue(30)
@maxValue(730)
param lineRetentionDays int = 30

@description('Optional. Which of the app\'s lines the workspace keeps: summary, which is one line for each message and all warnings, or full. docs/operate.md says what both cost.')
param logDetail logDetailType = 'summary'

@description('Optional. The most GB a day that the workspace stores. Azure drops further lines of that day, and the alerts do not see them. -1 means no limit.')
@minValue(-1)
param dailyCapGb int = 10

@description('Optional. Whether the workspace keeps the log of each change to the cluster and of each request to bus and storage. It grows with the messages, by about 30 KB for each.')
param auditLogs bool = false

@description('Optional. The limits at which the alerts fire.')
param alertLimits alertLimitsType = { deadLettersIn15Minutes: 0, oldestOpenRunHours: 24, reconcileSilent: true }

@description('Optional. Mail addresses that alerts are sent to.')
param alertEmails string[] = []

@description('Optional. Resource ids of existing action groups that alerts are sent to.')
param alertActionGroupIds string[] = []

// Names of the Helm release that deploy.sh installs. The federated credentials name its service accounts, so both must
// agree.
var release = { namespace: 'dispatcher', serviceAccount: 'dispatcher', jobServiceAccount: 'dispatcher-job' }
// The service account of KEDA's operator, as the AKS add-on runs it.
var keda = { namespace: 'kube-system', serviceAccount: 'keda-operator' }

var suffix = uniqueString(subscription().subscriptionId, environmentName)
var baseName = 'dispatcher-${environmentName}'
var compactName = replace(environmentName, '-', '')
var serviceBusName = 'sbns-${baseName}-${suffix}'
var storageName = take('st${compactName}${suffix}', 24)
var registryName = 'cr${compactName}${suffix}'
var clusterName = 'aks-${baseName}'
var componentName = 'appi-${baseName}'
var workspaceName = 'log-${baseName}'

// Service Bus ignores case in names, so that two spellings are one entity.
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
    : fail('These sources are wrong: ${string(wrongSources)}. Write each as { queue: NAME } or { topic: NAME, subscription: NAME }.')
  location: location
  tags: tags
}

module cluster 'modules/cluster.bicep' = {
  scope: group
  name: 'cluster'
  params: {
    name: clusterName
    location: location
    tags: tags
    tier: clusterTier
    kubernetesVersion: kubernetesVersion
    systemPool: systemPool
    workPool: workPool
    availabilityZones: availabilityZones
    authorizedIpRanges: authorizedIpRanges
    workspaceId: monitoring.outputs.workspaceId
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

// KEDA has an identity of its own, because counting messages takes more rights on the entities than the app has.
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

// The Jobs get this identity. It has no role here, unless the Jobs read their bodies with it. Assign the roles that the
// work itself needs.
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
    name: serviceBusName
    location: location
    tags: tags
    sku: serviceBusSku
    capacity: serviceBusCapacity
    maxSizeInMegabytes: entityMaxSizeInMegabytes
    queues: queues
    topics: topics
    lock: lockData
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    name: storageName
    location: location
    tags: tags
    sku: storageSku
    tableName: tableName
    logRetentionDays: logRetentionDays
    lock: lockData
  }
}

module registry 'modules/registry.bicep' = {
  scope: group
  name: 'registry'
  params: {
    name: registryName
    location: location
    tags: tags
    sku: registrySku
  }
}

// Gets principals that are known only when the identities exist, which what-if can't follow.
#disable-diagnostics what-if-short-circuiting
module identityRoles 'modules/identity-roles.bicep' = {
  scope: group
  name: 'identity-roles'
  dependsOn: [serviceBus, storage, registry]
  params: {
    serviceBusName: serviceBusName
    queues: queues
    topics: topics
    storageName: storageName
    registryName: registryName
    componentName: componentName
    appPrincipalId: appIdentity.outputs.principalId
    kedaPrincipalId: kedaIdentity.outputs.principalId
    jobPrincipalId: jobIdentity.outputs.principalId
    jobsReadBodies: payloads == 'identity'
    kubeletPrincipalId: cluster.outputs.kubeletPrincipalId
  }
}
#restore-diagnostics what-if-short-circuiting

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    workspaceName: workspaceName
    componentName: componentName
    location: location
    tags: tags
    retentionDays: lineRetentionDays
    dailyCapGb: dailyCapGb
  }
}

module logRoutes 'modules/log-routes.bicep' = {
  scope: group
  name: 'log-routes'
  dependsOn: [cluster]
  params: {
    ruleName: 'dcr-${baseName}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    clusterName: clusterName
    appNamespace: release.namespace
    logDetail: logDetail
  }
}

module diagnostics 'modules/diagnostics.bicep' = {
  scope: group
  name: 'diagnostics'
  dependsOn: [cluster, serviceBus, storage, registry]
  params: {
    workspaceId: monitoring.outputs.workspaceId
    clusterName: clusterName
    serviceBusName: serviceBusName
    serviceBusSku: serviceBusSku
    storageName: storageName
    registryName: registryName
    auditLogs: auditLogs
  }
}

module people 'modules/people.bicep' = {
  scope: group
  name: 'people'
  dependsOn: [cluster, serviceBus, storage, monitoring]
  params: {
    serviceBusName: serviceBusName
    storageName: storageName
    clusterName: clusterName
    workspaceName: workspaceName
    viewerPrincipalIds: viewerPrincipalIds
    operatorPrincipalIds: operatorPrincipalIds
    senderPrincipalIds: senderPrincipalIds
    jobsHoldBodies: payloads == 'inline'
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
    appNamespace: release.namespace
    instance: instance
    limits: alertLimits
    emails: alertEmails
    actionGroupIds: alertActionGroupIds
  }
}

module busAlerts 'modules/bus-alerts.bicep' = {
  scope: group
  name: 'bus-alerts'
  dependsOn: [serviceBus]
  params: {
    namePrefix: baseName
    tags: tags
    serviceBusName: serviceBusName
    maxSizeInMegabytes: entityMaxSizeInMegabytes
    actionGroupIds: alerts.outputs.actionGroupIds
  }
}

// These outputs fill the chart's values. Each is named after its value.

@description('Fills the chart\'s value image.repository.')
output imageRepository string = '${registry.outputs.loginServer}/dispatcher'

@description('Fills the chart\'s value jobNamespace.')
output jobNamespace string = jobNamespace

@description('Fills the chart\'s value serviceBus.fullyQualifiedNamespace.')
output serviceBusFullyQualifiedNamespace string = serviceBus.outputs.fullyQualifiedNamespace

@description('Fills the chart\'s value storage.accountName.')
output storageAccountName string = storage.outputs.name

@description('Fills the chart\'s value storage.blobServiceUri.')
output storageBlobServiceUri string = storage.outputs.blobServiceUri

@description('Fills the chart\'s value storage.tableServiceUri.')
output storageTableServiceUri string = storage.outputs.tableServiceUri

@description('Fills the chart\'s value workloadIdentity.clientId.')
output workloadIdentityClientId string = appIdentity.outputs.clientId

@description('Fills the chart\'s value workloadIdentity.tenantId.')
output workloadIdentityTenantId string = tenant().tenantId

@description('Fills the chart\'s value kedaIdentity.clientId.')
output kedaIdentityClientId string = kedaIdentity.outputs.clientId

@description('Fills the chart\'s value jobIdentity.clientId.')
output jobIdentityClientId string = jobIdentity.outputs.clientId

@description('Fills the chart\'s value applicationInsights.connectionString.')
output applicationInsightsConnectionString string = monitoring.outputs.connectionString

@description('Fills the chart\'s value applicationInsights.logLevel.')
output applicationInsightsLogLevel string = logDetail == 'full' ? 'Information' : 'Warning'

@description('Fills the chart\'s value settings.table.')
output settingsTable string = storage.outputs.tableName

@description('Fills the chart\'s value settings.lockDuration.')
output settingsLockDuration string = toLower(replace(entitySettings.lockDuration, 'PT', ''))

// deploy.sh reads these outputs for itself.

@description('Name of the resource group.')
output resourceGroupName string = group.name

@description('Name of the cluster.')
output aksName string = cluster.outputs.name

@description('Name of the registry.')
output registryName string = registry.outputs.name

@description('How many mail addresses and action groups the alerts are sent to.')
output alertAddressees int = length(alertEmails) + length(alertActionGroupIds)
