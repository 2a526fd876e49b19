import { findingText } from "../../cli/repair/words.ts";
import type { AuditFinding } from "../../shared/operate/audit.ts";
import { acceptCluster, acceptLoss, adopt, force, openGate } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton, type Deed } from "../parts/action.ts";
import { CommandLine } from "../parts/command.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { useSession } from "../session.ts";
import { useData } from "../use-data.ts";

interface Findings {
  readonly findings: readonly (AuditFinding & { readonly run?: string })[];
}

/** What only a person may repair, each with the action that does it. */
export function RepairView() {
  const { namespace } = useSession();
  // It looks through all open runs, so that it is asked for once.
  const loaded = useData<Findings>("/audit");
  const again = html`<button type="button" onClick=${loaded.again}>Look again</button>`;
  return html`
    <${View} title="Repair" aside=${again}>
      <${Ready}
        loaded=${loaded}
        show=${({ findings }: Findings) =>
          findings.length === 0
            ? html`<${Nothing}>Nothing needs to be repaired.<//>`
            : html`<ul class="findings">
                ${findings.map(
                  (finding) => html`<li data-row>
                    <p><${Plain} text=${findingText(finding, namespace).replace(/: --.*$/, "")} /></p>
                    ${deedsFor(finding).map((deed) => html`<${ActionButton} deed=${deed} onDone=${loaded.again} />`)}
                  </li>`,
                )}
              </ul>`}
      />
      <${CommandLine} command="dispatcher audit" />
    <//>
  `;
}

function deedsFor(finding: Findings["findings"][number]): Deed[] {
  switch (finding.kind) {
    case "orphan message":
      return finding.run === undefined ? [] : [adopt(finding.run)];
    case "overdue Job":
      return [force(finding.runId)];
    case "another cluster":
    case "mass absence":
      return [acceptCluster];
    case "shut gate":
      return [openGate(finding.gate)];
    case "source held":
      return [acceptLoss(finding.source)];
    default:
      // A newer server may find other things, which the command repairs.
      return [];
  }
}
