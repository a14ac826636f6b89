// Events of the ends of things.
import type { EventEmitter } from "node:events";

/** What EventEmitter has, for the ends of things only; so `events.once(mailbox, "end")` takes it, too. Messages are never events. */
export interface Lifecycle<Events extends Record<string, unknown[]>> extends Omit<EventEmitter, "on" | "once" | "off" | "listenerCount"> {
  /** Calls the listener when it has come to that. */
  on<Name extends keyof Events & string>(event: Name, listener: (...args: Events[Name]) => void): this;
  /** The same, once. */
  once<Name extends keyof Events & string>(event: Name, listener: (...args: Events[Name]) => void): this;
  /** Undoes {@link on}. */
  off<Name extends keyof Events & string>(event: Name, listener: (...args: Events[Name]) => void): this;
  /** How many listen. */
  listenerCount(event: keyof Events & string): number;
}
