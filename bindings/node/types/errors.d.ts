// What goes wrong.
import type { ReasonName } from "./values.js";

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
