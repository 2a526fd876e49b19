/** What the API server says where a webhook that it has to ask doesn't answer: an outage, whatever code or event it comes with. */
export const WEBHOOK_DOWN = /failed calling webhook|failed to call webhook/;
