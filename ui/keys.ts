import { useEffect } from "preact/hooks";

/** Whether a person is typing text just now. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.matches("input:not([type=checkbox]), textarea, select") || target.isContentEditable;
}

/** Moves to the first link of the next or the previous row. */
function move(by: 1 | -1): void {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 && by < 0 ? rows.length - 1 : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next]?.querySelector<HTMLElement>("a, button")?.focus();
}

/** The row in which the focus is. */
function focusedRow(): Element | null {
  return document.activeElement?.closest("[data-row]") ?? null;
}

function tickOf(row: Element | null): HTMLInputElement | null | undefined {
  return row?.querySelector<HTMLInputElement>("input[type=checkbox]");
}

/**
 * Opens the first action of the row that has the focus, or else of what is selected. If nothing is, it selects the row
 * first.
 */
function actOn(): void {
  const row = focusedRow();
  const own = row?.querySelector<HTMLElement>("[data-deed]");
  if (own) {
    own.click();
    return;
  }
  if (!document.querySelector("[data-row] input:checked")) tickOf(row)?.click();
  // The actions of what is selected are there once the page is drawn anew.
  requestAnimationFrame(() => document.querySelector<HTMLElement>(":is(.aside, .selection) [data-deed]")?.click());
}

/** Goes to the search box. What is typed takes the place of what was searched before. */
function goToSearch(): void {
  const input = document.querySelector<HTMLInputElement>("#search");
  input?.focus();
  input?.select();
}

/** Does what the keys of the page do: / searches, j and k move, x selects, r acts, ? lists them. */
export function useKeys(showHelp: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      const deed = {
        "/": goToSearch,
        j: () => move(1),
        k: () => move(-1),
        x: () => tickOf(focusedRow())?.click(),
        r: actOn,
        "?": showHelp,
      }[event.key];
      if (!deed) return;
      event.preventDefault();
      deed();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [showHelp]);
}
