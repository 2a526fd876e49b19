metadata description = 'A container registry without passwords, from which the cluster pulls.'

import { roles, tagsType } from '../types.bicep'

@description('Required. Name of the registry, unique in the world.')
@minLength(5)
@maxLength(50)
param name string

@description('Required. Where it is.')
@minLength(1)
param location string

@description('Optional. Tags of the registry.')
param tags tagsType = {}

@description('Optional. How much it holds and serves.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string = 'Basic'

@description('Required. Principal of the cluster\'s kubelets.')
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
