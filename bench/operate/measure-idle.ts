import type { Pair } from "../backlog/pair.ts";
import type { World } from "../backlog/world.ts";
import { heldMib } from "../processes.ts";
import { median } from "../statistics.ts";
import { Ticking } from "../ticking.ts";

/** How many ticks come before the memory is read. The first ones load code, and list everything. */
const WARM_UP = 5;
/** The memory is read after each of so many ticks. It goes up and down, because garbage is collected now and then. */
const TICKS = 10;
const SCHEDULES: Pair<string> = { none: "*/2 * * * * *", many: "1-59/2 * * * * *" };

/**
 * Reads the MiB that the app's process holds while it only ticks, in both worlds at the same time, and with new processes
 * in each round.
 */
export async function measureIdle(worlds: Pair<World>, rounds: number): Promise<Pair<readonly number[]>> {
  const mib = { none: [] as number[], many: [] as number[] };
  for (let round = 1; round <= rounds; round += 1) {
    const [none, many] = await Promise.all([
      idleMib(worlds.none, SCHEDULES.none),
      idleMib(worlds.many, SCHEDULES.many),
    ]);
    mib.none.push(none);
    mib.many.push(many);
  }
  return mib;
}

async function idleMib({ servers }: World, schedule: string): Promise<number> {
  const said = new Ticking();
  const app = await servers.startApp({ schedule, onLine: said.take });
  const held: number[] = [];
  for (let tick = 1; tick <= WARM_UP + TICKS; tick += 1) {
    await said.until(tick);
    if (tick > WARM_UP) held.push(await heldMib(app.pid));
  }
  await app.stop();
  return median(held);
}
