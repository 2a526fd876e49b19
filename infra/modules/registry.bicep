metadata description = 'Creates a container registry without passwords.'

import { tagsType } from '../types.bicep'

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

@description('Name of the registry.')
output name string = registry.name

@description('Host name of the registry.')
output loginServer string = registry.properties.loginServer
