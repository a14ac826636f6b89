/* Queue groups: each message goes to exactly one of the subscriptions of a name that fit, in turn. (rule 29) */
#include "check.h"

enum { MEMBERS = 3 };
static td_engine engine;

static td_subscription serve(td_mailbox mailbox, const char *pattern, const char *name) {
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_subscription subscription;
  options.queue_group = name;
  options.queue_group_size = strlen(name);
  CHECK_OK(td_subscribe(mailbox, pattern, strlen(pattern), &options, &subscription));
  return subscription;
}

static td_receipt say(const char *topic, uint64_t tag) {
  td_receipt receipt;
  CHECK_OK(td_publish(engine, TD_NOBODY, topic, strlen(topic), tag, NULL, 0, NULL, &receipt));
  return receipt;
}

static int count_of(td_mailbox mailbox) {
  td_message message;
  int count = 0;
  while (td_recv(mailbox, 0, 0, &message) == TD_OK) {
    count++;
    CHECK_OK(td_message_release(&message));
  }
  return count;
}

static void each_goes_to_one_in_turn(void) {
  td_mailbox members[MEMBERS], all = open_mailbox(engine), other = open_mailbox(engine);
  td_subscription subscription;
  for (int i = 0; i < MEMBERS; i++) {
    members[i] = open_mailbox(engine);
    serve(members[i], i == 1 ? "job.*" : "job.a", "q");
  }
  serve(other, "job.>", "another");
  CHECK_OK(td_subscribe(all, TD_STR("job.a"), NULL, &subscription));
  for (int i = 0; i < 300; i++) {
    td_receipt receipt = say("job.a", 0);
    CHECK_EQ(receipt.matched, 3);
    CHECK_EQ(receipt.queued, 3);
  }
  for (int i = 0; i < MEMBERS; i++) CHECK_EQ(count_of(members[i]), 100);
  CHECK_EQ(count_of(all), 300);
  CHECK_EQ(count_of(other), 300);
  /* Others come and go between the messages: nobody starves. */
  td_mailbox guest = open_mailbox(engine);
  for (int i = 0; i < 300; i++) {
    td_subscription passing = serve(guest, "job.a", "q");
    say("job.a", 0);
    say("job.b", 0);
    CHECK_OK(td_unsubscribe(passing, 0));
  }
  for (int i = 0; i < MEMBERS; i++) CHECK(count_of(members[i]) >= 50);
}

static void the_full_and_the_dead_are_passed_over(void) {
  td_mailbox full = open_bounded(engine, TD_FAIL, 1), dead = open_mailbox(engine), fit = open_bounded(engine, TD_FAIL, 5);
  serve(full, "t", "p");
  serve(dead, "t", "p");
  serve(fit, "t", "p");
  CHECK_OK(td_mailbox_kill(dead));
  for (int i = 0; i < 6; i++) CHECK_EQ(say("t", 0).queued, 1);
  td_receipt none = say("t", 0);
  CHECK_EQ(none.matched, 1);
  CHECK_EQ(none.dropped, 1);
  CHECK_EQ(counters_of(full).lost + counters_of(fit).lost, 1);
  CHECK_EQ(count_of(full), 1);
  CHECK_EQ(count_of(fit), 5);
}

static void names_are_checked(void) {
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_mailbox mailbox = open_mailbox(engine);
  td_subscription subscription;
  char name[256];
  memset(name, 'x', sizeof name);
  options.queue_group = name;
  CHECK_IS(td_subscribe(mailbox, TD_STR("t"), &options, &subscription), TD_EINVAL);
  options.queue_group_size = sizeof name;
  CHECK_IS(td_subscribe(mailbox, TD_STR("t"), &options, &subscription), TD_EINVAL);
  options.queue_group = NULL;
  CHECK_IS(td_subscribe(mailbox, TD_STR("t"), &options, &subscription), TD_EINVAL);
  options.queue_group = name;
  options.queue_group_size = 255;
  CHECK_OK(td_subscribe(mailbox, TD_STR("t"), &options, &subscription));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  each_goes_to_one_in_turn();
  the_full_and_the_dead_are_passed_over();
  names_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
