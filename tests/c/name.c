/* A name leads to one mailbox: taken, replaced in one step, freed with its owner; at most 255 bytes of UTF-8.
 * (rule 19) */
#include "check.h"

static td_engine engine;

static void a_name_has_one_holder(void) { /* C20 */
  td_mailbox one = open_mailbox(engine), other = open_mailbox(engine), found;
  CHECK_OK(td_register(one, TD_STR("name")));
  CHECK_IS(td_register(other, TD_STR("name")), TD_EEXIST);
  CHECK_IS(td_register(one, TD_STR("name")), TD_EEXIST);
  CHECK_OK(td_register(one, TD_STR("a second name")));
  CHECK_EQ(counters_of(one).names, 2);
  CHECK_OK(td_whereis(engine, TD_STR("a second name"), &found));
  CHECK_EQ(found.id, one.id);
  CHECK_OK(td_mailbox_close(one));
  CHECK_IS(td_whereis(engine, TD_STR("name"), &found), TD_ENOTFOUND);
  CHECK_EQ(found.id, 0);
  CHECK_IS(td_register(one, TD_STR("name")), TD_ENOPROC);
  CHECK_OK(td_register(other, TD_STR("name")));
  CHECK_OK(td_unregister(engine, TD_STR("name")));
  CHECK_IS(td_unregister(engine, TD_STR("name")), TD_ENOTFOUND);
  CHECK_EQ(counters_of(other).names, 0);
}

static void replacing_swaps_the_route(void) {
  td_mailbox one = open_mailbox(engine), other = open_mailbox(engine), previous, found;
  previous.id = 77;
  CHECK_OK(td_register_replace(one, TD_STR("route"), &previous));
  CHECK_EQ(previous.id, 0); /* nobody had it */
  CHECK_OK(td_send_name(engine, TD_STR("route"), TD_NOBODY, 1, NULL, 0));
  CHECK_OK(td_register_replace(other, TD_STR("route"), &previous));
  CHECK_EQ(previous.id, one.id);
  CHECK_OK(td_send_name(engine, TD_STR("route"), TD_NOBODY, 2, NULL, 0));
  RECV_TAG(one, 1, 0);
  RECV_TAG(other, 2, 0);
  CHECK_EQ(counters_of(one).names, 0);
  CHECK_OK(td_mailbox_close(one)); /* the former holder's end does not free it */
  CHECK_OK(td_whereis(engine, TD_STR("route"), &found));
  CHECK_EQ(found.id, other.id);
  CHECK_IS(td_register_replace(one, TD_STR("route"), NULL), TD_ENOPROC);
  CHECK_OK(td_whereis(engine, TD_STR("route"), &found));
  CHECK_EQ(found.id, other.id);
  CHECK_OK(td_register_replace(other, TD_STR("route"), NULL));
}

static void a_mailbox_may_open_with_its_name(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox, found;
  options.name = "born with it";
  options.name_size = strlen(options.name);
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  CHECK_OK(td_whereis(engine, options.name, options.name_size, &found));
  CHECK_EQ(found.id, mailbox.id);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void bytes_are_compared_not_strings(void) {
  td_mailbox one = open_mailbox(engine), other = open_mailbox(engine), found;
  CHECK_OK(td_register(one, "same prefix", 4));
  CHECK_OK(td_register(other, "same prefix", 11));
  CHECK_OK(td_whereis(engine, TD_STR("same"), &found));
  CHECK_EQ(found.id, one.id);
  CHECK_OK(td_register(one, TD_STR("gr\xc3\xbc\xc3\x9f")));
  CHECK_OK(td_whereis(engine, TD_STR("gr\xc3\xbc\xc3\x9f"), &found));
  CHECK_EQ(found.id, one.id);
  CHECK_OK(td_mailbox_close(one));
  CHECK_OK(td_mailbox_close(other));
}

/* Every function that takes a name refuses the same names. */
static void refused_everywhere(const char *name, size_t size) {
  td_mailbox mailbox = open_mailbox(engine), opened, found;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_monitor_ref monitor;
  td_timer timer;
  CHECK_IS(td_register(mailbox, name, size), TD_EINVAL);
  CHECK_IS(td_register_replace(mailbox, name, size, NULL), TD_EINVAL);
  CHECK_IS(td_unregister(engine, name, size), TD_EINVAL);
  CHECK_IS(td_whereis(engine, name, size, &found), TD_EINVAL);
  CHECK_EQ(found.id, 0);
  CHECK_IS(td_send_name(engine, name, size, TD_NOBODY, 0, NULL, 0), TD_EINVAL);
  CHECK_IS(td_monitor_name(mailbox, name, size, 0, &monitor), TD_EINVAL);
  CHECK_EQ(monitor.id, 0);
  CHECK_IS(td_send_after_name(engine, name, size, 0, 0, NULL, 0, &timer), TD_EINVAL);
  CHECK_EQ(timer.id, 0);
  if (name != NULL || size != 0) { /* which is: no name */
    options.name = name;
    options.name_size = size;
    CHECK_IS(td_mailbox_open(engine, &options, &opened), TD_EINVAL);
  }
  CHECK_EQ(counters_of(mailbox).names, 0);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void names_are_checked(void) {
  char name[256];
  td_mailbox mailbox = open_mailbox(engine), found;
  memset(name, 'n', sizeof name);
  CHECK_OK(td_register(mailbox, name, 255));
  CHECK_OK(td_whereis(engine, name, 255, &found));
  CHECK_EQ(found.id, mailbox.id);
  CHECK_OK(td_mailbox_close(mailbox));
  refused_everywhere(name, 256);
  refused_everywhere(name, SIZE_MAX);
  refused_everywhere(name, 0);
  refused_everywhere(NULL, 4);
  refused_everywhere(NULL, 0);
  refused_everywhere(TD_STR("\xff\xfe")); /* not UTF-8 */
  refused_everywhere(TD_STR("cut \xc3"));
  refused_everywhere(TD_STR("\xed\xa0\x80")); /* a surrogate */
  CHECK_IS(td_whereis(engine, TD_STR("name"), NULL), TD_EINVAL);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  a_name_has_one_holder();
  replacing_swaps_the_route();
  a_mailbox_may_open_with_its_name();
  bytes_are_compared_not_strings();
  names_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
