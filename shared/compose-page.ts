import { makeTokenLogin } from "./adapters/open-id/token-login.ts";
import { makeClusterDoor } from "./api/cluster-door.ts";
import { respond, type WebAnswer, type WebRequest } from "./api/door.ts";
import { readPage } from "./api/page-files.ts";
import { makeRoom } from "./api/room.ts";
import type { Dependencies } from "./dependencies.ts";
import type { Log } from "./log.ts";
import type { PageSettings } from "./settings/page-settings.ts";

/** Answers a request for the app's own page or its API. Never rejects. */
export type Page = (request: WebRequest, log: Log) => Promise<WebAnswer>;

/** Joins the page and its API to the app. Rejects if the files of the page can't be read. */
export async function composePage({ login }: PageSettings, deps: Dependencies, log: Log): Promise<Page> {
  const place = login?.origin ?? `instance ${deps.instance}`;
  // An app with a wrong module file does not start.
  const room = makeRoom(deps, log, { place, target: [], fileMistakes: [], mayChange: true });
  const proxied = login && { ...login, login: makeTokenLogin(login, () => deps.clock.now()) };
  const door = makeClusterDoor({ room: async () => room, page: await readPage() }, proxied);
  return (request, log) => respond(door, request, log);
}
