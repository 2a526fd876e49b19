/**
 * Removes the signatures of URLs from a text that comes from elsewhere, escaped or not. A worker may print the URL of
 * its body, and an API server may quote it, and neither may bring a secret into logs, rows and dead letters.
 */
export function withoutSignatures(text: string): string {
  // guard: no-signatures
  return text.replaceAll(/([?&;]|\\u0026|%(?:25)*26|%(?:25)*3F)sig(=|%(?:25)*3D)[^&\s"'<>\\]*/gi, "$1sig$2...");
}
