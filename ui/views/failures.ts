import { leftText } from "../../cli/dead/hindrances.ts";
import { commandText, flag } from "../../shared/api/command-text.ts";
import type { FailureGroupShown, FailureGroups } from "../../shared/operate/views/dead-groups.ts";
import { isAtWork, type Redrive } from "../../shared/run/redrive.ts";
import { sourceName } from "../../shared/run/source.ts";
import { addressOf, Link, type Place } from "../address.ts";
import { withQuery } from "../api.ts";
import { abortRedrive, purge, redrive } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton } from "../parts/action.ts";
import { Chip } from "../parts/chip.ts";
import { CommandLine } from "../parts/command.ts";
import { countText } from "../parts/number.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age, now } from "../time.ts";
import { useData } from "../use-data.ts";

type Group = FailureGroupShown & { readonly sample: { readonly id: string } };
type Groups = Omit<FailureGroups, "groups"> & { readonly groups: readonly Group[] };

interface RedrivesFound {
  readonly redrives: readonly Redrive[];
}

/** What failed alike, the largest group first, and what a person cancelled, which counts as no failure. */
export function FailuresView({ place }: { readonly place: Place }) {
  const { module } = place.query;
  const { data } = useData<RedrivesFound>("/redrives", 2_000);
  const known = data?.redrives ?? [];
  const redrives = known.filter(isAtWork);
  // A redrive makes the groups smaller while a person looks on.
  const loaded = useData<Groups>(
    withQuery("/failure-groups", { module, limit: 50 }),
    redrives.length > 0 ? 2_000 : 10_000,
  );
  return html`
    <${View} title=${module ? `Failures of ${module === "-" ? "no module" : module}` : "Failures"}>
      <${Redrives} redrives=${known} />
      <${Ready} loaded=${loaded} show=${(found: Groups) => shown(found, known, module)} />
      <${CommandLine} command=${commandText(["dead", "groups", ...flag("module", module)])} />
    <//>
  `;
}

/** A redrive that is over is told of for so long. */
const TOLD_MS = 3_600_000;

/** The redrives that are at work, each with how far it came, and those that were over lately. */
function Redrives({ redrives }: { readonly redrives: readonly Redrive[] }) {
  return redrives.map((redrive) => {
    const { source, who, orderedAt, endedAt = 0, redriven, most, end, problem, left } = redrive;
    const name = sourceName(source);
    if (!isAtWork(redrive))
      return (
        now() < endedAt + TOLD_MS &&
        html`<p class=${end === "done" ? "note" : "note wait"} key=${name}>
          ${REDRIVE_ENDS[end ?? "done"]} <${Age} at=${endedAt} ago />: ${countText(redriven)} of <${Plain} text=${name} />${Object.keys(left).length > 0 && `, left: ${leftText(left)}`}.
          ${" "}${problem && html`<${Plain} text=${problem} />. `}<${Link} to=${addressOf(["runs"], { source: name })}>Its open runs<//></p>`
      );
    return html`<div class="note wait head" key=${name} role="status">
      <span>
        <${Plain} text=${name} /> is redriven: ${countText(redriven)}${most !== undefined && ` of ${countText(most)} at most`} so far, ordered by
        ${" "}<${Plain} text=${who} /> <${Age} at=${orderedAt} ago />
      </span>
      <${ActionButton} deed=${abortRedrive(name)} />
    </div>`;
  });
}

const REDRIVE_ENDS = { done: "Redriven", aborted: "Redrive ended by hand", stopped: "Redrive stopped" } as const;

function isCancelled({ reason }: Group): boolean {
  return reason === "Cancelled";
}

function shown({ groups, others }: Groups, redrives: readonly Redrive[], module?: string) {
  if (groups.length === 0)
    return html`<${Nothing}>There are no dead letters${module && " of it. A lost message leaves none"}.<//>`;
  const failed = groups.filter((group) => !isCancelled(group));
  const cancelled = groups.filter(isCancelled);
  return html`
    ${failed.length > 0 ? html`<${List} groups=${failed} redrives=${redrives} />` : html`<${Nothing}>There is no dead letter of a failure.<//>`}
    ${
      cancelled.length > 0 &&
      html`<section aria-labelledby="cancelled">
        <h2 id="cancelled">Cancelled by a person</h2>
        <p class="hint">These are dead letters too, but did not fail.</p>
        <${List} groups=${cancelled} redrives=${redrives} />
      </section>`
    }
    ${others > 0 && html`<p class="hint">${others} smaller groups are not shown. The command below lists them with --limit 1000.</p>`}
  `;
}

interface ListProps {
  readonly groups: readonly Group[];
  readonly redrives: readonly Redrive[];
}

function List({ groups, redrives }: ListProps) {
  const most = Math.max(...groups.map(({ count }) => count));
  return html`
    <ol class="groups">
      ${groups.map((group) => html`<${GroupOf} key=${group.id} group=${group} most=${most} redrive=${redrives.find(({ wanted }) => wanted.group === group.id)} />`)}
    </ol>
  `;
}

/** Says what became of a group since it was redriven. */
function AfterRedrive({
  redrive: { redriven, endedAt, orderedAt, end },
  group: { firstAt, lastAt },
}: {
  readonly redrive: Redrive;
  readonly group: Group;
}) {
  const since = firstAt >= orderedAt ? "all that lie here" : lastAt >= orderedAt ? "some that lie here" : "none";
  if (end !== "done")
    return html`<p>${REDRIVE_ENDS[end ?? "done"]} <${Age} at=${endedAt} ago />, after ${countText(redriven)}.</p>`;
  return html`<p>${countText(redriven)} redriven <${Age} at=${endedAt} ago />; ${since} failed since.</p>`;
}

interface GroupProps {
  readonly group: Group;
  readonly most: number;
  /** The last redrive of it, if its source had no other one since. */
  readonly redrive: Redrive | undefined;
}

function GroupOf({ group, most, redrive: last }: GroupProps) {
  const { id, module, reason, exitCode, text, count, isMore, firstAt, lastAt, sample } = group;
  const words = text || sample.description || reason;
  const about = `${countText(count, isMore)} of ${module || "no module"}: ${words}`;
  return html`
    <li data-row>
      <p class="many">
        ${countText(count, isMore)}<span class="unseen"> dead letters</span>
        <svg class=${`gauge ${isCancelled(group) ? "" : "bad"}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="track" width="100" height="4" rx="2" />
          <rect class="fill" width=${(100 * count) / most} height="4" rx="2" />
        </svg>
      </p>
      <div class="what">
        <h2><${Link} to=${addressOf(["dead-letters"], { group: id, module: module || "-", reason })}><${Plain} text=${words} mono /><//></h2>
        ${last && (isAtWork(last) ? html`<${Chip} tone="wait">being redriven<//>` : html`<${AfterRedrive} redrive=${last} group=${group} />`)}
        <p class="muted">
          <${Plain} text=${module || "no module"} /> · ${reason}${exitCode !== undefined && ` · exit code ${exitCode}`} · last
          ${" "}<${Age} at=${lastAt} ago /> · first <${Age} at=${firstAt} ago /> · such as
          ${" "}<${Link} to=${addressOf(["runs", sample.id])}><${Plain} text=${sample.messageId || sample.id} mono /><//>
        </p>
      </div>
      <div class="deeds">
        <${ActionButton} deed=${{ ...redrive({ group: id }), about }} />
        <${ActionButton} deed=${{ ...purge({ group: id }), about }} />
      </div>
    </li>
  `;
}
