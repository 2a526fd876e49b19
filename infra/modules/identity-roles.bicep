metadata description = 'Gives the identities of the app, KEDA, the Jobs and the nodes their rights on bus, storage, registry and telemetry.'

import { payloadsContainer, roles, topicType } from '../types.bicep'

// Each assignment is named after its principal, because an identity that is deleted and made again has another
// principal, and Azure refuses to put that one into the assignment of the old one. Principals are known only when the
// identities exist, so that what-if can't tell these assignments. They are in this module alone, so that it tells all
// the rest.

@description('Required. Name of the existing Service Bus namespace.')
@minLength(6)
@maxLength(50)
param serviceBusName string

@description('Required. Names of its queues.')
param queues string[]

@description('Required. Its topics with their subscriptions.')
param topics topicType[]

@description('Required. Name of the existing storage account.')
@minLength(3)
@maxLength(24)
param storageName string

@description('Required. Name of the existing registry.')
@minLength(5)
@maxLength(50)
param registryName string

@description('Required. Name of the existing Application Insights component.')
@minLength(1)
@maxLength(255)
param componentName string

@description('Required. Principal of the app, which receives and settles messages, and keeps rows, bodies and logs.')
@minLength(1)
param appPrincipalId string

@description('Required. Principal of KEDA, which counts messages.')
@minLength(1)
param kedaPrincipalId string

@description('Required. Principal of the Jobs.')
@minLength(1)
param jobPrincipalId string

@description('Optional. Whether the Jobs may read the bodies of their messages with their own identity.')
param jobsReadBodies bool = false

@description('Required. Principal of the identity with which the cluster\'s nodes pull images.')
@minLength(1)
param kubeletPrincipalId string

// KEDA reads the message counts from the entity's description, which takes the right to manage the entity. Of the
// built-in roles, only Data Owner has it.
var busRoles = [
  { principalId: appPrincipalId, role: roles['Azure Service Bus Data Receiver'] }
  { principalId: kedaPrincipalId, role: roles['Azure Service Bus Data Owner'] }
]
var subscriptions = flatten(map(
  topics,
  topic => map(topic.subscriptions, subscription => { topic: topic.name, name: subscription })
))

// In resource ids, Service Bus writes the slash of a name as a tilde.
resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = [
  for name in queues: {
    name: '${serviceBusName}/${replace(name, '/', '~')}'
  }
]

resource subscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' existing = [
  for one in subscriptions: {
    name: '${serviceBusName}/${replace(one.topic, '/', '~')}/${one.name}'
  }
]

// Assigns each role of busRoles on the first queue, then each on the next.
resource queueRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for index in range(0, length(queues) * length(busRoles)): {
    name: guid(
      queue[index / length(busRoles)].id,
      busRoles[index % length(busRoles)].principalId,
      busRoles[index % length(busRoles)].role
    )
    scope: queue[index / length(busRoles)]
    properties: {
      principalId: busRoles[index % length(busRoles)].principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        busRoles[index % length(busRoles)].role
      )
    }
  }
]

// Assigned on each subscription, because a role on the topic alone does not allow receiving from a subscription.
resource subscriptionRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for index in range(0, length(subscriptions) * length(busRoles)): {
    name: guid(
      subscription[index / length(busRoles)].id,
      busRoles[index % length(busRoles)].principalId,
      busRoles[index % length(busRoles)].role
    )
    scope: subscription[index / length(busRoles)]
    properties: {
      principalId: busRoles[index % length(busRoles)].principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        busRoles[index % length(busRoles)].role
      )
    }
  }
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource payloads 'containers' existing = {
      name: payloadsContainer
    }
  }
}

// Assigned on the account, not on the containers. The Functions host creates containers of its own, and only the
// account gives out the key that signs the URLs of large bodies.
resource storageRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in ['Storage Blob Data Owner', 'Storage Table Data Contributor']: {
    name: guid(account.id, appPrincipalId, roles[role])
    scope: account
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[role])
    }
  }
]

// Assigned on the container of the bodies alone, because logs and the host's own files are none of the Jobs' business.
resource bodyReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (jobsReadBodies) {
  name: guid(account::blobs::payloads.id, jobPrincipalId, roles['Storage Blob Data Reader'])
  scope: account::blobs::payloads
  properties: {
    principalId: jobPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Storage Blob Data Reader']
    )
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource kubeletPulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, kubeletPrincipalId, roles.AcrPull)
  scope: registry
  properties: {
    principalId: kubeletPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.AcrPull)
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource appSendsLines 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, appPrincipalId, roles['Monitoring Metrics Publisher'])
  scope: component
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Monitoring Metrics Publisher']
    )
  }
}
