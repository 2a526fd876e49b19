import { timeText } from "../../cli/text/times.ts";
import type { ModuleShown } from "../../shared/operate/views/modules.ts";
import { html } from "../html.ts";
import { Age } from "../time.ts";
import { Plain } from "./text.ts";

/** Says who paused or limited a module, when, until when, and why. */
export function LimitFacts({
  limit: { who, since, until, why },
}: {
  readonly limit: NonNullable<ModuleShown["limit"]>;
}) {
  const end = until === undefined ? "until it is resumed" : `until ${timeText(until)}`;
  return html`${end}, by <${Plain} text=${who} />, <${Age} at=${since} ago />${why && html`: <${Plain} text=${why} />`}`;
}
