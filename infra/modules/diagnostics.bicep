metadata description = 'Sends what cluster, bus, storage and registry say of themselves to the workspace.'

@description('Required. Resource id of the workspace.')
@minLength(1)
param workspaceId string

@description('Required. Name of the existing cluster.')
@minLength(1)
@maxLength(63)
param clusterName string

@description('Required. Name of the existing Service Bus namespace.')
@minLength(6)
@maxLength(50)
param serviceBusName string

@description('Required. Name of the existing storage account.')
@minLength(3)
@maxLength(24)
param storageName string

@description('Required. Name of the existing registry.')
@minLength(5)
@maxLength(50)
param registryName string

@description('Optional. Whether the log of each change to the cluster and of each request to bus and storage is kept too. It grows with the messages, by about 30 KB for each.')
param auditLogs bool = false

@description('Optional. Tier of the Service Bus namespace. Only Premium has a log of each request.')
@allowed(['Standard', 'Premium'])
param serviceBusSku string = 'Standard'

var name = 'workspace'
var toTablesOfTheirOwn = 'Dedicated'

resource cluster 'Microsoft.ContainerService/managedClusters@2025-10-01' existing = {
  name: clusterName
}

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: serviceBusName
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }

  resource tables 'tableServices' existing = {
    name: 'default'
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

@description('A category of logs or metrics that is sent.')
type sentType = {
  @description('Required. Name of the category.')
  category: string

  @description('Required. Whether it is sent.')
  enabled: true
}

func on(categories string[]) sentType[] => map(categories, category => { category: category, enabled: true })

resource ofCluster 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: cluster
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: toTablesOfTheirOwn
    logs: on(concat(['cluster-autoscaler', 'guard'], auditLogs ? ['kube-audit-admin'] : []))
  }
}

// The alert on messages that nothing takes reads the metrics.
resource ofBus 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: bus
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: toTablesOfTheirOwn
    logs: on(concat(['OperationalLogs'], auditLogs && serviceBusSku == 'Premium' ? ['RuntimeAuditLogs'] : []))
    metrics: on(['AllMetrics'])
  }
}

resource ofBlobs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: account::blobs
  properties: {
    workspaceId: workspaceId
    logs: on(auditLogs ? ['StorageRead', 'StorageWrite', 'StorageDelete'] : [])
    metrics: on(['Transaction'])
  }
}

resource ofTables 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: account::tables
  properties: {
    workspaceId: workspaceId
    logs: on(auditLogs ? ['StorageRead', 'StorageWrite', 'StorageDelete'] : [])
    metrics: on(['Transaction'])
  }
}

resource ofRegistry 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: registry
  properties: {
    workspaceId: workspaceId
    logs: on(['ContainerRegistryLoginEvents', 'ContainerRegistryRepositoryEvents'])
  }
}
