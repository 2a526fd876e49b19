metadata description = 'Alerts on the line that every tick of the reconciler ends with. What each means, and what to do: docs/operate.md.'

import { alertLimitsType, tagsType } from '../types.bicep'

@description('Required. How the alerts\' names begin.')
@minLength(1)
@maxLength(100)
param namePrefix string

@description('Required. Where they are: the workspace\'s region.')
@minLength(1)
param location string

@description('Optional. Tags of the alerts.')
param tags tagsType = {}

@description('Required. Id of the workspace with the lines.')
@minLength(1)
param workspaceId string

@description('Required. When they fire.')
param limits alertLimitsType

@description('Optional. Addresses that are told.')
param emails string[] = []

@description('Optional. Ids of action groups that are told.')
param actionGroupIds string[] = []

// A tick that is held up says what it did before that, in a line of its own.
var lines = '''
AppTraces
| where Message has "reconciled" or Message has "reconcile is held up"
| extend line = parse_json(Message)
'''
var ticks = '${lines}| where line.message in ("reconciled", "reconcile is held up")\n'

// A message that can never work is dead-lettered by the trigger, and counted in the line of its delivery; all others by a tick.
var deliveries = '''
AppTraces
| where Message has "deadLettered"
| extend line = parse_json(Message)
'''

var rules = [
  {
    name: 'dead-letters'
    severity: 2
    minutes: 15
    description: 'More messages than usual were dead-lettered. Their reason is on the messages themselves.'
    query: '${deliveries}| summarize value = sum(toint(line.deadLettered))'
    operator: 'GreaterThan'
    threshold: limits.deadLettersIn15Minutes
    enabled: true
  }
  {
    name: 'oldest-open-run'
    severity: 2
    minutes: 15
    description: 'A message is on its way for longer than the longest module may take. Find its run: the table\'s open| rows have its status.'
    query: '${ticks}| summarize value = max(tolong(line.oldestAgeMs)) / 3600000.0'
    operator: 'GreaterThan'
    threshold: limits.oldestOpenRunHours
    enabled: true
  }
  {
    name: 'reconcile-silent'
    severity: 1
    minutes: 15
    description: 'No tick came to its end for 15 minutes: nothing is retried or settled. No message is lost by it. Look at the Dispatcher\'s pods.'
    query: '${lines}| where line.message == "reconciled"\n| summarize value = count()'
    operator: 'LessThan'
    threshold: 1
    enabled: limits.reconcileSilent
  }
  {
    name: 'orphans'
    severity: 2
    minutes: 15
    description: 'There are deferred messages or Jobs that no open run speaks of: another Dispatcher on the source, or rows that somebody deleted.'
    query: '${ticks}| summarize value = max(toint(line.orphans))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'lost'
    severity: 1
    minutes: 15
    description: 'Messages with an open run are gone from the bus: somebody else settles messages of the entity, or deleted it.'
    query: '${ticks}| summarize value = sum(toint(line.lost))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'overdue'
    severity: 2
    minutes: 15
    description: 'A Job is past all its own time limits and not over: its node is dead, and only a person may force it.'
    query: '${ticks}| summarize value = max(toint(line.overdue))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
]

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: '${namePrefix}-mail'
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'Dispatcher'
    enabled: true
    emailReceivers: [
      for email in emails: {
        name: email
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource rule 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${namePrefix}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${namePrefix}: ${rule.name}'
      description: rule.description
      severity: rule.severity
      enabled: rule.enabled
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT${rule.minutes}M'
      autoMitigate: true
      // The workspace is new, and holds no line yet.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Maximum'
            metricMeasureColumn: 'value'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: concat(actionGroupIds, empty(emails) ? [] : [mail.id]) }
    }
  }
]
