/* dispatch.c - events by id to their handlers, in C: a handler is a mailbox that has the id as its name; an event that nobody has a
 * name for goes to "default", which gets the id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidings.h>

static void check(int32_t result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "dispatch: %s: %s\n", what, td_strerror(result));
  exit(1);
}

/* user is how the line begins. */
static void say(td_batch *batch, void *user) {
  td_message message;
  while (td_batch_next(batch, &message) > 0)
    printf("%s%.*s\n", (const char *)user, (int)message.data_size, (const char *)message.data);
}

static void on(td_engine engine, td_loop loop, const char *id, const char *begin) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.loop = loop;
  options.handler = say;
  options.user = (void *)begin;
  options.name = id;
  options.name_size = strlen(id);
  td_mailbox mailbox;
  check(td_mailbox_open(engine, &options, &mailbox), "td_mailbox_open");
}

static void dispatch(td_engine engine, td_loop loop, const char *id, const char *data) {
  td_mailbox nobody = {0};
  int32_t sent = td_send_name(engine, id, strlen(id), nobody, 0, data, strlen(data));
  if (sent == TD_ENOTFOUND) sent = td_send_name(engine, TD_STR("default"), nobody, 0, id, strlen(id));
  check(sent, id);
  check(td_loop_run(loop, 0, 0), "td_loop_run");
}

int main(void) {
  td_engine engine;
  td_loop loop;
  check(td_engine_open(NULL, &engine), "td_engine_open");
  check(td_loop_open(engine, NULL, &loop), "td_loop_open");
  on(engine, loop, "components/commtest", "components/commtest: ");
  on(engine, loop, "default", "No comms handler for :");
  dispatch(engine, loop, "components/commtest", "hello");
  dispatch(engine, loop, "no/such", "x");
  dispatch(engine, loop, "components/commtest", "again");
  on(engine, loop, "late/route", "late/route: ");
  dispatch(engine, loop, "late/route", "x");
  check(td_engine_close(engine), "td_engine_close");
  return 0;
}
