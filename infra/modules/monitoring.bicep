metadata description = 'Creates the store of the app\'s log lines: Application Insights over a Log Analytics workspace.'

import { tagsType } from '../types.bicep'

@description('Required. Name of the Log Analytics workspace.')
@minLength(4)
@maxLength(63)
param workspaceName string

@description('Required. Name of the Application Insights component.')
@minLength(1)
@maxLength(255)
param componentName string

@description('Required. Region of both.')
@minLength(1)
param location string

@description('Optional. Tags of both.')
param tags tagsType = {}

@description('Optional. Days for which the lines are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int = 30

@description('Optional. The most GB a day that are stored. Azure drops further lines of that day, and the alerts do not see them. -1 means no limit.')
@minValue(-1)
param dailyCapGb int = 10

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyCapGb }
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
    // The host signs in with the app's identity. The connection string alone lets nobody write a line.
    DisableLocalAuth: true
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Connection string with which the app sends its lines.')
output connectionString string = component.properties.ConnectionString
