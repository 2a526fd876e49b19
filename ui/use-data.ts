import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../shared/api/problem.ts";
import { ask } from "./api.ts";
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
        const now = "data" in answered ? { data: answered.data, etag: answered.etag } : before;
        if (now) {
          if ("data" in answered) keep(path, now);
          setState({ path, data: dataOf(now) });
        }
      }
      if (everyMs !== undefined) timer = setTimeout(() => void load(), everyMs);
    };
    const wake = () => {
      // What is asked for once stays as it is, once it is there.
      if (!document.hidden && (everyMs !== undefined || !known.has(path))) void load();
    };
    const before = known.get(path);
    if (before) setState({ path, data: dataOf(before), isOld: true });
    void load();
    document.addEventListener("visibilitychange", wake);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
    };
  }, [path, everyMs, round]);

  const again = () => setRound((last) => last + 1);
  // What was asked for before is not shown for what is asked for now.
  if (state.path !== path) return { again };
  const { path: _, ...loaded } = state;
  return { ...loaded, again };
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
