/** A worker or handler that runs a shell script. */
export function sh(script: string) {
  return { image: "busybox:1.36", command: ["sh", "-c", script] };
}

/** A container of a `jobTemplate` that runs a shell script, and is allowed where Pod Security is `restricted`. */
export function restricted(name: string, script: string) {
  return {
    name,
    ...sh(script),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65_532,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}
