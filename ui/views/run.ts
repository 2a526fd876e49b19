import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { sentencesOf } from "../../cli/runs/explain.ts";
import { jobStateText } from "../../cli/runs/hand-words.ts";
import { eventText, noEventsText, noJobText } from "../../cli/runs/job-words.ts";
import { lastErrorText } from "../../cli/runs/last-error.ts";
import { redrivenMark, redrivenText } from "../../cli/runs/redriven-text.ts";
import { wordsOf } from "../../cli/runs/steps.ts";
import { lengthText, timeText } from "../../cli/text/times.ts";
import { commandText } from "../../shared/api/command-text.ts";
import type { Explanation } from "../../shared/operate/views/explain.ts";
import type { JobInCluster } from "../../shared/operate/views/job.ts";
import type { RunShown } from "../../shared/operate/views/run.ts";
import { isDeadLettered, isRedrivable, originalId, runId } from "../../shared/run/run.ts";
import { sourceName } from "../../shared/run/source.ts";
import { addressOf, Link } from "../address.ts";
import { cancel, naming, redrive } from "../deeds.ts";
import { html, valueIn } from "../html.ts";
import { ActionButton } from "../parts/action.ts";
import { StatusChip } from "../parts/chip.ts";
import { CommandLine } from "../parts/command.ts";
import { type Fact, Facts } from "../parts/facts.ts";
import { Plain, plainLines } from "../parts/text.ts";
import { Ready, View } from "../parts/view.ts";
import { useSession } from "../session.ts";
import { Age, now } from "../time.ts";
import { useData } from "../use-data.ts";
import { Sent } from "./sent.ts";

type Shown = RunShown & { readonly run: { readonly id: string } };
interface Logs {
  readonly attempt: number;
  readonly from: "pod" | "store" | "nowhere";
  readonly containers: readonly { readonly container: string; readonly text: string; readonly isCut: boolean }[];
}

/** One run: where it is and why, its times, its log, and what was sent. */
export function RunView({ id }: { readonly id: string }) {
  const path = `/runs/${encodeURIComponent(id)}`;
  const loaded = useData<Shown>(path, 2_000);
  const run = loaded.data?.run;
  const redriven = loaded.data?.redriven;
  const isOpen = loaded.data !== undefined && loaded.data.place !== "closed";
  const aside = html`
    ${run && html`<${StatusChip} status=${run.status} />`}
    ${run && isOpen && html`<${ActionButton} deed=${naming(cancel([run.id]), [run])} />`}
    ${run && isRedrivable(run, redriven) && html`<${ActionButton} deed=${naming(redrive({ runs: [run.id] }), [run])} />`}
    ${run?.redrive && html`Redrive ${run.redrive} of <${RunLink} id=${originalId(run)} text="the first run" />`}
    ${redriven && redriven.status !== "withdrawn" && html`<${RunLink} id=${redriven.id} text=${upper(redrivenMark(redriven))} />`}
  `;
  const name = run?.id ?? id;
  // People know their messages.
  const title = run?.messageId || name;
  return html`
    <${View} title=${title} under=${title === name ? undefined : name} aside=${aside}>
      <${Ready} loaded=${loaded} show=${(shown: Shown) => html`<${Parts} shown=${shown} path=${path} />`} />
      <${CommandLine} command=${commandText(["runs", "show", name])} />
    <//>
  `;
}

function RunLink({ id, text = id }: { readonly id: string; readonly text?: string }) {
  return html`<${Link} to=${addressOf(["runs", id])}><${Plain} text=${text} /><//>`;
}

function Parts({ shown, path }: { readonly shown: Shown; readonly path: string }) {
  const isOpen = shown.place !== "closed";
  return html`
    <${Why} path=${path} isOpen=${isOpen} />
    <${Log} path=${path} attempts=${shown.attempt} isOpen=${isOpen} />
    <${Happened} timeline=${shown.timeline} />
    <div class="two">
      <${Known} shown=${shown} />
      <${Timeline} times=${shown.times} isOpen=${isOpen} isFirst=${shown.attempt === 1 && shown.run.redrive === undefined} />
    </div>
    <${JobPart} path=${path} id=${shown.run.id} attempt=${shown.attempt} isOpen=${isOpen} />
    <${Sent} path=${contentPath(shown)} />
  `;
}

/** Why it is where it is, and what comes next. */
function Why({ path, isOpen }: { readonly path: string; readonly isOpen: boolean }) {
  const loaded = useData<Explanation>(`${path}/explanation`, isOpen ? 4_000 : undefined);
  return html`
    <section aria-labelledby="why">
      <h2 id="why">${loaded.data?.kind === "closed" ? "How it ended" : "Why it is there"}</h2>
      <${Ready}
        loaded=${loaded}
        show=${(explanation: Explanation) => {
          const id = runId(explanation.run);
          // What stands above names the run already.
          // An answer that is still right is not sent again, but the time goes on.
          const sentences = sentencesOf(explanation.kind === "open" ? { ...explanation, at: now() } : explanation, {
            isShort: true,
          }).map((text) => (text.startsWith(id) ? `It${text.slice(id.length)}` : text));
          return html`<ul class="why">${sentences.map((text) => html`<li><${Plain} text=${text} /></li>`)}</ul>`;
        }}
      />
    </section>
  `;
}

function Known({ shown }: { readonly shown: Shown }) {
  const { run, job, message, attempt, place, redriven } = shown;
  const found = "found" in job ? job.found : undefined;
  const isOver = place === "closed";
  const facts: readonly Fact[] = [
    [
      "Module",
      run.module
        ? html`<${Link} to=${addressOf(["modules", run.module])}><${Plain} text=${run.module} /><//>`
        : "none takes it",
    ],
    ["Source", sourceName(run.source)],
    ["Message id", html`<${Plain} text=${run.messageId || "–"} mono />`],
    [
      "Correlation id",
      run.correlationId &&
        html`<${Link} to=${addressOf(["search"], { id: run.correlationId })}><${Plain} text=${run.correlationId} mono /><//>`,
    ],
    ["Subject", run.subject],
    [
      "Attempt",
      attempt === 0
        ? isOver
          ? "none"
          : "none has begun"
        : `${attempt}, ${run.failures} failed, ${run.interruptions} interrupted`,
    ],
    ["Message", messageText(message, run.status)],
    ["Redriven", redriven && html`<${RunLink} id=${redriven.id} text=${redrivenText(redriven)} />`],
    ["First run", run.redrive && html`<${RunLink} id=${originalId(run)} />`],
    [
      "Job",
      "unavailable" in job
        ? `the cluster can't be asked: ${job.unavailable}`
        : found
          ? html`<${Plain} text=${found.name} mono /> <${Plain} text=${jobStateText(found, shown)} />`
          : "none",
    ],
    ...(found?.pods ?? []).map(
      ({ name, phase, node, containers }) =>
        [
          "Pod",
          html`<${Plain} text=${name} mono /> ${phase}${node && ` on ${node}`}
            ${containers.map(({ name: container, state, exitCode }) => html`<br /><${Plain} text=${container} />: ${state}${exitCode !== undefined && ` with code ${exitCode}`}`)}`,
        ] as const,
    ),
    ["Last error", isOver && !isSaid(run) && lastErrorText(run)],
  ];
  return html`
    <section aria-labelledby="facts">
      <h2 id="facts">Facts</h2>
      <${Facts} facts=${facts} />
    </section>
  `;
}

/** Where body and properties of its message can be read: in its queue, or in the dead letter queue until it is redriven. */
function contentPath({ run, message, redriven }: Shown): string | undefined {
  const id = encodeURIComponent(run.id);
  if ("found" in message && message.found) return `/runs/${id}/content`;
  return isRedrivable(run, redriven) ? `/dead-letters/${id}/content` : undefined;
}

/** Whether the last error is missing, or the verdict tells it, as the explanation says. */
function isSaid({ lastError, verdict }: Shown["run"]): boolean {
  return lastError === undefined || verdict?.description?.includes(lastError) === true;
}

function messageText(message: Shown["message"], status: Shown["run"]["status"]): string {
  if ("unavailable" in message) return `the bus can't be asked: ${message.unavailable}`;
  const { found } = message;
  // A redriven letter is deferred where it lies, also once it has failed anew.
  const state = isDeadLettered(status) ? "dead-lettered" : found?.state;
  return found ? `${state}, ${found.bodyBytes} bytes` : (state ?? "not on the bus any more");
}

/** The steps of a run, and what the time up to each was spent with. */
const STEPS = [
  ["enqueuedAt", "Enqueued", "wait"],
  ["acceptedAt", "Accepted", "wait"],
  ["jobCreatedAt", "Job created", "wait"],
  ["podStartedAt", "Pod started", "start"],
  ["workStartedAt", "Work began", "start"],
  ["workEndedAt", "Work ended", "work"],
  ["jobEndedAt", "Job ended", "settle"],
  ["closedAt", "Closed", "settle"],
] as const;

interface TimelineProps {
  readonly times: Shown["times"];
  readonly isOpen: boolean;
  /** Whether nothing of the message was tried before. */
  readonly isFirst: boolean;
}

function Timeline({ times, isOpen, isFirst }: TimelineProps) {
  let before: number | undefined;
  // The cluster's times are whole seconds, so that a step may seem to be before the one that it follows.
  const steps = STEPS.flatMap(([name, words, kind]) => {
    const at = times[name];
    if (at === undefined) return [];
    const tookMs = before === undefined ? undefined : Math.max(0, at - before);
    before = at;
    return [{ at, words, kind, tookMs }];
  });
  // What comes next has begun already.
  const next = STEPS[STEPS.findLastIndex(([name]) => times[name] !== undefined) + 1];
  const spans = [
    ...steps,
    ...(isOpen && next && before !== undefined ? [{ kind: next[2], tookMs: Math.max(0, now() - before) }] : []),
  ];
  const wholeMs = Math.max(1, sumOf(spans));
  const { workStartedAt, jobEndedAt, closedAt, workEndedAt: endedAt = jobEndedAt ?? closedAt } = times;
  return html`
    <section aria-labelledby="times">
      <h2 id="times">Times</h2>
      <svg class="timeline" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="8" />
        ${spans.map(({ kind, tookMs = 0 }, index) => {
          const x = (100 * sumOf(spans.slice(0, index))) / wholeMs;
          return html`<rect class=${kind} x=${x} width=${(100 * tookMs) / wholeMs} height="8" />`;
        })}
      </svg>
      ${
        workStartedAt !== undefined &&
        html`<p class="hint">
          ${isFirst ? `Waited ${tookText(Math.max(0, workStartedAt - times.enqueuedAt))},` : "The last attempt"}
          ${endedAt === undefined ? " works for " : " worked "}${tookText(Math.max(0, (endedAt ?? now()) - workStartedAt))}.
        </p>`
      }
      <ol class="steps">
        ${steps.map(
          ({ at, words, kind, tookMs }) => html`<li class=${kind}>
            <span>${words}</span>
            <span class="took">${tookMs === undefined ? "" : `+${tookText(tookMs)}`}</span>
            <time datetime=${new Date(at).toISOString()}>${timeText(at)}</time>
          </li>`,
        )}
        ${
          isOpen &&
          html`<li class="open">
            <span>Open since</span><span class="took"></span><${Age} at=${steps[0]?.at} ago />
          </li>`
        }
      </ol>
    </section>
  `;
}

/** What happened in all attempts of a run. */
function Happened({ timeline }: { readonly timeline: Shown["timeline"] }) {
  if (timeline.length === 0) return "";
  return html`
    <section aria-labelledby="happened">
      <h2 id="happened">What happened</h2>
      <ol class="steps">
        ${timeline.map(
          (entry) => html`<li>
            <span><${Plain} text=${wordsOf(entry)} /></span>
            <span class="took"></span>
            <time datetime=${new Date(entry.at).toISOString()}>${timeText(entry.at)}</time>
          </li>`,
        )}
      </ol>
    </section>
  `;
}

function sumOf(steps: readonly { readonly tookMs: number | undefined }[]): number {
  return steps.reduce((sum, { tookMs = 0 }) => sum + tookMs, 0);
}

function tookText(ms: number): string {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : lengthText(ms);
}

/** So many lines are shown at first. */
const MOST_LINES = 1_000;
/** The height of one, in pixels: so near to its end a log is at it. */
const A_LINE = 24;

function Log({
  path,
  attempts,
  isOpen,
}: {
  readonly path: string;
  readonly attempts: number;
  readonly isOpen: boolean;
}) {
  const [attempt, choose] = useState<number>();
  const which = attempt ?? attempts;
  const loaded = useData<Logs>(
    which === 0 ? undefined : `${path}/logs?attempt=${which}`,
    isOpen && which === attempts ? 2_000 : undefined,
  );
  const all = Array.from({ length: attempts }, (_, index) => index + 1);
  return html`
    <section aria-labelledby="log">
      <div class="head">
        <h2 id="log">Log</h2>
        ${
          attempts > 1 &&
          html`<label class="inline">Attempt
            <select onChange=${(event: Event) => choose(Number(valueIn(event)))}>
              ${all.map((one) => html`<option value=${one} selected=${one === which}>${one}</option>`)}
            </select>
          </label>`
        }
      </div>
      ${which === 0 ? html`<p class="nothing">${isOpen ? "No attempt has begun." : "There was no attempt."}</p>` : html`<${Ready} loaded=${loaded} show=${logShown} />`}
    </section>
  `;
}

function logShown({ from, attempt, containers }: Logs) {
  if (from === "nowhere") return html`<p class="nothing">Attempt ${attempt} left no log, or it is gone.</p>`;
  return containers.map(
    ({ container, text, isCut }) =>
      html`<${ContainerLog} key=${container} name=${container} text=${text} isCut=${isCut} />`,
  );
}

function ContainerLog({
  name,
  text,
  isCut,
}: {
  readonly name: string;
  readonly text: string;
  readonly isCut: boolean;
}) {
  const [isWhole, showWhole] = useState(false);
  // Its end says most. It stays there, unless a person has gone back to read.
  const pre = useRef<HTMLPreElement>(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    if (isAtEnd.current && pre.current) pre.current.scrollTop = pre.current.scrollHeight;
  }, [text]);
  const onScroll = () => {
    const { scrollHeight = 0, scrollTop = 0, clientHeight = 0 } = pre.current ?? {};
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < A_LINE;
  };
  const lines = text.split("\n");
  const shown = isWhole ? lines : lines.slice(-MOST_LINES);
  return html`
    <figure class="log">
      <figcaption>
        <${Plain} text=${name} />
        ${isCut && html`<span class="hint">only the last part is left</span>`}
        ${shown.length < lines.length && html`<button type="button" class="small" onClick=${() => showWhole(true)}>Show all ${lines.length} lines</button>`}
      </figcaption>
      <pre ref=${pre} onScroll=${onScroll} tabindex="0" role="group" aria-label=${`Log of ${name}`}>${plainLines(shown.join("\n"))}</pre>
    </figure>
  `;
}

type JobAnswer = Omit<JobInCluster, "job"> & {
  readonly job: { readonly found: { readonly yaml: string } | null } | { readonly unavailable: string };
};

interface JobPartProps {
  readonly path: string;
  readonly id: string;
  readonly attempt: number;
  readonly isOpen: boolean;
}

/** The Job as the cluster has it, and its events. It may hold the message, so that it is fetched only if it is asked for. */
function JobPart({ path, id, attempt, isOpen }: JobPartProps) {
  const { role } = useSession();
  const [isAsked, ask] = useState(false);
  const loaded = useData<JobAnswer>(isAsked ? `${path}/job` : undefined, isOpen ? 5_000 : undefined);
  if (attempt === 0) return null;
  return html`
    <section aria-labelledby="job">
      <h2 id="job">Job and events</h2>
      ${
        isAsked
          ? html`<${Ready} loaded=${loaded} show=${jobShown} /><${CommandLine} command=${commandText(["runs", "show", id, "--job"])} />`
          : role !== "viewer"
            ? html`<button type="button" onClick=${() => ask(true)}>Show the Job and its events</button>`
            : html`<p class="nothing">The Job may hold the message, and so takes the role of an operator.</p>`
      }
    </section>
  `;
}

function jobShown(answer: JobAnswer) {
  const { name, job, events } = answer;
  const noJob = noJobText(answer);
  const noEvents = noEventsText(events);
  const told = "found" in events ? (events.found ?? []) : [];
  return html`
    ${
      noEvents === undefined
        ? html`<ol class="steps" aria-label="Events">${told.map(
            (event) => html`<li class=${event.isWarning ? "warning" : ""}>
              <span><${Plain} text=${eventText(event)} /></span>
              <span class="took"></span>
              ${event.at !== undefined && html`<time datetime=${new Date(event.at).toISOString()}>${timeText(event.at)}</time>`}
            </li>`,
          )}</ol>`
        : html`<p class="nothing"><${Plain} text=${`Events: ${noEvents}`} />.</p>`
    }
    ${
      "found" in job && job.found
        ? html`<figure class="log">
            <figcaption><span>Job <${Plain} text=${name ?? ""} mono />, as the cluster has it</span></figcaption>
            <pre tabindex="0" role="group" aria-label="The Job">${plainLines(job.found.yaml)}</pre>
          </figure>`
        : html`<p class="nothing"><${Plain} text=${upper(noJob ?? "")} />.</p>`
    }
  `;
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
