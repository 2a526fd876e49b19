// What the API server's admission says of an object that it doesn't take just now. The status code is that of a refusal for good, 403 most
// often: the text is all that tells. Words of Kubernetes 1.31 to 1.36.

/** A quota that is full, or one whose use its controller has not counted yet. */
export const QUOTA_FULL = /exceeded quota|status unknown for quota/i;

/** A webhook that has to be asked doesn't answer: an outage, whatever code or event it comes with. */
export const WEBHOOK_DOWN = /failed calling webhook|failed to call webhook/;

/** The server has just started, and doesn't know yet what it has to ask. */
export const NOT_READY = /not yet ready to handle request/;
