/** What a process needs to run at all, on any platform: where programs, the home and temporary files are. */
const NEEDED = ["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "TZ", "NODE_EXTRA_CA_CERTS"];
const NEEDED_ON_WINDOWS = [
  "Path",
  "SystemRoot",
  "SystemDrive",
  "ComSpec",
  "USERPROFILE",
  "APPDATA",
  "LOCALAPPDATA",
  "TEMP",
  "TMP",
];

/** The part of a developer's environment that the processes of the stack may see. No setting and no secret is among it. */
export function neededEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of [...NEEDED, ...NEEDED_ON_WINDOWS]) {
    const value = env[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}
