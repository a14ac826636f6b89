// What is received.
import type { Address, WaitOptions } from "./address.js";
import type { ErrorCode } from "./errors.js";
import type { Data, Kind, ReasonName, Tag, Target } from "./values.js";

/** A message. Its fields are decoded when they are asked for, and stay valid as long as you hold it. */
export class Message {
  private constructor();
  /** What it is. */
  readonly kind: Kind;
  /** What the sender chose; of a "notify" the bits. */
  readonly tag: Tag;
  /** Who sent it; of a "down" who ended; undefined for nobody. */
  readonly from: Address | undefined;
  /**
   * The payload, a view of the memory of the batch that the message came in: holding it, or sending it by `postMessage`, takes up to a megabyte of
   * neighbours along, and transferring its buffer empties those that you still hold (of what has not been given to you yet nothing is lost). To keep a few
   * bytes for long, or to transfer them, use {@link copy}.
   */
  readonly data: Uint8Array;
  /** The payload in memory of its own. */
  copy(): Uint8Array;
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
  /** Of a "down" with a receipt: how many it never received. */
  readonly discarded: number;
  /** Of the "down" of a process: its exit status, or the name of the signal that ended it; neither where that cannot be known. */
  readonly exitCode: number | undefined;
  /** Of the "down" of a process that a signal ended: its name. */
  readonly signal: string | undefined;
  /** Of a "member" or "presence": who or what came or went. Of an "interest": the first subscription came, the last one went. */
  readonly change: "joined" | "left" | "started" | "stopped" | undefined;
  /** Of a "presence". */
  readonly key: string | undefined;
  /** Of a "resync", which stands for news there was no room for: what is so now, in the form of the watch's `snapshot`. */
  readonly members: Address[] | undefined;
  /** As `members`, of a watch of presence. */
  readonly keys: string[] | undefined;
  /** As `members`, of a watch of interest. */
  readonly subscriptions: number | undefined;
  /** Of a dead letter (topic "$dead"): the id it was for, a mailbox's or a call's, and of what kind it was. `error` says why it was lost. */
  readonly deadFor: bigint | undefined;
  /** Of a dead letter: of what kind it was. */
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
  replyPart(data?: Data, options?: WaitOptions): Promise<void>;
  /** The answer is complete, behind the parts that still wait. */
  replyEnd(options?: WaitOptions): Promise<void>;
  /**
   * Passes it on: a "request" with the right to answer it, anything else as a "message" with its tag and bytes. `from` becomes its sender; the
   * old one if not given.
   */
  forward(target: Target | string, options?: { from?: Target }): void;
  /** Leaves a "request" unanswered: the caller gets `TD_ENOREPLY` now, not when this object is collected. */
  drop(): void;
}
