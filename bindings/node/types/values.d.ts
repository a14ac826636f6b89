// What goes in and comes out: payloads, tags, and the words for kinds, policies and reasons.

/** What can be sent: text goes as UTF-8; bytes are copied, except those of {@link alloc}. Nothing is an empty payload. */
export type Data = string | ArrayBufferView | ArrayBuffer | null | undefined;

/** One of several messages. */
export type Item = Data | { data?: Data; tag?: Tag };

/** What stands for a mailbox: any object with its id (also one that came through `postMessage`), or the id. */
export type Target = { readonly id: bigint } | bigint;

/** A 64-bit number that the application chooses. */
export type Tag = number | bigint;

/** What a message is. What somebody sends comes first; from "down" on the engine makes it. */
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
