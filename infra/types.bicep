// Types and constants that the modules share: sources, pools of nodes, limits of alerts, roles, and settings of
// entities.

@export()
@description('Tags of resources, by name.')
type tagsType = {
  @description('Optional. Value of the tag.')
  *: string
}

@export()
@sealed()
@description('Where a module takes its messages from: a queue, or one subscription of a topic.')
type sourceType = {
  @description('Conditional. Name of the queue. Required if there is no topic.')
  @minLength(1)
  @maxLength(260)
  queue: string?

  @description('Conditional. Name of the topic. Required if there is no queue.')
  @minLength(1)
  @maxLength(260)
  topic: string?

  @description('Conditional. Name of the subscription. Required with a topic.')
  @minLength(1)
  @maxLength(50)
  subscription: string?
}

@export()
@description('A topic, and its subscriptions that modules read.')
type topicType = {
  @description('Required. Name of the topic.')
  name: string

  @description('Required. Names of the subscriptions.')
  subscriptions: string[]
}

@export()
@sealed()
@description('A pool of nodes. The cluster autoscaler adds and removes nodes as the pods need them.')
type nodePoolType = {
  @description('Required. Size of its virtual machines.')
  @minLength(1)
  vmSize: string

  @description('Required. The fewest nodes.')
  @minValue(1)
  @maxValue(100)
  minCount: int

  @description('Required. The most nodes.')
  @minValue(1)
  @maxValue(1000)
  maxCount: int

  @description('Optional. How many nodes an upgrade drains at once: a number, or a share of the pool, rounded up. It adds as many new ones first, which takes quota. Few large batches interrupt a long Job less often than many small ones. Default: 33%.')
  maxSurge: string?

  @description('Optional. Minutes that an upgrade waits for the pods of a drained node to end. If they take longer, the upgrade stops. Default: 30.')
  @minValue(5)
  @maxValue(1440)
  drainTimeoutMinutes: int?

  @description('Optional. Minutes that an upgrade waits between draining nodes and replacing them. Default: 0.')
  @minValue(0)
  @maxValue(30)
  soakMinutes: int?
}

@export()
@sealed()
@description('The limits at which the alerts fire.')
type alertLimitsType = {
  @description('Required. An alert fires if more messages than this are dead-lettered within 15 minutes. With 0, every dead letter fires it.')
  @minValue(0)
  deadLettersIn15Minutes: int

  @description('Required. An alert fires if a run is still open more than this many hours after its message was enqueued. Set it to the hours that the slowest module may take with all its attempts.')
  @minValue(1)
  @maxValue(8760)
  oldestOpenRunHours: int

  @description('Required. Whether an alert fires if no tick ends for 15 minutes. Set it to false if the chart scales to zero, because a sleeping app writes no tick line.')
  reconcileSilent: bool
}

@export()
@description('Which of the app\'s lines the workspace keeps. With summary: those of the ticks, so that each message has one line, and all warnings. With full: every line of the app.')
type logDetailType = 'summary' | 'full'

@export()
@description('Ids of the built-in roles that the modules assign, by name. They are the same in every tenant.')
var roles = {
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  AcrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  'Azure Kubernetes Service Cluster User Role': '4abbcc35-e782-43d8-92c5-2d3f1bd2253f'
  'Azure Kubernetes Service RBAC Reader': '7f6c6a51-bcf8-42ba-9220-52d62157d7db'
  'Azure Service Bus Data Owner': '090c5cfd-751d-490a-894a-3ce6f1109419'
  'Azure Service Bus Data Receiver': '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  'Azure Service Bus Data Sender': '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  'Log Analytics Reader': '73c42c96-874c-492b-b04d-ab87d138a893'
  Reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
  'Storage Blob Data Reader': '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  'Storage Table Data Reader': '76199698-9eea-4c19-bc75-cec21354c6b6'
}

@export()
@description('Container of the bodies, as the app names it.')
var payloadsContainer = 'dispatcher-payloads'

@export()
@description('Container of the logs of attempts, as the app names it.')
var logsContainer = 'dispatcher-logs'

@export()
@description('Settings of every queue and subscription. The Dispatcher relies on them.')
var entitySettings = {
  // The longest that Service Bus allows. After a crash, a message stays locked for as long. LOCK_DURATION has the same
  // value.
  lockDuration: 'PT5M'
  // So high that it ends no message. The row counts the attempts, because each deferral and requeue is a delivery too.
  maxDeliveryCount: 2000
  // Without it, a message that expires while its Job runs disappears without a trace.
  deadLetteringOnMessageExpiration: true
  // Never, because work waits for as long as it must. A message expires only if its sender set a time to live.
  defaultMessageTimeToLive: 'P10675199DT2H48M5.4775807S'
  autoDeleteOnIdle: 'P10675199DT2H48M5.4775807S'
  // No sessions, because only the receiver that holds a session can settle its messages.
  requiresSession: false
}

@export()
@description('The part of a module that the infrastructure needs. In the chart\'s values a module has more fields.')
type moduleType = {
  @description('Required. Where the module takes its messages from.')
  source: sourceType
}

@export()
@description('Returns the source of each module in the chart\'s values.')
func sourcesOf(modules moduleType[]) sourceType[] => map(modules, module => module.source)

@export()
@description('A role, by its name in roles, for one principal.')
type grantType = {
  @description('Required. Name of the role.')
  role: string

  @description('Required. Object id of the principal.')
  principalId: string
}

@export()
@description('Returns a grant of the role for each principal.')
func grantsOf(role string, principalIds string[]) grantType[] =>
  map(principalIds, principalId => { role: role, principalId: principalId })
