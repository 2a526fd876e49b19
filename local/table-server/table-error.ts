/** The refusals that this server knows, with the status and the words of the real service. */
const REFUSALS = {
  TableNotFound: [404, "The table specified does not exist."],
  TableAlreadyExists: [409, "The table specified already exists."],
  ResourceNotFound: [404, "The specified resource does not exist."],
  EntityAlreadyExists: [409, "The specified entity already exists."],
  UpdateConditionNotSatisfied: [412, "The update condition specified in the request was not satisfied."],
  InvalidInput: [400, "One of the request inputs is not valid."],
  PropertyValueTooLarge: [400, "The property value exceeds the maximum allowed size (64KB)."],
  CommandsInBatchActOnDifferentPartitions: [400, "All commands in a batch must operate on same entity group."],
  InvalidDuplicateRow: [400, "An entity can appear only once in a batch request."],
  RequestBodyTooLarge: [413, "The request body is too large and exceeds the maximum permissible limit."],
  NotImplemented: [501, "The requested operation is not implemented on the specified resource."],
} as const satisfies Record<string, readonly [number, string]>;

type RefusalCode = keyof typeof REFUSALS;

/** A refusal. Its words are the service's, unless this server knows more. */
export class TableError extends Error {
  override readonly name = "TableError";
  readonly code: RefusalCode;
  readonly status: number;

  constructor(code: RefusalCode, words: string = REFUSALS[code][1]) {
    super(words);
    this.code = code;
    [this.status] = REFUSALS[code];
  }

  /** Writes the body of the answer. The service puts the index of a transaction's operation in front of its words. */
  body(operation?: number): string {
    const words = operation === undefined ? this.message : `${operation}:${this.message}`;
    const value = `${words}\nRequestId:0\nTime:${new Date().toISOString()}`;
    return JSON.stringify({ "odata.error": { code: this.code, message: { lang: "en-US", value } } });
  }
}
