metadata description = 'Creates a topic and the subscriptions that modules read, and lets the app and KEDA read them.'

import { entitySettings, roles } from '../types.bicep'

@description('Required. Name of the existing Service Bus namespace.')
@minLength(6)
@maxLength(50)
param namespaceName string

@description('Required. Name of the topic.')
@minLength(1)
@maxLength(260)
param name string

@description('Required. Size in MB at which the topic refuses its senders. The copies in all subscriptions count.')
@minValue(1024)
@maxValue(81920)
param maxSizeInMegabytes int

@description('Required. Names of the subscriptions.')
@minLength(1)
param subscriptions string[]

@description('Required. Principal of the app, which receives and settles messages.')
@minLength(1)
param appPrincipalId string

@description('Required. Principal of KEDA, which counts messages.')
@minLength(1)
param kedaPrincipalId string

// In resource ids, Service Bus writes the slash of a name as a tilde.
resource topic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = {
  name: '${namespaceName}/${replace(name, '/', '~')}'
  properties: {
    enablePartitioning: false
    maxSizeInMegabytes: maxSizeInMegabytes
    defaultMessageTimeToLive: entitySettings.defaultMessageTimeToLive
    autoDeleteOnIdle: entitySettings.autoDeleteOnIdle
  }
}

resource subscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = [
  for name in subscriptions: {
    name: name
    parent: topic
    // Keeps a message on the dead letter queue if the subscription's filter fails on it. Otherwise the message would be
    // lost.
    properties: union(entitySettings, { deadLetteringOnFilterEvaluationExceptions: true })
  }
]

// Assigned on each subscription, because a role on the topic alone does not allow receiving from a subscription.
resource appReceives 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in subscriptions: {
    name: guid(topic.id, name, 'app', roles['Azure Service Bus Data Receiver'])
    scope: subscription[index]
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles['Azure Service Bus Data Receiver']
      )
    }
  }
]

// KEDA reads the message counts from the entity's description, which takes the right to manage the entity.
// Of the built-in roles, only this one has it.
resource kedaCounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in subscriptions: {
    name: guid(topic.id, name, 'keda', roles['Azure Service Bus Data Owner'])
    scope: subscription[index]
    properties: {
      principalId: kedaPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles['Azure Service Bus Data Owner']
      )
    }
  }
]
