metadata description = 'One queue, as the Dispatcher needs it, and who may read it.'

import { entitySettings, roles } from '../types.bicep'

@description('Required. Name of the namespace, which exists.')
@minLength(6)
@maxLength(50)
param namespaceName string

@description('Required. Name of the queue.')
@minLength(1)
@maxLength(260)
param name string

@description('Required. Principal of the app.')
@minLength(1)
param appPrincipalId string

@description('Required. Principal of KEDA.')
@minLength(1)
param kedaPrincipalId string

// The service writes the slash of a name as a tilde in resource ids.
resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  name: '${namespaceName}/${replace(name, '/', '~')}'
  properties: union(entitySettings, { enablePartitioning: false })
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

// KEDA reads the message counts from the entity's description, which takes the right to manage it. No built-in role has less.
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
