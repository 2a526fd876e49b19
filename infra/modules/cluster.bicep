metadata description = 'Creates a Kubernetes cluster with KEDA. People and pods sign in with Microsoft Entra ID only.'

import { nodePoolType, tagsType } from '../types.bicep'

@description('Required. Name of the cluster.')
@minLength(1)
@maxLength(63)
param name string

@description('Required. Region of the cluster.')
@minLength(1)
param location string

@description('Optional. Tags of the cluster.')
param tags tagsType = {}

@description('Optional. Pricing tier. Standard and Premium guarantee the uptime of the API server, Free does not.')
@allowed(['Free', 'Standard', 'Premium'])
param tier string = 'Free'

@description('Optional. Version of Kubernetes, such as 1.34. If empty, AKS chooses its default for the region.')
param kubernetesVersion string = ''

@description('Required. The nodes for the cluster\'s own pods and the Dispatcher. AKS asks for at least two, each with 4 vCPU or more.')
param systemPool nodePoolType

@description('Required. The nodes for the Jobs.')
param workPool nodePoolType

@description('Optional. Availability zones that the nodes are spread over. If empty, the nodes are tied to no zone.')
param availabilityZones string[] = []

@description('Optional. Address ranges that may reach the API server. If empty, every address may, and needs a token.')
param authorizedIpRanges string[] = []

@description('Required. Resource id of the Log Analytics workspace that the cluster\'s agent sends to.')
@minLength(1)
param workspaceId string

var poolDefaults = {
  type: 'VirtualMachineScaleSets'
  osType: 'Linux'
  osSKU: 'AzureLinux'
  // There is no count, because it would overrule the autoscaler at every deployment: AKS refuses it, or takes away the
  // nodes on which Jobs run. A new pool begins with minCount.
  enableAutoScaling: true
  enableNodePublicIP: false
  availabilityZones: availabilityZones
}

@description('How upgrades drain a pool. By default in three batches or four, as AKS recommends for production.')
func upgradeSettingsOf(pool nodePoolType) {
  maxSurge: string
  drainTimeoutInMinutes: int
  nodeSoakDurationInMinutes: int
} => {
  maxSurge: pool.?maxSurge ?? '33%'
  drainTimeoutInMinutes: pool.?drainTimeoutMinutes ?? 30
  nodeSoakDurationInMinutes: pool.?soakMinutes ?? 0
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
    // The agent of Container Insights. log-routes.bicep says what it collects.
    addonProfiles: {
      omsagent: {
        enabled: true
        config: { logAnalyticsWorkspaceResourceID: workspaceId, useAADAuth: 'true' }
      }
    }
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
      // Keeps a node whose pods have data in an emptyDir, because removing the node would delete the data. Pods of Jobs
      // are safe without it, because they carry an annotation against eviction.
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
        minCount: systemPool.minCount
        maxCount: systemPool.maxCount
        upgradeSettings: upgradeSettingsOf(systemPool)
        nodeTaints: ['CriticalAddonsOnly=true:NoSchedule']
      })
      union(poolDefaults, {
        name: 'work'
        mode: 'User'
        vmSize: workPool.vmSize
        minCount: workPool.minCount
        maxCount: workPool.maxCount
        upgradeSettings: upgradeSettingsOf(workPool)
      })
    ]
  }

  // Upgrades happen once a week at a known hour, because they drain nodes, and that interrupts Jobs.
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

@description('Name of the cluster.')
output name string = cluster.name

@description('OIDC issuer of the cluster. It signs the tokens of the cluster\'s service accounts.')
output issuer string = cluster.properties.oidcIssuerProfile.issuerURL

@description('Principal of the identity with which the nodes pull images.')
output kubeletPrincipalId string = cluster.properties.identityProfile.kubeletidentity.objectId
