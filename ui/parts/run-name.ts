import { addressOf, Link } from "../address.ts";
import { html } from "../html.ts";
import { Plain } from "./text.ts";

interface RunNameProps {
  readonly id: string;
  readonly messageId?: string;
  /** The view that the views of single ones are below. */
  readonly below?: readonly string[];
}

/** The id of a run, which leads to it, and below it that of its message. */
export function RunName({ id, messageId = "", below = ["runs"] }: RunNameProps) {
  return html`
    <${Link} to=${addressOf([...below, id])} class="mono"><${Plain} text=${id} /><//>
    <div class="under mono"><${Plain} text=${messageId} /></div>
  `;
}
