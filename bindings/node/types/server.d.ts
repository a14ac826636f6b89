/// <reference lib="esnext.disposable" />
// Servers.
import type { CallOptions, SendOptions, WaitOptions } from "./address.js";
import type { Engine } from "./engine.js";
import type { Mailbox, MailboxOptions } from "./mailbox.js";
import type { Message } from "./message.js";
import type { Data, ReasonName } from "./values.js";

/** Of a server: the name and the bounds of its mailbox. */
export interface ServerOptions extends Omit<MailboxOptions, "handler" | "notifiable"> {
  /** Where its mailbox opens; the default engine if not given. */
  engine?: Engine;
}

/**
 * A server in the manner of Erlang's gen_server: an object with state of its own that gets the messages of one mailbox, one after another. A callback that
 * is async is waited for before the next message is handed out, so callbacks never overlap.
 *
 * ```js
 * class Counter extends Server {
 *   #count = 0;
 *   handleCall() { return String(this.#count); }
 *   handleCast(message) { this.#count += Number(message.text()); }
 * }
 * const counter = Counter.start({ name: "counter" });
 * counter.cast("5");
 * (await counter.call()).text(); // "5"; from anywhere else: engine.call("counter"), engine.send("counter", "5")
 * await counter.stop();
 * ```
 *
 * A callback that throws, or whose promise is rejected, ends the server: {@link Server.terminate} is called, the mailbox ends with reason "callback_failed" and
 * the error's text, which callers who wait (`TD_EDOWN`), monitors and links are told, and a TidingsWarning is emitted on `process`. Everything else goes on.
 */
export abstract class Server {
  /** Do not use `new`: {@link start} does, with `args`. */
  constructor(...args: never[]);
  /**
   * Makes a server of this class, opens its mailbox and calls {@link init}; an error of the constructor, of the opening (`TD_EEXIST`: the name is taken) or of
   * an `init` that is not async is thrown here. `args` go to the constructor.
   */
  static start<Args extends unknown[], S extends Server>(this: new (...args: Args) => S, options?: ServerOptions, ...args: Args): S;

  /** Called once, before the first message: the mailbox is there. */
  protected init(): unknown;
  /**
   * A call. What is returned is the answer, and `undefined` is none yet: then keep the request and answer it later by its `reply`, `replyPart` or `replyError`,
   * or `forward` it. Without this method a call ends the server.
   */
  protected handleCall(request: Message): Data | Promise<Data> | void | Promise<void>;
  /** What was sent: a message of kind "message". Without this method a cast ends the server. */
  protected handleCast(message: Message): unknown;
  /** Everything else: timers, topics, news of watches, the ends of links (if it traps them). Without this method a TidingsWarning says so. */
  protected handleInfo(message: Message): unknown;
  /** The end of a mailbox that `this.mailbox` monitors without callbacks. Goes to {@link handleInfo} of itself. */
  protected handleDown(down: Message): unknown;
  /**
   * The last call, once, however the server ends; `error` is what a callback has failed with. Names, monitors and links find the server alive until it returns, unless
   * somebody else has ended its mailbox (`exit`, `kill`, a link, the engine's end). When the whole thread ends it is not called.
   */
  protected terminate(reason: ReasonName, error?: unknown): unknown;

  /** Its mailbox's: a server can stand wherever a mailbox can. */
  readonly id: bigint;
  /** The engine it is in. */
  readonly engine: Engine;
  /** Its own mailbox: to monitor, subscribe and set timers with. */
  readonly mailbox: Mailbox;
  /** See {@link Engine.call}. */
  call(data?: Data, options?: CallOptions): Promise<Message>;
  /** The same as a send to its mailbox: throws `TD_EFULL` when that is full, `TD_ENOPROC` when it is over. */
  cast(data?: Data, options?: SendOptions): void;
  /**
   * Ends it when all that was sent before has been handled, also when its mailbox is full; settles when {@link terminate} has returned. `reason` as in
   * {@link Address.exit}. The first one counts. Giving up, by time or signal, takes nothing back. Keeps the process alive until it is settled. One of its own
   * callbacks may call it, but must not wait for it.
   */
  stop(reason?: number | "normal" | "callback_failed" | "runtime_exit", options?: WaitOptions & { data?: Data }): Promise<void>;
  /** {@link stop}, at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** Settles when it is over and {@link terminate} has returned. Rejects with `TD_ETIMEDOUT`, or the signal's reason. */
  ended(options?: WaitOptions): Promise<void>;
  /** Keeps the process alive while it runs. */
  ref(): this;
  /** Undoes {@link ref}. */
  unref(): this;
}
