import { addressOf, Link } from "../address.ts";
import { html } from "../html.ts";
import { Plain } from "./text.ts";

interface RunNameProps {
  readonly id: string;
  readonly messageId: string;
}

/** The id of a run, which leads to it, and below it that of its message. */
export function RunName({ id, messageId }: RunNameProps) {
  return html`
    <${Link} to=${addressOf(["runs", id])} class="mono"><${Plain} text=${id} /><//>
    <div class="under mono"><${Plain} text=${messageId} /></div>
  `;
}
