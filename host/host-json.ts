import { readFile } from "node:fs/promises";
import { z } from "zod";

/** Parses `hh:mm:ss`, or `d.hh:mm:ss`, as .NET writes a time span, into milliseconds. */
const span = z
  .string()
  .regex(/^(\d+\.)?\d{1,2}:\d{2}:\d{2}$/, "a time span as hh:mm:ss")
  .transform((text) => {
    const [seconds = 0, minutes = 0, hours = 0, days = 0] = text.split(/[.:]/).map(Number).toReversed();
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
  });

const hostJson = z.object({
  version: z.literal("2.0"),
  functionTimeout: span.default(30 * 60_000),
  extensions: z
    .object({
      http: z.object({ routePrefix: z.string().default("api") }).prefault({}),
      serviceBus: z
        .object({
          autoCompleteMessages: z.boolean().default(true),
          maxConcurrentCalls: z.int().min(1).default(16),
          prefetchCount: z
            .literal(0, "this host never prefetches, because prefetched messages are not renewed. Set it to 0")
            .default(0),
          maxAutoLockRenewalDuration: span.default(5 * 60_000),
        })
        .prefault({}),
    })
    .prefault({}),
});

/** The settings of host.json that this host follows, with the real host's defaults. Durations are milliseconds. */
export type HostJson = z.output<typeof hostJson>;

/** Reads host.json. Throws an Error that names file, field and what is allowed. */
export async function readHostJson(file: string): Promise<HostJson> {
  const parsed = hostJson.safeParse(JSON.parse(await readFile(file, "utf8")));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${file}: ${issue?.path.join(".")}: ${issue?.message}`);
}
