metadata description = 'Lets people in: those who look, those who repair, and those who send messages.'

import { grantsOf, payloadsContainer, logsContainer, roles } from '../types.bicep'

@description('Required. Name of the existing Service Bus namespace.')
@minLength(6)
@maxLength(50)
param serviceBusName string

@description('Required. Name of the existing storage account.')
@minLength(3)
@maxLength(24)
param storageName string

@description('Required. Name of the existing cluster.')
@minLength(1)
@maxLength(63)
param clusterName string

@description('Required. Name of the existing Log Analytics workspace.')
@minLength(4)
@maxLength(63)
param workspaceName string

@description('Required. Object ids of those who look: at rows, logs of attempts, counts of messages, and log lines. They see Jobs and pods too, unless Jobs hold bodies.')
param viewerPrincipalIds string[]

@description('Required. Object ids of those who repair. They look too, see Jobs and pods, change rows, and read messages and bodies.')
param operatorPrincipalIds string[]

@description('Required. Object ids of those who send messages.')
param senderPrincipalIds string[]

@description('Required. Whether a Job holds the body of its message, or a signed URL of it.')
param jobsHoldBodies bool

var lookers = union(viewerPrincipalIds, operatorPrincipalIds)

resource serviceBus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: serviceBusName
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource logs 'containers' existing = {
      name: logsContainer
    }

    resource payloads 'containers' existing = {
      name: payloadsContainer
    }
  }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-10-01' existing = {
  name: clusterName
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

var busGrants = concat(
  grantsOf('Reader', lookers),
  grantsOf('Azure Service Bus Data Receiver', operatorPrincipalIds),
  grantsOf('Azure Service Bus Data Sender', senderPrincipalIds)
)

resource busRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in busGrants: {
    name: guid(serviceBus.id, grant.principalId, roles[grant.role])
    scope: serviceBus
    properties: {
      principalId: grant.principalId
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]

var tableGrants = concat(
  grantsOf('Storage Table Data Reader', viewerPrincipalIds),
  grantsOf('Storage Table Data Contributor', operatorPrincipalIds)
)

// Assigned on the account, because `npm run repair` asks whether the table exists before it reads it.
resource tableRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in tableGrants: {
    name: guid(account.id, grant.principalId, roles[grant.role])
    scope: account
    properties: {
      principalId: grant.principalId
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]

resource logReaders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in lookers: {
    name: guid(account::blobs::logs.id, principalId, roles['Storage Blob Data Reader'])
    scope: account::blobs::logs
    properties: {
      principalId: principalId
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles['Storage Blob Data Reader']
      )
    }
  }
]

// For operators alone, because the bodies are the senders' data. Operators see them on the bus too.
resource bodyReaders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in operatorPrincipalIds: {
    name: guid(account::blobs::payloads.id, principalId, roles['Storage Blob Data Reader'])
    scope: account::blobs::payloads
    properties: {
      principalId: principalId
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles['Storage Blob Data Reader']
      )
    }
  }
]

// The second role shows everything on the cluster but Secrets, and so what a Job holds.
var clusterGrants = concat(
  grantsOf('Azure Kubernetes Service Cluster User Role', lookers),
  grantsOf('Azure Kubernetes Service RBAC Reader', jobsHoldBodies ? operatorPrincipalIds : lookers)
)

resource clusterRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in clusterGrants: {
    name: guid(cluster.id, grant.principalId, roles[grant.role])
    scope: cluster
    properties: {
      principalId: grant.principalId
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]

resource lineReaders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in lookers: {
    name: guid(workspace.id, principalId, roles['Log Analytics Reader'])
    scope: workspace
    properties: {
      principalId: principalId
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Log Analytics Reader'])
    }
  }
]
