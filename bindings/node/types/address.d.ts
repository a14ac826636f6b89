/// <reference lib="esnext.disposable" />
// Mailboxes by their ids, and the other ids.
import type { Engine } from "./engine.js";
import type { Mailbox } from "./mailbox.js";
import type { Message } from "./message.js";
import type { Data, Item, Tag, Target } from "./values.js";

/** How long to wait: of everything that gives a promise. */
export interface WaitOptions {
  /** Rejects with `TD_ETIMEDOUT`. A wait with a timeout keeps the process alive until it is over. */
  timeout?: number;
  /** Rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Of a send. */
export interface SendOptions {
  /** 0 if not given. */
  tag?: Tag;
  /** On whose behalf: the receiver sees it as `message.from`. */
  from?: Target;
  /**
   * Policy "block" only: the longest to wait for room. This blocks the thread, so it is for workers; without it a full mailbox is an error
   * at once.
   */
  timeout?: number;
}

/** Of a call. */
export interface CallOptions {
  /** 0 if not given. */
  tag?: Tag;
  /** A mailbox of this thread on whose behalf to call. */
  from?: Mailbox;
  /** 5000 if not given. Until the call is settled it keeps the process alive, unless this is Infinity. */
  timeout?: number;
  /** Gives the call up: it rejects with the signal's reason, and a late answer goes nowhere. */
  signal?: AbortSignal;
}

/** What a mailbox has come to. sent = delivered + lost + conflated + flushed + expired + discarded + queued, always; signals are included. */
export interface MailboxStats {
  /** Whether it is not over. */
  open: boolean;
  /** Of an ended mailbox. */
  reason?: number;
  /** Sends that succeeded, and signals. */
  sent: number;
  /** Given to a receiver. */
  delivered: number;
  /** Dropped by the policy. */
  lost: number;
  /** Replaced by a newer one (policy "conflate"). */
  conflated: number;
  /** Taken out by a cancel or with `flush`. */
  flushed: number;
  /** Requests whose deadline had passed. */
  expired: number;
  /** Still queued when it ended. */
  discarded: number;
  /** Waiting now. */
  queued: number;
  /** Payload bytes that wait now. */
  queuedBytes: number;
  /** Sends that were answered `TD_EFULL`, `TD_ETOOBIG`, `TD_ENOMEM` or `TD_ETIMEDOUT`. */
  refused: number;
  /** Its own monitors that watch. */
  monitors: number;
  /** Monitors, links and open calls that watch it. */
  monitoredBy: number;
  /** Timers that would deliver to it. */
  timers: number;
  /** Its subscriptions. */
  subscriptions: number;
  /** The names it has. */
  names: number;
  /** Between `suspend` and `resume`. */
  suspended: boolean;
}

/** A mailbox anywhere in the engine, by its id. Holding one keeps nothing alive. */
export class Address {
  /** Made by {@link Engine.address} and by messages. */
  protected constructor();
  /** Its number, the same in every thread and language of the process. */
  readonly id: bigint;
  /** The engine it is in. */
  readonly engine: Engine;
  /** Throws `TD_EFULL` when it is full, `TD_ENOPROC` when it is over. */
  send(data?: Data, options?: SendOptions): void;
  /** Several, in order; answers how many were accepted. Throws when the first was refused. */
  sendMany(items: Iterable<Item>, options?: { from?: Target }): number;
  /** See {@link Engine.call}. */
  call(data?: Data, options?: CallOptions): Promise<Message>;
  /** Ends it with reason "normal". Closing what is over does nothing. */
  close(): void;
  /** Ends it with a reason, which everyone who monitors it is told: "normal" if not given, or a number of yours, `Reason.USER` or more. */
  exit(reason?: number | "normal" | "callback_failed" | "runtime_exit", data?: Data): void;
  /** Ends it with reason "killed". */
  kill(): void;
  /** Ties the two together: when one ends, the other ends with its reason, unless that is "normal", or it traps exits. */
  link(other: Target): void;
  /** Undoes {@link link}. */
  unlink(other: Target): void;
  /** From now on the end of a linked mailbox is a message of kind "exit". */
  trapExit(on?: boolean): void;
  /** Gives it bits, of which it gets one "notify" whose tag has all that came since the last one. It must be `notifiable`. */
  notify(bits: Tag): void;
  /** Joins a group of that name; twice counts two. Its end leaves all. */
  join(group: string): void;
  /** Leaves it once. `TD_ENOTFOUND` when it is not in it. */
  leave(group: string): void;
  /** Makes a key present in a group until it leaves or ends; with `grace` it may come back within so many milliseconds and was never away. */
  enterPresence(group: string, key: string, options?: { grace?: number }): void;
  /** The key is gone now, without a period of grace. */
  leavePresence(group: string, key: string): void;
  /** What is published when it ends, before anyone is told. */
  setWill(topic: string, data?: Data, options?: { tag?: Tag; retain?: boolean }): void;
  /** Takes the will back. */
  clearWill(): void;
  /**
   * What comes waits from now on, under its bound: nothing more is received and no handler is given more, but what it has
   * begun it goes through with. Until {@link resume}.
   */
  suspend(): void;
  /** Undoes {@link suspend}. */
  resume(): void;
  /** Its counters, also after its end, until some thousand others have ended. */
  stats(): MailboxStats;
  /**
   * Settles when it is over and its handler is not running, also one in another thread. Rejects with `TD_ETIMEDOUT`, or the signal's
   * reason. Without a timeout it does not keep the process alive.
   */
  ended(options?: WaitOptions): Promise<void>;
  /** For people. */
  toString(): string;
}

/** A watch on the end of a mailbox or a process, made by {@link Mailbox.monitor}. */
export class Monitor {
  private constructor();
  /** The `ref` of its "down". */
  readonly id: bigint;
  /**
   * "armed": it was still watching; "flushed": its queued "down" was removed; "delivered": it had fired (without `flush` its "down" may still be
   * queued); undefined: nothing is known of it any more. After a demonitor with flush nothing of it is ever seen.
   */
  demonitor(options?: { flush?: boolean }): "armed" | "flushed" | "delivered" | undefined;
  /** At the end of `using`: {@link demonitor}. */
  [Symbol.dispose](): void;
}

/** A call that {@link Mailbox.request} or {@link Mailbox.requestMany} made. */
export class Call {
  private constructor();
  /** The `ref` of its answers. */
  readonly id: bigint;
  /** No answer will be seen; false when it was delivered before. */
  cancel(): boolean;
  /** At the end of `using`: {@link cancel}. */
  [Symbol.dispose](): void;
}

/** Made by {@link Mailbox.subscribe}. */
export class Subscription {
  private constructor();
  /** The `ref` of its messages. */
  readonly id: bigint;
  /** No new message comes after this; with `flush` the queued ones go too. */
  unsubscribe(options?: { flush?: boolean }): void;
  /** At the end of `using`: {@link unsubscribe}. */
  [Symbol.dispose](): void;
}

/** News of a group, of presence or of interest, from a state that was taken in the step in which the watch began. */
export class Watch<Snapshot> {
  private constructor();
  /** The `ref` of its news. */
  readonly id: bigint;
  /** How it stood when the watch began. */
  readonly snapshot: Snapshot;
  /** No news comes after this; with `flush` what is queued goes too. False when it was over already. */
  unwatch(options?: { flush?: boolean }): boolean;
  /** At the end of `using`: {@link unwatch}. */
  [Symbol.dispose](): void;
}

/** Made by {@link Engine.sendAfter} and {@link Engine.sendEvery}. */
export class Timer {
  private constructor();
  /** The `ref` of its messages. */
  readonly id: bigint;
  /** The time that was left, or undefined when it has fired or was cancelled before. */
  cancel(): number | undefined;
  /** The time that is left, or undefined. */
  read(): number | undefined;
  /** At the end of `using`: {@link cancel}. */
  [Symbol.dispose](): void;
}
