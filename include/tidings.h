/* tidings.h - Erlang's mailboxes, monitors, names, timers and topics as a C library.
 *
 * Generated from src/ffi by `UPDATE=1 cargo test --test header`; edit it there.
 *
 * Results. Functions return an int32_t: 0 is success, positive a count where documented, negative a TD_E code. Each
 * function's comment has the codes that are its own. Besides them any function may return TD_EINVAL (an argument is
 * wrong: a NULL that is not allowed, an unknown flag, text that is not UTF-8; td_last_error says which), TD_EBADID (the
 * id never was one of this kind), TD_EFORKED (the id belongs to the parent of this forked process) and TD_EPANIC (a bug
 * of the library, caught; the process goes on).
 *
 * Parameters. Object, inputs, outputs; a buffer, then its size. Outputs are written only on success, except that ids
 * become 0 on failure. Text is UTF-8 with a size, see TD_STR; it needs no NUL. Options begin with their own size; start
 * from their INIT macro, zero is the default of every other field. A handler or other callback may call any function of
 * the library, and must not throw or longjmp through it.
 *
 * Comments. "Threads: any" means from any thread at any time. "Blocks" says whether a function may wait. "Owns" says
 * who keeps what and who gives it back. */
#ifndef TIDINGS_H
#define TIDINGS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------- constants */

/* Version of this header; td_version_number is that of the library it runs with. */
#define TD_VERSION_MAJOR 0  /* new major: programs may have to change */
#define TD_VERSION_MINOR 1  /* new minor: functions, codes or option fields were added */
#define TD_VERSION_PATCH 0  /* new patch: nothing to compile against has changed */
#define TD_ABI_VERSION 0    /* the number in the SONAME, libtidings.so.0; while it is 0 nothing is promised */

/* Results: 0 is success, positive a count where documented, negative one of these. Codes are append-only. */
#define TD_OK 0              /* success */
#define TD_EINVAL -1         /* an argument is wrong; td_last_error names it */
#define TD_EBADID -2         /* the id never was one of this kind */
#define TD_ENOPROC -3        /* the mailbox addressed is over */
#define TD_ESTALE -4         /* another object is finished: ticket, timer, monitor, released message */
#define TD_ECLOSED -5        /* what you were waiting on, yourself, ended */
#define TD_ENOTFOUND -6      /* there is no such name */
#define TD_EEXIST -7         /* the name is taken */
#define TD_EAGAIN -8         /* nothing is there now */
#define TD_ETIMEDOUT -9      /* time is up */
#define TD_EINTR -10         /* an interruptible wait was interrupted */
#define TD_EFULL -11         /* a bound is reached */
#define TD_ETOOBIG -12       /* it can never fit */
#define TD_ENOMEM -13        /* no memory */
#define TD_EDOWN -14         /* the called mailbox ended before it replied */
#define TD_ENOREPLY -15      /* the ticket was dropped without a reply */
#define TD_EDEADLK -16       /* the wait could never end */
#define TD_EFORKED -17       /* the id belongs to the parent of this forked process */
#define TD_EPANIC -18        /* a panic inside the library was caught */
#define TD_ESYS -19          /* a system call failed; td_last_error names it */
#define TD_EUNSUPPORTED -20  /* not on this platform or in this build */

/* Time is in nanoseconds. A timeout of 0 polls; a negative one is TD_EINVAL. */
#define TD_FOREVER INT64_MAX               /* wait without limit */
#define TD_MS(n) ((int64_t)(n) * 1000000)  /* milliseconds */

/* Flags of calls. */
#define TD_INTERRUPTIBLE 1u  /* of waits: a signal handler's return ends it with TD_EINTR */
#define TD_FLUSH 2u          /* of td_demonitor, td_unsubscribe and td_unwatch: take out what is queued, too */
#define TD_RETAIN 4u         /* of td_publish and td_will_set: the value is kept for later subscribers */

/* Kinds of messages: sent (below 16), signals of the engine (16 to 31), notes on a queue (32 and above). */
#define TD_KIND_MESSAGE 1u   /* from td_send and its friends */
#define TD_KIND_REQUEST 2u   /* a call: ref is the ticket to answer */
#define TD_KIND_TOPIC 3u     /* through a subscription: ref is the subscription, topic the topic */
#define TD_KIND_PART 4u      /* part of an answer: ref and tag are those of the call, from is the replier */
#define TD_KIND_MEMBER 5u    /* from joined or left (status) the group topic: ref is the watch */
/* a first subscription came, the last one went (status), for the pattern topic: ref is the watch */
#define TD_KIND_INTEREST 6u
#define TD_KIND_PRESENCE 7u  /* the key data came or went (status) in the group topic, through from: ref is the watch */
/* from ended: ref is the monitor, status the reason, data its bytes, topic the name if by name */
#define TD_KIND_DOWN 16u
#define TD_KIND_TIMER 17u    /* ref is the timer, tag and data are as armed */
#define TD_KIND_REPLY 18u    /* answer to td_call_start: ref is its ticket, status 0, the replier's, or a TD_E code */
/* a mailbox linked to this one ended: from is that one, status the reason, data its bytes */
#define TD_KIND_EXIT 19u
/* end of a td_call_many: ref is the gathering, info[0] how many answered, info[1] how many did not */
#define TD_KIND_REPLIES 21u
#define TD_KIND_NOTIFY 22u   /* from td_notify: tag is the bits */
/* edges found no room: data is a new snapshot, info[0] the kind of the edges, info[1] its entries, ref the watch */
#define TD_KIND_RESYNC 20u
#define TD_KIND_END 32u      /* the mailbox itself is over, status is the reason; lost counts what was dropped last */
#define TD_KIND_GAP 33u      /* in frames only: tag is how many messages were dropped here, lost by the next one */

/* Version of the layout of frames, and flags of a frame header. */
#define TD_FRAME_VERSION 2   /* grows when td_frame_header changes */
#define TD_FRAME_BY_REF 1u   /* the body is a td_frame_by_ref, not the payload */
#define TD_FRAME_TRAILER 2u  /* a td_frame_trailer follows body and topic */

/* Text and its size, from a literal: td_whereis(engine, TD_STR("source"), &mailbox). */
#define TD_STR(s) (s), (sizeof(s) - 1)

/* Options of an engine. */
#define TD_ENGINE_VIRTUAL_CLOCK 1u  /* flag: time moves by td_clock_advance only */
#define TD_TIME_THREAD 0u           /* time: a timer thread starts with the first timer */
#define TD_TIME_HOST 1u             /* time: td_loop_run fires due timers; see td_loop_deadline */

/* Levels of the log: a sink gets those up to its own. */
#define TD_LOG_ERROR 1u  /* something failed and nobody else will hear of it */
#define TD_LOG_WARN 2u   /* something was lost or refused */
#define TD_LOG_INFO 3u   /* something began or ended */

/* Reasons, the status of TD_KIND_DOWN: 0 to 1023 are the engine's, from TD_REASON_USER on they are yours. */
#define TD_REASON_NORMAL 0           /* td_mailbox_close */
#define TD_REASON_KILLED 1           /* td_mailbox_kill */
/* it was not there when the monitor was made, or it was to be linked; no mailbox ends with this reason */
#define TD_REASON_NOPROC 2
#define TD_REASON_CALLBACK_FAILED 3  /* its handler failed; the data is the text of the failure */
#define TD_REASON_OVERFLOW 4         /* its policy is TD_KILL, and it was full */
#define TD_REASON_ENGINE_CLOSED 5    /* td_engine_close */
#define TD_REASON_RUNTIME_EXIT 6     /* its loop closed, or the runtime that ran its handler went away */
/* a process of the system ended, see td_monitor_os_process; no mailbox ends with this reason */
#define TD_REASON_OS_EXIT 7
#define TD_REASON_USER 1024          /* the first of your own */

/* What a full mailbox does with one more message. Signals are never refused or dropped. */
#define TD_FAIL 0u      /* the send fails with TD_EFULL */
#define TD_BLOCK 1u     /* the send waits */
#define TD_DROP_NEW 2u  /* the new message is dropped and counted */
#define TD_DROP_OLD 3u  /* the oldest is dropped and counted; never a request or a signal */
#define TD_KILL 4u      /* the mailbox ends with TD_REASON_OVERFLOW; the send fails with TD_EFULL */

/* a new message takes the place of a queued one with its tag (of a publication: topic and tag), and info[0] says how
 * many it replaced; others fail when it is full. Requests are not replaced */
#define TD_CONFLATE 5u

/* Flags of td_mailbox_options. */
#define TD_THREAD_BOUND 1u  /* it ends with TD_REASON_RUNTIME_EXIT when the thread that opened it ends */
#define TD_NOTIFIABLE 2u    /* td_notify may be called for it; the first such mailbox starts a thread, tidings-notify */
#define TD_BY_WORKERS 4u    /* the engine's workers run the handler; no loop is given */

/* States of a mailbox. */
#define TD_STATE_OPEN 1u   /* alive */
#define TD_STATE_ENDED 2u  /* over */

/* Fields of a td_match that must hold. */
#define TD_MATCH_KIND 1u  /* message.kind == kind */
#define TD_MATCH_TAG 2u   /* (message.tag & tag_mask) == (tag & tag_mask) */
#define TD_MATCH_FROM 4u  /* message.from == from */
#define TD_MATCH_REF 8u   /* message.ref == ref */

/* Outcomes of td_demonitor. */
#define TD_WAS_ARMED 1u      /* it was still watching; no DOWN will come */
#define TD_WAS_FLUSHED 2u    /* a queued DOWN was taken out */
#define TD_WAS_DELIVERED 3u  /* it had fired: the DOWN was delivered, or is queued and TD_FLUSH was not given */

/* Status of a TD_KIND_TOPIC message that was published, with TD_RETAIN, before its subscription began. */
#define TD_RETAINED 1

/* Status of the edges of watches: TD_KIND_MEMBER, TD_KIND_PRESENCE, TD_KIND_INTEREST. */
#define TD_JOINED 1   /* a mailbox joined, or a key is present */
#define TD_LEFT 2     /* a mailbox left or ended, or a key is gone */
#define TD_STARTED 3  /* there is a first subscription */
#define TD_STOPPED 4  /* the last subscription is gone */

/* ----------------------------------------------------------------------------------------------------------- types */

/* Ids are values: copy, compare, log and send them. Zero is no object. No id is ever used again for something else. */
typedef struct td_engine { uint64_t id; } td_engine;              /* an isolated world of mailboxes */
typedef struct td_mailbox { uint64_t id; } td_mailbox;            /* an ordered, bounded queue with a life */
typedef struct td_monitor_ref { uint64_t id; } td_monitor_ref;    /* a one-shot watch on a mailbox's end */
typedef struct td_timer { uint64_t id; } td_timer;                /* a message later */
typedef struct td_subscription { uint64_t id; } td_subscription;  /* a topic pattern's way into a mailbox */
typedef struct td_watch { uint64_t id; } td_watch;                /* a snapshot, then each change of what is watched */
typedef struct td_loop { uint64_t id; } td_loop;                  /* the handler mailboxes that one host thread runs */
typedef struct td_ticket { uint64_t id; } td_ticket;              /* a call's right to one reply */

/* No mailbox, as a sender. */
#ifdef __cplusplus
#define TD_NOBODY (td_mailbox{0})
#else
#define TD_NOBODY ((td_mailbox){0})
#endif

/* A file descriptor that poll, epoll, libuv and their like take. */
typedef intptr_t td_fd;

/* One message. data and topic stay valid until td_message_release; for a message that td_batch_next gave (its owner
 * is 0), until the batch is released or its handler returns. data is never NULL; topic is "" with size 0 when
 * there is none. The layout is frozen. */
typedef struct td_message {
  uint32_t kind;      /* TD_KIND_... */
  int32_t status;     /* reason or reply status, by kind; else 0 */
  const void *data;
  size_t data_size;
  td_mailbox from;    /* zero: nobody */
  uint64_t tag;       /* the application's */
  uint64_t ref;       /* ticket, subscription, watch, monitor or timer, by kind; else 0 */
  const char *topic;  /* UTF-8, not NUL-terminated */
  size_t topic_size;
  int64_t deadline;   /* of requests, on the clock of td_now; else TD_FOREVER */
  uint64_t lost;      /* how many messages were dropped just before this one */
  uint64_t owner;     /* generational: a second release is TD_ESTALE */
  uint64_t info[2];   /* what else the engine says, by kind; else 0 */
} td_message;

/* A frame of messages, in order. Entry i begins at frame + offsets[i] with a td_frame_header. C code walks it with
 * td_batch_next; a binding may take the frame as one buffer, claim each signal with td_batch_claim, and set cursor
 * before it releases the batch. */
typedef struct td_batch {
  const uint8_t *frame;
  size_t frame_size;
  const uint32_t *offsets;
  uint32_t count;        /* entries */
  uint32_t cursor;       /* entries passed so far; td_batch_next and td_batch_claim move it */
  td_mailbox mailbox;    /* whose messages these are */
  uint64_t owner;        /* generational: a second release is TD_ESTALE */
  uint64_t reserved[2];  /* the engine's */
} td_batch;

/* What every entry of a frame begins with: 32 bytes, 8-aligned. Then come the body (size bytes, padded to 8), the
 * topic (topic_size bytes, padded to 8) and, with TD_FRAME_TRAILER, a td_frame_trailer. What can be withdrawn from an
 * open batch, kinds TD_KIND_REQUEST to 31, must be claimed with td_batch_claim before use. */
typedef struct td_frame_header {
  uint32_t size;  /* of the body */
  uint8_t kind;   /* TD_KIND_... */
  uint8_t flags;  /* TD_FRAME_BY_REF, TD_FRAME_TRAILER; ignore others */
  uint16_t topic_size;
  uint64_t from;
  uint64_t tag;
  uint64_t ref;
} td_frame_header;

/* The body of a TD_FRAME_BY_REF entry: a payload that stays where it is. */
typedef struct td_frame_by_ref {
  const void *data;
  uint64_t data_size;
  uint64_t reserved;  /* the engine's */
} td_frame_by_ref;

/* What requests, signals and some messages carry besides. */
typedef struct td_frame_trailer {
  int64_t deadline;
  int32_t status;
  uint32_t reserved;  /* the engine's */
  uint64_t info[2];   /* as in td_message */
} td_frame_trailer;

/* Runs exactly once for the registration it was given with, after the last call of the registered function has
 * returned; also when registering fails. It may call what a td_release_fn may, with the same effect. */
typedef void (*td_drop_fn)(void *user);

/* Sees a thread of the engine begin, on that thread. The name is NUL-terminated; it must not throw or longjmp. */
typedef void (*td_thread_fn)(const char *name, void *user);

/* Options of td_engine_open. Zero is the default of every field but size. */
typedef struct td_engine_options {
  size_t size;
  uint32_t flags;             /* 0 or TD_ENGINE_VIRTUAL_CLOCK */
  uint32_t time;              /* TD_TIME_THREAD or TD_TIME_HOST */
  /* payload bytes queued in all its mailboxes together, beyond which each is as if it were full; 0: 1 GiB */
  uint64_t max_bytes;
  /* threads that run the handlers of TD_BY_WORKERS mailboxes, at most 1,024; they start with the first of these */
  uint32_t workers;
  uint32_t reserved;          /* 0 */
  td_thread_fn thread_start;  /* called on each thread of the engine before anything else; may be NULL */
  void *thread_user;          /* for thread_start */
} td_engine_options;
#define TD_ENGINE_OPTIONS_INIT { sizeof(td_engine_options), 0, TD_TIME_THREAD, 0, 0, 0, NULL, NULL }

/* What td_engine_stats fills in. */
typedef struct td_engine_counters {
  size_t size;             /* set by the caller: sizeof(td_engine_counters) */
  uint64_t mailboxes;      /* open now */
  uint64_t names;          /* registered now */
  uint64_t timers;         /* of td_send_after, td_send_after_name and td_send_every, armed now */
  uint64_t subscriptions;  /* alive now */
  uint64_t dead_letters;   /* sends to the ended, late and second replies */
  uint64_t published;      /* messages that td_publish and td_publish_many took */
  uint64_t threads;        /* the engine's own threads now */
  uint64_t queued_bytes;   /* payload bytes in all mailboxes now; to count them, each is looked at */
  uint64_t max_bytes;      /* the bound of queued_bytes */
} td_engine_counters;

/* What td_engine_drain fills in. */
typedef struct td_drain_report {
  size_t size;           /* set by the caller: sizeof(td_drain_report) */
  uint64_t delivered;    /* messages delivered since the drain began */
  uint64_t undelivered;  /* messages that were left, or discarded by the end of their mailbox meanwhile */
  uint64_t suspended;    /* suspended mailboxes in which some were left */
} td_drain_report;

/* Takes a line of the log: text has size bytes of UTF-8, without NUL and line end. Called on the thread that caused
 * the line, with no lock held; it must not throw or longjmp. */
typedef void (*td_log_fn)(uint32_t level, const char *text, size_t size, void *user);

/* Takes the messages of a handler mailbox, inside td_loop_run of its loop or on a worker; never two calls at a time for
 * one mailbox.
 * Walk the batch with td_batch_next; it ends with the call, unless td_batch_retain kept it. What a handler does not
 * walk goes back to the queue. It may call anything, also what ends its own mailbox; it must not throw or longjmp. */
typedef void (*td_handler_fn)(td_batch *batch, void *user);

/* Options of td_mailbox_open. Zero is the default of every field but size. */
typedef struct td_mailbox_options {
  size_t size;
  uint32_t flags;         /* TD_THREAD_BOUND, TD_NOTIFIABLE, TD_BY_WORKERS */
  uint32_t policy;        /* TD_FAIL, TD_BLOCK, TD_DROP_NEW, TD_DROP_OLD, TD_KILL, TD_CONFLATE */
  uint64_t max_messages;  /* bound in messages; 0: 65,536 */
  uint64_t max_bytes;     /* bound in payload bytes; 0: 64 MiB */
  int64_t block_timeout;  /* TD_BLOCK: how long a send waits; 0: TD_FOREVER */
  /* zero: read with td_recv and its like, or by workers; else td_loop_run of this loop runs handler */
  td_loop loop;
  td_handler_fn handler;  /* NULL without a loop and TD_BY_WORKERS */
  void *user;             /* for handler and drop; see td_mailbox_user */
  td_drop_fn drop;        /* may be NULL */
  const char *name;       /* registered before anyone can see the mailbox; NULL for none */
  size_t name_size;
} td_mailbox_options;
#define TD_MAILBOX_OPTIONS_INIT { sizeof(td_mailbox_options), 0, TD_FAIL, 0, 0, 0, {0}, NULL, NULL, NULL, NULL, 0 }

/* What td_mailbox_stats fills in. sent = delivered + lost + conflated + flushed + expired + discarded + queued,
 * always; signals are included. */
typedef struct td_mailbox_counters {
  size_t size;            /* set by the caller: sizeof(td_mailbox_counters) */
  uint32_t state;         /* TD_STATE_OPEN or TD_STATE_ENDED */
  int32_t reason;         /* once ended */
  uint64_t sent;          /* sends that succeeded, and signals */
  uint64_t delivered;     /* given to a receiver */
  uint64_t lost;          /* dropped by the policy */
  uint64_t flushed;       /* taken out by a cancel or with TD_FLUSH */
  uint64_t expired;       /* requests whose deadline had passed */
  uint64_t discarded;     /* still queued when it ended */
  uint64_t queued;        /* waiting now */
  uint64_t queued_bytes;  /* payload bytes waiting now */
  uint64_t refused;       /* sends that were answered TD_EFULL, TD_ETOOBIG, TD_ENOMEM or TD_ETIMEDOUT */
  uint64_t monitors;      /* own armed monitors */
  uint64_t monitored_by;  /* armed monitors, links and open calls that watch this mailbox */
  uint64_t timers;        /* armed timers that would deliver here */
  uint64_t subscriptions;
  uint64_t names;
  uint64_t suspended;     /* 1 between td_suspend and td_resume */
  uint64_t conflated;     /* replaced by a newer one (TD_CONFLATE) */
} td_mailbox_counters;

/* Runs exactly once when the last reader of a payload that was sent without copying is done with it. It may call
 * anything, also what ends mailboxes; what else has to be released or dropped for that on this thread is, in its order,
 * once this function has returned, and before the call that it runs in returns. It must not throw or longjmp. */
typedef void (*td_release_fn)(void *data, size_t size, void *user);

/* Options of td_send_ex and td_publish. Zero is the default of every field but size. */
typedef struct td_send_options {
  size_t size;
  uint32_t flags;        /* 0 or TD_INTERRUPTIBLE */
  uint32_t reserved;     /* 0 */
  int64_t timeout;       /* TD_BLOCK: how long to wait; 0: the mailbox's block_timeout; -1: do not wait */
  /* Not NULL: data is not copied but read where it is, and release(data, size, release_user) runs exactly once when
   * the last reader is done. On error the caller keeps data and release does not run. A message that TD_DROP_NEW
   * dropped is a success: release runs. */
  td_release_fn release;
  void *release_user;
  td_loop release_loop;  /* zero: release runs on any thread; else only in td_loop_run, td_loop_close of this one */
} td_send_options;
#define TD_SEND_OPTIONS_INIT { sizeof(td_send_options), 0, 0, 0, NULL, NULL, {0} }

/* One message of td_send_many and td_publish_many. */
typedef struct td_item {
  uint64_t tag;
  const void *data;  /* NULL only with a size of 0 */
  size_t data_size;
} td_item;

/* Which messages td_recv_match takes. */
typedef struct td_match {
  size_t size;
  uint32_t fields;    /* TD_MATCH_...: which of the following must hold; 0: everything matches */
  uint32_t kind;
  uint64_t tag;
  uint64_t tag_mask;  /* 0: all bits */
  td_mailbox from;
  uint64_t ref;
} td_match;
#define TD_MATCH_INIT { sizeof(td_match), 0, 0, 0, 0, {0}, 0 }

/* The place of td_recv_peek. All zero is before the oldest message. */
typedef struct td_cursor { uint64_t words[4]; } td_cursor;
#define TD_CURSOR_INIT { {0, 0, 0, 0} }

/* Tells an outer event loop that td_loop_run has something to do, when before it had nothing. Called on any thread with
 * no lock held; it must only pass the news on, and not throw or longjmp. */
typedef void (*td_wake_fn)(void *user);

/* Options of td_loop_open. Zero is the default of every field but size. */
typedef struct td_loop_options {
  size_t size;
  uint32_t flags;   /* none yet: 0 */
  uint32_t budget;  /* most batches of one td_loop_run; 0: no limit, but each ready mailbox once per round */
  td_wake_fn wake;  /* may be NULL */
  void *user;       /* for wake and drop */
  td_drop_fn drop;  /* may be NULL */
} td_loop_options;
#define TD_LOOP_OPTIONS_INIT { sizeof(td_loop_options), 0, 0, NULL, NULL, NULL }

/* Options of td_subscribe. Zero is the default of every field but size. */
typedef struct td_subscribe_options {
  size_t size;
  uint32_t flags;         /* none yet: 0 */
  /* TD_FAIL (as TD_DROP_NEW), TD_DROP_NEW, TD_DROP_OLD, TD_CONFLATE, or TD_KILL (ends the mailbox) */
  uint32_t policy;
  uint64_t max_messages;  /* of this subscription in the mailbox's queue; 0: only the mailbox's own bound */
  /* Not NULL: of all subscriptions with this name, 1 to 255 bytes of UTF-8, that fit a message, one gets it, in turn;
   * one without room is passed over. Such a subscription is given no retained values. */
  const char *queue_group;
  size_t queue_group_size;
} td_subscribe_options;
#define TD_SUBSCRIBE_OPTIONS_INIT { sizeof(td_subscribe_options), 0, TD_FAIL, 0, NULL, 0 }

/* What became of a publish, in copies: matched = queued + dropped. */
typedef struct td_receipt {
  uint64_t matched;  /* subscriptions whose pattern fits, for each message */
  uint64_t queued;   /* copies that are in a queue */
  uint64_t dropped;  /* copies that a bound kept out */
} td_receipt;

/* ---------------------------------------------------------------------------------------------- functions: version */

/* The library's version as text, "0.1.0".
 *
 * Returns: static text.
 * Threads: any.
 * Blocks: no.
 * Owns: the library keeps the text.
 * Since: 0.1 */
const char *td_version(void);

/* The library's version as a number that grows with it.
 *
 * Returns: major * 1000000 + minor * 1000 + patch.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
uint32_t td_version_number(void);

/* The library's ABI version. A program compiled with another TD_ABI_VERSION must not go on; see TD_CHECK_ABI.
 *
 * Returns: the number in the library's SONAME.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
uint32_t td_abi_version(void);

/* True when the library has the ABI that this header describes. */
#define TD_CHECK_ABI() (td_abi_version() == TD_ABI_VERSION)

/* ----------------------------------------------------------------------------------------------- functions: errors */

/* The name of a result: "TD_EFULL", or "TD_OK" for 0 and above.
 *
 * Returns: static text; "TD_EUNKNOWN" for a code that this version does not have.
 * Threads: any.
 * Blocks: no.
 * Owns: the library keeps the text.
 * Since: 0.1 */
const char *td_err_name(int32_t code);

/* One sentence on a result.
 *
 * Returns: static text.
 * Threads: any.
 * Blocks: no.
 * Owns: the library keeps the text.
 * Since: 0.1 */
const char *td_strerror(int32_t code);

/* Copies the detail of this thread's last failed call to buf: what exactly was wrong and what would be right.
 * Always NUL-terminated, cut to size bytes; buf may be NULL when size is 0. Any later call of this thread that
 * returns a result forgets the detail.
 *
 * Returns: the full length without the NUL; 0 when there is no detail.
 * Threads: any; each has its own.
 * Blocks: no.
 * Owns: the caller keeps buf.
 * Since: 0.1 */
size_t td_last_error(char *buf, size_t size);

/* ----------------------------------------------------------------------------------------------- functions: engine */

/* Opens an engine, an isolated world of mailboxes. options may be NULL for the defaults.
 *
 * Returns: 0; TD_EINVAL for unknown flags or time; TD_EFULL when the process has as many engines as it can.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller closes the engine with td_engine_close; options are read before the return.
 * Since: 0.1 */
int32_t td_engine_open(const td_engine_options *options, td_engine *engine);

/* The process-wide engine, opened on first use and again after it was closed. A program, its libraries and the
 * bindings for other languages meet there.
 *
 * Returns: 0; TD_EFULL when the process has as many engines as it can.
 * Threads: any.
 * Blocks: no.
 * Owns: shared by all; close it only at the end of the program, or never.
 * Since: 0.1 */
int32_t td_engine_default(td_engine *engine);

/* Ends every mailbox of the engine with TD_REASON_ENGINE_CLOSED, and then everything else of it. Publishes nothing.
 * Waits that are under way end with TD_ECLOSED.
 *
 * Returns: 0; TD_ESTALE when it was closed already.
 * Threads: any, also inside a handler of the engine.
 * Blocks: no, never; a handler that runs elsewhere may still be running afterwards.
 * Owns: all ids of the engine are stale from here on.
 * Since: 0.1 */
int32_t td_engine_close(td_engine engine);

/* Lets what is on its way arrive, and then closes the engine. From its beginning until the engine is closed, sends,
 * calls and publications without a sender and new mailboxes are refused with TD_ECLOSED; those of mailboxes, replies
 * and armed timers pass. It is over when every queue and every open batch is empty, or the time is up. timeout 0 begins
 * or goes on without waiting, and closes only when nothing is left: for a host that has to run its own loop meanwhile.
 * report may be NULL, and suspended, which gets up to capacity of the mailboxes that report counts.
 *
 * Returns: 0 when nothing was left and the engine is closed; TD_ETIMEDOUT when the time was up, and it is closed;
 *   TD_EAGAIN with timeout 0 while something is left; TD_EDEADLK with another timeout where handlers of the engine
 *   run; TD_ESTALE when it was closed. report and suspended are filled in with the first three.
 * Threads: any; inside a handler of the engine only with timeout 0.
 * Blocks: up to timeout.
 * Owns: as for td_engine_close; the caller keeps report and suspended.
 * Since: 0.1 */
int32_t td_engine_drain(td_engine engine, int64_t timeout, td_drain_report *report, td_mailbox *suspended,
                        size_t capacity);

/* Reads the engine's counters. Set counters->size first; fields that the library does not know become 0.
 *
 * Returns: 0; TD_ESTALE when it was closed.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps counters.
 * Since: 0.1 */
int32_t td_engine_stats(td_engine engine, td_engine_counters *counters);

/* Sets the log sink of the whole process: fn gets the lines of the levels up to level. With fn NULL the library is
 * silent, as it is at the start, and drop runs at once. drop may be NULL.
 *
 * Returns: 0; TD_EINVAL for a level that does not exist.
 * Threads: any.
 * Blocks: no; the old sink may still be running on another thread, and its drop then runs there.
 * Owns: drop(user) runs once, after the last call of fn has returned; also when this fails.
 * Since: 0.1 */
int32_t td_log_set(uint32_t level, td_log_fn fn, void *user, td_drop_fn drop);

/* The time of the engine's clock, in nanoseconds since some fixed point: the system's monotonic clock, or the
 * virtual one.
 *
 * Returns: 0; TD_ESTALE when the engine was closed.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_now(td_engine engine, int64_t *now);

/* ---------------------------------------------------------------------------------------------- functions: mailbox */

/* Opens a mailbox. options may be NULL for the defaults: read with td_recv, bounded at 65,536 messages and 64 MiB,
 * failing sends when full.
 *
 * Returns: 0; TD_EEXIST when the name is taken; TD_EINVAL for options that do not exist or do not go together;
 *   TD_ESTALE when the engine or the loop was closed; TD_EFULL when no more mailboxes are possible; TD_ESYS when no
 *   thread can be started that a flag of it needs.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller ends the mailbox; options and name are copied. drop(user) runs once, after the last call of the
 *   handler has returned; also when this fails, unless options->size is wrong and so nothing in options can be read.
 * Since: 0.1 */
int32_t td_mailbox_open(td_engine engine, const td_mailbox_options *options, td_mailbox *mailbox);

/* Ends the mailbox with TD_REASON_NORMAL: td_mailbox_exit without data.
 *
 * Returns: 0; TD_ENOPROC when it has ended already.
 * Threads: any, also inside its own handler.
 * Blocks: no.
 * Owns: as for td_mailbox_exit.
 * Since: 0.1 */
int32_t td_mailbox_close(td_mailbox mailbox);

/* Ends the mailbox: its names are free, its subscriptions, timers and monitors gone, its queue discarded, and then
 * everyone who monitors it gets a TD_KIND_DOWN with this reason and data, and everyone linked to it a TD_KIND_EXIT or
 * ends with it (see td_link). All of it is done when this returns.
 *
 * Returns: 0; TD_ENOPROC when it has ended already; TD_EINVAL for a reason that is neither your own, from
 *   TD_REASON_USER on, nor TD_REASON_NORMAL, TD_REASON_CALLBACK_FAILED or TD_REASON_RUNTIME_EXIT.
 * Threads: any, also inside its own handler.
 * Blocks: no; see td_mailbox_wait.
 * Owns: data is copied. Release functions of what was queued have run when this returns, those with a release_loop in
 *   that loop; but called inside a release or drop function, they run when that has returned (see td_release_fn).
 * Since: 0.1 */
int32_t td_mailbox_exit(td_mailbox mailbox, int32_t reason, const void *data, size_t data_size);

/* Ends the mailbox with TD_REASON_KILLED, which it cannot trap. Mailboxes linked to it can.
 *
 * Returns: 0; TD_ENOPROC when it has ended already.
 * Threads: any, also inside its own handler.
 * Blocks: no.
 * Owns: as for td_mailbox_exit.
 * Since: 0.1 */
int32_t td_mailbox_kill(td_mailbox mailbox);

/* Waits until the mailbox is over and its handler is not running. flags: TD_INTERRUPTIBLE.
 *
 * Returns: 0; TD_EAGAIN with timeout 0, else TD_ETIMEDOUT, when it is not so yet; TD_EINTR; TD_EDEADLK inside that
 *   handler.
 * Threads: any.
 * Blocks: up to timeout.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_mailbox_wait(td_mailbox mailbox, int64_t timeout, uint32_t flags);

/* Reads the mailbox's counters, also after its end. Set counters->size first; fields that the library does not know
 * become 0.
 *
 * Returns: 0; TD_ENOPROC when it ended so long ago that at least 1,024 later mailboxes have ended.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps counters.
 * Since: 0.1 */
int32_t td_mailbox_stats(td_mailbox mailbox, td_mailbox_counters *counters);

/* Lets what comes in wait: receive calls find nothing, the handler is not called, the descriptor is not readable. Sends
 * keep their bound and policy. A batch in progress finishes; what is handed back of it waits, too. Suspending again
 * changes nothing; the end of a suspended mailbox is as any other.
 *
 * Returns: 0; TD_ENOPROC when it has ended.
 * Threads: any, also inside its own handler.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_suspend(td_mailbox mailbox);

/* Ends td_suspend: what has waited can be received, in its order. One that is not suspended stays as it is.
 *
 * Returns: 0; TD_ENOPROC when it has ended.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_resume(td_mailbox mailbox);

/* A descriptor that is readable while a message, or the end, waits to be received: level-triggered, for poll and its
 * like. Each call makes another one.
 *
 * Returns: 0; TD_EINVAL for a handler mailbox (use td_loop_fd); TD_ENOPROC when it has ended; TD_ESYS when the process
 *   has no descriptor left.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller closes fd; it may outlive the mailbox and is readable then.
 * Since: 0.1 */
int32_t td_mailbox_fd(td_mailbox mailbox, td_fd *fd);

/* The user pointer that the mailbox was opened with.
 *
 * Returns: 0; TD_ENOPROC when it has ended.
 * Threads: any.
 * Blocks: no.
 * Owns: unchanged; the pointer is good until its drop function has run.
 * Since: 0.1 */
int32_t td_mailbox_user(td_mailbox mailbox, void **user);

/* ------------------------------------------------------------------------------------------------- functions: send */

/* Sends a copy of data. from is the sending mailbox, or TD_NOBODY. Messages of one sender to one mailbox stay in order;
 * without a mailbox the calling thread is the sender.
 *
 * Returns: 0, also when the policy dropped a message; TD_ENOPROC when to has ended; TD_EFULL when it is full and its
 *   policy is TD_FAIL, or TD_DROP_OLD and nothing may be dropped; TD_ETIMEDOUT when it stayed full (TD_BLOCK);
 *   TD_EDEADLK when only the calling thread's own loop could make room (TD_BLOCK); TD_ECLOSED when from ended while
 *   waiting; TD_ETOOBIG when data is larger than the mailbox may ever hold; TD_ENOMEM.
 * Threads: any.
 * Blocks: with TD_BLOCK, while to is full; else no.
 * Owns: the caller keeps data.
 * Since: 0.1 */
int32_t td_send(td_mailbox to, td_mailbox from, uint64_t tag, const void *data, size_t data_size);

/* Sends count messages, in order, for less than as many calls of td_send.
 *
 * Returns: how many were accepted, from the first on; an error as of td_send when the first was refused; 0 for none.
 * Threads: any.
 * Blocks: as td_send.
 * Owns: the caller keeps items and their data.
 * Since: 0.1 */
int32_t td_send_many(td_mailbox to, td_mailbox from, const td_item *items, size_t count);

/* Sends with options, which may be NULL: without copying (release), with a time limit of its own, interruptible.
 *
 * Returns: as td_send; TD_ETIMEDOUT, or TD_EFULL with timeout -1, when it stayed full (TD_BLOCK); TD_EINTR;
 *   TD_ESTALE when release_loop was closed.
 * Threads: any.
 * Blocks: with TD_BLOCK, while to is full, up to timeout; else no.
 * Owns: with release, data belongs to the library from success on until release runs, and must not change; else the
 *   caller keeps it.
 * Since: 0.1 */
int32_t td_send_ex(td_mailbox to, td_mailbox from, uint64_t tag, const void *data, size_t data_size,
                   const td_send_options *options);

/* Sends to whoever holds the name now.
 *
 * Returns: as td_send; TD_ENOTFOUND when nobody has the name; TD_ESTALE when the engine was closed; TD_EINVAL as
 *   td_register.
 * Threads: any.
 * Blocks: as td_send.
 * Owns: the caller keeps name and data.
 * Since: 0.1 */
int32_t td_send_name(td_engine engine, const char *name, size_t name_size, td_mailbox from, uint64_t tag,
                     const void *data, size_t data_size);

/* Gives a mailbox of the flag TD_NOTIFIABLE bits, from anywhere, also inside a signal handler: it takes no lock, needs
 * no memory and leaves errno alone. The mailbox gets one TD_KIND_NOTIFY whose tag has every bit given since the last
 * one was delivered; like all signals it ignores bounds. bits 0 does nothing.
 *
 * Returns: 0; TD_EINVAL for a mailbox without the flag; TD_ENOPROC when it has ended. There is no detail of the error.
 * Threads: any; async-signal-safe.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_notify(td_mailbox mailbox, uint64_t bits);

/* Sends a received message on, before it is released. A request goes on as a request: to then holds the ticket, whose
 * caller hears of to's end instead; the reply names the mailbox that was called first. Anything else goes on as a
 * TD_KIND_MESSAGE with its tag and data, which is shared, not copied, where it travels by reference.
 *
 * Returns: as td_send; for a request TD_EFULL whatever the policy, TD_ESTALE when it was answered already or its caller
 *   no longer waits, TD_EBADID when that is a mailbox of another engine than to, and TD_EDEADLK when to waits in
 *   td_call, itself or through others, for the mailbox that waits for the answer, or is that one. After an error the
 *   request is still with the mailbox that had it. TD_ESTALE when message was released.
 * Threads: any.
 * Blocks: as td_send; for a request no.
 * Owns: the caller keeps message.
 * Since: 0.1 */
int32_t td_forward(td_mailbox to, td_mailbox from, const td_message *message);

/* ---------------------------------------------------------------------------------------------- functions: receive */

/* Takes the oldest message. flags: TD_INTERRUPTIBLE.
 *
 * Returns: 0; TD_EAGAIN with timeout 0, else TD_ETIMEDOUT, when there is none; TD_EINTR; TD_ECLOSED when the mailbox
 *   is over; TD_EINVAL for a handler mailbox.
 * Threads: any; each message goes to exactly one.
 * Blocks: up to timeout.
 * Owns: the caller releases message with td_message_release.
 * Since: 0.1 */
int32_t td_recv(td_mailbox mailbox, int64_t timeout, uint32_t flags, td_message *message);

/* Takes the oldest message that matches and leaves the rest in order. Waiting for a reply or a DOWN by its ref does
 * not get slower as the queue grows. Another match looks at the queue from its front, and goes on from where it was
 * when it is the next one again. flags: TD_INTERRUPTIBLE.
 *
 * Returns: as td_recv.
 * Threads: any; each message goes to exactly one.
 * Blocks: up to timeout.
 * Owns: the caller keeps match, and releases message with td_message_release.
 * Since: 0.1 */
int32_t td_recv_match(td_mailbox mailbox, const td_match *match, int64_t timeout, uint32_t flags, td_message *message);

/* Copies the next message after cursor, which moves to it, and leaves the message in the queue. With td_recv_take it
 * makes any condition a selective receive. A step costs the same however long the queue is. flags: TD_INTERRUPTIBLE.
 *
 * Returns: as td_recv; TD_EINVAL for a cursor that is neither TD_CURSOR_INIT nor left by an earlier peek.
 * Threads: any; each with its own cursor.
 * Blocks: up to timeout.
 * Owns: the caller releases message with td_message_release.
 * Since: 0.1 */
int32_t td_recv_peek(td_mailbox mailbox, td_cursor *cursor, int64_t timeout, uint32_t flags, td_message *message);

/* Takes the message that was peeked last with this cursor.
 *
 * Returns: 0; TD_ESTALE when it is gone: someone else has taken it, it was dropped or cancelled; TD_EAGAIN while the
 *   mailbox is suspended: the message is still there; TD_EINVAL when the cursor has peeked at nothing; TD_ECLOSED
 *   when the mailbox is over.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller releases message with td_message_release.
 * Since: 0.1 */
int32_t td_recv_take(td_mailbox mailbox, const td_cursor *cursor, td_message *message);

/* Takes many messages at once, as a frame. flags: TD_INTERRUPTIBLE.
 *
 * Returns: as td_recv.
 * Threads: any; each message goes to exactly one.
 * Blocks: up to timeout.
 * Owns: the caller releases batch with td_batch_release.
 * Since: 0.1 */
int32_t td_recv_batch(td_mailbox mailbox, int64_t timeout, uint32_t flags, td_batch *batch);

/* Gives a message back that a receive or a call has written. Its data and topic are gone then.
 *
 * Returns: 0, also for a message of td_batch_next, which has nothing to give back; TD_ESTALE when it was released
 *   already.
 * Threads: any.
 * Blocks: no.
 * Owns: the library, from here on; a release function of the payload may run.
 * Since: 0.1 */
int32_t td_message_release(const td_message *message);

/* Gives the next message of the batch. It passes over what was cancelled meanwhile, and stops when the mailbox has
 * ended.
 *
 * Returns: 1 with a message; 0 when there are no more; TD_ESTALE when the batch was released.
 * Threads: one at a time for one batch.
 * Blocks: no.
 * Owns: the message is the batch's and ends with it; it need not be released.
 * Since: 0.1 */
int32_t td_batch_next(td_batch *batch, td_message *message);

/* Asks, for a binding that reads the frame itself, whether entry index may be delivered. cursor becomes index + 1,
 * unless the mailbox has ended.
 *
 * Returns: 1 to deliver it; 0 to skip it, because it was cancelled meanwhile or the mailbox has ended; TD_EINVAL when
 *   there is no such entry; TD_ESTALE when the batch was released.
 * Threads: one at a time for one batch.
 * Blocks: no.
 * Owns: nothing changes.
 * Since: 0.1 */
int32_t td_batch_claim(td_batch *batch, uint32_t index);

/* Makes a second owner of the same frame, with nothing left to pass, so that views of it outlive the batch.
 *
 * Returns: 0; TD_ESTALE when the batch was released.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller releases copy on its own with td_batch_release.
 * Since: 0.1 */
int32_t td_batch_retain(const td_batch *batch, td_batch *copy);

/* Gives the batch back. What its cursor has not passed goes back to the front of the queue.
 *
 * Returns: 0; TD_ESTALE when it was released already; TD_EINVAL for the batch of a running handler, which ends with
 *   the handler.
 * Threads: any, one at a time for one batch.
 * Blocks: no.
 * Owns: the library, from here on; release functions of payloads may run.
 * Since: 0.1 */
int32_t td_batch_release(td_batch *batch);

/* ------------------------------------------------------------------------------------------------- functions: loop */

/* Opens a loop. options may be NULL for the defaults.
 *
 * Returns: 0; TD_ESTALE when the engine was closed; TD_ESYS when the process has no descriptor left; TD_EFULL when no
 *   more loops are possible.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller closes the loop; options are copied. drop(user) runs once, after the last call of wake has returned;
 *   also when this fails, unless options->size is wrong and so nothing in options can be read.
 * Since: 0.1 */
int32_t td_loop_open(td_engine engine, const td_loop_options *options, td_loop *loop);

/* Waits for work, at most timeout, and does it: runs the handlers of ready mailboxes, fires due timers with
 * TD_TIME_HOST, runs release functions that wait for this loop. flags: TD_INTERRUPTIBLE.
 *
 * Returns: how many batches were handled; 0 when the time was up or td_loop_wake was called; TD_EINTR; TD_ECLOSED when
 *   the loop was closed; TD_EDEADLK inside a handler of this loop, or while another thread runs it.
 * Threads: one at a time for one loop.
 * Blocks: up to timeout, and as long as its handlers take.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_loop_run(td_loop loop, int64_t timeout, uint32_t flags);

/* A descriptor that is readable while td_loop_run has something to do: level-triggered, for poll and its like. Due
 * timers of a TD_TIME_HOST engine do not make it readable; see td_loop_deadline. Each call makes another one.
 *
 * Returns: 0; TD_ESTALE when the loop was closed; TD_ESYS when the process has no descriptor left.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller closes fd; it may outlive the loop.
 * Since: 0.1 */
int32_t td_loop_fd(td_loop loop, td_fd *fd);

/* How long until td_loop_run is needed for the engine's next timer, in nanoseconds (TD_TIME_HOST); TD_FOREVER when no
 * timer needs it.
 *
 * Returns: 0; TD_ESTALE when the loop was closed.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_loop_deadline(td_loop loop, int64_t *delay);

/* Makes the running td_loop_run of the loop return, or the next one not wait.
 *
 * Returns: 0; TD_ESTALE when the loop was closed.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_loop_wake(td_loop loop);

/* Ends the loop's mailboxes with TD_REASON_RUNTIME_EXIT, and then the loop. Release functions that wait for it run now.
 *
 * Returns: 0; TD_ESTALE when it was closed already.
 * Threads: any, also inside a handler of the loop.
 * Blocks: no.
 * Owns: the loop's id is stale from here on.
 * Since: 0.1 */
int32_t td_loop_close(td_loop loop);

/* ------------------------------------------------------------------------------------------------- functions: call */

/* Sends a request and waits for its reply, which does not go through a mailbox. from may be TD_NOBODY. The deadline
 * travels with the request; after it the request is not delivered any more. flags: TD_INTERRUPTIBLE.
 *
 * Returns: 0 with reply (its status is 0, or what td_reply_error gave); TD_EDOWN when to ended first, and reply is its
 *   TD_KIND_DOWN then, with the reason in status and the reason's bytes in data; TD_ENOPROC at once when to was over;
 *   TD_ETIMEDOUT; TD_ENOREPLY when the ticket was dropped; TD_EFULL, TD_ETOOBIG, TD_ENOMEM as td_send; TD_EDEADLK
 *   when the call could never return: to itself, to a mailbox of the calling thread's own loop, or in a circle of
 *   blocked calls; TD_EINTR; TD_ECLOSED when from ended.
 * Threads: any.
 * Blocks: up to timeout.
 * Owns: the caller keeps data, and releases reply with td_message_release after 0 and TD_EDOWN.
 * Since: 0.1 */
int32_t td_call(td_mailbox to, td_mailbox from, uint64_t tag, const void *data, size_t data_size, int64_t timeout,
                uint32_t flags, td_message *reply);

/* Sends a request whose answer comes to from as one TD_KIND_REPLY with ref = ticket and this tag. Its status is 0, what
 * td_reply_error gave, TD_EDOWN (info[0]: the reason, data: its bytes), TD_ETIMEDOUT or TD_ENOREPLY.
 * TD_KIND_PART messages may come before it.
 *
 * Returns: 0; TD_ENOPROC when to or from is over; TD_EFULL, TD_ETOOBIG, TD_ENOMEM as td_send; TD_ESYS when the timer
 *   thread cannot start.
 * Threads: any.
 * Blocks: no; a full mailbox is TD_EFULL, whatever its policy.
 * Owns: the caller keeps data.
 * Since: 0.1 */
int32_t td_call_start(td_mailbox to, td_mailbox from, uint64_t tag, const void *data, size_t data_size, int64_t timeout,
                      td_ticket *ticket);

/* Calls each of the count mailboxes in to, as td_call_start: each gives from one TD_KIND_REPLY with ref = gathering and
 * the mailbox in from, as they come. Its status says why there is no answer where there is none: also TD_ENOPROC when
 * that mailbox was over, TD_EFULL or TD_ETOOBIG when it did not take the request. Then one TD_KIND_REPLIES follows
 * with this tag: info[0] is how many answered, with td_reply_error too, info[1] how many did not. One that is listed
 * twice is called twice.
 *
 * Returns: 0, also when none could be called, or count is 0; TD_ECLOSED when from is over; TD_EBADID for a mailbox of
 *   another engine, TD_ESYS when the timer thread cannot start, and then nobody was called.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps to and data; td_call_cancel(gathering) gives all of it up.
 * Since: 0.1 */
int32_t td_call_many(const td_mailbox *to, size_t count, td_mailbox from, uint64_t tag, const void *data,
                     size_t data_size, int64_t timeout, td_ticket *gathering);

/* Gives up a call of td_call_start, or all of a td_call_many: nothing with its ref will be seen, also nothing that is
 * queued, replies and parts alike. Where parts came, the queue is looked through from the first to the last of them;
 * all of it for a td_call_many.
 *
 * Returns: 0; TD_ESTALE when its reply was delivered, or it was cancelled already.
 * Threads: any.
 * Blocks: no.
 * Owns: the ticket is stale from here on.
 * Since: 0.1 */
int32_t td_call_cancel(td_ticket ticket);

/* Answers a request: ticket is the ref of the TD_KIND_REQUEST message. A ticket replies once.
 *
 * Returns: 0; TD_ESTALE when it was answered or dropped already, or the caller no longer waits (a dead letter).
 * Threads: any, also after the request was released.
 * Blocks: no.
 * Owns: the caller keeps data.
 * Since: 0.1 */
int32_t td_reply(td_ticket ticket, const void *data, size_t data_size);

/* Answers a request with a failure of the application's: status, at least 1, becomes the reply's status.
 *
 * Returns: as td_reply; TD_EINVAL for a status below 1.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps data.
 * Since: 0.1 */
int32_t td_reply_error(td_ticket ticket, int32_t status, const void *data, size_t data_size);

/* Sends a part of the answer to a call of td_call_start or td_call_many: the caller gets it as one TD_KIND_PART with
 * the ref and tag that its TD_KIND_REPLY will have, before that one. Parts obey the bound of the caller's mailbox,
 * whatever its policy, and are never dropped. The ticket stays to be answered. flags: TD_INTERRUPTIBLE.
 *
 * Returns: 0; TD_EFULL with timeout 0, else TD_ETIMEDOUT, when the caller's mailbox stayed full; TD_ESTALE when the
 *   caller no longer waits (a dead letter); TD_ETOOBIG, TD_ENOMEM; TD_EINTR; TD_EDEADLK when only the calling
 *   thread's own loop could make room; TD_EINVAL for a call of td_call, which waits for one reply.
 * Threads: any.
 * Blocks: while the caller's mailbox is full, up to timeout.
 * Owns: the caller keeps data.
 * Since: 0.1 */
int32_t td_reply_part(td_ticket ticket, const void *data, size_t data_size, int64_t timeout, uint32_t flags);

/* Ends an answer in parts: td_reply without data.
 *
 * Returns: as td_reply.
 * Threads: any.
 * Blocks: no.
 * Owns: the ticket is stale from here on.
 * Since: 0.1 */
int32_t td_reply_end(td_ticket ticket);

/* Drops a request unanswered: the caller gets TD_ENOREPLY.
 *
 * Returns: 0; TD_ESTALE when it was answered or dropped already, or the caller no longer waits.
 * Threads: any; made for finalisers.
 * Blocks: no.
 * Owns: the ticket is stale from here on.
 * Since: 0.1 */
int32_t td_ticket_drop(td_ticket ticket);

/* ---------------------------------------------------------------------------------------------- functions: monitor */

/* Watches target: when it ends, watcher gets one TD_KIND_DOWN with ref = monitor and this tag. If it is over already
 * the DOWN comes at once, with TD_REASON_NOPROC. Any number of monitors may watch one target; watching oneself never
 * fires.
 *
 * Returns: 0; TD_ENOPROC when watcher is over.
 * Threads: any.
 * Blocks: no.
 * Owns: the monitor is gone once it has fired, was demonitored, or watcher has ended.
 * Since: 0.1 */
int32_t td_monitor(td_mailbox watcher, td_mailbox target, uint64_t tag, td_monitor_ref *monitor);

/* As td_monitor, with a receipt: in the TD_KIND_DOWN info[0] is how many of watcher's messages target consumed, and
 * info[1] how many were discarded at its end. Those count that watcher sent or published since this call and that
 * target's queue took in; evicted, flushed and expired ones are in neither. Sending to target costs a little more
 * while it is watched like this.
 *
 * Returns: as td_monitor.
 * Threads: any.
 * Blocks: no.
 * Owns: as td_monitor.
 * Since: 0.1 */
int32_t td_monitor_receipt(td_mailbox watcher, td_mailbox target, uint64_t tag, td_monitor_ref *monitor);

/* Watches the mailbox that holds the name at this moment; the DOWN carries the name as its topic. If nobody holds it
 * the DOWN comes at once, with TD_REASON_NOPROC.
 *
 * Returns: 0; TD_ENOPROC when watcher is over; TD_EINVAL as td_register.
 * Threads: any.
 * Blocks: no.
 * Owns: as td_monitor; the caller keeps name.
 * Since: 0.1 */
int32_t td_monitor_name(td_mailbox watcher, const char *name, size_t name_size, uint64_t tag, td_monitor_ref *monitor);

/* Watches a process of the system by its pid: when it ends, watcher gets one TD_KIND_DOWN with TD_REASON_OS_EXIT, from
 * nobody. If it is a child of this process that nobody has waited for yet, info[0] is 1 and info[1] its exit code, or
 * 2 and the signal that killed it; else both are 0. It stays to be waited for. If there is no such process the DOWN
 * comes at once, with TD_REASON_NOPROC. The first call starts a thread, tidings-process, which ends with the engine.
 *
 * Returns: 0; TD_ENOPROC when watcher is over; TD_EINVAL when pid is not positive or is a thread's; TD_ESYS when there
 *   is no descriptor or thread to be had; TD_EUNSUPPORTED where the system has no pidfd_open (Linux before 5.3).
 * Threads: any.
 * Blocks: no.
 * Owns: as td_monitor.
 * Since: 0.1 */
int32_t td_monitor_os_process(td_mailbox watcher, int64_t pid, uint64_t tag, td_monitor_ref *monitor);

/* Ends a monitor. flags: TD_FLUSH takes its DOWN out of the queue, too: after the return none is or will be seen, also
 * not from a batch already begun. outcome may be NULL.
 *
 * Returns: 0 with one of TD_WAS_ARMED, TD_WAS_FLUSHED, TD_WAS_DELIVERED in outcome. A monitor that is over already is
 *   TD_WAS_DELIVERED, however it ended.
 * Threads: any.
 * Blocks: no.
 * Owns: the monitor is stale from here on.
 * Since: 0.1 */
int32_t td_demonitor(td_monitor_ref monitor, uint32_t flags, uint32_t *outcome);

/* ------------------------------------------------------------------------------------------------- functions: link */

/* Links two mailboxes of one engine: when either ends, with any reason but TD_REASON_NORMAL, the other ends with the
 * same reason and data, and so on through its own links; or, if it traps exits, it gets one TD_KIND_EXIT, whatever the
 * reason, bounds or not. Linked twice is linked once; a mailbox linked to itself is not linked.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over, or when other is and mailbox does not trap exits. If it does, it gets a
 *   TD_KIND_EXIT with TD_REASON_NOPROC.
 * Threads: any.
 * Blocks: no.
 * Owns: the link ends with td_unlink or with either mailbox.
 * Since: 0.1 */
int32_t td_link(td_mailbox mailbox, td_mailbox other);

/* Ends a link: from the return on neither mailbox hears of, or ends with, the other. A TD_KIND_EXIT that is queued
 * already stays. Mailboxes that are not linked stay so.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_unlink(td_mailbox mailbox, td_mailbox other);

/* Says whether a mailbox traps exits: with on = 1 it is told when a mailbox linked to it ends, with on = 0, as at
 * first, it ends with it. td_mailbox_kill cannot be trapped.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL when on is neither 0 nor 1.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_trap_exit(td_mailbox mailbox, uint32_t on);

/* ------------------------------------------------------------------------------------------------- functions: name */

/* Gives the mailbox a name, besides those it has. A name is free again before anyone sees the DOWN of its holder.
 *
 * Returns: 0; TD_EEXIST when the name is taken; TD_ENOPROC when mailbox is over; TD_EINVAL when the name is empty, has
 *   more than 255 bytes or is not UTF-8.
 * Threads: any.
 * Blocks: no.
 * Owns: the name is copied.
 * Since: 0.1 */
int32_t td_register(td_mailbox mailbox, const char *name, size_t name_size);

/* Gives the mailbox a name, taking it from whoever has it in one step: every send by name goes to the old or to the
 * new holder. previous, which may be NULL, becomes the old holder, or zero.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL as td_register.
 * Threads: any.
 * Blocks: no.
 * Owns: the name is copied.
 * Since: 0.1 */
int32_t td_register_replace(td_mailbox mailbox, const char *name, size_t name_size, td_mailbox *previous);

/* Frees a name. Its holder lives on.
 *
 * Returns: 0; TD_ENOTFOUND when nobody has it; TD_ESTALE when the engine was closed; TD_EINVAL as td_register.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps name.
 * Since: 0.1 */
int32_t td_unregister(td_engine engine, const char *name, size_t name_size);

/* Who has the name now.
 *
 * Returns: 0; TD_ENOTFOUND when nobody has it; TD_ESTALE when the engine was closed; TD_EINVAL as td_register.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps name.
 * Since: 0.1 */
int32_t td_whereis(td_engine engine, const char *name, size_t name_size, td_mailbox *mailbox);

/* ------------------------------------------------------------------------------------------------ functions: topic */

/* Delivers what is published from now on under a topic that fits the pattern: tokens divided by '.', where * is exactly
 * one token and > one or more at the end. Two subscriptions of one mailbox that both fit bring two copies. The retained
 * values that fit come first, with status TD_RETAINED. A mailbox that subscribes to $dead gets every dead letter: from,
 * tag and data of a message that reached nobody, status the error, info[0] the id it was for, info[1] its kind; no
 * wildcard takes that topic in, and none of them takes the place of another. options may be NULL for the defaults.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL for a pattern that is empty, longer than 1,024 bytes or 64
 *   tokens, has an empty token or a space, or > before its end, and for TD_BLOCK.
 * Threads: any; inside a handler it counts from the next publish.
 * Blocks: no.
 * Owns: the subscription ends with td_unsubscribe or with the mailbox; pattern and options are copied.
 * Since: 0.1 */
int32_t td_subscribe(td_mailbox mailbox, const char *pattern, size_t pattern_size, const td_subscribe_options *options,
                     td_subscription *subscription);

/* Ends a subscription: no new delivery starts after the return. What is queued stays, unless flags has TD_FLUSH: then
 * none is or will be seen, also not from a batch already begun. TD_FLUSH looks through the mailbox's queue.
 *
 * Returns: 0; TD_ESTALE when it was ended already.
 * Threads: any.
 * Blocks: no.
 * Owns: the subscription is stale from here on.
 * Since: 0.1 */
int32_t td_unsubscribe(td_subscription subscription, uint32_t flags);

/* Publishes a message to every subscription whose pattern fits, and to one of each queue group. A slow subscriber never
 * slows another. Of options, which may be NULL, it reads release, release_user, release_loop and the flag TD_RETAIN:
 * the value is kept, instead of the topic's last one, for those who subscribe later; an empty payload keeps none.
 * receipt may be NULL.
 *
 * Returns: 0, also when nobody subscribes or copies were dropped, as receipt tells; TD_EINVAL for a topic with a
 *   wildcard, an empty token or a space, that is empty, longer than 1,024 bytes or 64 tokens, or begins with $;
 *   TD_EFULL when 65,536 topics have a retained value already; TD_ESTALE when the engine or release_loop was closed;
 *   TD_ENOMEM.
 * Threads: any.
 * Blocks: no.
 * Owns: with release, data belongs to the library from success on until release runs, and must not change; else the
 *   caller keeps it.
 * Since: 0.1 */
int32_t td_publish(td_engine engine, td_mailbox from, const char *topic, size_t topic_size, uint64_t tag,
                   const void *data, size_t data_size, const td_send_options *options, td_receipt *receipt);

/* Publishes count messages under one topic, in order, visiting each subscription once. receipt, which may be NULL, is
 * the sum over all of them.
 *
 * Returns: as td_publish.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps items and their data.
 * Since: 0.1 */
int32_t td_publish_many(td_engine engine, td_mailbox from, const char *topic, size_t topic_size, const td_item *items,
                        size_t count, td_receipt *receipt);

/* Says what is published, from mailbox, when it ends: before anyone gets its TD_KIND_DOWN, and not when the engine
 * closes. It replaces what was set before. flags: TD_RETAIN.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL as td_publish; TD_ENOMEM.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps topic and data.
 * Since: 0.1 */
int32_t td_will_set(td_mailbox mailbox, const char *topic, size_t topic_size, uint64_t tag, const void *data,
                    size_t data_size, uint32_t flags);

/* Takes the will back: nothing is published when mailbox ends.
 *
 * Returns: 0; TD_ENOTFOUND when there is none; TD_ENOPROC when mailbox is over.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing changes.
 * Since: 0.1 */
int32_t td_will_clear(td_mailbox mailbox);

/* ------------------------------------------------------------------------------- functions: group, presence, watch */

/* Makes mailbox a member of the group: 1 to 255 bytes of UTF-8, there as soon as it has a member. Joining twice counts
 * two. A mailbox that ends has left all its groups before anyone gets its TD_KIND_DOWN.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps group.
 * Since: 0.1 */
int32_t td_group_join(td_mailbox mailbox, const char *group, size_t group_size);

/* Takes one join back.
 *
 * Returns: 0; TD_ENOTFOUND when mailbox is not in the group; TD_ENOPROC when mailbox is over.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps group.
 * Since: 0.1 */
int32_t td_group_leave(td_mailbox mailbox, const char *group, size_t group_size);

/* Gives the members of a group: data of members is an array of td_mailbox, one per join, info[1] their number. A group
 * that nobody has joined has none.
 *
 * Returns: 0; TD_ESTALE when the engine was closed; TD_ENOMEM.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps group, and releases members with td_message_release.
 * Since: 0.1 */
int32_t td_group_members(td_engine engine, const char *group, size_t group_size, td_message *members);

/* Gives the members of a group, as td_group_members does, and in the same step begins a watch: from then on watcher
 * gets one TD_KIND_MEMBER with this tag per join and leave, in the order in which they happen. Where these find watcher
 * full they become one TD_KIND_RESYNC with the members as they are then, which replace all that was known before.
 *
 * Returns: 0; TD_ENOPROC when watcher is over; TD_ENOMEM.
 * Threads: any.
 * Blocks: no.
 * Owns: the watch ends with td_unwatch or with watcher; the caller keeps group, and releases members with
 *   td_message_release.
 * Since: 0.1 */
int32_t td_group_watch(td_mailbox watcher, const char *group, size_t group_size, uint64_t tag, td_watch *watch,
                       td_message *members);

/* Makes a key of 1 to 255 bytes of UTF-8, without a NUL, present in a group of keys for as long as mailbox lives, and
 * for grace nanoseconds after its end: if another mailbox enters the key by then, nobody hears that it was gone.
 * Several mailboxes may have entered a key. Entering again changes the grace.
 *
 * Returns: 0; TD_ENOPROC when mailbox is over; TD_ESYS when the timer thread cannot start.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps group and key.
 * Since: 0.1 */
int32_t td_presence_enter(td_mailbox mailbox, const char *group, size_t group_size, const char *key, size_t key_size,
                          int64_t grace);

/* Takes back that mailbox has entered the key. If it was the last one, the key is gone at once.
 *
 * Returns: 0; TD_ENOTFOUND when mailbox has not entered the key; TD_ENOPROC when mailbox is over.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps group and key.
 * Since: 0.1 */
int32_t td_presence_leave(td_mailbox mailbox, const char *group, size_t group_size, const char *key, size_t key_size);

/* Gives the keys that are present: data of keys is each key with a NUL behind it, info[1] their number.
 *
 * Returns: 0; TD_ESTALE when the engine was closed; TD_ENOMEM.
 * Threads: any.
 * Blocks: no.
 * Owns: the caller keeps group, and releases keys with td_message_release.
 * Since: 0.1 */
int32_t td_presence_keys(td_engine engine, const char *group, size_t group_size, td_message *keys);

/* Gives the keys that are present, as td_presence_keys does, and in the same step begins a watch: from then on watcher
 * gets one TD_KIND_PRESENCE with this tag per key that comes or goes. Otherwise as td_group_watch.
 *
 * Returns: as td_group_watch.
 * Threads: any.
 * Blocks: no.
 * Owns: as td_group_watch.
 * Since: 0.1 */
int32_t td_presence_watch(td_mailbox watcher, const char *group, size_t group_size, uint64_t tag, td_watch *watch,
                          td_message *keys);

/* Gives the number of subscriptions that a topic fitting the pattern could reach, and in the same step begins a watch:
 * from then on watcher gets one TD_KIND_INTEREST with TD_STARTED when the first of them comes and with TD_STOPPED when
 * the last of them is gone. Where these find watcher full they become one TD_KIND_RESYNC whose data is the number of
 * subscriptions then, a uint64_t.
 *
 * Returns: 0; TD_ENOPROC when watcher is over; TD_EINVAL as td_subscribe.
 * Threads: any.
 * Blocks: no.
 * Owns: the watch ends with td_unwatch or with watcher; the caller keeps pattern.
 * Since: 0.1 */
int32_t td_interest_watch(td_mailbox watcher, const char *pattern, size_t pattern_size, uint64_t tag, td_watch *watch,
                          uint64_t *subscriptions);

/* Ends a watch. Its edges that are queued stay, unless flags has TD_FLUSH: after the return none is or will be seen,
 * and no TD_KIND_RESYNC, also not from a batch already begun.
 *
 * Returns: 0; TD_ESTALE when it was over already.
 * Threads: any.
 * Blocks: no.
 * Owns: the watch is stale from here on.
 * Since: 0.1 */
int32_t td_unwatch(td_watch watch, uint32_t flags);

/* ------------------------------------------------------------------------------------------------ functions: timer */

/* Sends a TD_KIND_TIMER message with this tag and a copy of data after delay nanoseconds. Timers fire in the order of
 * their deadlines, and of their creation where these are equal. The timer dies with the mailbox.
 *
 * Returns: 0; TD_ENOPROC when to is over; TD_EINVAL for a delay below 0; TD_ETOOBIG, TD_ENOMEM as td_send; TD_ESYS
 *   when the timer thread cannot start.
 * Threads: any.
 * Blocks: no.
 * Owns: data is copied. The timer is gone once it has fired or was cancelled.
 * Since: 0.1 */
int32_t td_send_after(td_mailbox to, int64_t delay, uint64_t tag, const void *data, size_t data_size, td_timer *timer);

/* As td_send_after, to whoever holds the name when the time has come; a dead letter when nobody does. The topic of the
 * TD_KIND_TIMER message is the name.
 *
 * Returns: 0; TD_ESTALE when the engine was closed; TD_EINVAL for a delay below 0, and as td_register; TD_ETOOBIG,
 *   TD_ENOMEM; TD_ESYS as td_send_after.
 * Threads: any.
 * Blocks: no.
 * Owns: name and data are copied. The timer is gone once it has fired or was cancelled.
 * Since: 0.1 */
int32_t td_send_after_name(td_engine engine, const char *name, size_t name_size, int64_t delay, uint64_t tag,
                           const void *data, size_t data_size, td_timer *timer);

/* Sends a TD_KIND_TIMER message every period nanoseconds, the first after one period. Ticks do not pile up: at most one
 * is queued.
 *
 * Returns: 0; TD_ENOPROC when to is over; TD_EINVAL for a period below 1; TD_ETOOBIG, TD_ENOMEM as td_send; TD_ESYS as
 *   td_send_after.
 * Threads: any.
 * Blocks: no.
 * Owns: data is copied. The timer is gone once it was cancelled or the mailbox has ended.
 * Since: 0.1 */
int32_t td_send_every(td_mailbox to, int64_t period, uint64_t tag, const void *data, size_t data_size, td_timer *timer);

/* Stops a timer. Of firing and being cancelled exactly one happens. A queued tick of td_send_every goes, too.
 * remaining, which may be NULL, becomes the time that was left.
 *
 * Returns: 0; TD_ESTALE when it has fired or was cancelled already.
 * Threads: any.
 * Blocks: no.
 * Owns: the timer is stale from here on.
 * Since: 0.1 */
int32_t td_timer_cancel(td_timer timer, int64_t *remaining);

/* The nanoseconds until the timer fires next.
 *
 * Returns: 0; TD_ESTALE when it has fired or was cancelled.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_timer_read(td_timer timer, int64_t *remaining);

/* ------------------------------------------------------------------------ functions: looking into a running engine */

/* Everything of an engine as one JSON object:
 *   engine, now, virtual_clock, host_time;
 *   counters: as of td_engine_stats;
 *   mailboxes: of each open one mailbox, names, state (open, suspended, ended), read_by (pull, handler), policy,
 *     max_messages, max_bytes, queued, queued_bytes, in_hand (in open batches), counters (as of td_mailbox_stats),
 *     receivers_waiting, senders_waiting (threads), calling (whom threads call in its name), owns and watched_by
 *     (records), groups, presence (group, key), will (its topic), traps_exit, subscriptions (subscription, pattern,
 *     max_messages, queued);
 *   names: name, mailbox; name_timers: records of timers to a name;
 *   loops: loop, running, parked, handler_of, ready, releases, mailboxes;
 *   threads: thread, name of each thread of the process that has used the library.
 * A record is a monitor, timer, call, link or watch: id, what, state, owner (who gets its signal), target, tag, and
 * where it has them deadline, period, name. Ids and tags are strings "0x...", times nanoseconds on the engine's clock;
 * null is none or never. Members are added, not changed. Each mailbox is as it was at one moment; not all at the same.
 *
 * Returns: 0; TD_ESTALE when the engine was closed; TD_ENOMEM.
 * Threads: any, at any time.
 * Blocks: no.
 * Owns: data of json is the text, without NUL; the caller releases it with td_message_release.
 * Since: 0.1 */
int32_t td_engine_inspect(td_engine engine, td_message *json);

/* What an id is and how it stands, as text for people: for a mailbox its queue and what fills it, who reads it and is
 * that one stuck, who waits for it or watches it, or why, when and by which thread it ended; for all else state and
 * relations; for any id what the flight recorder still knows. The text may change with each version.
 *
 * Returns: 0, for any number; TD_ENOMEM.
 * Threads: any, at any time.
 * Blocks: no.
 * Owns: data of text is the text, without NUL; the caller releases it with td_message_release.
 * Since: 0.1 */
int32_t td_explain(uint64_t id, td_message *text);

/* What the threads of this process have done lately with the library, as text: a heading, then a line for each event,
 * in the order of their times, never payloads:
 *   -SECONDS thread NUMBER NAME: EVENT ID with OTHER, AMOUNT, xN
 * SECONDS before now; with ~ behind them then or later, but before the next line of that thread without ~. Ids are
 * "0x...". What ID and OTHER are, and whether there is an AMOUNT ("64 bytes", "3 messages", "reason killed (1)",
 * "TD_EFULL"), is the event's; bytes and messages are added up over the N times in a row that xN stands for. A thread's
 * last thousand events are kept, always.
 *
 * Returns: 0; TD_ENOMEM.
 * Threads: any, at any time.
 * Blocks: no.
 * Owns: data of text is the text, without NUL; the caller releases it with td_message_release.
 * Since: 0.1 */
int32_t td_recorder_dump(td_message *text);

/* ---------------------------------------------------------------------------------------------- functions: testing */

/* Moves the clock of a TD_ENGINE_VIRTUAL_CLOCK engine by so many nanoseconds, stepping through every timer and timeout
 * on the way in their order.
 *
 * Returns: 0; TD_EINVAL for an engine on the real clock, or a time below 0; TD_ESTALE when the engine was closed.
 * Threads: any.
 * Blocks: no; threads it wakes may not have run yet, see td_clock_wait_parked.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_clock_advance(td_engine engine, int64_t by);

/* Waits until count threads or more wait on the virtual clock of this engine.
 *
 * Returns: 0; TD_ETIMEDOUT after real_timeout nanoseconds of real time; TD_EINVAL for an engine on the real clock;
 *   TD_ESTALE when the engine was closed.
 * Threads: any.
 * Blocks: up to real_timeout.
 * Owns: nothing.
 * Since: 0.1 */
int32_t td_clock_wait_parked(td_engine engine, uint32_t count, int64_t real_timeout);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TIDINGS_H */
