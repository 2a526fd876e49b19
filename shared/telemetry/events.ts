import type { Fields, Log } from "../log.ts";
import type { DomainEvent } from "./domain-event.ts";
import { writeLine } from "./event-lines.ts";

/** Told of every event. Must not throw, and must not wait for anything. */
export type EventReader = (event: DomainEvent) => void;

/** Where one invocation, a delivery or a tick, tells what happens in it. */
export interface Events {
  tell(event: DomainEvent): void;
  /** The same, with these fields on every line: the run or the message that it is about. */
  about(fields: Fields): Events;
  /** For what a person may want to read, and is no event of the domain. */
  readonly log: Log;
}

/** Hands each event to the log, then to these readers in turn. */
export function makeEvents(log: Log, readers: readonly EventReader[] = []): Events {
  return eventsOn(() => log, readers);
}

/** A tick makes these for each of its runs, of which hardly one has a line. So the log is made for its first line. */
function eventsOn(makeLog: () => Log, readers: readonly EventReader[]): Events {
  let made: Log | undefined;
  const log = () => (made ??= makeLog());
  return {
    tell(event) {
      writeLine(log, event);
      for (const read of readers) read(event);
    },
    about: (fields) => eventsOn(() => log().child(fields), readers),
    get log() {
      return log();
    },
  };
}
