metadata description = 'Creates the Dispatcher\'s storage account, for rows, large bodies, logs, and files of the Functions host.'

import { logsContainer, payloadsContainer, tagsType } from '../types.bicep'

@description('Required. Name of the account. No other account in Azure may have it.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region of the account.')
@minLength(1)
param location string

@description('Optional. Tags of the account.')
param tags tagsType = {}

@description('Optional. Replication. LRS keeps three copies in one data centre, ZRS three copies in three zones, GZRS also copies in another region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param sku string = 'Standard_LRS'

@description('Optional. Name of the table that holds the runs. The chart gets it as settings.table.')
@minLength(3)
@maxLength(63)
param tableName string = 'DispatcherRuns'

@description('Optional. Days for which the logs of attempts are kept.')
@minValue(1)
@maxValue(36500)
param logRetentionDays int = 90

@description('Optional. Whether a lock protects the account from deletion.')
param lock bool = false

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

    // Holds the bodies that are too large for a Job, or all if the Jobs read them with their own identity. The app
    // deletes a body after its run has ended. No rule may delete one earlier, because the Job still reads it.
    resource payloads 'containers' = {
      name: payloadsContainer
      properties: { publicAccess: 'None' }
    }

    resource logs 'containers' = {
      name: logsContainer
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
    notes: 'Deleting this account deletes all runs and logs.'
  }
}

@description('Name of the account.')
output name string = account.name

@description('URL of the blobs, as this cloud names it.')
output blobServiceUri string = account.properties.primaryEndpoints.blob

@description('URL of the tables, as this cloud names it.')
output tableServiceUri string = account.properties.primaryEndpoints.table

@description('Name of the table.')
output tableName string = account::tables::runs.name
