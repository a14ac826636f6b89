/// <reference lib="esnext.disposable" />
// Engines.
import type { Address, CallOptions, SendOptions, Timer, WaitOptions } from "./address.js";
import type { TidingsError } from "./errors.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Mailbox, MailboxOptions } from "./mailbox.js";
import type { Message } from "./message.js";
import type { Data, Item, Tag, Target } from "./values.js";

/** Of an engine. */
export interface EngineOptions {
  /** Time stands still until {@link Engine.advance} moves it: for tests. */
  virtualClock?: boolean;
  /** Bound in payload bytes over all mailboxes; 1 GiB if not given. */
  maxBytes?: number;
}

/** Of a publication. */
export interface PublishOptions {
  /** 0 if not given. */
  tag?: Tag;
  /** On whose behalf. */
  from?: Target;
  /** Keeps the value for subscribers to come, who get it first, marked `retained`; an empty one clears it. */
  retain?: boolean;
}

/** Of a call that is answered in parts. */
export interface StreamOptions extends CallOptions {
  /** Without `from`: how many parts (1024 if not given) and bytes of them may wait to be read. */
  maxMessages?: number;
  /** 64 MiB if not given. */
  maxBytes?: number;
}

/** What one of many mailboxes called came to. */
export type Answer = { mailbox: Address; reply: Message; error?: undefined } | { mailbox: Address; reply?: undefined; error: TidingsError };

/** What became of everything at a {@link Engine.drain}. */
export interface DrainReport {
  /** Messages that were received while it drained. */
  delivered: number;
  /** Messages that were left, or discarded by the end of their mailbox meanwhile. */
  undelivered: number;
  /** Suspended mailboxes in which some were left, 4,096 of them at most. */
  suspended: Address[];
  /** False when the time was up before the queues were empty. */
  complete: boolean;
}

/** What a publish came to, counted in copies. */
export interface Receipt {
  /** Subscriptions that fit. */
  matched: number;
  /** Copies that were queued. */
  queued: number;
  /** Lost by the policy of their subscription. */
  dropped: number;
}

/** What is in an engine. */
export interface EngineStats {
  /** Open now. */
  mailboxes: number;
  /** Registered now. */
  names: number;
  /** Armed now. */
  timers: number;
  /** Alive now. */
  subscriptions: number;
  /** Sends to the ended, and late and second replies. */
  deadLetters: number;
  /** Messages that were published. */
  published: number;
  /** The engine's own threads now. */
  threads: number;
  /** Payload bytes in all mailboxes now, and their bound. */
  queuedBytes: number;
  /** The bound of `queuedBytes`. */
  maxBytes: number;
}

/** An engine: an isolated world of mailboxes, shared by every thread and language of this process that knows its id. */
export class Engine {
  /** Opens an engine of its own. */
  constructor(options?: EngineOptions);
  /** The engine with this id, opened by another worker or language in this process. */
  static from(id: bigint | { readonly id: bigint }): Engine;
  /** Give it to other threads: {@link Engine.from}. */
  readonly id: bigint;

  /** Opens a mailbox. */
  mailbox(options?: MailboxOptions): Mailbox;
  /** The mailbox with this id, which may belong to anyone. */
  address(id: Target): Address;

  /** To a mailbox, or to whoever holds a name (`TD_ENOTFOUND` when nobody does). */
  send(target: Target | string, data?: Data, options?: SendOptions): void;
  /**
   * Sends a request and waits for its answer, a message of kind "reply". Rejects with `TD_ENOPROC` when nobody is there, `TD_EDOWN` when the target
   * ends before it answers, `TD_ETIMEDOUT`, `TD_ENOREPLY`, or a {@link ReplyError}.
   */
  call(target: Target | string, data?: Data, options?: CallOptions): Promise<Message>;
  /**
   * A call that is answered in parts: yields messages of kind "part" as they come, and returns the "reply" that ends them; throws as `call` rejects.
   * The parts wait in a bounded mailbox, `from` or one of its own, so a slow reader slows the replier. The call begins with the first `next`;
   * leaving the loop gives it up.
   */
  stream(target: Target | string, data?: Data, options?: StreamOptions): AsyncGenerator<Message, Message, void>;
  /**
   * Calls many at once: yields what comes of each, in the order in which it comes, and returns the counts. The calls begin with the first `next`;
   * leaving the loop gives up the rest.
   */
  callMany(targets: Iterable<Target | string>, data?: Data, options?: CallOptions): AsyncGenerator<Answer, { answered: number; failed: number }, void>;
  /** To every subscription whose pattern fits the topic. Never waits. */
  publish(topic: string, data?: Data, options?: PublishOptions): Receipt;
  /** Several messages to one topic, in order, for little more than the price of one. */
  publishMany(topic: string, items: Iterable<Item>, options?: { from?: Target }): Receipt;

  /** Gives it a name. `TD_EEXIST` when that is taken. */
  register(name: string, mailbox: Target): void;
  /** Takes the name over if it is taken; answers who held it. */
  registerReplace(name: string, mailbox: Target): Address | undefined;
  /** Frees a name. `TD_ENOTFOUND` when nobody has it. */
  unregister(name: string): void;
  /** Who has the name. */
  whereis(name: string): Address | undefined;
  /** The members of a group, one entry for each join. */
  members(group: string): Address[];
  /** The keys present in a group. */
  presenceKeys(group: string): string[];

  /** A message of kind "timer" after `ms`, to a mailbox or to whoever holds the name then. */
  sendAfter(target: Target | string, ms: number, data?: Data, options?: { tag?: Tag }): Timer;
  /** Every `ms`; one tick at most is queued. */
  sendEvery(target: Target, ms: number, data?: Data, options?: { tag?: Tag }): Timer;
  /** The engine's clock. */
  now(): number;
  /** Virtual clock: moves time on, through every expiry on the way. */
  advance(ms: number): void;
  /** Virtual clock: settles once so many threads of this process wait in the library; `TD_ETIMEDOUT` after 10 s if not given. */
  parked(count: number, options?: WaitOptions): Promise<void>;

  /**
   * Runs handlers now instead of in a later turn of the event loop, until nothing is queued for them (or 100,000 batches, for handlers
   * that never let it come to that); answers how many batches it was. An error inside a handler.
   */
  run(): number;
  /** Its counters. */
  stats(): EngineStats;
  /** Everything that is in the engine now, object by object: its mailboxes with their queues, names, monitors, topics, timers and counters. */
  inspect(): Record<string, unknown>;
  /**
   * Lets what is on its way arrive, then closes the engine, for everyone in the process. Until then sends, calls and publications without `from`, and new
   * mailboxes, are refused with `TD_ECLOSED`; those of mailboxes, replies and timers pass. The event loop goes on meanwhile. `timeout` is on the engine's
   * clock; when it is over the engine is closed with what is left. Giving up by the signal leaves it draining.
   */
  drain(options?: WaitOptions): Promise<DrainReport>;
  /** Keeps the process alive until `unref` or `close`. */
  ref(): this;
  /** Undoes {@link ref}. */
  unref(): this;
  /**
   * Ends the engine and all its mailboxes, if it was opened by `new Engine`; else (from, defaultEngine) only what this thread has in it. A
   * thread that ends does the same to its engines.
   */
  close(): void;
  /** At the end of `using`: {@link close}. */
  [Symbol.dispose](): void;
  /** At the end of `await using`: {@link drain}, if it was opened by `new Engine`; {@link close} else. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** "close": this thread has closed it. */
export interface Engine extends Lifecycle<{ close: [] }> {}

/** The engine that everyone in the process shares who does not open one. */
export function defaultEngine(): Engine;

/**
 * Zeroed memory that can be sent without a copy: sends and publishes of 4 KiB and more of it travel by reference, and it lives until the last
 * view and the last message that has it are gone. Do not change bytes that are under way.
 */
export function alloc(size: number): Uint8Array;
