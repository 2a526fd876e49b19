metadata description = 'A Service Bus namespace with the queues, topics and subscriptions that the modules read, and who may read them.'

import { tagsType, topicType } from '../types.bicep'

@description('Required. Name of the namespace, unique in the world.')
@minLength(6)
@maxLength(50)
param name string

@description('Required. Where it is.')
@minLength(1)
param location string

@description('Optional. Tags of the namespace.')
param tags tagsType = {}

@description('Optional. Standard takes messages of 256 KB; Premium of 1 MB, in a network of its own. Basic has no topics, and keeps nothing for longer than 14 days.')
@allowed(['Standard', 'Premium'])
param sku string = 'Standard'

@description('Optional. Messaging units, with Premium.')
@allowed([1, 2, 4, 8, 16])
param capacity int = 1

@description('Required. Names of the queues.')
param queues string[]

@description('Required. The topics with their subscriptions.')
param topics topicType[]

@description('Optional. Whether it is locked against deletion.')
param lock bool = false

@description('Required. Principal of the app: it receives and settles.')
@minLength(1)
param appPrincipalId string

@description('Required. Principal of KEDA: it counts.')
@minLength(1)
param kedaPrincipalId string

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    tier: sku
    capacity: sku == 'Premium' ? capacity : null
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    // Partitioned entities number their messages beyond what the Functions host can hand over.
    premiumMessagingPartitions: sku == 'Premium' ? 1 : null
  }
}

resource kept 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: namespace
  properties: {
    level: 'CanNotDelete'
    notes: 'The messages are here.'
  }
}

module queue 'service-bus-queue.bicep' = [
  for name in queues: {
    name: 'queue-${uniqueString(name)}'
    params: {
      namespaceName: namespace.name
      name: name
      appPrincipalId: appPrincipalId
      kedaPrincipalId: kedaPrincipalId
    }
  }
]

module topic 'service-bus-topic.bicep' = [
  for topic in topics: {
    name: 'topic-${uniqueString(topic.name)}'
    params: {
      namespaceName: namespace.name
      name: topic.name
      subscriptions: topic.subscriptions
      appPrincipalId: appPrincipalId
      kedaPrincipalId: kedaPrincipalId
    }
  }
]

@description('Host name of the namespace.')
output fullyQualifiedNamespace string = replace(
  replace(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':443', ''),
  '/',
  ''
)
