import { BY_AUDIT, commandFor, meaningText, tooYoungText } from "../../cli/audit/words.ts";
import type { AuditReport, ShownFinding } from "../../shared/operate/audit/finding.ts";
import { acceptCluster, acceptLoss, adopt, cancel, force, openGate, repairAll } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton, type Deed } from "../parts/action.ts";
import { CommandLine } from "../parts/command.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { useSession } from "../session.ts";
import { useData } from "../use-data.ts";

interface Report extends Pick<AuditReport, "tooYoung"> {
  readonly findings: readonly (ShownFinding & { readonly subject: string })[];
  readonly unfinished: readonly { readonly phase: string; readonly detail: string }[];
}

/** Where bus, rows and cluster disagree, and what only a person may decide, each with what mends it. */
export function AuditView() {
  const { namespace } = useSession();
  // It looks through everything, so that it is asked for once.
  const loaded = useData<Report>("/audit");
  const areSafe = loaded.data?.findings.some((finding) => commandFor(finding, namespace) === BY_AUDIT);
  const aside = html`
    ${areSafe && html`<${ActionButton} deed=${repairAll} />`}
    <button type="button" onClick=${loaded.again}>Look again</button>
  `;
  return html`
    <${View} title="Audit" aside=${aside}>
      <${Ready}
        loaded=${loaded}
        show=${({ findings, tooYoung, unfinished }: Report) => html`
          ${unfinished.map(
            ({ phase, detail }) =>
              html`<p class="note bad" role="alert"><${Plain} text=${`Not compared: ${phase}. ${detail}`} /></p>`,
          )}
          ${tooYoungText({ tooYoung }).map((text) => html`<p class="note"><${Plain} text=${text} /></p>`)}
          ${
            findings.length === 0
              ? unfinished.length === 0
                ? html`<p class="note good">Nothing needs to be repaired: bus, rows and cluster agree, and nothing is lost or orphaned.</p>`
                : html`<${Nothing}>Nothing is known of what was not compared. Look again once it can be read.<//>`
              : html`<ul class="findings">
                  ${findings.map(
                    (finding) => html`<li data-row>
                      <p><${Plain} text=${meaningText(finding, namespace)} /></p>
                      ${deedsFor(finding).map((deed) => html`<${ActionButton} deed=${deed} />`)}
                      ${commandOf(finding, namespace)}
                    </li>`,
                  )}
                </ul>`
          }
        `}
      />
      <${CommandLine} command="dispatcher audit" />
    <//>
  `;
}

/** The command that mends a finding, if no action of the page does. */
function commandOf(finding: Report["findings"][number], namespace: string) {
  const command = deedsFor(finding).length > 0 ? undefined : commandFor(finding, namespace);
  return command === undefined ? "" : html`<${CommandLine} command=${command} />`;
}

function deedsFor(finding: Report["findings"][number]): Deed[] {
  switch (finding.kind) {
    case "orphan message":
      return [adopt(finding.subject)];
    case "overdue Job":
      return [force(finding.runId)];
    case "another cluster":
    case "mass absence":
      return [acceptCluster];
    case "shut gate":
      return [openGate(finding.gate)];
    case "source held":
      return finding.removed.length > 0 ? [] : [acceptLoss(finding.source)];
    case "missing message":
      return [cancel([finding.runId])];
    // The command mends these, or a module file, or a delivery.
    case "file missing":
    case "letters gone":
    case "lock without a run":
    case "message of a closed run":
    case "message without a row":
    case "messages missing":
    case "missing Job":
    case "run without a lock":
    case "search rows":
    case "stray Job":
    case "undeferred message":
    case "unrecorded Job":
    case "unretired Job":
      return [];
    default:
      // A newer server may find other things, which its command mends.
      return [];
  }
}
