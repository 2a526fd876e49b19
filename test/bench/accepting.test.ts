import { expect, it, onTestFinished } from "vitest";
import { makeAccepting } from "../../bench/accepting.ts";
import { Deliveries } from "../../bench/deliveries.ts";
import { startBroker } from "../../local/broker/start-broker.ts";

/** Has two messages accepted by a program that says that their deliveries ended so. */
async function acceptTwo(ends: readonly string[], outcome?: string) {
  const bus = await startBroker({ entities: { queues: [{ name: "q" }], topics: [] } });
  onTestFinished(() => bus.close());
  const deliveries = new Deliveries();
  // What came before says nothing of these.
  for (const end of ["dispatched", "waiting", "left"]) deliveries.take(lineOf(end));
  const accepting = makeAccepting([], deliveries, { serviceBus: bus.connectionString, body: "{}" });
  const accepted = accepting.accept("q", 2, outcome);
  setTimeout(() => {
    for (const end of ends) deliveries.take(lineOf(end));
  }, 50);
  return accepted;
}

const lineOf = (outcome: string) => JSON.stringify({ message: "handled a delivery", outcome });

it("measures messages whose deliveries all ended as they have to", async () => {
  await expect(acceptTwo(["dispatched", "dispatched"])).resolves.toHaveProperty("perSecond");
  await expect(acceptTwo(["waiting", "waiting"], "waiting")).resolves.toHaveProperty("perSecond");
});

it("gives no figure if a delivery ended otherwise, and says how", async () => {
  await expect(acceptTwo(["dispatched", "left"])).rejects.toThrow('1 of 2 deliveries did not end as "dispatched"');
  await expect(acceptTwo(["waiting", "dispatched"], "waiting")).rejects.toThrow(
    'did not end as "waiting". So far: 2 dispatched, 2 waiting, 1 left',
  );
});
