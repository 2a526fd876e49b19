/**
 * The variables that a process needs to run at all, on any platform. They name the places of programs, of the home and
 * of temporary files.
 */
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

/**
 * The part of a developer's environment that the processes of the stack may see. It contains no setting and no secret.
 */
export function neededEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of [...NEEDED, ...NEEDED_ON_WINDOWS]) {
    const value = env[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}
