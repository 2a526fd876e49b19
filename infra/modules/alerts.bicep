metadata description = 'Creates alerts on the app\'s log lines, on its pods and on what KEDA says of it. docs/operate.md says what to do about each.'

import { alertLimitsType, tagsType } from '../types.bicep'

@description('Required. Beginning of the alerts\' names.')
@minLength(1)
@maxLength(100)
param namePrefix string

@description('Required. Region of the alerts, which has to be the region of the workspace.')
@minLength(1)
param location string

@description('Optional. Tags of the alerts.')
param tags tagsType = {}

@description('Required. Resource id of the workspace that holds the log lines.')
@minLength(1)
param workspaceId string

@description('Required. Kubernetes namespace of the Dispatcher.')
@minLength(1)
@maxLength(63)
param appNamespace string

@description('Required. Name of the instance, which its lines carry.')
@minLength(1)
@maxLength(40)
param instance string

@description('Required. The limits at which the alerts fire.')
param limits alertLimitsType

@description('Optional. Mail addresses that alerts are sent to.')
param emails string[] = []

@description('Optional. Resource ids of existing action groups that alerts are sent to.')
param actionGroupIds string[] = []

// The Functions host sends the app's lines to AppTraces. The standalone host writes them to stderr, each after a time, a
// level and a name, and the cluster's agent sends them to ContainerLogV2. A workspace that is new lacks both tables.
var lines = join(
  [
    'union isfuzzy=true'
    '  (AppTraces | project TimeGenerated, Message),'
    '  (ContainerLogV2 | where LogSource == "stderr" | project TimeGenerated, Message = extract("[{].*[}]", 0, tostring(LogMessage)))'
    '| extend line = parse_json(Message)'
    '| where line.instance == "${instance}"'
    ''
  ],
  '\n'
)

// A tick ends with one of two lines. If it is held up, its line still has the numbers of what it did before.
var ticks = '${lines}| where line.message in ("reconciled", "reconcile is held up")\n'

// Two kinds of lines count dead letters. The trigger dead-letters a message that can never work, and counts it in the
// line of its delivery. A tick dead-letters all others.
var deliveries = '${lines}| where Message has "deadLettered"\n'

// A tick tells what it found held. So does a trigger, because another replica may tick than the one that sees another
// cluster.
var holds = '${lines}| where Message has "held"\n'

var rules = [
  {
    name: 'dead-letters'
    severity: 2
    minutes: 15
    description: join(
      [
        'More than ${limits.deadLettersIn15Minutes} messages were dead-lettered within 15 minutes.'
        'They have failed for good, and stay on the dead letter queue of their source.'
        'Read the reason and the properties of these messages, then remove the cause.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${deliveries}| summarize value = sum(toint(line.deadLettered))'
    operator: 'GreaterThan'
    threshold: limits.deadLettersIn15Minutes
    enabled: true
  }
  {
    name: 'oldest-open-run'
    severity: 2
    minutes: 15
    description: join(
      [
        'A message was enqueued or redriven more than ${limits.oldestOpenRunHours} hours ago, and its run is still open.'
        'The message is not lost, but it is stuck or waits for something.'
        'Find the run with dispatcher runs ls.'
        'Read its status, notBefore and lastError.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = max(tolong(line.oldestAgeMs)) / 3600000.0'
    operator: 'GreaterThan'
    threshold: limits.oldestOpenRunHours
    enabled: true
  }
  {
    name: 'reconcile-silent'
    severity: 1
    minutes: 15
    description: join(
      [
        'No tick has ended for 15 minutes, or its log lines do not arrive.'
        'Until one ends, no attempt is repeated and no message of a finished Job is settled.'
        'No message is lost.'
        'Look at the pods (kubectl -n dispatcher get pods).'
        'Then read their log (kubectl -n dispatcher logs deployment/dispatcher --tail 50).'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${lines}| where line.message == "reconciled"\n| summarize value = count()'
    operator: 'LessThan'
    threshold: 1
    enabled: limits.reconcileSilent
  }
  {
    name: 'orphans'
    severity: 2
    minutes: 15
    description: join(
      [
        'There are deferred messages or Jobs that no open run speaks of.'
        'Most likely another instance reads the same source, or rows were deleted from the table.'
        'Messages of another owner, and Jobs, stay as they are until a person decides.'
        'List the messages (kubectl -n dispatcher exec deploy/dispatcher -- node dist/cli/main.js repair).'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = max(toint(line.orphans))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'undelivered'
    severity: 1
    minutes: 15
    description: join(
      [
        'A queue or subscription has a message that is older than 15 minutes and in no delivery.'
        'Either the bus stopped sending to the pods, or each delivery of that message is left.'
        'No message is lost.'
        'Read why deliveries are left (kubectl -n dispatcher logs deployment/dispatcher --tail 200).'
        'If there are none, restart the pods (kubectl -n dispatcher rollout restart deployment/dispatcher).'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = max(toint(line.undelivered))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'lost'
    severity: 1
    minutes: 15
    description: join(
      [
        'Messages with an open run are gone from the bus, and the Dispatcher did not settle them.'
        'Either another receiver settles messages of the queue or subscription, or it was deleted.'
        'Stop the other receiver.'
        'Find the runs by the log line "closed a run as lost", and check whether their work was done.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = sum(toint(line.lost))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'not-started'
    severity: 2
    minutes: 15
    description: join(
      [
        'A Job has not started for longer than the startTimeout of its module.'
        'Its message waits for the cluster and is not lost; the wait costs it no attempt.'
        'The field waiting of the tick line says what for: nodes, a quota, a webhook, the scheduler.'
        'Give the cluster what it lacks, and the Job starts by itself.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = max(toint(line.notStarted))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'overdue'
    severity: 2
    minutes: 15
    description: join(
      [
        'A Job is past the time limit of its pod and still not over.'
        'Most likely its node is dead.'
        'The Dispatcher waits, because a second Job could run beside the first.'
        'Make sure that the node is off, then delete it (kubectl delete node NODE).'
        'The steps, also if the node cannot be deleted, are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = max(toint(line.overdue))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'held'
    severity: 1
    minutes: 15
    description: join(
      [
        'The cluster or a source is held, because it may be the wrong one.'
        'Either this is another cluster or namespace than the Jobs are in, or too many Jobs are missing.'
        'Or a queue or subscription does not exist, or too many of its messages are missing.'
        'Its runs wait. The runs of a missing queue or subscription are lost after 24 hours.'
        'See which it is (kubectl -n dispatcher exec deploy/dispatcher -- node dist/cli/main.js repair).'
        'Point the Dispatcher back at the right one.'
        'The steps, also if it is gone for good, are in docs/operate.md.'
      ],
      ' '
    )
    query: '${holds}| summarize value = max(toint(line.held))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'held-messages'
    severity: 2
    minutes: 15
    description: join(
      [
        'Ten messages in a row were rejected and none was accepted, so others are held.'
        'Most likely a when or a schema in the last deployment is wrong.'
        'Deploy the right module file: the messages are then judged again.'
        'List what is held (kubectl -n dispatcher exec deploy/dispatcher -- node dist/cli/main.js repair).'
        'The steps, also if the messages are bad, are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = max(coalesce(toint(line.waiting.held), 0))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'module-stopped'
    severity: 1
    minutes: 15
    description: join(
      [
        'Messages of a module wait, and none of them starts a Job until a person does something.'
        'Its Jobs could not start, for a broken image or a missing Secret, or its runs can\'t be settled.'
        'Or its file is gone.'
        'No message is lost, and none loses an attempt.'
        'The field waiting of the tick line says which it is: module-tripped, unsettled or module-removed.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = max(coalesce(toint(line.waiting["module-tripped"]), 0) + coalesce(toint(line.waiting.unsettled), 0) + coalesce(toint(line.waiting["module-removed"]), 0))'
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'failing'
    severity: 2
    minutes: 15
    description: join(
      [
        'In more than one of ten ticks of the last 15 minutes, a step failed, or the tick broke off.'
        'Each step is tried again, and no message is lost.'
        'Read what fails and why (kubectl -n dispatcher logs deployment/dispatcher --tail 200).'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = 100.0 * countif(toint(line.failed) > 0 or line.message == "reconcile is held up") / max_of(count(), 1)'
    operator: 'GreaterThan'
    threshold: 10
    enabled: true
  }
  {
    name: 'postponed'
    severity: 3
    minutes: 15
    description: join(
      [
        'In more than half of the ticks of the last 15 minutes, the time was over before all runs had their turn.'
        'Jobs start late, and messages are settled late.'
        'Either a server answers slowly, or there are more runs at work than a tick can follow.'
        'Look at ms in the tick line, and at the time limits of table, bus and API server.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: '${ticks}| summarize value = 100.0 * countif(toint(line.postponed) > 0) / max_of(count(), 1)'
    operator: 'GreaterThan'
    threshold: 50
    enabled: true
  }
  {
    name: 'pod-restarts'
    severity: 2
    minutes: 15
    description: join(
      [
        'A container of the Dispatcher was restarted within 15 minutes.'
        'No message is lost, but if it goes on, none is handled.'
        'See why it ended (kubectl -n dispatcher describe pods), then read the log of before.'
        'That is kubectl -n dispatcher logs deployment/dispatcher --previous --tail 50.'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: join(
      [
        'KubePodInventory'
        '| where Namespace == "${appNamespace}"'
        '| summarize restarts = max(ContainerRestartCount) - min(ContainerRestartCount) by PodUid, ContainerName'
        '| summarize value = sum(restarts)'
      ],
      '\n'
    )
    operator: 'GreaterThan'
    threshold: 0
    enabled: true
  }
  {
    name: 'scaling'
    severity: 2
    minutes: 15
    description: join(
      [
        'KEDA warned of the ScaledObject of the Dispatcher more than once within 15 minutes.'
        'It can\'t count the messages, or can\'t scale.'
        'The replicas that run go on, but their number no longer follows the messages.'
        'Read why (kubectl -n dispatcher describe scaledobject dispatcher).'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: join(
      [
        'KubeEvents'
        '| where Namespace == "${appNamespace}" and ObjectKind == "ScaledObject" and KubeEventType == "Warning"'
        '| summarize value = count()'
      ],
      '\n'
    )
    operator: 'GreaterThan'
    threshold: 1
    enabled: true
  }
  {
    name: 'no-deliveries'
    severity: 1
    minutes: 30
    description: join(
      [
        'Messages came to the bus 10 to 30 minutes ago, and the bus has delivered none in these 30 minutes.'
        'No replica takes messages: none runs, or none reaches the bus.'
        'No message is lost.'
        'See whether a pod runs and is ready (kubectl -n dispatcher get pods,scaledobject).'
        'The steps are in docs/operate.md.'
      ],
      ' '
    )
    query: join(
      [
        'AzureMetrics'
        '| where ResourceProvider =~ "Microsoft.ServiceBus"'
        '| summarize came = sumif(Total, MetricName == "IncomingMessages" and TimeGenerated < ago(10m)), went = sumif(Total, MetricName == "OutgoingMessages")'
        '| summarize value = countif(came > 0 and went == 0)'
      ],
      '\n'
    )
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

var actionGroups = concat(actionGroupIds, empty(emails) ? [] : [mail.id])

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
      // Azure would refuse the query while the workspace is new and has no table for the lines yet.
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
      actions: { actionGroups: actionGroups }
    }
  }
]

@description('Resource ids of the action groups that the alerts are sent to.')
output actionGroupIds string[] = actionGroups
