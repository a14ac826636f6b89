/// <reference lib="esnext.disposable" />
// Mailboxes that this thread opened.
import type { Address, Call, Monitor, Subscription, WaitOptions, Watch } from "./address.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Message } from "./message.js";
import type { Data, Kind, Policy, ReasonName, Tag, Target } from "./values.js";

/** Of a mailbox. */
export interface MailboxOptions {
  /** Registered before anyone can see the mailbox. */
  name?: string;
  /** Bound in messages; 65,536 if not given. */
  maxMessages?: number;
  /** Bound in payload bytes; 64 MiB if not given. */
  maxBytes?: number;
  /** When a bound is reached; "fail" if not given. */
  policy?: Policy;
  /** Whether `notify` may be called for it. */
  notifiable?: boolean;
  /** Policy "block": how long senders in other languages wait. Without limit if not given. */
  blockTimeout?: number;
  /**
   * Gets every message, one after another, on this thread. Without one the mailbox is read with `recv`, `tryRecv` or `for await`.
   * When it throws, or a promise it returned is rejected, this mailbox ends with reason "callback_failed" and the error's text, a
   * TidingsWarning is emitted on `process`, and everything else goes on. A promise it returns is not waited for.
   */
  handler?: (message: Message) => unknown;
}

/** Of a watch. */
export interface WatchOptions {
  /** Of its news. */
  tag?: Tag;
}

/** What a received message must look like. All that is given must hold; the oldest such message is taken, the others stay in order. */
export interface Match {
  /** Of what kind it is. */
  kind?: Kind;
  /** Its tag, under {@link tagMask}. */
  tag?: Tag;
  /** Which bits of the tag count. */
  tagMask?: Tag;
  /** Who sent it. */
  from?: Target;
  /** A monitor, timer, subscription, watch or call, or its id. */
  ref?: bigint | { readonly id: bigint };
  /** Anything else. It should only look at the message. */
  predicate?: (message: Message) => unknown;
}

/** What to wait for, and how long. */
export interface RecvOptions extends Match, WaitOptions {}

/** Of a monitor. */
export interface MonitorOptions {
  /** The target was there, and ended. */
  died?: (reason: ReasonName, down: Message) => void;
  /** The target was not there when the monitor was made. */
  alreadyDown?: (down: Message) => void;
  /**
   * The "down" then says how many of this mailbox's messages the target has `consumed` since, and how many it `discarded`. Of a target in
   * Node that another thread ends while it is walking a batch, messages of that batch may count as discarded that it was handed just then.
   */
  receipt?: boolean;
  /** Of its "down". */
  tag?: Tag;
}

/** Of a subscription. */
export interface SubscribeOptions {
  /** When the bound is reached: "drop_new" (if not given), "drop_old", "kill" or "conflate". */
  policy?: Policy;
  /** Of the subscriptions with this name and pattern, each message goes to one. */
  queueGroup?: string;
  /** How many of this subscription's messages may be queued; only the mailbox's own bound if not given. */
  maxMessages?: number;
}

/**
 * A mailbox that this thread opened. `mailbox.send` sends to it. It stays open until it is closed, its engine is, or this thread ends;
 * dropping the object does not close it.
 */
export class Mailbox extends Address implements AsyncIterable<Message> {
  private constructor();
  /** The name it was opened with. */
  readonly name: string | undefined;
  /** Whether something waits to be received: a message, or the end. */
  readonly readable: boolean;
  /** The oldest message that matches, or undefined. Throws `TD_ECLOSED` when the mailbox is over. */
  tryRecv(match?: Match): Message | undefined;
  /**
   * Waits for one. A wait that is aborted or times out has taken nothing. Without a timeout it does not keep the process alive:
   * call {@link ref} where nothing else does.
   */
  recv(options?: RecvOptions): Promise<Message>;
  /**
   * The messages as they come, taken from the mailbox a batch at a time; ends when the mailbox does. What of a batch was not looked at when
   * the loop is left goes back to the queue. Like `recv` it does not keep the process alive.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message>;
  /** The same, with a bound for the wait for each message, or a signal: it is left by their errors then, and has lost nothing. */
  messages(options?: WaitOptions): AsyncIterableIterator<Message>;
  /**
   * Watches for the end of a mailbox, once. With a callback the news goes to it: `alreadyDown` when the target was not there (or the name
   * not taken), `died` when it ended later; exactly one of them is called, once. While someone iterates over this mailbox it is called in the
   * order of the messages, else as soon as possible, also before messages that nobody has read. Without callbacks it is a message of kind
   * "down".
   */
  monitor(target: Target | string, options?: MonitorOptions): Monitor;
  /**
   * A {@link Engine.call} whose answer is a message of kind "reply" in this mailbox, in its place among the others, with the call's id as `ref`. An error is
   * such a message, too: see `error` and `status`. `timeout` is 5000 if not given.
   */
  request(target: Target | string, data?: Data, options?: { tag?: Tag; timeout?: number }): Call;
  /**
   * A {@link Engine.callMany} whose answers are messages of kind "reply" (and "part") in this mailbox, all with the call's id as `ref`, and then one of kind
   * "replies" whose `info` says how many have answered and how many have not. `timeout` is 5000 if not given.
   */
  requestMany(targets: Iterable<Target | string>, data?: Data, options?: { tag?: Tag; timeout?: number }): Call;
  /** Watches for the end of a process of the system: its "down" has reason "os_exit", and `exitCode` or `signal` where it is a child of this one. */
  monitorProcess(pid: number, options?: Omit<MonitorOptions, "receipt">): Monitor;
  /** The same as {@link Monitor.demonitor}. */
  demonitor(monitor: Monitor, options?: { flush?: boolean }): "armed" | "flushed" | "delivered" | undefined;
  /** Topics are words with dots; in a pattern `*` stands for one word, `>` for one or more at the end. */
  subscribe(pattern: string, options?: SubscribeOptions): Subscription;
  /** The members now, one entry for each join; from then on a "member" message for each that joins or leaves. */
  watchGroup(group: string, options?: WatchOptions): Watch<Address[]>;
  /** The keys present now; from then on a "presence" message for each that comes or goes. */
  watchPresence(group: string, options?: WatchOptions): Watch<string[]>;
  /** How many subscriptions could get something that fits the pattern; from then on an "interest" message for the first and for the last. */
  watchInterest(pattern: string, options?: WatchOptions): Watch<number>;
  /** Keeps the process alive while this mailbox is open. */
  ref(): this;
  /** Undoes {@link ref}. */
  unref(): this;
  /** At the end of `using`: closes it, if it is not over. */
  [Symbol.dispose](): void;
  /** At the end of `await using`: closes it, and waits for its handler. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** "end": it is over, in whatever way. A listener does not keep the process alive; nobody is told when the whole thread ends. */
export interface Mailbox extends Lifecycle<{ end: [reason: ReasonName] }> {}
