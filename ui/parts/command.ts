import { useState } from "preact/hooks";
import { aimed } from "../aimed.ts";
import { html } from "../html.ts";
import { useSession } from "../session.ts";

/** Shows a command that does the same, and copies it. */
export function CommandLine({ command }: { readonly command: string }) {
  const { target } = useSession();
  const [said, say] = useState("");
  const whole = aimed(command, target);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(whole);
      say("Copied");
    } catch {
      // A browser may keep the clipboard from pages of plain HTTP.
      say("Select it, and copy it by hand");
    }
  };
  return html`
    <div class="command" role="group" aria-label="The command that does the same">
      <code>${whole}</code>
      <button type="button" class="small" onClick=${copy}>Copy</button>
      <span class="hint" role="status">${said}</span>
    </div>
  `;
}
