import { expect, it } from "vitest";
import { Processes } from "../../bench/processes.ts";

it("ends a process that was not ready yet when another one failed", async () => {
  const processes = new Processes("");
  const storage = processes.start({ name: "storage", program: "local/azurite/main.js" });
  await processes.stopAll();
  const { pid } = await storage;
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});
