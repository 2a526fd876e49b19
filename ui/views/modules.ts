import { whenText } from "../../cli/modules/ls.ts";
import { lengthText } from "../../cli/text/times.ts";
import type { ModuleShown } from "../../shared/operate/views/modules.ts";
import { slotsBy } from "../../shared/run/module-limit.ts";
import { sourceName } from "../../shared/run/source.ts";
import { addressOf, Link } from "../address.ts";
import { limit, pause, resume } from "../deeds.ts";
import { html } from "../html.ts";
import { ActionButton } from "../parts/action.ts";
import { Chip } from "../parts/chip.ts";
import { CommandLine } from "../parts/command.ts";
import { type Fact, Facts } from "../parts/facts.ts";
import { LimitFacts } from "../parts/limit.ts";
import { type Column, Table } from "../parts/table.ts";
import { Plain } from "../parts/text.ts";
import { Nothing, Ready, View } from "../parts/view.ts";
import { useData } from "../use-data.ts";

interface Modules {
  readonly modules: readonly ModuleShown[];
}

/** The modules as their files have them, and what a person said of each. */
export function ModulesView() {
  const loaded = useData<Modules>("/modules", 5_000);
  return html`
    <${View} title="Modules">
      <${Ready}
        loaded=${loaded}
        show=${({ modules }: Modules) =>
          modules.length === 0
            ? html`<${Nothing}>There are no modules.<//>`
            : html`<${Table} caption="Modules" columns=${COLUMNS} rows=${modules} name=${({ name }: ModuleShown) => name} />`}
      />
    <//>
  `;
}

const COLUMNS: readonly Column<ModuleShown>[] = [
  {
    head: "Module",
    show: ({ name }) => html`<${Link} to=${addressOf(["modules", name])}><${Plain} text=${name} /><//>`,
  },
  { head: "Source", show: ({ source }) => html`<${Plain} text=${sourceName(source)} />` },
  { head: "Slots", show: ({ maxActive, limit: by }) => slotsBy(by, maxActive), isNumber: true },
  { head: "Attempts", show: ({ retry }) => retry.maxAttempts, isNumber: true },
  { head: "Time limit", show: ({ maxRunningTimeMs }) => lengthText(maxRunningTimeMs), isNumber: true },
  { head: "By a person", show: (module) => html`<${LimitOf} module=${module} />`, isWide: true },
];

function LimitOf({ module: { limit: by } }: { readonly module: ModuleShown }) {
  if (!by) return html`<span class="none">–</span>`;
  return html`
    <${Chip} tone="wait">${by.slots === 0 ? "paused" : `limited to ${by.slots}`}<//>${" "}
    <${LimitFacts} limit=${by} />
  `;
}

/** One module: its file as it was read, and what may be done to it. */
export function ModuleView({ name }: { readonly name: string }) {
  const loaded = useData<Modules>("/modules", 5_000);
  const module = loaded.data?.modules.find((one) => one.name === name);
  const deeds =
    module &&
    html`
      ${module.limit ? html`<${ActionButton} deed=${resume(name)} />` : html`<${ActionButton} deed=${pause(name)} />`}
      <${ActionButton} deed=${limit(name, slotsBy(module.limit, module.maxActive))} />
    `;
  return html`
    <${View} title=${name} aside=${deeds}>
      <p>
        <${Link} to=${addressOf(["runs"], { module: name })}>Its open runs<//> ·${" "}
        <${Link} to=${addressOf(["runs"], { module: name, which: "closed" })}>those that are over<//> ·${" "}
        <${Link} to=${addressOf(["dead-letters"], { module: name })}>its dead letters<//>
      </p>
      <${Ready}
        loaded=${loaded}
        show=${() =>
          module
            ? html`<${ModuleParts} module=${module} />`
            : html`<${Nothing}>No module file has this name. Its runs wait until one does, or are cancelled.<//>`}
      />
      <${CommandLine} command=${`dispatcher modules show ${name}`} />
    <//>
  `;
}

/** Which form of its file is in force, by whether it is another one. */
const FORCE: Readonly<Record<string, string>> = {
  false: "The running Dispatcher has loaded it as it stands here.",
  true: "The running Dispatcher has not loaded it as it stands here.",
};

function ModuleParts({ module }: { readonly module: ModuleShown }) {
  const { limit: _, isOtherForm, ...file } = module;
  const { maxAttempts, backoff } = module.retry;
  const between = maxAttempts > 1 && `, with ${lengthText(backoff.firstMs)} to ${lengthText(backoff.maxMs)} between`;
  const facts: readonly Fact[] = [
    ["Source", sourceName(module.source)],
    ["Takes", module.when ? whenText(module) : "every message"],
    ["Slots", String(module.maxActive)],
    ["Attempts", html`${maxAttempts}${between}`],
    ["Time limit", lengthText(module.maxRunningTimeMs)],
  ];
  return html`
    ${module.limit && html`<p class="note wait"><${LimitOf} module=${module} /></p>`}
    <${Facts} facts=${facts} />
    <figure class="log">
      <figcaption><span>As it was read from <${Plain} text=${module.file} mono />, with every default. ${FORCE[String(isOtherForm)]}</span></figcaption>
      <pre tabindex="0" role="group" aria-label="The module">${JSON.stringify(file, undefined, 2)}</pre>
    </figure>
  `;
}
