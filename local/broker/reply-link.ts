import type { EventContext, Message, Sender } from "rhea";
import rhea from "rhea";
import { roomOf, sendSettled } from "./amqp.ts";

/** A request to `$management` or `$cbs`. */
export interface Request {
  readonly operation: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly raw: Buffer;
  readonly replyTo: string;
  readonly messageId: string | number | Buffer;
}

export interface Reply {
  readonly statusCode: number;
  readonly statusDescription: string;
  readonly errorCondition?: string;
  readonly body?: unknown;
}

/** Decodes a request. */
export function readRequest(raw: Buffer): Request {
  const message = rhea.message.decode(raw);
  const properties: Record<string, unknown> | undefined = message["application_properties"];
  return {
    operation: String(properties?.["operation"]),
    properties: properties ?? {},
    body: message["body"],
    raw,
    replyTo: String(message["reply_to"]),
    messageId: message["message_id"],
  };
}

/** Sends the replies of one request-response pair. Replies for which the link has no credit just now wait here. */
export class ReplyLink {
  readonly #link: Sender;
  #waiting: Message[] = [];

  constructor(link: Sender) {
    this.#link = link;
    sendSettled(link);
    link.on("sendable", (_context: EventContext) => this.#flush());
  }

  send(request: Request, reply: Reply): void {
    const { types } = rhea;
    this.#waiting.push({
      correlation_id: request.messageId,
      application_properties: {
        statusCode: types.wrap_int(reply.statusCode),
        statusDescription: reply.statusDescription,
        ...(reply.errorCondition === undefined ? {} : { errorCondition: types.wrap_symbol(reply.errorCondition) }),
      },
      body: reply.body ?? null,
    });
    this.#flush();
  }

  #flush(): void {
    if (!this.#link.is_open()) return;
    let sent = 0;
    for (const message of this.#waiting.slice(0, Math.max(0, roomOf(this.#link)))) {
      this.#link.send(message);
      sent++;
    }
    this.#waiting.splice(0, sent);
  }
}
