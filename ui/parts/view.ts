import { useEffect } from "preact/hooks";
import type { Problem } from "../../shared/api/problem.ts";
import { mayHaveMoved } from "../api.ts";
import { type Children, html } from "../html.ts";
import type { Loaded } from "../use-data.ts";
import { Plain } from "./text.ts";

interface ViewProps {
  readonly title: string;
  /** Its own name, if the title is what a sender wrote. */
  readonly under?: string | undefined;
  /** What stands beside the title. */
  readonly aside?: Children;
  readonly children: Children;
}

/** A view: its name is that of the window, too. */
export function View({ title, under, aside, children }: ViewProps) {
  const name = under ?? title;
  useEffect(() => {
    document.title = `${name} · Dispatcher`;
  }, [name]);
  return html`
    <main id="main">
      <div class="head">
        <h1 tabindex="-1"><${Plain} text=${title} />${under && html`<span class="under mono"><${Plain} text=${under} /></span>`}</h1>
        ${aside && html`<div class="aside">${aside}</div>`}
      </div>
      ${children}
    </main>
  `;
}

/** Says what is wrong with what was asked. */
export function ProblemNote({ problem }: { readonly problem: Problem }) {
  return html`<p class="note bad" role="alert"><strong>${problem.title}.</strong> <${Plain} text=${problem.detail} />
    ${mayHaveMoved(problem) && html` If this goes on, the service may have another address now: end <code>dispatcher ui</code> and start it again.`}</p>`;
}

interface ReadyProps<Data> {
  readonly loaded: Loaded<Data>;
  readonly show: (data: Data) => Children;
}

/** Shows an answer once it is there, and above it what is wrong since. */
export function Ready<Data>({ loaded: { data, problem }, show }: ReadyProps<Data>) {
  return html`
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${data === undefined ? !problem && html`<p class="loading" role="status">Reading …</p>` : show(data)}
  `;
}

/** Says that there is nothing, and what to do about it. */
export function Nothing({ children }: { readonly children: Children }) {
  return html`<p class="nothing">${children}</p>`;
}
