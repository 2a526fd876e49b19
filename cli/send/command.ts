import type { Command } from "@commander-js/extra-typings";
import { end } from "../end.ts";
import { withSendFlags } from "./flags.ts";

/** Adds the subcommand `send`, which puts messages on the bus. */
export function addSend(program: Command): void {
  withSendFlags(program.command("send"))
    .description("Puts messages on the bus of the stack that `dispatcher up` runs, or on a namespace in Azure.")
    .addHelpText("after", "\nEnds with 0 if all were sent, 1 if one could not be sent, 2 for wrong flags.")
    .action((file, flags, command) => {
      if (flags.at !== undefined && flags.delay !== undefined)
        command.error("error: --at and --delay say the same; give one");
      if (flags.cloudeventSource !== undefined && flags.cloudevent === undefined)
        command.error("error: --cloudevent-source needs --cloudevent");
      return end(async () => (await import("./send.ts")).send(file, flags));
    });
}
