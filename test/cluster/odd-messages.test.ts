import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import { type DispatcherUnderTest, startDispatcher } from "./dispatcher-under-test.ts";
import { sh } from "./module-files.ts";

/** Prints what it was given: the id as its shell sees it, then the body. */
const SCRIPT = `
printf '%s' "$DISPATCHER_MESSAGE_ID" | sha256sum
if [ "\${DISPATCHER_MESSAGE_FILE-}" ]; then
  if [ "$DISPATCHER_MESSAGE_ENCODING" = base64 ]; then base64 -d "$DISPATCHER_MESSAGE_FILE" | sha256sum
  else sha256sum < "$DISPATCHER_MESSAGE_FILE"; fi
else
  wget -q -O - "$DISPATCHER_MESSAGE_URL" | sha256sum
fi`;

interface Odd {
  readonly name: string;
  readonly messageId?: string;
  readonly body?: Buffer;
  /** The id as the shell sees it, if that differs. */
  readonly idInShell?: string;
}

const ODD: readonly Odd[] = [
  { name: "an id of 128 characters", messageId: "x".repeat(128) },
  { name: "an id in any script", messageId: "Ω漢字🚀 \u2028\u202e é" },
  { name: "an id with NUL", messageId: "a\0b", idInShell: "a\uFFFDb" },
  { name: "an id like a variable", messageId: "$(DISPATCHER_RUN_ID)$HOME`id`" },
  { name: "an id like a path", messageId: "../../etc/passwd" },
  { name: "an id like a label that none may have", messageId: "-a/b=c,d e_" },
  { name: "an empty body", body: Buffer.alloc(0) },
  { name: "a body like YAML and shell", body: Buffer.from('---\n- $(rm -rf /) "`id`" ; exit 1\n') },
  { name: "a binary body", body: Buffer.from(Uint8Array.from({ length: 512 }, (_, index) => index % 256)) },
  { name: "a body just within the inline limit", body: Buffer.alloc(15_000, "x") },
];
const LARGE: Odd = { name: "a body that pods have to fetch", body: Buffer.alloc(200_000, "large") };

let app: DispatcherUnderTest;
beforeAll(async () => {
  app = await startDispatcher({ modules: { odd: { retry: { maxAttempts: 1 }, worker: sh(SCRIPT) } } });
});
afterAll(() => app?.close());

/** What the pod printed, and what it should have printed. */
async function handedOver({ name, messageId = name, body = Buffer.from("{}"), idInShell = messageId }: Odd) {
  const { run, letter, logs } = await (await app.send("odd", { messageId, body })).end();
  const want = { said: `${digest(idInShell)}  -\n${digest(body)}  -\n`, status: "succeeded", letter: undefined };
  return { got: { said: logs["1/worker"], status: run.status, letter }, want };
}

function digest(of: string | Buffer): string {
  return createHash("sha256").update(of).digest("hex");
}

test.concurrent.for(ODD)("the API server takes, and a real pod is given, $name", async (odd) => {
  const { got, want } = await handedOver(odd);
  expect(got).toEqual(want);
});

// A cluster that the tests did not start can't reach this machine's storage, unless TEST_KUBECONFIG's user gives an
// address.
test.skipIf(inject("address") === undefined)(`a real pod fetches ${LARGE.name} ${NEEDS_OWN_CLUSTER}`, async () => {
  const { got, want } = await handedOver(LARGE);
  expect(got).toEqual(want);
});
