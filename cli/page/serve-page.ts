import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { PAGE } from "../../shared/api/door.ts";
import { readPage } from "../../shared/api/page-files.ts";
import { targetWords } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { plainText } from "../text/plain-text.ts";
import { note, print } from "../text/print.ts";
import { roomOf } from "./room-of.ts";
import { serve } from "./serve.ts";

interface PageFlags extends TargetFlags {
  readonly act?: true;
  readonly port: number;
}

/**
 * Serves the page of a Dispatcher to this machine until it is told to stop. The page acts, if it may, with the rights of
 * the person who started this.
 */
export async function servePage({ act, port, ...flags }: PageFlags): Promise<number> {
  const target = await openTarget(flags);
  try {
    const token = randomBytes(24).toString("base64url");
    const serving = {
      room: roomOf(target, { target: targetWords(flags), mayChange: act === true }),
      caller: { role: "admin", who: (command: string) => target.announce(command) },
      token,
      page: await readPage(),
      log: target.log,
    } as const;
    const served = await serve({ ...serving, port }).catch((error: unknown) => {
      if (!isTaken(error)) throw error;
      note(`port ${port} is taken by another program, so that the page has another one`);
      return serve({ ...serving, port: 0 });
    });
    const { words } = target;
    note(plainText(`the page of ${words}${act ? "" : ", to look only: add --act to change something"}`));
    note("anyone with this address may do what you may do; Ctrl-C ends it");
    print(`http://127.0.0.1:${served.port}${PAGE}#${token}`);
    await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
    served.server.closeAllConnections();
    served.server.close();
    return 0;
  } finally {
    await target.close();
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}
