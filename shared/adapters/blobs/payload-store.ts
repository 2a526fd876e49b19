import { BlobSASPermissions, BlobServiceClient, type ContainerClient, SASProtocol } from "@azure/storage-blob";
import type { Clock } from "../../clock.ts";
import { ConfigError, ConflictError, DeniedError } from "../../errors.ts";
import { once } from "../../once.ts";
import type { KeptLog, PayloadStore, StoredBody } from "../../ports/payload-store.ts";
import { type RunKey, runId } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { ROLES } from "../azure/remedy.ts";
import type { StorageConnection } from "../azure/storage-connection.ts";
import { answerOf, type StorageService, statusOf, translated } from "../azure/storage-error.ts";
import { escapeKey, padded, sourceParts, unescapeKey } from "../tables/keys.ts";
import { makeDelegationKeys } from "./delegation-keys.ts";

const BLOB_TIMEOUT_MS = 10_000;

export interface BlobPayloadStoreOptions {
  /** By identity, the endpoint is `https://<account>.blob.core.windows.net`. */
  readonly connection: StorageConnection;
  /** The instance that owns the blobs. Instances in one account never see each other's blobs. */
  readonly instance: string;
  readonly clock: Clock;
  /** The container of bodies, made if it is missing. `dispatcher-payloads` by default. */
  readonly payloadContainer?: string;
  /** The container of logs, made if it is missing. `dispatcher-logs` by default. */
  readonly logContainer?: string;
  /** The time-out of each request, its retries included; 10 s by default. A second is added for each MiB sent. */
  readonly timeoutMs?: number;
}

/** How much earlier a signature becomes valid, because a reader's clock may be behind. */
const CLOCK_SKEW_MS = 5 * 60 * 1000;
/**
 * The version of the signature. Azurite and other servers reject the SDK's newer default, and we need none of its
 * features.
 */
const SIGNATURE_VERSION = "2022-11-02";
const MIB = 1024 * 1024;
/** The path of a body within the folder of its source. A release that knows no redrives passes over theirs. */
const BODY_PATH = /^(\d+)-(\d+)(?:\/redrive-(\d+))?\/body$/;

/**
 * Makes the port to bodies and logs in Azure Blob.
 *
 * | container             | blob                                                                                     |
 * | --------------------- | ---------------------------------------------------------------------------------------- |
 * | `dispatcher-payloads` | `<instance>/<source>/<sequence number>-<enqueued ms>/body`                               |
 * | `dispatcher-logs`     | `<instance>/<source>/<sequence number>-<enqueued ms>/attempt-<n>/<container>.log`        |
 *
 * The blobs of a redriven run have `/redrive-<n>` behind the enqueued time. The source is `q/<queue>` or
 * `t/<topic>/<subscription>`; no path contains a sender's text. The signed URL of a body carries a signature that
 * allows to read this one blob. The account key signs it or, with an identity, a delegated key, whose signatures last
 * at most 7 days. Throws ConfigError if the connection string holds no account key to sign with.
 */
export function makeBlobPayloadStore(options: BlobPayloadStoreOptions): PayloadStore {
  const { connection, instance, clock, timeoutMs = BLOB_TIMEOUT_MS } = options;
  const service: StorageService = { name: "The blob store", role: ROLES.blobs, connection, timeoutMs };
  const account = connect(connection);
  const bodies = madeOnFirstUse(
    account.getContainerClient(options.payloadContainer ?? "dispatcher-payloads"),
    timeoutMs,
  );
  const logContainer = account.getContainerClient(options.logContainer ?? "dispatcher-logs");
  const logs = madeOnFirstUse(logContainer, timeoutMs);
  const delegationKeys = connection.kind === "identity" ? makeDelegationKeys(account, clock, timeoutMs) : undefined;

  const sending = async <T>(doing: string, request: (signal: AbortSignal) => Promise<T>, bytes = 0): Promise<T> => {
    try {
      return await request(AbortSignal.timeout(timeoutMs + Math.ceil(bytes / MIB) * 1000));
    } catch (error) {
      const told = translated(error, doing, service);
      // Nobody races for a blob. A policy, a lease or a legal hold refuses this one, until a person lifts it.
      if (!(told instanceof ConflictError)) throw told;
      throw new DeniedError(`${service.name} refuses, ${doing}: it answered ${answerOf(error)}.`, {
        cause: error,
      });
    }
  };
  const folderOf = (source: Source) => [escapeKey(instance), ...sourceParts(source)].join("/");
  const folder = ({ source, sequenceNumber, enqueuedAt, redrive }: RunKey) => {
    const original = `${folderOf(source)}/${padded(sequenceNumber)}-${enqueuedAt}`;
    return redrive === undefined ? original : `${original}/redrive-${redrive}`;
  };
  const bodyBlob = (container: ContainerClient, key: RunKey) => container.getBlockBlobClient(`${folder(key)}/body`);

  return {
    async putBody(key, body) {
      const store = async (abortSignal: AbortSignal) => {
        const blobHTTPHeaders = { blobContentType: "application/octet-stream" };
        await bodyBlob(await bodies(), key).uploadData(body, { abortSignal, blobHTTPHeaders });
      };
      await sending(`storing the body of run ${runId(key)}`, store, body.byteLength);
    },

    async bodyUrl(key) {
      const ask = async () => withoutQuery(bodyBlob(await bodies(), key).url);
      return await sending(`making the URL of the body of run ${runId(key)}`, ask);
    },

    async signedBodyUrl(key, validForMs) {
      return await sending(`signing the URL of the body of run ${runId(key)}`, async () => {
        const blob = bodyBlob(await bodies(), key);
        const now = clock.now();
        const signed = {
          version: SIGNATURE_VERSION,
          permissions: BlobSASPermissions.parse("r"),
          // http is allowed only if the connection string says so, as a storage emulator's does.
          protocol: blob.url.startsWith("http:") ? SASProtocol.HttpsAndHttp : SASProtocol.Https,
          startsOn: new Date(now - CLOCK_SKEW_MS),
          expiresOn: new Date(now + validForMs),
        };
        if (delegationKeys === undefined) return await blob.generateSasUrl(signed);
        const { key: delegationKey, expiresOn } = await delegationKeys(signed.expiresOn);
        return await blob.generateUserDelegationSasUrl({ ...signed, expiresOn }, delegationKey);
      });
    },

    async deleteBody(key, version) {
      await sending(`deleting the body of run ${runId(key)}`, async (abortSignal) => {
        const conditions = version === undefined ? {} : { ifMatch: version };
        await bodyBlob(await bodies(), key)
          .delete({ abortSignal, conditions, deleteSnapshots: "include" })
          .catch(unlessMissing);
      });
    },

    async listBodies(source, limit, from) {
      const prefix = `${folderOf(source)}/`;
      return await sending(`listing the bodies of ${sourceName(source)}`, async (abortSignal) => {
        const pages = (await bodies()).listBlobsFlat({ abortSignal, prefix }).byPage({
          maxPageSize: limit,
          ...(from === undefined ? {} : { continuationToken: from }),
        });
        const found: StoredBody[] = [];
        for await (const { segment, continuationToken: next } of pages) {
          for (const { name, properties } of segment.blobItems) {
            const [, number, enqueuedAt, redrive] = BODY_PATH.exec(name.slice(prefix.length)) ?? [];
            if (number === undefined) continue;
            const original = { source, sequenceNumber: Number(number), enqueuedAt: Number(enqueuedAt) };
            const key = redrive === undefined ? original : { ...original, redrive: Number(redrive) };
            found.push({ key, version: properties.etag });
          }
          return next === undefined || next === "" ? { bodies: found } : { bodies: found, next };
        }
        return { bodies: found };
      });
    },

    async putLog(key, attempt, container, log) {
      const store = async (abortSignal: AbortSignal) => {
        const blob = (await logs()).getBlockBlobClient(`${folder(key)}/attempt-${attempt}/${escapeKey(container)}.log`);
        await blob.uploadData(log, { abortSignal, blobHTTPHeaders: { blobContentType: "text/plain; charset=utf-8" } });
        return withoutQuery(blob.url);
      };
      return await sending(`storing a log of run ${runId(key)}`, store, log.byteLength);
    },

    async keptLogs(key, attempt, maxBytes) {
      const prefix = `${folder(key)}/attempt-${attempt}/`;
      return await sending(`reading the logs of run ${runId(key)}`, async (abortSignal) => {
        const found: { readonly name: string; readonly bytes: number; readonly at: number }[] = [];
        try {
          for await (const { name, properties } of logContainer.listBlobsFlat({ abortSignal, prefix }))
            found.push({
              name,
              bytes: properties.contentLength ?? 0,
              // A second try stores a log anew, and says no more than the first.
              at: (properties.createdOn ?? properties.lastModified).getTime(),
            });
        } catch (error) {
          // No log was stored yet, and a look makes no container.
          unlessMissing(error);
        }
        const inOrder = found.toSorted((a, b) => a.at - b.at);
        return await Promise.all(
          inOrder.map(async ({ name, bytes }): Promise<KeptLog> => {
            const from = Math.max(0, bytes - maxBytes);
            const log =
              bytes === 0
                ? new Uint8Array()
                : await logContainer.getBlockBlobClient(name).downloadToBuffer(from, bytes - from, { abortSignal });
            return { container: unescapeKey(name.slice(prefix.length, -".log".length)), log, isCut: from > 0 };
          }),
        );
      });
    },

    async verify() {
      await sending("asking for the container of bodies", async (abortSignal) => {
        await (await bodies()).getProperties({ abortSignal });
        // A delegated key needs another right of the same role, on the account. Without it no Job could read a large
        // body.
        await delegationKeys?.(new Date(clock.now()));
      });
    },
  };
}

function connect(connection: StorageConnection): BlobServiceClient {
  const options = { retryOptions: { maxTries: 3, retryDelayInMs: 200, maxRetryDelayInMs: 1000 } };
  if (connection.kind === "identity") return new BlobServiceClient(connection.endpoint, connection.credential, options);
  if (!/(?:^|;)\s*(?:AccountKey=|UseDevelopmentStorage=true)/i.test(connection.value)) {
    throw new ConfigError(
      "The connection string of the blob store holds no AccountKey, which signs the URLs by which Jobs read large bodies; a shared access signature can't. Add the key to AzureWebJobsStorage, or set AzureWebJobsStorage__accountName instead.",
    );
  }
  return BlobServiceClient.fromConnectionString(connection.value, options);
}

/** Makes a container, if it is missing, before it is first used. */
function madeOnFirstUse(container: ContainerClient, timeoutMs: number): () => Promise<ContainerClient> {
  return once(async () => {
    await container.createIfNotExists({ abortSignal: AbortSignal.timeout(timeoutMs) });
    return container;
  });
}

/** Ignores that a blob, or the version of it that was meant, is gone already. */
function unlessMissing(error: unknown): void {
  const status = statusOf(error);
  if (status !== 404 && status !== 412) throw error;
}

function withoutQuery(url: string): string {
  return url.split("?")[0] ?? url;
}
