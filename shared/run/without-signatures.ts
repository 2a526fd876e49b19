/**
 * A text that comes from elsewhere, without the signatures of URLs in it: a worker that prints the URL of its body, or an API server that
 * quotes it, must not bring a secret into logs, rows and dead letters.
 */
export function withoutSignatures(text: string): string {
  return text.replaceAll(/([?&;]|\\u0026|%26)sig=[^&\s"'<>\\]*/gi, "$1sig=...");
}
