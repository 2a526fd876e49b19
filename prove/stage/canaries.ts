/**
 * Texts that are planted in every message and in the key of the bus, so that a search finds them in the wrong places.
 * Each has ten characters at most, because an error of JSON.parse quotes no more than that.
 */
export const CANARIES = {
  body: "canaryBody",
  property: "canaryProp",
  contentType: "canaryType",
  busKey: "canaryKey0",
} as const;

/** The application property that holds a canary. It is the sender's own, so it may stay on a dead letter. */
export const CANARY_PROPERTY = "tenant";
