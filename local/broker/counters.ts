import type { IncomingMessage, ServerResponse } from "node:http";
import type { Namespace } from "./namespace.ts";
import { type Keys, tokenProblem } from "./sas-token.ts";
import type { EntityCounts } from "./stored-message.ts";

const CONNECT = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect";
const COUNTS = "http://schemas.microsoft.com/netservices/2011/06/servicebus";

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface CounterDeps {
  readonly namespace: Namespace;
  readonly keys: Keys;
  readonly now: () => number;
}

/**
 * Answers the reading half of the service's management API, as far as a scaler asks: `GET /<queue>` and `GET
 * /<topic>/Subscriptions/<name>`, in ATOM. The client needs a token. Every other request gets 501.
 */
export function makeCounters(deps: CounterDeps): (request: IncomingMessage, response: ServerResponse) => void {
  const startedAt = new Date(deps.now()).toISOString();
  return (request, response) => {
    const { status, body } = answerOrRefuse({ ...deps, startedAt }, request);
    response.writeHead(status, { "content-type": "application/atom+xml;type=entry;charset=utf-8" }).end(body);
  };
}

interface Deps extends CounterDeps {
  readonly startedAt: string;
}

function answerOrRefuse(deps: Deps, request: IncomingMessage): Answer {
  try {
    return answer(deps, request);
  } catch (error) {
    return refusal(400, error instanceof Error ? error.message : String(error));
  }
}

function answer({ namespace, keys, now, startedAt }: Deps, request: IncomingMessage): Answer {
  const url = new URL(request.url ?? "/", `https://${request.headers.host ?? "localhost"}`);
  const problem = tokenProblem(request.headers.authorization, { path: url.pathname, keys, nowMs: now() });
  if (problem !== undefined) return refusal(401, problem);
  const path = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, "");
  const entity = namespace.entities.find(({ name }) => name.toLowerCase() === path.toLowerCase());
  const isOther = path === "" || path.startsWith("$") || (entity === undefined && namespace.has(path));
  if (request.method !== "GET" || isOther)
    return refusal(
      501,
      `This broker only counts queues and subscriptions. It has no answer to ${request.method} /${path}.`,
    );
  // The service answers 200 with an empty feed, not 404, if the entity does not exist.
  if (entity === undefined) return { status: 200, body: emptyFeed(url.href) };
  return { status: 200, body: entry({ id: url.href, path, startedAt, counts: entity.counts() }) };
}

function refusal(status: number, detail: string): Answer {
  return { status, body: `<Error><Code>${status}</Code><Detail>${escaped(detail)}</Detail></Error>` };
}

function emptyFeed(id: string): string {
  return `<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title><id>${escaped(id)}</id></feed>`;
}

function entry(facts: { id: string; path: string; startedAt: string; counts: EntityCounts }): string {
  const { id, path, startedAt, counts } = facts;
  const [, subscription] = /\/Subscriptions\/([^/]+)$/i.exec(path) ?? [];
  const kind = subscription === undefined ? "QueueDescription" : "SubscriptionDescription";
  const times = ["CreatedAt", "UpdatedAt", "AccessedAt"].map((name) => `<${name}>${startedAt}</${name}>`);
  return [
    `<entry xmlns="http://www.w3.org/2005/Atom"><id>${escaped(id)}</id><title type="text">${escaped(subscription ?? path)}</title>`,
    `<content type="application/xml"><${kind} xmlns="${CONNECT}">`,
    `<MessageCount>${counts.active + counts.deferred + counts.scheduled + counts.deadLettered}</MessageCount>`,
    ...times,
    `<CountDetails xmlns:c="${COUNTS}">${countDetails(counts)}</CountDetails>`,
    `</${kind}></content></entry>`,
  ].join("");
}

/**
 * Counts messages as the service does: a deferred message is active, and so is a locked one. This broker forwards
 * none.
 */
function countDetails({ active, deferred, scheduled, deadLettered }: EntityCounts): string {
  const details = {
    ActiveMessageCount: active + deferred,
    DeadLetterMessageCount: deadLettered,
    ScheduledMessageCount: scheduled,
    TransferMessageCount: 0,
    TransferDeadLetterMessageCount: 0,
  };
  return Object.entries(details)
    .map(([name, count]) => `<c:${name}>${count}</c:${name}>`)
    .join("");
}

function escaped(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
