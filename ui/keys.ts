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

/** Does what the keys of the page do: / searches, j and k move, x selects, ? lists them. */
export function useKeys(showHelp: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      const deed = {
        "/": () => document.querySelector<HTMLInputElement>("#search")?.focus(),
        j: () => move(1),
        k: () => move(-1),
        x: () =>
          document.activeElement
            ?.closest("[data-row]")
            ?.querySelector<HTMLInputElement>("input[type=checkbox]")
            ?.click(),
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
