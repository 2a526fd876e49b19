// The words that the modules share: what a source is, how big a pool of nodes, when an alert fires, and which roles there are.

@export()
@description('Tags of resources.')
type tagsType = {
  @description('Optional. A tag.')
  *: string
}

@export()
@sealed()
@description('Where a module takes its messages from: a queue, or one subscription of a topic.')
type sourceType = {
  @description('Conditional. Name of the queue. Required where there is no topic.')
  @minLength(1)
  @maxLength(260)
  queue: string?

  @description('Conditional. Name of the topic. Required where there is no queue.')
  @minLength(1)
  @maxLength(260)
  topic: string?

  @description('Conditional. Name of the subscription. Required with a topic.')
  @minLength(1)
  @maxLength(50)
  subscription: string?
}

@export()
@description('A topic, and those of its subscriptions that modules read.')
type topicType = {
  @description('Required. Name of the topic.')
  name: string

  @description('Required. Names of the subscriptions.')
  subscriptions: string[]
}

@export()
@sealed()
@description('A pool of nodes that grows and shrinks with what runs on it.')
type nodePoolType = {
  @description('Required. Size of its virtual machines.')
  @minLength(1)
  vmSize: string

  @description('Required. Nodes that are always there. The Dispatcher itself needs one.')
  @minValue(1)
  @maxValue(100)
  minCount: int

  @description('Required. Nodes at the most.')
  @minValue(1)
  @maxValue(1000)
  maxCount: int
}

@export()
@sealed()
@description('When alerts on the tick line fire.')
type alertLimitsType = {
  @description('Required. More messages than this that were dead-lettered in 15 minutes. 0: each one is told.')
  @minValue(0)
  deadLettersIn15Minutes: int

  @description('Required. Hours since the oldest message with an open run was enqueued: what the longest module may take with all its attempts.')
  @minValue(1)
  @maxValue(8760)
  oldestOpenRunHours: int

  @description('Required. Whether 15 minutes without a tick are told. False for an installation that scales to zero: it is silent when there is nothing to do.')
  reconcileSilent: bool
}

@export()
@description('The ids of the built-in roles that are assigned, by name. They are the same in every tenant.')
var roles = {
  AcrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  'Azure Kubernetes Service Cluster User Role': '4abbcc35-e782-43d8-92c5-2d3f1bd2253f'
  'Azure Kubernetes Service RBAC Cluster Admin': 'b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b'
  'Azure Service Bus Data Owner': '090c5cfd-751d-490a-894a-3ce6f1109419'
  'Azure Service Bus Data Receiver': '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

@export()
@description('What queues and subscriptions have in common, and what the Dispatcher relies on.')
var entitySettings = {
  // The longest there is: how long a message may be held by somebody who died. The setting LOCK_DURATION says the same.
  lockDuration: 'PT5M'
  // Never decides: attempts are counted in the row, and each deferral and requeue counts as a delivery too.
  maxDeliveryCount: 2000
  // Without it a message whose time is over while its Job runs is gone, with nobody told.
  deadLetteringOnMessageExpiration: true
  // Never, of its own: work waits as long as it must. A sender's own time to live still counts.
  defaultMessageTimeToLive: 'P10675199DT2H48M5.4775807S'
  autoDeleteOnIdle: 'P10675199DT2H48M5.4775807S'
  // A message of a session can't be settled from another process.
  requiresSession: false
}

@export()
@description('A module, as far as the infrastructure is concerned: the document of the chart\'s values has more fields.')
type moduleType = {
  @description('Required. Where it takes its messages from.')
  source: sourceType
}

@export()
@description('The sources of the modules of the chart\'s values.')
func sourcesOf(modules moduleType[]) sourceType[] => map(modules, module => module.source)
