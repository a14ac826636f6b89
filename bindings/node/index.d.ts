/**
 * Erlang's mailboxes, monitors, names, timers and topics in Node, in the same engine that C and Python in this process use.
 *
 * Times are milliseconds, fractions allowed. Ids are 64-bit: `bigint`. Tags go in as numbers or bigints and come out as numbers up to
 * `Number.MAX_SAFE_INTEGER`, as bigints beyond. Nothing here blocks the thread unless it says so, and nothing keeps the process alive
 * unless it says so.
 */

/** What can be sent: text goes as UTF-8; bytes are copied, except those of {@link alloc}. Nothing is an empty payload. */
export type Data = string | ArrayBufferView | ArrayBuffer | null | undefined;

/** One of several messages. */
export type Item = Data | { data?: Data; tag?: Tag };

/** What stands for a mailbox: any object with its id (also one that came through `postMessage`), or the id. */
export type Target = { readonly id: bigint } | bigint;

/** A 64-bit number that the application chooses. */
export type Tag = number | bigint;

export type Kind =
  | "message" | "request" | "topic" | "part" | "member" | "interest" | "presence"
  | "down" | "timer" | "reply" | "exit" | "resync" | "replies" | "notify" | "end";

/**
 * What happens to a send when the mailbox is full: an error, waiting (see {@link SendOptions.timeout}), the newest or oldest is lost, or the mailbox
 * ends with reason "overflow". With "conflate", full or not, a message takes the place of the queued one with its tag.
 */
export type Policy = "fail" | "block" | "drop_new" | "drop_old" | "kill" | "conflate";

/** Why a mailbox ended. `user_N` for the reasons that applications give (N >= 1024). */
export type ReasonName =
  | "normal"
  | "killed"
  | "noproc"
  | "callback_failed"
  | "overflow"
  | "engine_closed"
  | "runtime_exit"
  | "os_exit"
  | `user_${number}`
  | `reason_${number}`;

/** The numbers of the reasons. Yours begin at `Reason.USER`. */
export const Reason: {
  readonly NORMAL: 0;
  readonly KILLED: 1;
  readonly NOPROC: 2;
  readonly CALLBACK_FAILED: 3;
  readonly OVERFLOW: 4;
  readonly ENGINE_CLOSED: 5;
  readonly RUNTIME_EXIT: 6;
  readonly OS_EXIT: 7;
  readonly USER: 1024;
};

export type ErrorCode =
  | "TD_EINVAL" | "TD_EBADID" | "TD_ENOPROC" | "TD_ESTALE" | "TD_ECLOSED" | "TD_ENOTFOUND" | "TD_EEXIST" | "TD_EAGAIN" | "TD_ETIMEDOUT"
  | "TD_EINTR" | "TD_EFULL" | "TD_ETOOBIG" | "TD_ENOMEM" | "TD_EDOWN" | "TD_ENOREPLY" | "TD_EDEADLK" | "TD_EFORKED" | "TD_EPANIC"
  | "TD_ESYS" | "TD_EUNSUPPORTED";

/** Whatever goes wrong in the library: its code, and its own words in `message`. */
export class TidingsError extends Error {
  protected constructor();
  readonly code: ErrorCode | "REPLY_ERROR";
  /** The library's number for it. */
  readonly errno: number;
  /** Of a failed call with `TD_EDOWN`: why the mailbox called ended, in words and as a number, and what it left behind. */
  readonly reason?: ReasonName;
  readonly status?: number;
  readonly data?: Uint8Array;
}

/** A call was answered with `replyError`. */
export class ReplyError extends TidingsError {
  readonly code: "REPLY_ERROR";
  /** What the other side gave. */
  readonly status: number;
  readonly data: Uint8Array;
}

export interface EngineOptions {
  /** Time stands still until {@link Engine.advance} moves it: for tests. */
  virtualClock?: boolean;
  /** Bound in payload bytes over all mailboxes; 1 GiB if not given. */
  maxBytes?: number;
}

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

export interface SendOptions {
  tag?: Tag;
  /** On whose behalf: the receiver sees it as `message.from`. */
  from?: Target;
  /**
   * Policy "block" only: the longest to wait for room. This blocks the thread, so it is for workers; without it a full mailbox is an error
   * at once.
   */
  timeout?: number;
}

export interface CallOptions {
  tag?: Tag;
  /** A mailbox of this thread on whose behalf to call. */
  from?: Mailbox;
  /** 5000 if not given. Until the call is settled it keeps the process alive, unless this is Infinity. */
  timeout?: number;
  signal?: AbortSignal;
}

export interface PublishOptions {
  tag?: Tag;
  from?: Target;
  /** Keeps the value for subscribers to come, who get it first, marked `retained`; an empty one clears it. */
  retain?: boolean;
}

export interface StreamOptions extends CallOptions {
  /** Without `from`: how many parts (1024 if not given) and bytes of them may wait to be read. */
  maxMessages?: number;
  maxBytes?: number;
}

/** What one of many mailboxes called came to. */
export type Answer = { mailbox: Address; reply: Message; error?: undefined } | { mailbox: Address; reply?: undefined; error: TidingsError };

export interface WatchOptions {
  tag?: Tag;
}

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

/** What a received message must look like. All that is given must hold; the oldest such message is taken, the others stay in order. */
export interface Match {
  kind?: Kind;
  tag?: Tag;
  /** Which bits of the tag count. */
  tagMask?: Tag;
  from?: Target;
  /** A monitor, timer, subscription, watch or call, or its id. */
  ref?: bigint | { readonly id: bigint };
  /** Anything else. It should only look at the message. */
  predicate?: (message: Message) => unknown;
}

export interface RecvOptions extends Match {
  /** Rejects with `TD_ETIMEDOUT`. A wait with a timeout keeps the process alive until it is over. */
  timeout?: number;
  /** Rejects with the signal's reason. */
  signal?: AbortSignal;
}

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
  tag?: Tag;
}

export interface SubscribeOptions {
  /** When the bound is reached: "drop_new" (if not given), "drop_old", "kill" or "conflate". */
  policy?: Policy;
  /** Of the subscriptions with this name and pattern, each message goes to one. */
  queueGroup?: string;
  /** How many of this subscription's messages may be queued; only the mailbox's own bound if not given. */
  maxMessages?: number;
}

/** What a publish came to, counted in copies. */
export interface Receipt {
  matched: number;
  queued: number;
  dropped: number;
}

export interface MailboxStats {
  open: boolean;
  /** Of an ended mailbox. */
  reason?: number;
  sent: number;
  delivered: number;
  lost: number;
  conflated: number;
  flushed: number;
  expired: number;
  discarded: number;
  queued: number;
  queuedBytes: number;
  refused: number;
  monitors: number;
  monitoredBy: number;
  timers: number;
  subscriptions: number;
  names: number;
  suspended: boolean;
}

export interface EngineStats {
  mailboxes: number;
  names: number;
  timers: number;
  subscriptions: number;
  deadLetters: number;
  published: number;
  threads: number;
  /** Payload bytes in all mailboxes now, and their bound. */
  queuedBytes: number;
  maxBytes: number;
}

/** A message. Its fields are decoded when they are asked for, and stay valid as long as you hold it. */
export class Message {
  private constructor();
  readonly kind: Kind;
  readonly tag: Tag;
  /** Who sent it; of a "down" who ended; undefined for nobody. */
  readonly from: Address | undefined;
  /**
   * The payload, a view of the memory of the batch that the message came in: holding it holds up to a megabyte of neighbours. To keep a few bytes for
   * long, copy them (`slice`).
   */
  readonly data: Uint8Array;
  /** The payload as text. */
  text(): string;
  /** Of a "topic" message the topic, of a "down" the name that was monitored, of the news of a watch the group or pattern. */
  readonly topic: string | undefined;
  /** The ticket, subscription, monitor, watch or timer it belongs to. */
  readonly ref: bigint;
  /** Of a "down" or "end" the reason's number; of a "reply" 0, what `replyError` gave, or the number of {@link error}. */
  readonly status: number;
  /** Of a "down", "exit" or "end" the reason; of a "reply" with `error` "TD_EDOWN" why the mailbox called ended. */
  readonly reason: ReasonName | undefined;
  /** Of a "reply" that is none, and of a dead letter: why, "TD_EDOWN" for example. */
  readonly error: ErrorCode | undefined;
  /** Of a "request": when the caller gives up, on the clock of `engine.now()`. */
  readonly deadline: number | undefined;
  /** How many messages were dropped just before this one. */
  readonly lost: number;
  /** What else the engine says of it, by kind: two numbers, 0 where there is nothing to say. */
  readonly info: [bigint, bigint];
  /** Of a "topic": it was published, to be kept, before the subscription began. */
  readonly retained: boolean;
  /** How many messages of its tag it has taken the place of (policy "conflate"). */
  readonly conflated: number;
  /** Of a "down" with a receipt: how many of the watcher's messages the target received, and how many it never did. */
  readonly consumed: number;
  readonly discarded: number;
  /** Of the "down" of a process: its exit status, or the name of the signal that ended it; neither where that cannot be known. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** Of a "member" or "presence": who or what came or went. Of an "interest": the first subscription came, the last one went. */
  readonly change: "joined" | "left" | "started" | "stopped" | undefined;
  /** Of a "presence". */
  readonly key: string | undefined;
  /** Of a "resync", which stands for news there was no room for: what is so now, in the form of the watch's `snapshot`. */
  readonly members: Address[] | undefined;
  readonly keys: string[] | undefined;
  readonly subscriptions: number | undefined;
  /** Of a dead letter (topic "$dead"): the id it was for, a mailbox's or a call's, and of what kind it was. `error` says why it was lost. */
  readonly deadFor: bigint | undefined;
  readonly deadKind: Kind | undefined;
  /** Answers a "request". A request that is neither answered nor kept fails its call with `TD_ENOREPLY` once it is garbage collected. */
  reply(data?: Data): void;
  /** Answers a "request" with an error: the caller's promise is rejected with a {@link ReplyError}. `status` is 1 or more. */
  replyError(status: number, data?: Data): void;
  /**
   * One of any number of parts of the answer to a "request"; {@link replyEnd}, `reply` or `replyError` ends it. Settles when the part is queued: at once, or
   * when the caller has read enough to make room (do not change its bytes before). Parts go in the order of the calls; await them before
   * `reply`. Rejects with `TD_ESTALE` when the caller no longer waits, with `TD_ETIMEDOUT` when there was no room in time, with `TD_EFULL` when there is none
   * and `timeout` is 0.
   */
  replyPart(data?: Data, options?: { timeout?: number; signal?: AbortSignal }): Promise<void>;
  /** The answer is complete, behind the parts that still wait. */
  replyEnd(): Promise<void>;
  /**
   * Passes it on: a "request" with the right to answer it, anything else as a "message" with its tag and bytes. `from` becomes its sender; the
   * old one if not given.
   */
  forward(target: Target | string, options?: { from?: Target }): void;
  /** Leaves a "request" unanswered: the caller gets `TD_ENOREPLY` now, not when this object is collected. */
  drop(): void;
}

/** A mailbox anywhere in the engine, by its id. Holding one keeps nothing alive. */
export class Address {
  protected constructor();
  readonly id: bigint;
  readonly engine: Engine;
  /** Throws `TD_EFULL` when it is full, `TD_ENOPROC` when it is over. */
  send(data?: Data, options?: SendOptions): void;
  /** Several, in order; answers how many were accepted. Throws when the first was refused. */
  sendMany(items: Iterable<Item>, options?: { from?: Target }): number;
  /** See {@link Engine.call}. */
  call(data?: Data, options?: CallOptions): Promise<Message>;
  /** Ends it with reason "normal". */
  close(): void;
  /** Ends it with a reason, which everyone who monitors it is told: "normal" if not given, or a number of yours, `Reason.USER` or more. */
  exit(reason?: number | "normal" | "callback_failed" | "runtime_exit", data?: Data): void;
  /** Ends it with reason "killed". */
  kill(): void;
  /** Ties the two together: when one ends, the other ends with its reason, unless that is "normal", or it traps exits. */
  link(other: Target): void;
  unlink(other: Target): void;
  /** From now on the end of a linked mailbox is a message of kind "exit". */
  trapExit(on?: boolean): void;
  /** Gives it bits, of which it gets one "notify" whose tag has all that came since the last one. It must be `notifiable`. */
  notify(bits: Tag): void;
  /** Joins a group of that name; twice counts two. Its end leaves all. */
  join(group: string): void;
  leave(group: string): void;
  /** Makes a key present in a group until it leaves or ends; with `grace` it may come back within so many milliseconds and was never away. */
  enterPresence(group: string, key: string, options?: { grace?: number }): void;
  leavePresence(group: string, key: string): void;
  /** What is published when it ends, before anyone is told. */
  setWill(topic: string, data?: Data, options?: { tag?: Tag; retain?: boolean }): void;
  clearWill(): void;
  /** What comes waits from now on, under its bound: nothing is received, no handler is called. Until {@link resume}. */
  suspend(): void;
  resume(): void;
  stats(): MailboxStats;
  /**
   * Settles when it is over and its handler is not running, also one in another thread. Rejects with `TD_ETIMEDOUT`, or the signal's
   * reason. Without a timeout it does not keep the process alive.
   */
  ended(options?: { timeout?: number; signal?: AbortSignal }): Promise<void>;
  toString(): string;
}

/**
 * A mailbox that this thread opened. `mailbox.send` sends to it. It stays open until it is closed, its engine is, or this thread ends;
 * dropping the object does not close it.
 */
export class Mailbox extends Address implements AsyncIterable<Message> {
  private constructor();
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
  unref(): this;
}

/** An engine: an isolated world of mailboxes, shared by every thread and language of this process that knows its id. */
export class Engine {
  constructor(options?: EngineOptions);
  /** The engine with this id, opened by another worker or language in this process. */
  static from(id: bigint | { readonly id: bigint }): Engine;
  readonly id: bigint;

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
  publish(topic: string, data?: Data, options?: PublishOptions): Receipt;
  /** Several messages to one topic, in order, for little more than the price of one. */
  publishMany(topic: string, items: Iterable<Item>, options?: { from?: Target }): Receipt;

  register(name: string, mailbox: Target): void;
  /** Takes the name over if it is taken; answers who held it. */
  registerReplace(name: string, mailbox: Target): Address | undefined;
  unregister(name: string): void;
  whereis(name: string): Address | undefined;
  /** The members of a group, one entry for each join. */
  members(group: string): Address[];
  /** The keys present in a group. */
  presenceKeys(group: string): string[];

  /** A message of kind "timer" after `ms`, to a mailbox or to whoever holds the name then. */
  sendAfter(target: Target | string, ms: number, data?: Data, options?: { tag?: Tag }): Timer;
  /** Every `ms`; one tick at most is queued. */
  sendEvery(target: Target, ms: number, data?: Data, options?: { tag?: Tag }): Timer;
  now(): number;
  /** Virtual clock: moves time on, through every expiry on the way. */
  advance(ms: number): void;
  /** Virtual clock: settles once so many threads of this process wait in the library; `TD_ETIMEDOUT` after 10 s if not given. */
  parked(count: number, options?: { timeout?: number }): Promise<void>;

  /**
   * Runs handlers now instead of in a later turn of the event loop, until nothing is queued for them (or 100,000 batches, for handlers
   * that never let it come to that); answers how many batches it was. An error inside a handler.
   */
  run(): number;
  stats(): EngineStats;
  /** Everything that is in the engine now, object by object: its mailboxes with their queues, names, monitors, topics, timers and counters. */
  inspect(): Record<string, unknown>;
  /**
   * Lets what is on its way arrive, then closes the engine, for everyone in the process. Until then sends, calls and publications without `from`, and new
   * mailboxes, are refused with `TD_ECLOSED`; those of mailboxes, replies and timers pass. The event loop goes on meanwhile. `timeout` is on the engine's
   * clock; when it is over the engine is closed with what is left.
   */
  drain(options?: { timeout?: number }): Promise<DrainReport>;
  /** Keeps the process alive until `unref` or `close`. */
  ref(): this;
  unref(): this;
  /**
   * Ends the engine and all its mailboxes, if it was opened by `new Engine`; else (from, defaultEngine) only what this thread has in it. A
   * thread that ends does the same to its engines.
   */
  close(): void;
}

/** The engine that everyone in the process shares who does not open one. */
export function defaultEngine(): Engine;

export class Monitor {
  private constructor();
  readonly id: bigint;
  /**
   * "armed": it was still watching; "flushed": its queued "down" was removed; "delivered": it had fired (without `flush` its "down" may still be
   * queued); undefined: nothing is known of it any more. After a demonitor with flush nothing of it is ever seen.
   */
  demonitor(options?: { flush?: boolean }): "armed" | "flushed" | "delivered" | undefined;
}

/** A call that {@link Mailbox.request} or {@link Mailbox.requestMany} made. */
export class Call {
  private constructor();
  readonly id: bigint;
  /** No answer will be seen; false when it was delivered before. */
  cancel(): boolean;
}

export class Subscription {
  private constructor();
  readonly id: bigint;
  /** No new message comes after this; with `flush` the queued ones go too. */
  unsubscribe(options?: { flush?: boolean }): void;
}

/** News of a group, of presence or of interest, from a state that was taken in the step in which the watch began. */
export class Watch<Snapshot> {
  private constructor();
  readonly id: bigint;
  readonly snapshot: Snapshot;
  /** No news comes after this; with `flush` what is queued goes too. False when it was over already. */
  unwatch(options?: { flush?: boolean }): boolean;
}

export class Timer {
  private constructor();
  readonly id: bigint;
  /** The time that was left, or undefined when it has fired or was cancelled before. */
  cancel(): number | undefined;
  read(): number | undefined;
}

/**
 * Zeroed memory that can be sent without a copy: sends and publishes of 4 KiB and more of it travel by reference, and it lives until the last
 * view and the last message that has it are gone. Do not change bytes that are under way.
 */
export function alloc(size: number): Uint8Array;

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
  name?: string;
  event: string;
  /** The object it happened to, and another that had part in it. */
  id?: bigint;
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
