metadata description = 'Creates a queue with the settings that the Dispatcher needs, and lets the app and KEDA read it.'

import { entitySettings, roles } from '../types.bicep'

@description('Required. Name of the existing Service Bus namespace.')
@minLength(6)
@maxLength(50)
param namespaceName string

@description('Required. Name of the queue.')
@minLength(1)
@maxLength(260)
param name string

@description('Required. Size in MB at which the queue refuses its senders.')
@minValue(1024)
@maxValue(81920)
param maxSizeInMegabytes int

@description('Required. Principal of the app, which receives and settles messages.')
@minLength(1)
param appPrincipalId string

@description('Required. Principal of KEDA, which counts messages.')
@minLength(1)
param kedaPrincipalId string

// In resource ids, Service Bus writes the slash of a name as a tilde.
resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  name: '${namespaceName}/${replace(name, '/', '~')}'
  properties: union(entitySettings, { enablePartitioning: false, maxSizeInMegabytes: maxSizeInMegabytes })
}

resource appReceives 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queue.id, 'app', roles['Azure Service Bus Data Receiver'])
  scope: queue
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Azure Service Bus Data Receiver']
    )
  }
}

// KEDA reads the message counts from the entity's description, which takes the right to manage the entity.
// Of the built-in roles, only this one has it.
resource kedaCounts 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queue.id, 'keda', roles['Azure Service Bus Data Owner'])
  scope: queue
  properties: {
    principalId: kedaPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Azure Service Bus Data Owner']
    )
  }
}
