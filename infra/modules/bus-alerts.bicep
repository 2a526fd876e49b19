metadata description = 'Creates alerts on the metrics of the bus. docs/operate.md says what to do about each.'

import { tagsType } from '../types.bicep'

@description('Required. Beginning of the alerts\' names.')
@minLength(1)
@maxLength(100)
param namePrefix string

@description('Optional. Tags of the alerts.')
param tags tagsType = {}

@description('Required. Name of the existing Service Bus namespace.')
@minLength(6)
@maxLength(50)
param serviceBusName string

@description('Required. Size of each queue and topic, in MB.')
@minValue(1)
param maxSizeInMegabytes int

@description('Required. Resource ids of the action groups that alerts are sent to.')
param actionGroupIds string[]

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: serviceBusName
}

var rules = [
  {
    name: 'bus-size'
    severity: 1
    metric: 'Size'
    aggregation: 'Maximum'
    // Four fifths of the size, in bytes.
    threshold: maxSizeInMegabytes * 1024 * 1024 / 5 * 4
    description: join(
      [
        'A queue or topic is four fifths full.'
        'Once it is full, it refuses its senders.'
        'A message takes space until it is settled, and dead letters until you remove them.'
        'Remove dead letters, or let more Jobs run.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
  }
  {
    name: 'bus-dead-letters'
    severity: 3
    metric: 'DeadletteredMessages'
    aggregation: 'Maximum'
    threshold: 0
    description: join(
      [
        'A queue or subscription has dead letters, of the Dispatcher or of the bus itself.'
        'A message that expires is one too, and the alert dead-letters does not count it.'
        'This alert stays until all are removed.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
  }
  {
    name: 'bus-throttled'
    severity: 2
    metric: 'ThrottledRequests'
    aggregation: 'Total'
    threshold: 10
    description: join(
      [
        'The bus put off more than 10 requests within 15 minutes, because the namespace is over its limits.'
        'Messages are accepted and settled late.'
        'A Standard namespace has 1,000 credits a second for all its senders and receivers.'
        'Send less at once, or move to Premium.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
  }
  {
    name: 'bus-errors'
    severity: 2
    metric: 'ServerErrors'
    aggregation: 'Total'
    threshold: 10
    description: join(
      [
        'The bus failed more than 10 requests within 15 minutes by errors of its own.'
        'The Dispatcher repeats what it may repeat, and loses nothing.'
        'Look at the health of Service Bus in this region, in the portal or at status.azure.com.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
  }
]

var actions = map(actionGroupIds, id => { actionGroupId: id })

resource rule 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for rule in rules: {
    name: '${namePrefix}-${rule.name}'
    location: 'global'
    tags: tags
    properties: {
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [bus.id]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: rule.name
            metricNamespace: 'Microsoft.ServiceBus/namespaces'
            metricName: rule.metric
            // One alert for each queue and topic.
            dimensions: [{ name: 'EntityName', operator: 'Include', values: ['*'] }]
            timeAggregation: rule.aggregation
            operator: 'GreaterThan'
            threshold: rule.threshold
            // Azure refuses a metric of a namespace that is so new that it has none yet.
            skipMetricValidation: true
          }
        ]
      }
      actions: actions
    }
  }
]
