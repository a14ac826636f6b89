/* A published message reaches every subscription whose pattern matches, one copy each, and the receipt says how many.
 * (rules 25 26 27) */
#include "check.h"

static td_engine engine;

static void take_topic(td_mailbox mailbox, td_subscription subscription, const char *topic, uint64_t tag, const char *text) {
  td_message message;
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TOPIC);
  CHECK_EQ(message.ref, subscription.id);
  CHECK_EQ(message.tag, tag);
  CHECK_TEXT(message.topic, message.topic_size, topic);
  CHECK_TEXT(message.data, message.data_size, text);
  CHECK_OK(td_message_release(&message));
}

static void nothing(td_mailbox mailbox) {
  td_message message;
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
}

static uint64_t matched(const char *topic) {
  td_receipt receipt;
  CHECK_OK(td_publish(engine, TD_NOBODY, topic, strlen(topic), 0, NULL, 0, NULL, &receipt));
  CHECK_EQ(receipt.matched, receipt.queued + receipt.dropped);
  return receipt.matched;
}

static void patterns_match_by_token(void) { /* C25 */
  td_mailbox star = open_mailbox(engine), rest = open_mailbox(engine);
  td_subscription one, more;
  CHECK_OK(td_subscribe(star, TD_STR("a.*"), NULL, &one));
  CHECK_OK(td_subscribe(rest, TD_STR("a.>"), NULL, &more));
  CHECK_EQ(matched("a"), 0);
  CHECK_EQ(matched("a.b"), 2);
  CHECK_EQ(matched("a.b.c"), 1);
  CHECK_EQ(matched("ab.c"), 0);
  take_topic(star, one, "a.b", 0, "");
  nothing(star);
  take_topic(rest, more, "a.b", 0, "");
  take_topic(rest, more, "a.b.c", 0, "");
  CHECK_OK(td_mailbox_close(star));
  CHECK_EQ(matched("a.b"), 1);
  CHECK_OK(td_mailbox_close(rest));
  CHECK_EQ(matched("a.b"), 0);
}

static void one_copy_for_each_subscription(void) {
  td_mailbox mailbox = open_mailbox(engine), from = open_mailbox(engine);
  td_subscription exact, star;
  td_receipt receipt;
  td_message message;
  CHECK_OK(td_subscribe(mailbox, TD_STR("x.y"), NULL, &exact));
  CHECK_OK(td_subscribe(mailbox, TD_STR("*.y"), NULL, &star));
  CHECK_OK(td_publish(engine, from, TD_STR("x.y"), 9, TD_STR("data"), NULL, &receipt));
  CHECK_EQ(receipt.matched, 2);
  CHECK_EQ(receipt.queued, 2);
  CHECK_EQ(receipt.dropped, 0);
  uint64_t refs[2];
  for (int i = 0; i < 2; i++) {
    CHECK_OK(td_recv(mailbox, 0, 0, &message));
    CHECK_EQ(message.from.id, from.id);
    CHECK_TEXT(message.topic, message.topic_size, "x.y");
    refs[i] = message.ref;
    CHECK_OK(td_message_release(&message));
  }
  CHECK(refs[0] != refs[1]);
  nothing(mailbox);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void unsubscribing_stops_it(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_subscription keep, gone;
  CHECK_OK(td_subscribe(mailbox, TD_STR("t"), NULL, &keep));
  CHECK_OK(td_subscribe(mailbox, TD_STR("t"), NULL, &gone));
  CHECK_EQ(counters_of(mailbox).subscriptions, 2);
  CHECK_EQ(matched("t"), 2);
  CHECK_IS(td_unsubscribe(gone, 0x40), TD_EINVAL);
  CHECK_OK(td_unsubscribe(gone, TD_FLUSH)); /* its queued message goes too */
  CHECK_EQ(counters_of(mailbox).flushed, 1);
  CHECK_EQ(matched("t"), 1);
  take_topic(mailbox, keep, "t", 0, "");
  CHECK_OK(td_unsubscribe(keep, 0));
  take_topic(mailbox, keep, "t", 0, ""); /* what is queued stays without the flag */
  nothing(mailbox);
  CHECK_IS(td_unsubscribe(keep, 0), TD_ESTALE);
  CHECK_IS(td_unsubscribe(gone, TD_FLUSH), TD_ESTALE);
  CHECK_EQ(matched("t"), 0);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void a_subscription_has_its_own_bound(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_subscription oldest, newest;
  td_receipt receipt;
  options.max_messages = 2;
  options.policy = TD_DROP_OLD;
  CHECK_OK(td_subscribe(mailbox, TD_STR("keep.new"), &options, &newest));
  options.policy = TD_DROP_NEW;
  CHECK_OK(td_subscribe(mailbox, TD_STR("keep.old"), &options, &oldest));
  CHECK_OK(send_tag(mailbox, 100));
  for (uint64_t i = 1; i <= 5; i++) {
    CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("keep.new"), i, NULL, 0, NULL, &receipt));
    CHECK_EQ(receipt.matched, 1);
    CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("keep.old"), i, NULL, 0, NULL, &receipt));
    CHECK_EQ(receipt.dropped, i > 2);
    CHECK_EQ(receipt.queued, i <= 2);
  }
  RECV_TAG(mailbox, 100, 0); /* evicts only its own messages */
  uint64_t news = 0, olds = 0, lost = 0;
  td_message message;
  while (td_recv(mailbox, 0, 0, &message) == TD_OK) {
    if (message.ref == newest.id) news = news * 10 + message.tag;
    if (message.ref == oldest.id) olds = olds * 10 + message.tag;
    lost += message.lost;
    CHECK_OK(td_message_release(&message));
  }
  CHECK_EQ(news, 45);
  CHECK_EQ(olds, 12);
  CHECK_EQ(counters_of(mailbox).lost, 6);
  CHECK(lost <= 6 && lost >= 3); /* the last ones are told with the next message */
  CHECK_OK(td_mailbox_close(mailbox));
}

static void a_full_mailbox_drops_and_says_so(void) {
  td_mailbox full = open_bounded(engine, TD_FAIL, 1), other = open_mailbox(engine);
  td_subscription a, b;
  td_receipt receipt;
  CHECK_OK(td_subscribe(full, TD_STR("f"), NULL, &a));
  CHECK_OK(td_subscribe(other, TD_STR("f"), NULL, &b));
  CHECK_OK(send_tag(full, 1));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("f"), 2, NULL, 0, NULL, &receipt));
  CHECK_EQ(receipt.matched, 2);
  CHECK_EQ(receipt.queued, 1);
  CHECK_EQ(receipt.dropped, 1);
  take_topic(other, b, "f", 2, "");
  RECV_TAG(full, 1, 0);
  CHECK_OK(send_tag(full, 3));
  RECV_TAG(full, 3, 1);
  CHECK_OK(td_mailbox_close(full));
  CHECK_OK(td_mailbox_close(other));
}

static void many_at_once(void) {
  td_mailbox one = open_mailbox(engine), other = open_bounded(engine, TD_DROP_OLD, 2);
  td_subscription a, b;
  td_item items[5];
  td_receipt receipt;
  for (uint64_t i = 0; i < 5; i++) {
    items[i].tag = i;
    items[i].data = "abcde";
    items[i].data_size = i;
  }
  CHECK_OK(td_subscribe(one, TD_STR("m.>"), NULL, &a));
  CHECK_OK(td_subscribe(other, TD_STR("m.*"), NULL, &b));
  CHECK(td_publish_many(engine, TD_NOBODY, TD_STR("m.n"), items, 5, &receipt) >= 0);
  CHECK_EQ(receipt.matched, 10);
  CHECK_EQ(receipt.queued + receipt.dropped, 10);
  take_topic(one, a, "m.n", 0, "");
  take_topic(one, a, "m.n", 1, "a");
  take_topic(one, a, "m.n", 2, "ab");
  take_topic(one, a, "m.n", 3, "abc");
  take_topic(one, a, "m.n", 4, "abcd");
  td_message message;
  CHECK_OK(td_recv(other, 0, 0, &message));
  CHECK_EQ(message.tag, 3);
  CHECK_EQ(message.lost, 3);
  CHECK_OK(td_message_release(&message));
  CHECK(td_publish_many(engine, TD_NOBODY, TD_STR("m.n"), items, 5, NULL) >= 0);
  CHECK_OK(td_publish_many(engine, TD_NOBODY, TD_STR("m.n"), items, 0, NULL));
  CHECK_IS(td_publish_many(engine, TD_NOBODY, TD_STR("m.n"), NULL, 5, NULL), TD_EINVAL);
  CHECK_IS(td_publish_many(engine, TD_NOBODY, TD_STR("m.*"), items, 5, NULL), TD_EINVAL);
  items[3].data = NULL;
  CHECK_IS(td_publish_many(engine, TD_NOBODY, TD_STR("m.n"), items, 5, NULL), TD_EINVAL);
  CHECK_EQ(counters_of(one).queued, 5); /* nothing of a refused call went out */
  CHECK_OK(td_mailbox_close(one));
  CHECK_OK(td_mailbox_close(other));
}

/* Neither a topic nor a pattern. */
static void refused_everywhere(const char *text, size_t size) {
  td_mailbox mailbox = open_mailbox(engine);
  td_subscription subscription;
  td_receipt receipt;
  td_item item;
  item.tag = 0;
  item.data = "";
  item.data_size = 0;
  receipt.matched = 55;
  subscription.id = 1;
  CHECK_IS(td_subscribe(mailbox, text, size, NULL, &subscription), TD_EINVAL);
  CHECK_EQ(subscription.id, 0);
  CHECK_IS(td_publish(engine, TD_NOBODY, text, size, 0, NULL, 0, NULL, &receipt), TD_EINVAL);
  CHECK_IS(td_publish_many(engine, TD_NOBODY, text, size, &item, 1, &receipt), TD_EINVAL);
  CHECK_EQ(receipt.matched, 55);
  CHECK_OK(td_mailbox_close(mailbox));
}

static size_t tokens(char *text, int count) {
  for (int i = 0; i < count; i++) memcpy(text + 2 * i, "t.", 2);
  return (size_t)(2 * count - 1);
}

static void topics_are_checked(void) {
  char text[2048];
  td_mailbox mailbox = open_mailbox(engine);
  td_subscription subscription;
  CHECK_OK(td_subscribe(mailbox, text, tokens(text, 64), NULL, &subscription));
  CHECK_OK(td_publish(engine, TD_NOBODY, text, tokens(text, 64), 0, NULL, 0, NULL, NULL));
  CHECK_EQ(counters_of(mailbox).queued, 1);
  refused_everywhere(text, tokens(text, 65));
  memset(text, 't', sizeof text);
  CHECK_OK(td_subscribe(mailbox, text, 1024, NULL, &subscription));
  CHECK_OK(td_publish(engine, TD_NOBODY, text, 1024, 0, NULL, 0, NULL, NULL));
  CHECK_EQ(counters_of(mailbox).queued, 2);
  refused_everywhere(text, 1025);
  refused_everywhere(text, SIZE_MAX);
  refused_everywhere(text, 0);
  refused_everywhere(NULL, 0);
  refused_everywhere(NULL, 3);
  refused_everywhere(TD_STR("."));
  refused_everywhere(TD_STR("a."));
  refused_everywhere(TD_STR(".a"));
  refused_everywhere(TD_STR("a..b"));
  refused_everywhere(TD_STR("a b"));
  refused_everywhere(TD_STR("\xc3(")); /* not UTF-8 */
  refused_everywhere(TD_STR("a.\xf5\x80\x80\x80"));
  refused_everywhere(TD_STR("a.>.b")); /* more is only last */
  CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR("a.*"), 0, NULL, 0, NULL, NULL), TD_EINVAL);
  CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR(">"), 0, NULL, 0, NULL, NULL), TD_EINVAL);
  CHECK_OK(td_subscribe(mailbox, TD_STR("gr\xc3\xbc\xc3\x9f.*"), NULL, &subscription));
  CHECK_EQ(matched("gr\xc3\xbc\xc3\x9f.x"), 1);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void options_are_checked(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_send_options send = TD_SEND_OPTIONS_INIT;
  td_subscription subscription;
  CHECK_IS(td_subscribe(mailbox, TD_STR("o"), NULL, NULL), TD_EINVAL);
  options.policy = TD_BLOCK; /* a subscriber never slows the publisher */
  CHECK_IS(td_subscribe(mailbox, TD_STR("o"), &options, &subscription), TD_EINVAL);
  options.policy = 9;
  CHECK_IS(td_subscribe(mailbox, TD_STR("o"), &options, &subscription), TD_EINVAL);
  options.policy = TD_FAIL;
  options.flags = 1;
  CHECK_IS(td_subscribe(mailbox, TD_STR("o"), &options, &subscription), TD_EINVAL);
  options.flags = 0;
  options.size = 4;
  CHECK_IS(td_subscribe(mailbox, TD_STR("o"), &options, &subscription), TD_EINVAL);
  CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR("o"), 0, NULL, 4, NULL, NULL), TD_EINVAL);
  send.flags = 0x20;
  CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR("o"), 0, NULL, 0, &send, NULL), TD_EINVAL);
  send.flags = 0;
  send.size = 1;
  CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR("o"), 0, NULL, 0, &send, NULL), TD_EINVAL);
  CHECK_EQ(counters_of(mailbox).subscriptions, 0);
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_IS(td_subscribe(mailbox, TD_STR("o"), NULL, &subscription), TD_ENOPROC);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  patterns_match_by_token();
  one_copy_for_each_subscription();
  unsubscribing_stops_it();
  a_subscription_has_its_own_bound();
  a_full_mailbox_drops_and_says_so();
  many_at_once();
  topics_are_checked();
  options_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
