import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../shared/api/problem.ts";
import { type Answered, ask } from "./api.ts";
import { hearTime } from "./time.ts";

/** What a view shows: the last answer, and what is wrong if there was none since. */
export interface Loaded<Data> {
  readonly data?: Data;
  readonly problem?: Problem;
  /** Whether the answer is one of before, and a new one was asked for. */
  readonly isOld?: boolean;
  /** Asks again at once. */
  readonly again: () => void;
}

interface Known {
  readonly data: unknown;
  readonly etag: string | undefined;
}

/** The last answers, so that going back shows something at once. */
const known = new Map<string, Known>();
const MOST_KNOWN = 50;
/** What can't be had just now is asked for again after so long. */
const RETRY_MS = 5_000;

/** Tells all that is shown that an action was ordered, so that it is asked for again at once. */
export const ACTED = "acted";

/**
 * Asks for something, and again every `everyMs` while the page is seen; only once without it. Nothing is asked while the
 * page is hidden.
 */
export function useData<Data>(path: string | undefined, everyMs?: number): Loaded<Data> {
  const [round, setRound] = useState(0);
  const [state, setState] = useState<Omit<Loaded<Data>, "again"> & { readonly path?: string }>({});

  useEffect(() => {
    if (path === undefined) return undefined;
    let isOver = false;
    let isRead = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      const before = known.get(path);
      const answered = await ask<Data>(path, before?.etag);
      if (isOver) return;
      if ("problem" in answered) {
        const { problem } = answered;
        setState((last) => ({ ...(last.path === path ? last : {}), path, problem }));
      } else {
        isRead = true;
        const now = "data" in answered ? { data: answered.data, etag: answered.etag } : before;
        if (now) {
          if ("data" in answered) keep(path, now);
          setState({ path, data: dataOf(now) });
        }
      }
      const nextMs = everyMs ?? (isRead || isFinal(answered) ? undefined : RETRY_MS);
      // Another question may have been asked meanwhile.
      clearTimeout(timer);
      if (nextMs !== undefined) timer = setTimeout(() => void load(), nextMs);
    };
    const reload = () => void load();
    const wake = () => {
      // What is asked for once stays as it is, once it is there.
      if (!document.hidden && (everyMs !== undefined || !isRead)) reload();
    };
    const before = known.get(path);
    if (before) setState({ path, data: dataOf(before), isOld: true });
    void load();
    document.addEventListener("visibilitychange", wake);
    addEventListener(ACTED, reload);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
      removeEventListener(ACTED, reload);
    };
  }, [path, everyMs, round]);

  const again = () => setRound((last) => last + 1);
  // What was asked for before is not shown for what is asked for now.
  if (state.path !== path) return { again };
  const { path: _, ...loaded } = state;
  return { ...loaded, again };
}

/** Whether it is of no use to ask the same again. */
function isFinal(answered: Answered<unknown>): boolean {
  return "problem" in answered && answered.problem.status >= 400 && answered.problem.status < 500;
}

/** The names of the modules, to choose among. */
export function useModuleNames(): readonly string[] {
  const { data } = useData<{ readonly modules: readonly { readonly name: string }[] }>("/modules");
  return data?.modules.map(({ name }) => name) ?? [];
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- Who asks knows what is answered there.
function dataOf<Data>({ data }: Known): Data {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Each address has answers of one kind.
  return data as Data;
}

function keep(path: string, now: Known): void {
  hearTime(now.data);
  known.delete(path);
  known.set(path, now);
  const [oldest] = known.keys();
  if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest);
}
