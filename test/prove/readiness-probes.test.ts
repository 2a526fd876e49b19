import { expect, it } from "vitest";
import { startReadinessProbes } from "../../prove/stage/readiness-probes.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";

it("asks each replica that is up whether it is ready, whatever it answers, until it is stopped", async () => {
  const asked: string[] = [];
  const url = await startLoopbackServer((request, response) => {
    asked.push(request.url ?? "");
    response.writeHead(503).end();
  });
  const port = Number(new URL(url).port);
  const probes = startReadinessProbes([
    { isUp: true, port },
    { isUp: true, port: 1 },
    { isUp: false, port },
  ]);
  await expect.poll(() => asked).toEqual(["/api/health/ready"]);
  await probes.stop();
  expect(asked).toHaveLength(1);
});
