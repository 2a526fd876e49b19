metadata description = 'Creates a managed identity for the pods of one Kubernetes service account. It has no secret that could leak or expire.'

import { tagsType } from '../types.bicep'

@description('Required. Name of the identity.')
@minLength(3)
@maxLength(128)
param name string

@description('Required. Region of the identity.')
@minLength(1)
param location string

@description('Optional. Tags of the identity.')
param tags tagsType = {}

@description('Required. OIDC issuer of the cluster, which signs the tokens of the service account.')
@minLength(1)
param issuer string

@description('Required. Namespace of the service account.')
@minLength(1)
@maxLength(63)
param serviceAccountNamespace string

@description('Required. Name of the service account.')
@minLength(1)
@maxLength(253)
param serviceAccountName string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags

  resource credential 'federatedIdentityCredentials' = {
    name: 'kubernetes'
    properties: {
      issuer: issuer
      subject: 'system:serviceaccount:${serviceAccountNamespace}:${serviceAccountName}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

@description('Client id. Pods name it to get tokens of the identity.')
output clientId string = identity.properties.clientId

@description('Principal id. Roles are assigned to it.')
output principalId string = identity.properties.principalId
