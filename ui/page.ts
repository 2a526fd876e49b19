import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { addressOf, go, Link, usePlace } from "./address.ts";
import { findToken, isLocked } from "./api.ts";
import { html } from "./html.ts";
import { useKeys } from "./keys.ts";
import { ActionPlace } from "./parts/action.ts";
import { CommandLine } from "./parts/command.ts";
import { Plain } from "./parts/text.ts";
import { ProblemNote, View } from "./parts/view.ts";
import { type Session, SessionContext } from "./session.ts";
import { useData } from "./use-data.ts";
import { ActionsView } from "./views/actions.ts";
import { AuditView } from "./views/audit.ts";
import { DeadLettersView } from "./views/dead-letters.ts";
import { FailuresView } from "./views/failures.ts";
import { ModulesView, ModuleView } from "./views/modules.ts";
import { NowView } from "./views/now.ts";
import { OtherLettersView, OtherLetterView } from "./views/other-letters.ts";
import { RunView } from "./views/run.ts";
import { RunsView } from "./views/runs.ts";
import { SearchView } from "./views/search.ts";

const VIEWS = [
  ["", "Now"],
  ["failures", "Failures"],
  ["dead-letters", "Dead letters"],
  ["runs", "Runs"],
  ["modules", "Modules"],
  ["audit", "Audit"],
  ["actions", "Actions"],
] as const;

function App() {
  const place = usePlace();
  const loaded = useData<Session>("/session");
  const [isHelped, help] = useState(false);
  useKeys(() => help(true));
  const { data: session, problem } = loaded;
  if (isLocked(problem)) return html`<${Locked} />`;
  if (!session)
    return html`<main id="main"><h1 tabindex="-1">Dispatcher</h1>${problem ? html`<${ProblemNote} problem=${problem} />` : html`<p class="loading">Reading …</p>`}</main>`;
  return html`
    <${SessionContext.Provider} value=${session}>
      <a class="skip" href="#main">Skip to the view</a>
      <${Header} session=${session} view=${place.steps[0] ?? ""} />
      <${ActionPlace}><${ViewAt} key=${place.steps.join("/")} place=${place} /><//>
      <footer>
        <span>Instance <${Plain} text=${session.instance} />, Jobs in namespace <${Plain} text=${session.namespace} /></span>
        <button type="button" class="link" onClick=${() => help(true)}>Keys</button>
        <span>Dispatcher ${session.version}</span>
      </footer>
      ${isHelped && html`<${Help} onClose=${() => help(false)} />`}
    <//>
  `;
}

function search(event: Event): void {
  event.preventDefault();
  const input = document.querySelector<HTMLInputElement>("#search");
  const id = input?.value.trim();
  if (id) go(addressOf(["search"], { id }));
  input?.blur();
}

function Header({ session, view }: { readonly session: Session; readonly view: string }) {
  // On a narrow screen the names of the views are wider than it.
  useEffect(() => {
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [view]);
  // What was searched stands there as long as its answer is shown.
  useEffect(() => {
    const input = document.querySelector<HTMLInputElement>("#search");
    if (input && view !== "search" && input !== document.activeElement) input.value = "";
  }, [view]);
  return html`
    <header>
      <div class="top">
        <${Link} to=${addressOf([])} class="brand">Dispatcher<//>
        <span class=${`place ${/prod/i.test(session.place) ? "bad" : ""}`} title="Where this Dispatcher is"><${Plain} text=${session.place} /></span>
        ${!session.mayChange && html`<span class="place">look only</span>`}
        <form role="search" aria-label="Runs by an id" onSubmit=${search}>
          <input id="search" type="search" aria-label="Search by the id of a run or a message, or by a correlation id" placeholder="Run, message or correlation id" spellcheck=${false} />
          <kbd aria-hidden="true">/</kbd>
        </form>
      </div>
      <nav aria-label="Views">
        ${VIEWS.map(([step, words]) => html`<${Link} key=${step} to=${addressOf(step === "" ? [] : [step])} aria-current=${step === view ? "page" : undefined}>${words}<//>`)}
      </nav>
    </header>
  `;
}

function ViewAt({ place }: { readonly place: ReturnType<typeof usePlace> }) {
  const [view = "", name, letter] = place.steps;
  if (view === "") return html`<${NowView} />`;
  if (view === "failures") return html`<${FailuresView} place=${place} />`;
  if (view === "dead-letters" && name === "others")
    return letter === undefined
      ? html`<${OtherLettersView} place=${place} />`
      : html`<${OtherLetterView} id=${letter} />`;
  if (view === "dead-letters") return html`<${DeadLettersView} place=${place} />`;
  if (view === "runs")
    return name === undefined ? html`<${RunsView} place=${place} />` : html`<${RunView} id=${name} />`;
  if (view === "modules") return name === undefined ? html`<${ModulesView} />` : html`<${ModuleView} name=${name} />`;
  if (view === "audit") return html`<${AuditView} />`;
  if (view === "actions") return html`<${ActionsView} place=${place} />`;
  if (view === "search") return html`<${SearchView} place=${place} />`;
  return html`<${View} title="No such view"><p class="nothing">This page has no view at this address.</p><//>`;
}

const KEYS = [
  ["/", "search"],
  ["j  k", "next and previous row"],
  ["Enter", "open the row"],
  ["x", "select the row"],
  ["r", "act on it, or on what is selected"],
  ["?", "this list"],
  ["Esc", "close"],
] as const;

function Help({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return html`
    <dialog ref=${dialog} onClose=${onClose} aria-labelledby="keys">
      <h2 id="keys">Keys</h2>
      <dl class="keys">
        ${KEYS.map(([key, says]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${says}</dd></div>`)}
      </dl>
      <div class="buttons"><button type="button" onClick=${() => dialog.current?.close()}>Close</button></div>
    </dialog>
  `;
}

function Locked() {
  return html`
    <main id="main">
      <h1 tabindex="-1">Dispatcher</h1>
      <p class="note">Open the address that <code>dispatcher ui</code> printed. It has a secret, without which this page shows nothing. If it is lost, end that command and start it again.</p>
      <${CommandLine} command="dispatcher ui" />
    </main>
  `;
}

findToken();
const root = document.querySelector("#page");
if (root) render(html`<${App} />`, root);
