metadata description = 'A Kubernetes cluster where people and pods are known by Microsoft Entra ID alone, with KEDA.'

import { nodePoolType, roles, tagsType } from '../types.bicep'

@description('Required. Name of the cluster.')
@minLength(1)
@maxLength(63)
param name string

@description('Required. Where it is.')
@minLength(1)
param location string

@description('Optional. Tags of the cluster.')
param tags tagsType = {}

@description('Optional. Standard: an API server with a service level.')
@allowed(['Free', 'Standard', 'Premium'])
param tier string = 'Free'

@description('Optional. Version of Kubernetes, such as 1.34. Without it: the default of the region.')
param kubernetesVersion string = ''

@description('Required. The nodes of the cluster\'s own pods.')
param systemPool nodePoolType

@description('Required. The nodes of the Dispatcher and its Jobs.')
param workPool nodePoolType

@description('Optional. Availability zones of the nodes.')
param availabilityZones string[] = []

@description('Optional. Address ranges that may reach the API server. Without them: every address, with a token.')
param authorizedIpRanges string[] = []

@description('Required. Object id of who deploys, and installs the chart.')
@minLength(1)
param deployerPrincipalId string

var poolDefaults = {
  type: 'VirtualMachineScaleSets'
  osType: 'Linux'
  osSKU: 'AzureLinux'
  enableAutoScaling: true
  enableNodePublicIP: false
  availabilityZones: availabilityZones
  upgradeSettings: { maxSurge: '10%' }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-10-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Base', tier: tier }
  identity: { type: 'SystemAssigned' }
  properties: {
    dnsPrefix: name
    kubernetesVersion: empty(kubernetesVersion) ? null : kubernetesVersion
    enableRBAC: true
    disableLocalAccounts: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
      tenantID: tenant().tenantId
    }
    oidcIssuerProfile: { enabled: true }
    securityProfile: { workloadIdentity: { enabled: true } }
    workloadAutoScalerProfile: { keda: { enabled: true } }
    apiServerAccessProfile: empty(authorizedIpRanges) ? null : { authorizedIPRanges: authorizedIpRanges }
    // Cilium enforces the chart's NetworkPolicy.
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      loadBalancerSku: 'standard'
    }
    autoScalerProfile: {
      // A Job's pod says of itself that it is not to be evicted; what others hold in an emptyDir is not thrown away to save a node either.
      'skip-nodes-with-local-storage': 'true'
    }
    autoUpgradeProfile: {
      upgradeChannel: 'patch'
      nodeOSUpgradeChannel: 'NodeImage'
    }
    agentPoolProfiles: [
      union(poolDefaults, {
        name: 'system'
        mode: 'System'
        vmSize: systemPool.vmSize
        count: systemPool.minCount
        minCount: systemPool.minCount
        maxCount: systemPool.maxCount
        nodeTaints: ['CriticalAddonsOnly=true:NoSchedule']
      })
      union(poolDefaults, {
        name: 'work'
        mode: 'User'
        vmSize: workPool.vmSize
        count: workPool.minCount
        minCount: workPool.minCount
        maxCount: workPool.maxCount
      })
    ]
  }

  // An upgrade drains nodes, which interrupts Jobs: once a week, at an hour that is known.
  resource upgrades 'maintenanceConfigurations' = [
    for schedule in ['aksManagedAutoUpgradeSchedule', 'aksManagedNodeOSUpgradeSchedule']: {
      name: schedule
      properties: {
        maintenanceWindow: {
          schedule: { weekly: { dayOfWeek: 'Sunday', intervalWeeks: 1 } }
          startTime: '02:00'
          durationHours: 6
          utcOffset: '+00:00'
        }
      }
    }
  ]
}

resource deployerRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in ['Azure Kubernetes Service Cluster User Role', 'Azure Kubernetes Service RBAC Cluster Admin']: {
    name: guid(cluster.id, deployerPrincipalId, roles[role])
    scope: cluster
    properties: {
      principalId: deployerPrincipalId
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[role])
    }
  }
]

@description('Name of the cluster.')
output name string = cluster.name

@description('Who vouches for the cluster\'s service accounts.')
output issuer string = cluster.properties.oidcIssuerProfile.issuerURL

@description('As whom the nodes pull images.')
output kubeletPrincipalId string = cluster.properties.identityProfile.kubeletidentity.objectId
