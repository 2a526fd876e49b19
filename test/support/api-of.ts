import { type ApiAnswer, answer } from "../../shared/api/answer.ts";
import type { Caller } from "../../shared/api/caller.ts";
import { makeAudit } from "../../shared/api/room.ts";
import type { Room } from "../../shared/api/route.ts";
import type { Dependencies } from "../../shared/dependencies.ts";
import type { Log } from "../../shared/log.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import { valueAt } from "../../shared/plain-data.ts";

type Headers = Readonly<Record<string, string>>;

/** What a page of the same server sends with an action. */
export const FROM_THE_PAGE: Headers = {
  "content-type": "application/json",
  "sec-fetch-site": "same-origin",
  "x-dispatcher": "1",
};

/** The API of one instance, asked by an admin who may change something, unless `over` says otherwise. */
export function apiOf({ deps, log }: { deps: Dependencies; log: Log }, over: Partial<Room & Caller> = {}) {
  const asked: string[] = [];
  const operator = makeOperator(deps, log);
  const room: Room = {
    operator,
    audit: makeAudit(deps, operator),
    clock: deps.clock,
    instance: deps.instance,
    namespace: deps.namespace,
    place: "the stack of this machine",
    target: [],
    version: "1.2.3",
    fileMistakes: [],
    mayChange: true,
    ...over,
  };
  const caller: Caller = {
    role: "admin",
    hasToken: true,
    async who(command) {
      asked.push(command);
      return "ada@laptop";
    },
    ...over,
  };
  const ask = async (method: string, address: string, headers: Headers, body: string) => {
    const [path = "", query = ""] = address.split("?");
    const request = { method, path, query: new URLSearchParams(query), header: (name: string) => headers[name] };
    return read(await answer(room, caller, { ...request, body: async () => body }, log));
  };
  return {
    /** The commands of which it was asked who gives them. */
    asked,
    ask,
    get: (address: string, headers: Headers = {}) => ask("GET", address, headers, ""),
    post: (address: string, body: unknown, headers: Headers = FROM_THE_PAGE) =>
      ask("POST", address, headers, JSON.stringify(body)),
  };
}

/** An answer with its body as what it says. */
function read({ status, headers, body }: ApiAnswer) {
  const said: unknown = body === undefined ? undefined : JSON.parse(body);
  return { status, headers, said };
}

/** The text in a field of what was said. */
export function textAt(said: unknown, field: string): string {
  return String(valueAt(said, [field]));
}
