import { type Browser, chromium } from "playwright-core";
import { programOnPath } from "./program-on-path.ts";

/** The browsers that do, the smallest first: Debian's, and Google's on the machines of GitHub. */
const PROGRAMS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/**
 * Starts a browser without a window. `addresses`: where it finds a host, such as `{ "acme.example:443":
 * "127.0.0.1:8443" }`. Rejects with what to install if there is none.
 */
export async function startBrowser(addresses: Readonly<Record<string, string>> = {}): Promise<Browser> {
  const program = PROGRAMS.flatMap((name) => programOnPath(name) ?? [])[0];
  if (program === undefined)
    throw new Error("there is no browser. Install one with: apt-get install chromium-headless-shell");
  const rules = Object.entries(addresses).map(([host, address]) => `MAP ${host} ${address}`);
  // Its own sandbox needs a user that is not root.
  return chromium.launch({
    executablePath: program,
    args: ["--no-sandbox", `--host-resolver-rules=${rules.join(", ")}`],
  });
}
