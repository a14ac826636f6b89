// Looking in.

/** {@link Engine.inspect} of the default engine. */
export function inspect(): Record<string, unknown>;

/** An event of the flight recorder. */
export interface Recorded {
  /** Seconds ago. */
  age: number;
  /** Then or later: the thread was too busy to look at the clock. */
  about: boolean;
  /** Number and name of the thread, if they are known. */
  thread?: number;
  /** The name of the thread. */
  name?: string;
  /** "sent", "delivered", "ended" and so on. */
  event: string;
  /** The object it happened to, and another that had part in it. */
  id?: bigint;
  /** Another that had part in it. */
  other?: bigint;
  /** "64 bytes", "3 messages", "reason killed (1)", "TD_EFULL". */
  amount?: string;
  /** How often in a row; bytes and messages are added up. */
  times: number;
}

/** What is known of an object. */
export interface Explanation {
  /** All of it, for people. */
  text: string;
  /** The object asked for. */
  id: bigint;
  /** What it is and how it stands. */
  what: string;
  /** More, by its first words: "queue", "oldest", "monitors that watch it". May change with each version. */
  details: Record<string, string | string[]>;
  /** The last events with it, from the oldest on. */
  lately: Recorded[];
}

/** What the threads of this process have done lately: for people, and as events from the oldest on. */
export function recorder(): { text: string; events: Recorded[] };

/** What is known of an object, or an id: why it ended, who waits for it, what fills its queue. */
export function explain(subject: { readonly id: bigint } | bigint): Explanation;

/** The version of the library in use. */
export const version: string;

/** Where it came from: it was in the process already, TIDINGS_LIBRARY named it, or it is the package's own. */
export const library: { readonly origin: "process" | "TIDINGS_LIBRARY" | "bundled"; readonly path: string };
