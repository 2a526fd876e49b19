metadata description = 'Creates a queue with the settings that the Dispatcher needs.'

import { entitySettings } from '../types.bicep'

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

// In resource ids, Service Bus writes the slash of a name as a tilde.
resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  name: '${namespaceName}/${replace(name, '/', '~')}'
  properties: union(entitySettings, { enablePartitioning: false, maxSizeInMegabytes: maxSizeInMegabytes })
}
