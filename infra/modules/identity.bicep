metadata description = 'An identity for the pods of one Kubernetes service account: no secret, no key, nothing to rotate.'

import { tagsType } from '../types.bicep'

@description('Required. Name of the identity.')
@minLength(3)
@maxLength(128)
param name string

@description('Required. Where it is kept.')
@minLength(1)
param location string

@description('Optional. Tags of the identity.')
param tags tagsType = {}

@description('Required. The cluster that vouches for the service account: its OIDC issuer.')
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

@description('By which the pods ask for its tokens.')
output clientId string = identity.properties.clientId

@description('To which roles are assigned.')
output principalId string = identity.properties.principalId
