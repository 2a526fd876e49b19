import { randomBytes } from "node:crypto";
import type { Flags } from "./flags.ts";

/** Where the checks deploy to. */
export interface Environment {
  /** The name of the environment and of its parameter file, such as dev-3f9a1c. */
  readonly name: string;
  /** The resource group, as infra/main.bicep names it. */
  readonly group: string;
  /** The cluster, as infra/main.bicep names it. */
  readonly cluster: string;
  /** The record of the deployment, as infra/deploy.sh names it. */
  readonly deployment: string;
}

/** Names an environment that no other run has. Bicep allows 12 characters. */
export function newEnvironment(): Environment {
  return environmentOf(`dev-${randomBytes(3).toString("hex")}`);
}

/** Gives the names in an environment. */
export function environmentOf(name: string): Environment {
  const base = `dispatcher-${name}`;
  return { name, group: `rg-${base}`, cluster: `aks-${base}`, deployment: base };
}

/** What a run finds out before it deploys. */
export interface Found {
  /** The object id of the principal of this run. */
  readonly principalId: string;
  /** The newest Kubernetes that the region has. An older one may have a KEDA with which the app must not sleep. */
  readonly kubernetesVersion: string;
}

/**
 * Writes the parameter file of the environment: that of dev, in a resource group of its own, with the newest Kubernetes,
 * and with the principal of this run as operator and sender.
 */
export function parametersOf(dev: string, { name }: Environment, found: Found, { region, premium }: Flags): string {
  const own: Readonly<Record<string, string>> = {
    environmentName: `'${name}'`,
    kubernetesVersion: `'${found.kubernetesVersion}'`,
    operatorPrincipalIds: `['${found.principalId}']`,
    senderPrincipalIds: `['${found.principalId}']`,
    ...(region === undefined ? {} : { location: `'${region}'` }),
    ...(premium ? { serviceBusSku: "'Premium'" } : {}),
  };
  return Object.entries(own).reduce((text, [parameter, value]) => withParameter(text, parameter, value), dev);
}

/** Reads the region out of the parameters of dev. Throws an Error if there is none. */
export function regionIn(dev: string): string {
  const [, region] = /^param location = '(.+)'$/m.exec(dev) ?? [];
  if (region === undefined) throw new Error("infra/dev.bicepparam names no region. Name one with --region.");
  return region;
}

function withParameter(text: string, parameter: string, value: string): string {
  const line = new RegExp(`^param ${parameter} = .*$`, "m");
  const own = `param ${parameter} = ${value}`;
  return line.test(text) ? text.replace(line, own) : `${text}${own}\n`;
}
