metadata description = 'Creates a topic and the subscriptions that modules read.'

import { entitySettings } from '../types.bicep'

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
