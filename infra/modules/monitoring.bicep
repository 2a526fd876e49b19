metadata description = 'Where the log lines go: Application Insights, over a Log Analytics workspace.'

import { tagsType } from '../types.bicep'

@description('Required. Name of the workspace.')
@minLength(4)
@maxLength(63)
param workspaceName string

@description('Required. Name of the component.')
@minLength(1)
@maxLength(255)
param componentName string

@description('Required. Where they are.')
@minLength(1)
param location string

@description('Optional. Tags of both.')
param tags tagsType = {}

@description('Optional. Days that the lines are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int = 30

@description('Optional. GB a day at the most; beyond it lines are dropped, and alerts are blind. -1: no limit.')
@minValue(-1)
param dailyQuotaGb int = -1

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyQuotaGb }
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: componentName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    // The host sends with the connection string alone, which lets its holder write lines and read none.
    DisableLocalAuth: false
  }
}

@description('Id of the workspace.')
output workspaceId string = workspace.id

@description('Where, and as which component, lines are sent.')
output connectionString string = component.properties.ConnectionString
