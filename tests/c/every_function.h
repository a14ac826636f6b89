/* every_function.h - each function that takes an id, as a function of that id alone, for tests that hand it wrong ones.
 *
 * Guarantees: every other argument is right, so an error is the id's; on an error every id that is an out-parameter has
 * become zero (checked here). run.sh fails when the header has a function that is neither here nor in another test. */
#ifndef TESTS_C_EVERY_FUNCTION_H
#define TESTS_C_EVERY_FUNCTION_H

#include "check.h"

enum kind { ENGINE, MAILBOX, MONITOR, TIMER, SUBSCRIPTION, WATCH, LOOP, TICKET, OWNER, KINDS };

struct world {
  td_engine engine;
  td_mailbox mailbox; /* pull */
  td_mailbox other;
  td_monitor_ref monitor;
  td_timer timer;
  td_subscription subscription;
  td_watch watch;
  td_loop loop;
  td_ticket ticket;
};
static struct world world;

static void open_world(void) {
  uint64_t interest;
  world.engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  world.mailbox = open_mailbox(world.engine);
  world.other = open_mailbox(world.engine);
  CHECK_OK(td_register(world.other, TD_STR("other")));
  CHECK_OK(td_monitor(world.mailbox, world.other, 0, &world.monitor));
  CHECK_OK(td_send_after(world.mailbox, TD_MS(1000), 0, NULL, 0, &world.timer));
  CHECK_OK(td_subscribe(world.mailbox, TD_STR("topic"), NULL, &world.subscription));
  CHECK_OK(td_interest_watch(world.mailbox, TD_STR("nothing"), 0, &world.watch, &interest));
  CHECK_OK(td_call_start(world.other, world.mailbox, 0, NULL, 0, TD_FOREVER, &world.ticket));
  world.loop = open_loop(world.engine);
}

/* Ends all of it but the engine. */
static void end_world(void) {
  CHECK_OK(td_demonitor(world.monitor, 0, NULL));
  CHECK_OK(td_timer_cancel(world.timer, NULL));
  CHECK_OK(td_unsubscribe(world.subscription, 0));
  CHECK_OK(td_unwatch(world.watch, 0));
  CHECK_OK(td_ticket_drop(world.ticket));
  CHECK_OK(td_loop_close(world.loop));
  CHECK_OK(td_mailbox_close(world.mailbox));
}

static void keep_handler(td_batch *batch, void *user) {
  (void)batch;
  (void)user;
}

static void keep_payload(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  (void)user;
  CHECK_NEVER("on an error the release function must not run");
}

static td_send_options released_in(uint64_t loop) {
  td_send_options options = TD_SEND_OPTIONS_INIT;
  options.release = keep_payload;
  options.release_loop.id = loop;
  return options;
}

/* An id that is given out: it must be zero after an error. */
#define OUT(call, out) (result = (call), result < 0 ? CHECK_EQ((out).id, 0) : (void)0, result)

#define FUNCTION(name, type, expression)                                                                               \
  static int32_t on_##name(uint64_t value) {                                                                           \
    type id;                                                                                                           \
    int32_t result = 0;                                                                                                \
    id.id = value;                                                                                                     \
    (void)result;                                                                                                      \
    return (expression);                                                                                               \
  }

/* Somewhere to write to. */
static struct {
  td_mailbox mailbox;
  td_loop loop;
  td_monitor_ref monitor;
  td_timer timer;
  td_subscription subscription;
  td_watch watch;
  td_ticket ticket;
  td_message message;
  td_batch batch;
  td_cursor cursor;
  int64_t number;
  uint64_t count;
  td_fd fd;
  void *user;
} out;

static td_item one_item(void) {
  td_item item;
  item.tag = 0;
  item.data = "x";
  item.data_size = 1;
  return item;
}

FUNCTION(engine_close, td_engine, td_engine_close(id))
FUNCTION(engine_drain, td_engine, td_engine_drain(id, 0, NULL, NULL, 0))
FUNCTION(now, td_engine, td_now(id, &out.number))
FUNCTION(mailbox_open, td_engine, OUT(td_mailbox_open(id, NULL, &out.mailbox), out.mailbox))
FUNCTION(loop_open, td_engine, OUT(td_loop_open(id, NULL, &out.loop), out.loop))
FUNCTION(send_name, td_engine, td_send_name(id, TD_STR("other"), TD_NOBODY, 0, NULL, 0))
FUNCTION(unregister, td_engine, td_unregister(id, TD_STR("other")))
FUNCTION(whereis, td_engine, OUT(td_whereis(id, TD_STR("other"), &out.mailbox), out.mailbox))
FUNCTION(publish, td_engine, td_publish(id, TD_NOBODY, TD_STR("topic"), 0, NULL, 0, NULL, NULL))
FUNCTION(send_after_name, td_engine, OUT(td_send_after_name(id, TD_STR("other"), 1, 0, NULL, 0, &out.timer), out.timer))
FUNCTION(group_members, td_engine, td_group_members(id, TD_STR("group"), &out.message))
FUNCTION(presence_keys, td_engine, td_presence_keys(id, TD_STR("group"), &out.message))
FUNCTION(clock_advance, td_engine, td_clock_advance(id, 1))
FUNCTION(clock_wait_parked, td_engine, td_clock_wait_parked(id, 0, 0))

FUNCTION(mailbox_close, td_mailbox, td_mailbox_close(id))
FUNCTION(mailbox_exit, td_mailbox, td_mailbox_exit(id, 0, NULL, 0))
FUNCTION(mailbox_kill, td_mailbox, td_mailbox_kill(id))
FUNCTION(mailbox_wait, td_mailbox, td_mailbox_wait(id, 0, 0))
FUNCTION(suspend, td_mailbox, td_suspend(id))
FUNCTION(notify, td_mailbox, td_notify(id, 1))
FUNCTION(resume, td_mailbox, td_resume(id))
FUNCTION(mailbox_fd, td_mailbox, td_mailbox_fd(id, &out.fd))
FUNCTION(mailbox_user, td_mailbox, td_mailbox_user(id, &out.user))
FUNCTION(send, td_mailbox, td_send(id, TD_NOBODY, 0, NULL, 0))
FUNCTION(send_from, td_mailbox, td_send(world.other, id, 0, NULL, 0))
FUNCTION(send_name_from, td_mailbox, td_send_name(world.engine, TD_STR("other"), id, 0, NULL, 0))
FUNCTION(send_ex, td_mailbox, td_send_ex(id, TD_NOBODY, 0, NULL, 0, NULL))
FUNCTION(send_ex_from, td_mailbox, td_send_ex(world.other, id, 0, NULL, 0, NULL))
FUNCTION(recv, td_mailbox, td_recv(id, 0, 0, &out.message))
FUNCTION(recv_peek, td_mailbox, td_recv_peek(id, &out.cursor, 0, 0, &out.message))
FUNCTION(recv_take, td_mailbox, td_recv_take(id, &out.cursor, &out.message))
FUNCTION(recv_batch, td_mailbox, td_recv_batch(id, 0, 0, &out.batch))
FUNCTION(call, td_mailbox, td_call(id, world.other, 0, NULL, 0, 1, 0, &out.message))
FUNCTION(call_from, td_mailbox, td_call(world.other, id, 0, NULL, 0, 1, 0, &out.message))
FUNCTION(call_start, td_mailbox, OUT(td_call_start(id, world.other, 0, NULL, 0, 1, &out.ticket), out.ticket))
FUNCTION(call_start_from, td_mailbox, OUT(td_call_start(world.other, id, 0, NULL, 0, 1, &out.ticket), out.ticket))
FUNCTION(monitor, td_mailbox, OUT(td_monitor(id, world.other, 0, &out.monitor), out.monitor))
FUNCTION(monitor_target, td_mailbox, OUT(td_monitor(world.other, id, 0, &out.monitor), out.monitor))
FUNCTION(monitor_name, td_mailbox, OUT(td_monitor_name(id, TD_STR("other"), 0, &out.monitor), out.monitor))
FUNCTION(register, td_mailbox, td_register(id, TD_STR("name")))
FUNCTION(register_replace, td_mailbox, OUT(td_register_replace(id, TD_STR("name"), &out.mailbox), out.mailbox))
FUNCTION(subscribe, td_mailbox, OUT(td_subscribe(id, TD_STR("a"), NULL, &out.subscription), out.subscription))
FUNCTION(publish_from, td_mailbox, td_publish(world.engine, id, TD_STR("topic"), 0, NULL, 0, NULL, NULL))
FUNCTION(send_after, td_mailbox, OUT(td_send_after(id, 1, 0, NULL, 0, &out.timer), out.timer))
FUNCTION(send_every, td_mailbox, OUT(td_send_every(id, 1, 0, NULL, 0, &out.timer), out.timer))

FUNCTION(loop_run, td_loop, td_loop_run(id, 0, 0))
FUNCTION(loop_fd, td_loop, td_loop_fd(id, &out.fd))
FUNCTION(loop_deadline, td_loop, td_loop_deadline(id, &out.number))
FUNCTION(loop_wake, td_loop, td_loop_wake(id))
FUNCTION(loop_close, td_loop, td_loop_close(id))

FUNCTION(call_cancel, td_ticket, td_call_cancel(id))
FUNCTION(reply, td_ticket, td_reply(id, NULL, 0))
FUNCTION(reply_error, td_ticket, td_reply_error(id, 1, NULL, 0))
FUNCTION(reply_part, td_ticket, td_reply_part(id, "x", 1, 0, 0))
FUNCTION(reply_end, td_ticket, td_reply_end(id))
FUNCTION(call_many, td_mailbox, OUT(td_call_many(&id, 1, world.other, 0, NULL, 0, 1, &out.ticket), out.ticket))
FUNCTION(call_many_from, td_mailbox, OUT(td_call_many(&world.other, 1, id, 0, NULL, 0, 1, &out.ticket), out.ticket))
FUNCTION(ticket_drop, td_ticket, td_ticket_drop(id))
FUNCTION(monitor_receipt, td_mailbox, OUT(td_monitor_receipt(id, world.mailbox, 0, &out.monitor), out.monitor))
FUNCTION(monitor_os_process, td_mailbox, OUT(td_monitor_os_process(id, 1, 0, &out.monitor), out.monitor))
FUNCTION(link, td_mailbox, td_link(id, world.mailbox))
FUNCTION(link_other, td_mailbox, td_link(world.mailbox, id))
FUNCTION(unlink, td_mailbox, td_unlink(id, world.mailbox))
FUNCTION(trap_exit, td_mailbox, td_trap_exit(id, 1))
FUNCTION(demonitor, td_monitor_ref, td_demonitor(id, TD_FLUSH, NULL))
FUNCTION(group_join, td_mailbox, td_group_join(id, TD_STR("group")))
FUNCTION(group_leave, td_mailbox, td_group_leave(id, TD_STR("group")))
FUNCTION(group_watch, td_mailbox, OUT(td_group_watch(id, TD_STR("group"), 0, &out.watch, &out.message), out.watch))
FUNCTION(presence_enter, td_mailbox, td_presence_enter(id, TD_STR("group"), TD_STR("key"), 0))
FUNCTION(presence_leave, td_mailbox, td_presence_leave(id, TD_STR("group"), TD_STR("key")))
FUNCTION(presence_watch, td_mailbox, OUT(td_presence_watch(id, TD_STR("g"), 0, &out.watch, &out.message), out.watch))
FUNCTION(interest_watch, td_mailbox, OUT(td_interest_watch(id, TD_STR("a"), 0, &out.watch, &out.count), out.watch))
FUNCTION(will_set, td_mailbox, td_will_set(id, TD_STR("will"), 0, NULL, 0, 0))
FUNCTION(will_clear, td_mailbox, td_will_clear(id))
FUNCTION(unwatch, td_watch, td_unwatch(id, TD_FLUSH))
FUNCTION(unsubscribe, td_subscription, td_unsubscribe(id, TD_FLUSH))
FUNCTION(timer_cancel, td_timer, td_timer_cancel(id, &out.number))
FUNCTION(timer_read, td_timer, td_timer_read(id, &out.number))

static int32_t on_engine_inspect(uint64_t value) {
  td_engine id;
  td_message json;
  int32_t result;
  id.id = value;
  result = td_engine_inspect(id, &json);
  if (result == TD_OK) CHECK_OK(td_message_release(&json));
  return result;
}
static int32_t on_engine_stats(uint64_t value) {
  td_engine id;
  td_engine_counters counters;
  id.id = value;
  counters.size = sizeof counters;
  return td_engine_stats(id, &counters);
}

static int32_t on_mailbox_stats(uint64_t value) {
  td_mailbox id;
  td_mailbox_counters counters;
  id.id = value;
  counters.size = sizeof counters;
  return td_mailbox_stats(id, &counters);
}

static int32_t on_publish_many(uint64_t value) {
  td_engine id;
  td_item item = one_item();
  id.id = value;
  return td_publish_many(id, TD_NOBODY, TD_STR("topic"), &item, 1, NULL);
}

static int32_t on_publish_many_from(uint64_t value) {
  td_mailbox id;
  td_item item = one_item();
  id.id = value;
  return td_publish_many(world.engine, id, TD_STR("topic"), &item, 1, NULL);
}

static int32_t on_send_many(uint64_t value) {
  td_mailbox id;
  td_item item = one_item();
  id.id = value;
  return td_send_many(id, TD_NOBODY, &item, 1);
}

static int32_t on_send_many_from(uint64_t value) {
  td_mailbox id;
  td_item item = one_item();
  id.id = value;
  return td_send_many(world.other, id, &item, 1);
}

static int32_t on_recv_match(uint64_t value) {
  td_mailbox id;
  td_match match = TD_MATCH_INIT;
  id.id = value;
  return td_recv_match(id, &match, 0, 0, &out.message);
}

static int32_t on_mailbox_open_loop(uint64_t value) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  int32_t result;
  options.loop.id = value;
  options.handler = keep_handler;
  return OUT(td_mailbox_open(world.engine, &options, &out.mailbox), out.mailbox);
}

static int32_t on_send_ex_release_loop(uint64_t value) {
  td_send_options options = released_in(value);
  return td_send_ex(world.other, TD_NOBODY, 0, "x", 1, &options);
}

static int32_t on_publish_release_loop(uint64_t value) {
  td_send_options options = released_in(value);
  return td_publish(world.engine, TD_NOBODY, TD_STR("topic"), 0, "x", 1, &options, NULL);
}

/* A message as a receive gives it, of the host's own making. */
static td_message message_of(uint32_t kind, uint64_t ref, uint64_t owner) {
  td_message message;
  memset(&message, 0, sizeof message);
  message.kind = kind;
  message.ref = ref;
  message.owner = owner;
  return message;
}

static int32_t on_forward(uint64_t value) {
  td_mailbox id;
  td_message message = message_of(TD_KIND_MESSAGE, 0, 0);
  id.id = value;
  return td_forward(id, TD_NOBODY, &message);
}

static int32_t on_forward_from(uint64_t value) {
  td_mailbox id;
  td_message message = message_of(TD_KIND_MESSAGE, 0, 0);
  id.id = value;
  return td_forward(world.other, id, &message);
}

static int32_t on_forward_request(uint64_t value) {
  td_message message = message_of(TD_KIND_REQUEST, value, 0);
  return td_forward(world.other, TD_NOBODY, &message);
}

static int32_t on_forward_owner(uint64_t value) {
  td_message message = message_of(TD_KIND_MESSAGE, 0, value);
  return td_forward(world.other, TD_NOBODY, &message);
}

static int32_t on_message_release(uint64_t value) {
  td_message message;
  memset(&message, 0, sizeof message);
  message.owner = value;
  return td_message_release(&message);
}

static td_batch batch_of(uint64_t owner) {
  td_batch batch;
  memset(&batch, 0, sizeof batch);
  batch.owner = owner;
  batch.mailbox = world.other;
  return batch;
}

static int32_t on_batch_release(uint64_t value) {
  td_batch batch = batch_of(value);
  return td_batch_release(&batch);
}

static int32_t on_batch_retain(uint64_t value) {
  td_batch batch = batch_of(value);
  return td_batch_retain(&batch, &out.batch);
}

static int32_t on_batch_claim(uint64_t value) {
  td_batch batch = batch_of(value);
  return td_batch_claim(&batch, 0);
}

struct function {
  const char *name;
  enum kind kind;
  int32_t (*call)(uint64_t id);
  int nobody;    /* zero stands for nobody, or for none */
  int32_t stale; /* the answer to the id of one that has ended; ANY_ERROR */
};
#define ANY_ERROR 1

static const struct function functions[] = {
    {"td_engine_close", ENGINE, on_engine_close, 0, TD_ESTALE},
    {"td_engine_inspect", ENGINE, on_engine_inspect, 0, TD_ESTALE},
    {"td_engine_stats", ENGINE, on_engine_stats, 0, TD_ESTALE},
    {"td_engine_drain", ENGINE, on_engine_drain, 0, TD_ESTALE},
    {"td_now", ENGINE, on_now, 0, TD_ESTALE},
    {"td_mailbox_open", ENGINE, on_mailbox_open, 0, TD_ESTALE},
    {"td_loop_open", ENGINE, on_loop_open, 0, TD_ESTALE},
    {"td_send_name", ENGINE, on_send_name, 0, TD_ESTALE},
    {"td_unregister", ENGINE, on_unregister, 0, TD_ESTALE},
    {"td_whereis", ENGINE, on_whereis, 0, TD_ESTALE},
    {"td_publish", ENGINE, on_publish, 0, TD_ESTALE},
    {"td_publish_many", ENGINE, on_publish_many, 0, TD_ESTALE},
    {"td_send_after_name", ENGINE, on_send_after_name, 0, TD_ESTALE},
    {"td_clock_advance", ENGINE, on_clock_advance, 0, TD_ESTALE},
    {"td_clock_wait_parked", ENGINE, on_clock_wait_parked, 0, TD_ESTALE},
    {"td_mailbox_close", MAILBOX, on_mailbox_close, 0, TD_ENOPROC},
    {"td_mailbox_exit", MAILBOX, on_mailbox_exit, 0, TD_ENOPROC},
    {"td_mailbox_kill", MAILBOX, on_mailbox_kill, 0, TD_ENOPROC},
    {"td_mailbox_wait", MAILBOX, on_mailbox_wait, 0, TD_OK},
    {"td_mailbox_stats", MAILBOX, on_mailbox_stats, 0, TD_OK},
    {"td_suspend", MAILBOX, on_suspend, 0, TD_ENOPROC},
    {"td_notify", MAILBOX, on_notify, 0, TD_ENOPROC},
    {"td_resume", MAILBOX, on_resume, 0, TD_ENOPROC},
    {"td_mailbox_fd", MAILBOX, on_mailbox_fd, 0, TD_ENOPROC},
    {"td_mailbox_user", MAILBOX, on_mailbox_user, 0, TD_ENOPROC},
    {"td_send", MAILBOX, on_send, 0, TD_ENOPROC},
    {"td_send from", MAILBOX, on_send_from, 1, ANY_ERROR},
    {"td_send_name from", MAILBOX, on_send_name_from, 1, ANY_ERROR},
    {"td_send_many", MAILBOX, on_send_many, 0, TD_ENOPROC},
    {"td_send_many from", MAILBOX, on_send_many_from, 1, ANY_ERROR},
    {"td_send_ex", MAILBOX, on_send_ex, 0, TD_ENOPROC},
    {"td_send_ex from", MAILBOX, on_send_ex_from, 1, ANY_ERROR},
    {"td_recv", MAILBOX, on_recv, 0, TD_ECLOSED},
    {"td_recv_match", MAILBOX, on_recv_match, 0, TD_ECLOSED},
    {"td_recv_peek", MAILBOX, on_recv_peek, 0, TD_ECLOSED},
    {"td_recv_take", MAILBOX, on_recv_take, 0, TD_ECLOSED},
    {"td_recv_batch", MAILBOX, on_recv_batch, 0, TD_ECLOSED},
    {"td_call", MAILBOX, on_call, 0, TD_ENOPROC},
    {"td_call from", MAILBOX, on_call_from, 1, TD_ECLOSED},
    {"td_call_start", MAILBOX, on_call_start, 0, TD_ENOPROC},
    {"td_call_start from", MAILBOX, on_call_start_from, 0, TD_ECLOSED},
    {"td_monitor", MAILBOX, on_monitor, 0, TD_ENOPROC},
    {"td_monitor target", MAILBOX, on_monitor_target, 0, TD_OK},
    {"td_monitor_name", MAILBOX, on_monitor_name, 0, TD_ENOPROC},
    {"td_register", MAILBOX, on_register, 0, TD_ENOPROC},
    {"td_register_replace", MAILBOX, on_register_replace, 0, TD_ENOPROC},
    {"td_subscribe", MAILBOX, on_subscribe, 0, TD_ENOPROC},
    {"td_publish from", MAILBOX, on_publish_from, 1, ANY_ERROR},
    {"td_publish_many from", MAILBOX, on_publish_many_from, 1, ANY_ERROR},
    {"td_send_after", MAILBOX, on_send_after, 0, TD_ENOPROC},
    {"td_send_every", MAILBOX, on_send_every, 0, TD_ENOPROC},
    {"td_mailbox_open loop", LOOP, on_mailbox_open_loop, 1, TD_ESTALE},
    {"td_send_ex release_loop", LOOP, on_send_ex_release_loop, 1, TD_ESTALE},
    {"td_publish release_loop", LOOP, on_publish_release_loop, 1, TD_ESTALE},
    {"td_loop_run", LOOP, on_loop_run, 0, TD_ECLOSED},
    {"td_loop_fd", LOOP, on_loop_fd, 0, TD_ESTALE},
    {"td_loop_deadline", LOOP, on_loop_deadline, 0, TD_ESTALE},
    {"td_loop_wake", LOOP, on_loop_wake, 0, TD_ESTALE},
    {"td_loop_close", LOOP, on_loop_close, 0, TD_ESTALE},
    {"td_call_cancel", TICKET, on_call_cancel, 0, TD_ESTALE},
    {"td_reply", TICKET, on_reply, 0, TD_ESTALE},
    {"td_reply_error", TICKET, on_reply_error, 0, TD_ESTALE},
    {"td_reply_part", TICKET, on_reply_part, 0, TD_ESTALE},
    {"td_reply_end", TICKET, on_reply_end, 0, TD_ESTALE},
    {"td_call_many", MAILBOX, on_call_many, 0, TD_OK},
    {"td_call_many from", MAILBOX, on_call_many_from, 0, TD_ECLOSED},
    {"td_forward", MAILBOX, on_forward, 0, TD_ENOPROC},
    {"td_forward from", MAILBOX, on_forward_from, 1, ANY_ERROR},
    {"td_forward request", TICKET, on_forward_request, 0, TD_ESTALE},
    {"td_forward owner", OWNER, on_forward_owner, 1, ANY_ERROR},
    {"td_ticket_drop", TICKET, on_ticket_drop, 0, TD_ESTALE},
    {"td_monitor_receipt", MAILBOX, on_monitor_receipt, 0, TD_ENOPROC},
    {"td_monitor_os_process", MAILBOX, on_monitor_os_process, 0, TD_ENOPROC},
    {"td_link", MAILBOX, on_link, 0, TD_ENOPROC},
    {"td_link other", MAILBOX, on_link_other, 0, TD_ENOPROC},
    {"td_unlink", MAILBOX, on_unlink, 0, TD_ENOPROC},
    {"td_trap_exit", MAILBOX, on_trap_exit, 0, TD_ENOPROC},
    {"td_demonitor", MONITOR, on_demonitor, 0, TD_OK},
    {"td_group_members", ENGINE, on_group_members, 0, TD_ESTALE},
    {"td_presence_keys", ENGINE, on_presence_keys, 0, TD_ESTALE},
    {"td_group_join", MAILBOX, on_group_join, 0, TD_ENOPROC},
    {"td_group_leave", MAILBOX, on_group_leave, 0, TD_ENOPROC},
    {"td_group_watch", MAILBOX, on_group_watch, 0, TD_ENOPROC},
    {"td_presence_enter", MAILBOX, on_presence_enter, 0, TD_ENOPROC},
    {"td_presence_leave", MAILBOX, on_presence_leave, 0, TD_ENOPROC},
    {"td_presence_watch", MAILBOX, on_presence_watch, 0, TD_ENOPROC},
    {"td_interest_watch", MAILBOX, on_interest_watch, 0, TD_ENOPROC},
    {"td_will_set", MAILBOX, on_will_set, 0, TD_ENOPROC},
    {"td_will_clear", MAILBOX, on_will_clear, 0, TD_ENOPROC},
    {"td_unwatch", WATCH, on_unwatch, 0, TD_ESTALE},
    {"td_unsubscribe", SUBSCRIPTION, on_unsubscribe, 0, TD_ESTALE},
    {"td_timer_cancel", TIMER, on_timer_cancel, 0, TD_ESTALE},
    {"td_timer_read", TIMER, on_timer_read, 0, TD_ESTALE},
    {"td_message_release", OWNER, on_message_release, 1, ANY_ERROR},
    {"td_batch_release", OWNER, on_batch_release, 0, ANY_ERROR},
    {"td_batch_retain", OWNER, on_batch_retain, 0, ANY_ERROR},
    {"td_batch_claim", OWNER, on_batch_claim, 0, ANY_ERROR},
};
enum { FUNCTIONS = (int)(sizeof functions / sizeof *functions) };

#endif
