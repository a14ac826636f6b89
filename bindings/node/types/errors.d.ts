// What goes wrong.
import type { ReasonName } from "./values.js";

/** What can go wrong in the library. */
export type ErrorCode =
  /** An argument is wrong. */
  | "TD_EINVAL"
  /** The id never was one of this kind. */
  | "TD_EBADID"
  /** The mailbox addressed is over. */
  | "TD_ENOPROC"
  /** Another thing is over: a request answered, a timer, a subscription, an engine. */
  | "TD_ESTALE"
  /** What you were waiting on ended, or its engine drains. */
  | "TD_ECLOSED"
  /** There is no such name. */
  | "TD_ENOTFOUND"
  /** The name is taken. */
  | "TD_EEXIST"
  /** Nothing is there now. */
  | "TD_EAGAIN"
  /** Time is up. */
  | "TD_ETIMEDOUT"
  /** The wait was interrupted. */
  | "TD_EINTR"
  /** A bound is reached. */
  | "TD_EFULL"
  /** It can never fit. */
  | "TD_ETOOBIG"
  /** No memory. */
  | "TD_ENOMEM"
  /** The mailbox called ended before it answered. */
  | "TD_EDOWN"
  /** The request was dropped without an answer. */
  | "TD_ENOREPLY"
  /** The wait could never end. */
  | "TD_EDEADLK"
  /** The id belongs to the parent of this forked process. */
  | "TD_EFORKED"
  /** A fault inside the library was caught. */
  | "TD_EPANIC"
  /** The system refused. */
  | "TD_ESYS"
  /** Not on this platform or in this build. */
  | "TD_EUNSUPPORTED";

/** Whatever goes wrong in the library: its code, and its own words in `message`. */
export class TidingsError extends Error {
  /** Made by the package. */
  protected constructor();
  /** Which error it is. */
  readonly code: ErrorCode | "REPLY_ERROR";
  /** The library's number for it. */
  readonly errno: number;
  /** Of a failed call with `TD_EDOWN`: why the mailbox called ended, in words and as a number, and what it left behind. */
  readonly reason?: ReasonName;
  /** The reason's number. */
  readonly status?: number;
  /** What it left behind. */
  readonly data?: Uint8Array;
}

/** A call was answered with `replyError`. */
export class ReplyError extends TidingsError {
  /** It is no error of the library. */
  readonly code: "REPLY_ERROR";
  /** What the other side gave. */
  readonly status: number;
  /** The bytes that came with it. */
  readonly data: Uint8Array;
}
