import { isFileGone, problemText } from "../../cli/status/status-text.ts";
import { lengthsText, lengthText, perMinuteText, tookText } from "../../cli/text/times.ts";
import type { ModuleStatus, Status } from "../../shared/operate/views/status.ts";
import { doneAndFailed, paceOf } from "../../shared/run/recent-ends.ts";
import { addressOf, Link } from "../address.ts";
import { pause, resume } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton } from "../parts/action.ts";
import { Chip } from "../parts/chip.ts";
import { LimitFacts } from "../parts/limit.ts";
import { countText } from "../parts/number.ts";
import { Sparkline } from "../parts/sparkline.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { Age, now } from "../time.ts";
import { useData } from "../use-data.ts";

/** What runs, what waits and why, and what is wrong, module by module. */
export function NowView() {
  const loaded = useData<Status>("/status", 2_000);
  const tick = loaded.data?.tick;
  const aside = tick && html`<span>Last tick <${Age} at=${tick.at} ago /></span>`;
  return html`<${View} title="Now" aside=${aside}><${Ready} loaded=${loaded} show=${shown} /><//>`;
}

function shown({ modules, problems }: Status) {
  return html`
    ${problems.length > 0 && html`<${Problems} problems=${problems} />`}
    <${Totals} modules=${modules} />
    ${
      modules.length === 0
        ? html`<${Nothing}>There are no modules. Put a file into the directory that MODULES_DIR names.<//>`
        : html`<${Table} caption="The modules" columns=${COLUMNS} rows=${modules} name=${nameOf} />`
    }
    <p class="hint">
      At work: Jobs that the last tick counted, of its slots. In line: below it, how long until the last of them
      begins. Done, Failed, Job takes and ended are of the last hour. Failed counts what was rejected, and not what a
      person cancelled. Job takes: half of them take no longer.
    </p>
  `;
}

/** What is wrong, each with the view that says more of it. */
function Problems({ problems }: { readonly problems: Status["problems"] }) {
  return html`
    <section class="problems" aria-label="What is wrong">
      <ul>
        ${problems.map((problem) => {
          const [says = "", audit] = problemText(problem, now()).split(". See: dispatcher audit");
          const text = says.charAt(0).toUpperCase() + says.slice(1);
          return html`<li>
            <${Plain} text=${text} />${audit !== undefined && html`. <${Link} to=${addressOf(["audit"])}>Repair it<//>`}
          </li>`;
        })}
      </ul>
    </section>
  `;
}

function Totals({ modules }: { readonly modules: readonly ModuleStatus[] }) {
  const sum = (of: (module: ModuleStatus) => number) => modules.reduce((total, module) => total + of(module), 0);
  const oldest = Math.min(...modules.flatMap(({ oldestAt }) => oldestAt ?? []));
  const failed = sum(failedOf);
  const waiting = sum(({ inLine, later }) => inLine.count + later.count);
  const moreWait = modules.some(({ inLine, later }) => inLine.isMore || later.isMore);
  const held = sum((module) => module.held.count);
  const moreHeld = modules.some((module) => module.held.isMore);
  return html`
    <dl class="totals">
      ${total("At work", countText(sum(atWorkOf)), addressOf(["runs"], { status: "dispatched" }), "work")}
      ${total("Waiting", countText(waiting, moreWait), addressOf(["runs"], { status: "waiting" }), waiting > 0 ? "wait" : "plain")}
      ${total("Held", countText(held, moreHeld), addressOf(["runs"], { status: "held" }), held > 0 ? "bad" : "plain")}
      ${total("Done, last hour", countText(sum(doneOf)), addressOf(["runs"], { which: "closed", status: "succeeded" }), "plain")}
      ${total("Failed, last hour", countText(failed), addressOf(["failures"]), failed > 0 ? "bad" : "plain")}
      <div>
        <dt>Oldest open</dt>
        <dd><${Age} at=${Number.isFinite(oldest) ? oldest : undefined} /></dd>
      </div>
    </dl>
  `;
}

function total(words: string, number: string, to: string, tone: string) {
  return html`<div>
    <dt>${words}</dt>
    <dd class=${tone}><${Link} to=${to}>${number}<//></dd>
  </div>`;
}

const COLUMNS: readonly Column<ModuleStatus>[] = [
  { head: "Module", show: (module) => html`<${ModuleName} module=${module} />` },
  { head: "At work", show: (module) => html`<${AtWork} module=${module} />`, isNumber: true },
  { head: "In line", show: (module) => html`<${InLine} module=${module} />`, isNumber: true },
  { head: "Later", show: ({ module, later }) => count(module, later, "waiting"), isNumber: true },
  { head: "Held", show: ({ module, held }) => count(module, held, "held"), isNumber: true },
  { head: "Oldest", show: ({ oldestAt }) => html`<${Age} at=${oldestAt} />`, isNumber: true, isTime: true },
  {
    head: "Done",
    show: (module) =>
      ended(
        doneOf(module),
        addressOf(["runs"], { which: "closed", module: module.module || "-", status: "succeeded" }),
      ),
    isNumber: true,
  },
  {
    head: "Failed",
    show: (module) => ended(failedOf(module), addressOf(["failures"], { module: module.module || "-" }), "bad"),
    isNumber: true,
  },
  { head: "Job takes", show: (module) => html`<${JobTakes} module=${module} />`, isNumber: true },
  { head: "Last hour", show: (module) => html`<${LastHour} module=${module} />`, isNumber: true },
];

function nameOf({ module, source }: ModuleStatus): string {
  return `${module} ${JSON.stringify(source ?? "")}`;
}

/** The module, what a person or the Dispatcher decided about it, why its runs wait, and what a person does then. */
function ModuleName({ module: status }: { readonly module: ModuleStatus }) {
  const { module, limit, trip, gate, later, atWork, slots, fileMistakes, isOtherForm } = status;
  const causes = [...Object.entries(later.causes), ...Object.entries(atWork?.heldUpBy ?? {})];
  return html`
    ${
      module === ""
        ? html`<span class="muted">no module takes it</span>`
        : html`<${Link} to=${addressOf(["modules", module])}><${Plain} text=${module} /><//>`
    }
    <span class="chips">
      ${limit && html`<${Chip} tone="wait">${limit.slots === 0 ? "paused" : `limited to ${limit.slots}`}<//>`}
      ${!limit && slots === 0 && html`<${Chip} tone="plain">no slots<//>`} ${trip && html`<${Chip} tone="bad">tripped<//>`} ${gate && html`<${Chip} tone="bad">gate shut<//>`}
      ${fileMistakes.length > 0 && html`<${Chip} tone="bad">file is wrong<//>`}
      ${isOtherForm && html`<${Chip} tone="wait">another form in force<//>`}
      ${isFileGone(status) && html`<${Chip} tone="bad">file is gone<//>`}
      ${causes.map(([cause, many]) => html`<${Chip} tone="wait">${cause} ${many}<//>`)}
      ${module !== "" && html`<${ActionButton} deed=${limit ? resume(module) : pause(module)} small=${limit ? "Resume" : "Pause"} />`}
    </span>
    ${limit && html`<div class="under"><${LimitFacts} limit=${limit} /></div>`}
  `;
}

/** How many Jobs are at work, of how many slots. */
function AtWork({ module }: { readonly module: ModuleStatus }) {
  const { slots, maxActive, atWork } = module;
  const working = atWorkOf(module);
  const share = slots ? Math.min(1, working / slots) : 0;
  return html`
    ${atWork ? countText(working) : "?"}${slots !== undefined && html`<span class="muted"> / ${countText(slots)}</span>`}
    ${slots !== maxActive && maxActive !== undefined && html`<div class="under">by its file ${countText(maxActive)}</div>`}
    ${
      slots !== 0 &&
      html`<svg class="gauge" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="track" width="100" height="4" rx="2" />
          <rect class="fill" width=${100 * share} height="4" rx="2" />
        </svg>`
    }
  `;
}

/**
 * How many wait for a slot, and how long it takes until all of them had one, if the module goes on as it did lately. If
 * they are no more than its slots, that may be as long as a Job takes: all may have begun together. Of a module without
 * slots nobody can tell.
 */
function InLine({ module: { module, inLine, ends, took, slots } }: { readonly module: ModuleStatus }) {
  const { eachMs, leastEachMs = eachMs } = paceOf(ends, now(), { took, slots });
  const jobMs = slots !== undefined && inLine.count <= slots ? (took.job?.p95Ms ?? 0) : 0;
  const leastMs = inLine.count * (leastEachMs ?? 0);
  const mostMs = Math.max(jobMs, inLine.count * (eachMs ?? 0));
  return html`
    ${count(module, inLine, "waiting")}
    ${
      inLine.count > 0 &&
      slots !== 0 &&
      eachMs !== undefined &&
      html`<div class="under range">${inLine.isMore ? `over ${lengthText(leastMs)}` : `about ${lengthsText(leastMs, mostMs)}`}</div>`
    }
  `;
}

/** How long a Job of it takes: half of them no longer, and 95 of a hundred. */
function JobTakes({ module: { took } }: { readonly module: ModuleStatus }) {
  if (!took.job) return html`<span class="none">–</span>`;
  const { medianMs, p95Ms } = took.job;
  return html`${tookText(medianMs)}<div class="under">95 % in ${tookText(p95Ms)}</div>`;
}

/** Done and failed, five minutes by five minutes, and how many Jobs ended in a minute: what was rejected had none. */
function LastHour({ module }: { readonly module: ModuleStatus }) {
  const { succeeded = 0, failed = 0 } = module.ends;
  const many = succeeded + failed;
  const eachMs = (now() - module.ends.since) / many;
  return html`
    <${Sparkline} lately=${module.lately} />
    ${many > 0 && html`<div class="under">${perMinuteText(eachMs, countText)} ended a minute</div>`}
  `;
}

function count(
  module: string,
  { count: many, isMore }: { readonly count: number; readonly isMore: boolean },
  status: string,
) {
  if (many === 0 && !isMore) return html`<span class="none">0</span>`;
  return html`<${Link} to=${addressOf(["runs"], { module: module || "-", status })}>${countText(many, isMore)}<//>`;
}

/** How many ended, with the way to them. */
function ended(many: number, to: string, tone?: string) {
  if (many === 0) return html`<span class="none">0</span>`;
  return html`<${Link} class=${tone} to=${to}>${countText(many)}<//>`;
}

function atWorkOf({ atWork }: ModuleStatus): number {
  return Object.values(atWork?.byStatus ?? {}).reduce((total, many) => total + many, 0);
}

function doneOf({ ends }: ModuleStatus): number {
  return doneAndFailed(ends).done;
}

function failedOf({ ends }: ModuleStatus): number {
  return doneAndFailed(ends).failed;
}
