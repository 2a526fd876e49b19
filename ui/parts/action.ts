import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { inFrontText, leftText } from "../../cli/dead/hindrances.ts";
import { answerText } from "../../cli/repair/words.ts";
import { withReason } from "../../shared/api/command-text.ts";
import type { Problem } from "../../shared/api/problem.ts";
import type { Answer } from "../../shared/operate/answer.ts";
import type { RedrivePlan } from "../../shared/operate/redrive-letters.ts";
import { sourceName } from "../../shared/run/source.ts";
import { focusTitle } from "../address.ts";
import { act } from "../api.ts";
import { type Children, html, valueIn } from "../html.ts";
import { type Acted, atOnce, NAMED, type Round, type Rounds } from "../rounds.ts";
import { useSession } from "../session.ts";
import { ACTED } from "../use-data.ts";
import { CommandLine } from "./command.ts";
import { countText } from "./number.ts";
import { Plain } from "./text.ts";
import { ProblemNote } from "./view.ts";

/** A field of an action beside the reason. */
interface Field {
  readonly name: string;
  readonly label: string;
  /** Those among which a person chooses; without them, a person types. */
  readonly choices?: readonly (readonly [value: string, words: string])[];
  readonly isNumber?: boolean;
  readonly value?: string;
}

/** Something that a person may do. */
export interface Deed {
  /** The words of its button, such as `Pause`. */
  readonly words: string;
  /** What it is done to, if the words don't say so. */
  readonly about?: string;
  /** What it does, in a sentence. */
  readonly says: string;
  readonly path: string;
  readonly fields?: readonly Field[];
  /** Makes the body of the request from what was typed. */
  readonly body: (typed: Typed) => object;
  /** Does it in several requests, so that it can be followed and stopped. Without it, one does all. */
  readonly rounds?: Rounds;
  /** The command that does the same, if it is another one than the server says of a single request. */
  readonly command?: (how: { readonly why?: string | undefined }) => string;
  readonly isBad?: boolean;
  /** What it destroys can't be brought back, so that the person types how many there are. */
  readonly isTyped?: boolean;
}

type Typed = Readonly<Record<string, string>>;

/** Why a request of an action was refused. */
class Refused extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

interface State {
  readonly step: "asked" | "tried" | "done";
  readonly isBusy: boolean;
  readonly round?: Round;
  readonly isStopped?: boolean;
  /** Whether it would do something else now than what was said. */
  readonly isChanged?: boolean;
  readonly problem?: Problem;
}

/** An action that a person looks at. */
interface Opened {
  readonly deed: Deed;
  readonly onDone?: () => void;
}

const Opening = createContext<(opened: Opened) => void>(() => {});

/** Shows the action that a person opens, also if the list from which it was opened has changed meanwhile. */
export function ActionPlace({ children }: { readonly children: Children }) {
  const [opened, open] = useState<Opened>();
  const close = () => {
    open(undefined);
    // What was done may have taken the button away from which the action was opened.
    requestAnimationFrame(() => document.activeElement === document.body && focusTitle());
  };
  return html`
    <${Opening.Provider} value=${open}>
      ${children}
      ${opened && html`<${ActionDialog} ...${opened} onClose=${close} />`}
    <//>
  `;
}

/**
 * A button that opens an action. That says what would be done, and does it once a person says so. `small`: the words of
 * a small button, if what stands beside it says the rest.
 */
export function ActionButton({ deed, onDone, small }: Opened & { readonly small?: string }) {
  const open = useContext(Opening);
  const opened = { deed, ...(onDone ? { onDone } : {}) };
  const kind = `${deed.isBad ? "bad" : ""} ${small ? "small" : ""}`.trim();
  return html`<button type="button" data-deed class=${kind} aria-label=${small && `${deed.words} …`} onClick=${() => open(opened)}>${small ?? deed.words} …</button>`;
}

interface DialogProps extends Opened {
  readonly onClose: () => void;
}

function ActionDialog({ deed, onDone, onClose }: DialogProps) {
  const { mayChange } = useSession();
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries((deed.fields ?? []).map(({ name, value, choices }) => [name, value ?? choices?.[0]?.[0] ?? ""])),
  );
  const [state, setState] = useState<State>({ step: "asked", isBusy: false });
  /** Whether nothing has to be filled in. */
  const isChosen = (deed.fields ?? []).every(({ choices }) => choices);
  /** Which of the tries counts: a person may choose something else before the answer is there. */
  const latest = useRef(0);
  const isStopped = useRef(false);
  const stop = () => (isStopped.current = true);
  useEffect(() => {
    dialog.current?.showModal();
    if (isChosen) void send(true);
    return stop;
  }, []);

  const type = (name: string) => (event: Event) => {
    const now = { ...typed, [name]: valueIn(event) };
    setTyped(now);
    if (!deed.fields?.some((field) => field.name === name)) return;
    // What was tried was something else.
    if (isChosen) void send(true, now);
    else {
      latest.current += 1;
      setState({ step: "asked", isBusy: false });
    }
  };
  const why = typed["why"]?.trim();
  const send = async (dryRun: boolean, how: Typed = typed) => {
    isStopped.current = false;
    const mine = (latest.current += 1);
    const isLatest = () => mine === latest.current;
    const before = dryRun ? undefined : state;
    const tried = before?.round?.acted;
    const one = async (body: object) => {
      const answered = await act<Acted>(deed.path, { ...body, ...(why && !dryRun ? { why } : {}), dryRun });
      if ("problem" in answered) throw new Refused(answered.problem);
      if ("unchanged" in answered) throw new Error("a POST has no answer that is known already");
      return answered.data;
    };
    let round: Round | undefined;
    setState({ step: before?.step ?? "asked", isBusy: true, ...(before?.round ? { round: before.round } : {}) });
    try {
      if (deed.rounds && tried?.answers && tried.answers.length <= NAMED) {
        // A run that waited may have begun since, and then its Job would be ended.
        const looked = await act<Acted>(deed.path, { ...deed.body(how), dryRun: true });
        if ("data" in looked && didsOf(looked.data) !== didsOf(tried)) {
          setState({ step: "tried", isBusy: false, isChanged: true, round: { acted: looked.data, done: 1, of: 1 } });
          return;
        }
      }
      for await (const next of (deed.rounds ?? atOnce)(one, deed.body(how), tried)) {
        if (!isLatest()) return;
        round = next;
        setState({ step: dryRun ? "asked" : "tried", isBusy: true, round });
        if (isStopped.current) break;
      }
      if (!isLatest()) return;
      const isCut = isStopped.current && round !== undefined && round.done < round.of;
      // What was tried in part says nothing of the rest.
      if (dryRun && isCut) setState({ step: "asked", isBusy: false });
      else setState({ step: dryRun ? "tried" : "done", isBusy: false, isStopped: isCut, ...(round ? { round } : {}) });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!isLatest()) return;
      const begun = !dryRun && round !== undefined;
      const shown = round ?? before?.round;
      setState({
        step: begun ? "done" : (before?.step ?? "asked"),
        isBusy: false,
        problem: error.problem,
        ...(shown ? { round: shown } : {}),
      });
    } finally {
      if (!dryRun && round) {
        if (!isInVain(round.acted)) onDone?.();
        dispatchEvent(new Event(ACTED));
      }
    }
  };
  const { step, isBusy, round, problem } = state;
  const last = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    // The button that was pressed is gone.
    if (step === "done") last.current?.focus();
  }, [step]);
  // What was ordered can't be taken back, so that its answer is waited for.
  const isOrdered = isBusy && step === "tried";
  // An effect of each state would come later than the words that the person sees.
  const mustStay = useRef(false);
  mustStay.current = isOrdered;
  useEffect(() => {
    const keepOpen = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || !mustStay.current) return;
      event.preventDefault();
      if (deed.rounds) stop();
    };
    addEventListener("keydown", keepOpen);
    return () => removeEventListener("keydown", keepOpen);
  }, [deed]);
  const refuseToClose = (event: Event) => {
    if (isOrdered) event.preventDefault();
  };
  const acted = round?.acted;
  const isRefused = acted !== undefined && !mayBeDone(acted);
  const areNumbers = (deed.fields ?? []).every(({ name, isNumber }) => !isNumber || /^\d+$/.test(typed[name] ?? ""));
  const isTypedRight = !deed.isTyped || Number(typed["count"]) === acted?.plan?.chosen;
  return html`
    <dialog ref=${dialog} onCancel=${refuseToClose} onClose=${onClose} aria-labelledby="deed">
      <form method="dialog" onSubmit=${(event: Event) => event.preventDefault()}>
        <h2 id="deed">${deed.words}</h2>
        ${deed.about && html`<p><${Plain} text=${deed.about} mono /></p>`}
        <p>${deed.says}</p>
        ${
          step !== "done" &&
          html`
            ${(deed.fields ?? []).map((field) => html`<${FieldOf} field=${field} value=${typed[field.name]} isOrdered=${isOrdered} onInput=${type(field.name)} />`)}
            <label>
              <span>Why, for those who see it later (optional)</span>
              <input value=${typed["why"] ?? ""} maxlength="1000" readonly=${isOrdered} onInput=${type("why")} />
            </label>
          `
        }
        <div aria-live="polite">
          ${problem && html`<${ProblemNote} problem=${problem} />`}
          ${isBusy && html`<${HowFar} round=${round} isOrdered=${isOrdered} />`}
          ${state.isChanged && html`<p class="note wait">It has changed since, and nothing was done. Look again.</p>`}
          ${state.isStopped && round && html`<p class="note wait">Stopped after ${countText(round.done)} of ${countText(round.of)}. What was done stays done.</p>`}
          ${acted && html`<${ActedNote} acted=${acted} most=${typed["most"]} />`}
        </div>
        ${acted && html`<${CommandLine} command=${deed.command?.({ why }) ?? withReason(acted.command, why)} />`}
        ${
          step === "tried" &&
          deed.isTyped &&
          mayChange &&
          !isRefused &&
          html`<label>
            It can't be brought back. Type ${acted?.plan?.chosen} to go on
            <input inputmode="numeric" value=${typed["count"] ?? ""} readonly=${isBusy} onInput=${type("count")} />
          </label>`
        }
        ${
          step === "tried" &&
          !mayChange &&
          html`<p class="note">This page only looks. Run the command above, or start the page with <code>dispatcher ui --act</code>.</p>`
        }
        <div class="buttons">
          ${step === "asked" && !isBusy && html`<button type="submit" class="main" disabled=${!areNumbers} onClick=${() => send(true)}>Dry run</button>`}
          ${
            (step === "tried" || isBusy) &&
            mayChange &&
            !isRefused &&
            html`<button type="submit" class=${deed.isBad ? "main bad" : "main"} disabled=${isBusy || !isTypedRight} onClick=${() => send(false)}>${deed.words}</button>`
          }
          ${
            isBusy && deed.rounds
              ? html`<button type="button" onClick=${stop}>Stop</button>`
              : html`<button type="button" ref=${last} disabled=${isOrdered} onClick=${() => dialog.current?.close()}>${step === "done" ? "Close" : "Leave it"}</button>`
          }
        </div>
      </form>
    </dialog>
  `;
}

interface FieldProps {
  readonly field: Field;
  readonly value: string | undefined;
  readonly isOrdered: boolean;
  readonly onInput: (event: Event) => void;
}

function FieldOf({ field: { name, label, choices, isNumber }, value, isOrdered, onInput }: FieldProps) {
  if (!choices)
    return html`<label>${label}<input inputmode=${isNumber ? "numeric" : "text"} value=${value} readonly=${isOrdered} onInput=${onInput} /></label>`;
  return html`
    <fieldset disabled=${isOrdered}>
      <legend class="hint">${label}</legend>
      ${choices.map(([one, words]) => html`<label class="inline"><input type="radio" name=${name} value=${one} checked=${one === value} onChange=${onInput} />${words}</label>`)}
    </fieldset>
  `;
}

/** Says that an action is under way, and how far it is if it takes several requests. */
function HowFar({ round, isOrdered }: { readonly round?: Round; readonly isOrdered: boolean }) {
  if (!round || round.of <= 1 || (isOrdered && round.done === round.of)) {
    const words = isOrdered ? "It is being done, and can't be taken back." : "Looking what it would do.";
    return html`<p class="far"><progress aria-label="It is under way" /> ${words}</p>`;
  }
  const { done, of } = round;
  return html`<p class="far"><progress value=${done} max=${of} aria-label="How far it is" /> ${countText(done)} of ${countText(of)}</p>`;
}

/** What would become of each thing, to be compared. */
function didsOf({ answers = [] }: Acted): string {
  return answers.map((answer) => answer.kind + ("did" in answer ? answer.did : "")).join();
}

/** More answers than these are summed up. */
const MOST_ANSWERS = 10;

interface ActedProps {
  readonly acted: Acted;
  /** So many of each source are redriven at most; all of them, if it is empty. */
  readonly most: string | undefined;
}

/** Says what became of each thing, or what would. */
function ActedNote({ acted: { answers = [], plans = [], missing = [], plan, done }, most }: ActedProps) {
  const isNothing = answers.length + plans.length + missing.length === 0 && plan === undefined;
  return html`
    <ul class="answers">
      ${isNothing && html`<li>There is nothing to do.</li>`}
      ${plans.map((one) => html`<li><${Plain} text=${redriveText(one, most)} /></li>`)}
      ${missing.length > 0 && html`<li>Without a dead letter on the bus: ${missing.length}.</li>`}
      ${
        answers.length > MOST_ANSWERS
          ? summed(answers).map(
              ({ kind, words, text, count, name }) => html`<li class=${kind === "refused" ? "bad" : ""}>
                <strong>${words}</strong> ${countText(count)}, such as <${Plain} text=${name} mono />: <${Plain} text=${text} />
              </li>`,
            )
          : answers.map(
              (answer) => html`<li class=${answer.kind === "refused" ? "bad" : ""}>
                <strong>${kindText(answer)}</strong> <${Plain} text=${answer.name} mono />: <${Plain} text=${answerText(answer, answer.name)} />
              </li>`,
            )
      }
      ${done ? html`<li>${purgedText(done)}</li>` : plan && html`<li>${planText(plan)}</li>`}
    </ul>
  `;
}

interface Summed {
  readonly kind: Answer["kind"];
  readonly words: string;
  readonly text: string;
  readonly name: string;
  readonly count: number;
}

/** Counts the answers that say the same, the most frequent first. */
function summed(answers: NonNullable<Acted["answers"]>): Summed[] {
  const sums = new Map<string, Summed>();
  for (const answer of answers) {
    const { kind, name } = answer;
    const text = answerText(answer, name);
    const key = `${kind} ${text}`;
    sums.set(key, {
      kind,
      words: kindText(answer),
      text,
      name,
      ...sums.get(key),
      count: (sums.get(key)?.count ?? 0) + 1,
    });
  }
  return [...sums.values()].toSorted((a, b) => b.count - a.count);
}

/** Whether all of it was refused, so that what is selected may be tried again. */
function isInVain({ answers = [] }: Acted): boolean {
  return answers.length > 0 && answers.every(({ kind }) => kind === "refused");
}

/** Whether what was tried would do anything. */
function mayBeDone({ answers = [], plans, plan }: Acted): boolean {
  if (plan) return plan.chosen > 0;
  if (plans) return plans.some(({ letters }) => letters > 0);
  return answers.some(({ kind }) => kind === "would");
}

function redriveText({ source, letters, left, inFront, tooDeep }: Omit<RedrivePlan, "met">, most = ""): string {
  const now = most !== "" && Number(most) < letters ? `, and ${most} of them will be` : "";
  const parts = [`${sourceName(source)}: ${letters} can be redriven${now}`];
  if (Object.keys(left).length > 0) parts.push(`left: ${leftText(left)}`);
  if (inFront > 0) parts.push(inFrontText(inFront));
  if (tooDeep > 0) parts.push(`${tooDeep} lie too deep to be reached`);
  return `${parts.join("; ")}.`;
}

/** Says in a word what became of a thing. What was ordered, a tick carries out. */
function kindText(answer: Answer): string {
  return answer.kind === "done" && answer.did.startsWith("ordered") ? "Ordered" : KINDS[answer.kind];
}

const KINDS = { done: "Done", would: "Would be done", already: "Nothing to do", refused: "Refused" } as const;

function planText({ chosen, onBus = chosen, inFront = 0, tooDeep = 0 }: NonNullable<Acted["plan"]>): string {
  const parts = [`${chosen} dead letters are chosen`];
  if (chosen > onBus) parts.push(`${chosen - onBus} of them are gone from the bus already`);
  if (inFront > 0) parts.push(inFrontText(inFront));
  if (tooDeep > 0) parts.push(`${tooDeep} lie too deep to be reached`);
  return `${parts.join("; ")}.`;
}

function purgedText({ removed, gone, left }: NonNullable<Acted["done"]>): string {
  return `Purged ${removed}${gone > 0 ? `, and the rows of ${gone} that were gone` : ""}${left > 0 ? `; ${left} are left, try again later` : ""}.`;
}
