metadata description = 'Creates a Service Bus namespace with the modules\' queues, topics and subscriptions.'

import { tagsType, topicType } from '../types.bicep'

@description('Required. Name of the namespace. No other namespace in Azure may have it.')
@minLength(6)
@maxLength(50)
param name string

@description('Required. Region of the namespace.')
@minLength(1)
param location string

@description('Optional. Tags of the namespace.')
param tags tagsType = {}

@description('Optional. Tier. Standard takes messages up to 256 KB, Premium up to 1 MB. Basic is not allowed, because it has no topics and keeps messages for 14 days at most.')
@allowed(['Standard', 'Premium'])
param sku string = 'Standard'

@description('Optional. Messaging units of a Premium namespace. A Standard namespace has none.')
@allowed([1, 2, 4, 8, 16])
param capacity int = 1

@description('Required. Size in MB at which a queue or topic refuses its senders.')
@minValue(1024)
@maxValue(81920)
param maxSizeInMegabytes int

@description('Required. Names of the queues.')
param queues string[]

@description('Required. The topics with their subscriptions.')
param topics topicType[]

@description('Optional. Whether a lock protects the namespace from deletion.')
param lock bool = false

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
    // One partition, because partitioned entities give messages sequence numbers that are too large for the Functions
    // host.
    premiumMessagingPartitions: sku == 'Premium' ? 1 : null
  }
}

resource kept 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: namespace
  properties: {
    level: 'CanNotDelete'
    notes: 'Deleting this namespace deletes all messages.'
  }
}

module queue 'service-bus-queue.bicep' = [
  for name in queues: {
    name: 'queue-${uniqueString(name)}'
    params: {
      namespaceName: namespace.name
      name: name
      maxSizeInMegabytes: maxSizeInMegabytes
    }
  }
]

module topic 'service-bus-topic.bicep' = [
  for topic in topics: {
    name: 'topic-${uniqueString(topic.name)}'
    params: {
      namespaceName: namespace.name
      name: topic.name
      maxSizeInMegabytes: maxSizeInMegabytes
      subscriptions: topic.subscriptions
    }
  }
]

@description('Host name of the namespace.')
output fullyQualifiedNamespace string = replace(
  replace(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':443', ''),
  '/',
  ''
)
