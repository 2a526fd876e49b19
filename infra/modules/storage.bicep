metadata description = 'A storage account of the Dispatcher\'s own: rows, large bodies, logs, and what the Functions host keeps there.'

import { roles, tagsType } from '../types.bicep'

@description('Required. Name of the account, unique in the world.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Where it is.')
@minLength(1)
param location string

@description('Optional. Tags of the account.')
param tags tagsType = {}

@description('Optional. How often everything is kept. ZRS: in three zones of the region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param sku string = 'Standard_LRS'

@description('Optional. The table with the runs: the chart\'s settings.table.')
@minLength(3)
@maxLength(63)
param tableName string = 'DispatcherRuns'

@description('Optional. Days that the logs of attempts are kept.')
@minValue(1)
@maxValue(36500)
param logRetentionDays int = 90

@description('Optional. Whether it is locked against deletion.')
param lock bool = false

@description('Required. Principal of the app.')
@minLength(1)
param appPrincipalId string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: { enabled: true, keyType: 'Account' }
        table: { enabled: true, keyType: 'Account' }
      }
    }
  }

  resource tables 'tableServices' = {
    name: 'default'

    resource runs 'tables' = {
      name: tableName
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    }

    // Bodies too large for a Job. A body is deleted with its run's end and no earlier, so no rule clears these away.
    resource payloads 'containers' = {
      name: 'dispatcher-payloads'
      properties: { publicAccess: 'None' }
    }

    resource logs 'containers' = {
      name: 'dispatcher-logs'
      properties: { publicAccess: 'None' }
    }
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: [
          {
            name: 'delete-old-logs'
            type: 'Lifecycle'
            enabled: true
            definition: {
              filters: {
                blobTypes: ['blockBlob']
                prefixMatch: ['${blobs::logs.name}/']
              }
              actions: {
                baseBlob: { delete: { daysAfterModificationGreaterThan: logRetentionDays } }
              }
            }
          }
        ]
      }
    }
  }
}

resource kept 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'keep'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'The runs are here.'
  }
}

// On the account, not on the containers: the Functions host makes containers of its own, and the key that signs the URLs of large bodies
// is the account's to give.
resource appRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in ['Storage Blob Data Owner', 'Storage Table Data Contributor']: {
    name: guid(account.id, 'app', roles[role])
    scope: account
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[role])
    }
  }
]

@description('Name of the account.')
output name string = account.name

@description('Name of the table.')
output tableName string = account::tables::runs.name
