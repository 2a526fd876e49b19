/**
 * Whether the settings name a real service for this connection. That is an identity-based one
 * (`__fullyQualifiedNamespace`, `__accountName`, ...), or a connection string that is not one for development.
 */
export function isReal(settings: Readonly<Record<string, string>>, connection: string): boolean {
  const value = settings[connection]?.trim() ?? "";
  if (value !== "") return !/UseDevelopmentEmulator=true|UseDevelopmentStorage=true|devstoreaccount1/i.test(value);
  return Object.entries(settings).some(([name, set]) => name.startsWith(`${connection}__`) && set.trim() !== "");
}
