const DOMAIN = String.raw`(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?/)?`;
const PART = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`;
const TAG = String.raw`(?::\w[\w.-]{0,127})?`;
const DIGEST = String.raw`(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?`;
const REFERENCE = new RegExp(`^${DOMAIN}${PART}(?:/${PART})*${TAG}${DIGEST}$`, "u");

/** Why a container without a command can't run here, and what to do. */
export const NO_IMAGES =
  "this local cluster runs a container's command as a process and has no images. Give the container a command, or use a real cluster with --kubeconfig";

/** Whether a container runtime could read this as the name of an image. */
export function isImageName(image: string): boolean {
  return REFERENCE.test(image);
}

/**
 * Whether the image's registry is under `.invalid`. By RFC 2606 no such registry ever exists, so the image can't be
 * pulled.
 */
export function isOfNoRegistry(image: string): boolean {
  return /^[^/]+\.invalid(?::\d+)?\//u.test(image);
}
