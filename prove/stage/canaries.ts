/**
 * What is planted in everything that is sent and in what opens the bus, to be looked for wherever it may not be. Ten characters at most: an
 * error of JSON.parse quotes no more of what it can't read.
 */
export const CANARIES = {
  body: "canaryBody",
  property: "canaryProp",
  contentType: "canaryType",
  busKey: "canaryKey0",
} as const;

/** The application property that holds one. It is the sender's own, and stays on a dead letter. */
export const CANARY_PROPERTY = "tenant";
