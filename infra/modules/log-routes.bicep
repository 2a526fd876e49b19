metadata description = 'Says what the cluster\'s agent sends to the workspace: the lines of the standalone host, the state of the app\'s pods, and their events.'

import { logDetailType, tagsType } from '../types.bicep'

@description('Required. Name of the data collection rule.')
@minLength(3)
@maxLength(64)
param ruleName string

@description('Required. Region of the rule, which has to be the region of the workspace.')
@minLength(1)
param location string

@description('Optional. Tags of the rule.')
param tags tagsType = {}

@description('Required. Resource id of the workspace.')
@minLength(1)
param workspaceId string

@description('Required. Name of the existing cluster.')
@minLength(1)
@maxLength(63)
param clusterName string

@description('Required. Kubernetes namespace of the Dispatcher. Nothing is collected of any other.')
@minLength(1)
@maxLength(63)
param appNamespace string

@description('Optional. Which of the app\'s lines the workspace keeps: summary, or full.')
param logDetail logDetailType = 'summary'

// The standalone host writes its lines to stderr, as `time level function text`. The Functions host writes to stdout,
// and sends its lines itself. Transformations know few operators, and `not` is none of them.
var kept = {
  full: 'source | where PodNamespace == "${appNamespace}" and LogSource == "stderr"'
  summary: 'source | where PodNamespace == "${appNamespace}" and LogSource == "stderr" and isempty(extract("^\\\\S+ (information) accept-", 1, tostring(LogMessage)))'
}
var destination = 'workspace'
var inventory = ['Microsoft-KubePodInventory', 'Microsoft-KubeEvents']
var lines = ['Microsoft-ContainerLogV2']

resource cluster 'Microsoft.ContainerService/managedClusters@2025-10-01' existing = {
  name: clusterName
}

resource rule 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: ruleName
  location: location
  tags: tags
  kind: 'Linux'
  properties: {
    dataSources: {
      extensions: [
        {
          name: 'ContainerInsightsExtension'
          extensionName: 'ContainerInsights'
          streams: concat(inventory, lines)
          extensionSettings: {
            dataCollectionSettings: {
              interval: '5m'
              // Holds for the inventory and the events. What pods print is filtered below, because the agent asks a
              // ConfigMap of the cluster for that.
              namespaceFilteringMode: 'Include'
              namespaces: [appNamespace]
              enableContainerLogV2: true
            }
          }
        }
      ]
    }
    destinations: {
      logAnalytics: [{ name: destination, workspaceResourceId: workspaceId }]
    }
    dataFlows: [
      { streams: inventory, destinations: [destination] }
      { streams: lines, destinations: [destination], transformKql: kept[logDetail] }
    ]
  }
}

// The agent asks for a rule by this name.
resource association 'Microsoft.Insights/dataCollectionRuleAssociations@2023-03-11' = {
  name: 'ContainerInsightsExtension'
  scope: cluster
  properties: {
    description: 'If this is deleted, the lines of the standalone image and the state of the pods are no longer collected.'
    dataCollectionRuleId: rule.id
  }
}
