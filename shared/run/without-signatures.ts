/**
 * A text that comes from elsewhere, without the signatures of URLs in it: a worker that prints the URL of its body, or an API server that
 * quotes it, escaped once more or not, must not bring a secret into logs, rows and dead letters.
 */
export function withoutSignatures(text: string): string {
  // guard: no-signatures
  return text.replaceAll(/([?&;]|\\u0026|%(?:25)*26|%(?:25)*3F)sig(=|%(?:25)*3D)[^&\s"'<>\\]*/gi, "$1sig$2...");
}
