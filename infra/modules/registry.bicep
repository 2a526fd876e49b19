metadata description = 'Creates a container registry without passwords, and lets the cluster pull from it.'

import { roles, tagsType } from '../types.bicep'

@description('Required. Name of the registry. No other registry in Azure may have it.')
@minLength(5)
@maxLength(50)
param name string

@description('Required. Region of the registry.')
@minLength(1)
param location string

@description('Optional. Tags of the registry.')
param tags tagsType = {}

@description('Optional. Tier. It sets how much the registry stores, and how fast it serves.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string = 'Basic'

@description('Required. Principal of the identity with which the cluster\'s nodes pull images.')
@minLength(1)
param kubeletPrincipalId string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
  }
}

resource kubeletPulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, 'kubelet', roles.AcrPull)
  scope: registry
  properties: {
    principalId: kubeletPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.AcrPull)
  }
}

@description('Name of the registry.')
output name string = registry.name

@description('Host name of the registry.')
output loginServer string = registry.properties.loginServer
