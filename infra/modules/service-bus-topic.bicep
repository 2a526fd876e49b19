metadata description = 'One topic and those of its subscriptions that modules read, as the Dispatcher needs them, and who may read them.'

import { entitySettings, roles } from '../types.bicep'

@description('Required. Name of the namespace, which exists.')
@minLength(6)
@maxLength(50)
param namespaceName string

@description('Required. Name of the topic.')
@minLength(1)
@maxLength(260)
param name string

@description('Required. Names of the subscriptions.')
@minLength(1)
param subscriptions string[]

@description('Required. Principal of the app.')
@minLength(1)
param appPrincipalId string

@description('Required. Principal of KEDA.')
@minLength(1)
param kedaPrincipalId string

// The service writes the slash of a name as a tilde in resource ids.
resource topic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = {
  name: '${namespaceName}/${replace(name, '/', '~')}'
  properties: {
    enablePartitioning: false
    defaultMessageTimeToLive: entitySettings.defaultMessageTimeToLive
    autoDeleteOnIdle: entitySettings.autoDeleteOnIdle
  }
}

resource subscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = [
  for name in subscriptions: {
    name: name
    parent: topic
    // A filter that can't be evaluated must not swallow the message.
    properties: union(entitySettings, { deadLetteringOnFilterEvaluationExceptions: true })
  }
]

// On the subscription: a role on its topic alone does not let anybody receive from it.
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

// KEDA reads the message counts from the entity's description, which takes the right to manage it. No built-in role has less.
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
