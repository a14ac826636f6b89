/* The snapshot: valid JSON whatever the names are, and everything in it. (rule 31) */
#include "check.h"

static char *inspected(td_engine engine) {
  td_message json;
  char *copy;
  CHECK_OK(td_engine_inspect(engine, &json));
  copy = (char *)malloc(json.data_size + 1);
  CHECK(copy != NULL);
  memcpy(copy, json.data, json.data_size);
  copy[json.data_size] = 0;
  CHECK_EQ(strlen(copy), json.data_size);
  CHECK_OK(td_message_release(&json));
  CHECK_IS(td_message_release(&json), TD_ESTALE);
  return copy;
}

/* Passes one value of JSON. */
static const char *pass_string(const char *at) {
  CHECK_EQ(*at, '"');
  for (at++; *at != '"'; at++) {
    CHECK((unsigned char)*at >= 0x20);
    if (*at == '\\') {
      at++;
      CHECK(*at && strchr("\"\\/bfnrtu", *at));
    }
  }
  return at + 1;
}

static const char *pass(const char *at) {
  if (*at == '"') return pass_string(at);
  if (*at == '{' || *at == '[') {
    char open = *at++, close = open == '{' ? '}' : ']';
    if (*at == close) return at + 1;
    for (;;) {
      if (open == '{') {
        at = pass_string(at);
        CHECK_EQ(*at, ':');
        at++;
      }
      at = pass(at);
      if (*at == close) return at + 1;
      CHECK_EQ(*at, ',');
      at++;
    }
  }
  if (!strncmp(at, "true", 4) || !strncmp(at, "null", 4)) return at + 4;
  if (!strncmp(at, "false", 5)) return at + 5;
  CHECK(*at == '-' || (*at >= '0' && *at <= '9'));
  for (at++; *at >= '0' && *at <= '9'; at++) {}
  return at;
}

static void check_valid(const char *json) { CHECK_EQ(*pass(json), 0); }

/* That `"key":"id"` stands in the text. */
static void has_id(const char *text, const char *key, uint64_t id) {
  char wanted[128];
  snprintf(wanted, sizeof wanted, "\"%s\":\"0x%016" PRIx64 "\"", key, id);
  if (!strstr(text, wanted)) fprintf(stderr, "no %s in %s\n", wanted, text);
  CHECK(strstr(text, wanted) != NULL);
}

static void has(const char *text, const char *wanted) {
  if (!strstr(text, wanted)) fprintf(stderr, "no %s in %s\n", wanted, text);
  CHECK(strstr(text, wanted) != NULL);
}

static void ignore(td_batch *batch, void *user) {
  (void)batch;
  (void)user;
}

static void everything_is_in_it(void) {
  td_engine engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  td_mailbox a = open_bounded(engine, TD_DROP_OLD, 10), b = open_mailbox(engine), handled;
  td_mailbox latest = open_bounded(engine, TD_CONFLATE, 10);
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_loop loop = open_loop(engine);
  td_subscription subscription;
  td_monitor_ref monitor;
  td_timer timer, to_name;
  td_ticket ticket;
  td_receipt receipt;
  char *json;
  handled = open_handler(engine, loop, ignore, NULL);
  options.max_messages = 5;
  options.policy = TD_DROP_NEW;
  CHECK_OK(td_register(a, TD_STR("plain")));
  CHECK_OK(td_register(a, TD_STR("odd \"\\\n\t\001\x7f name")));
  CHECK_OK(td_subscribe(a, TD_STR("news.*"), &options, &subscription));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("news.today"), 1, NULL, 0, NULL, &receipt));
  CHECK_OK(td_monitor(b, a, 0xFEDCBA9876543210u, &monitor));
  CHECK_OK(td_send_after(b, TD_MS(7), 0, NULL, 0, &timer));
  CHECK_OK(td_send_after_name(engine, TD_STR("later"), TD_MS(7), 0, NULL, 0, &to_name));
  CHECK_OK(td_call_start(a, b, 3, NULL, 0, TD_MS(100), &ticket));
  CHECK_OK(td_send(a, b, 1, "0123456789", 10));
  CHECK_OK(td_suspend(b));
  for (int i = 0; i < 3; i++) CHECK_OK(send_tag(latest, 1));
  json = inspected(engine);
  check_valid(json);
  has_id(json, "engine", engine.id);
  has_id(json, "mailbox", a.id);
  has_id(json, "mailbox", b.id);
  has_id(json, "mailbox", handled.id);
  has_id(json, "subscription", subscription.id);
  has_id(json, "id", monitor.id);
  has_id(json, "id", timer.id);
  has_id(json, "id", to_name.id);
  has_id(json, "id", ticket.id);
  has_id(json, "loop", loop.id);
  has_id(json, "tag", 0xFEDCBA9876543210u);
  has(json, "\"pattern\":\"news.*\",\"max_messages\":5,\"queued\":1");
  has(json, "\"names\":[\"plain\",\"odd \\\"\\\\\\n\\u0009\\u0001\\u007f name\"]");
  has(json, "\"policy\":\"drop_old\",\"max_messages\":10");
  has(json, "\"queued\":3,\"queued_bytes\":10");
  has(json, "\"state\":\"suspended\"");
  has(json, "\"read_by\":\"handler\"");
  has(json, "\"what\":\"call\"");
  has(json, "\"sent\":3,\"delivered\":0,\"lost\":0,\"conflated\":2,");
  has(json, "\"queued_bytes\":10,\"max_bytes\":1073741824}");
  free(json);
  CHECK_OK(td_engine_close(engine));
  CHECK_IS(td_engine_inspect(engine, NULL), TD_EINVAL);
}

static volatile int stop;
static void *churn(void *user) {
  td_engine engine = *(td_engine *)user;
  while (!stop) {
    td_mailbox a = open_mailbox(engine), b = open_mailbox(engine);
    td_monitor_ref monitor;
    td_subscription subscription;
    td_timer timer;
    CHECK_OK(td_register(a, TD_STR("churn")));
    CHECK_OK(td_monitor(b, a, 0, &monitor));
    CHECK_OK(td_subscribe(b, TD_STR("x"), NULL, &subscription));
    CHECK_OK(td_send_after(b, TD_MS(5), 0, NULL, 0, &timer));
    CHECK_OK(send_tag(a, 1));
    CHECK_OK(td_mailbox_close(a));
    CHECK_OK(td_mailbox_close(b));
  }
  return NULL;
}

static void it_is_valid_while_everything_changes(void) {
  td_engine engine = open_engine(0);
  pthread_t thread;
  uint64_t i, count = check_count(300);
  CHECK_EQ(pthread_create(&thread, NULL, churn, &engine), 0);
  for (i = 0; i < count; i++) {
    char *json = inspected(engine);
    check_valid(json);
    free(json);
  }
  stop = 1;
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_OK(td_engine_close(engine));
}

static void many_mailboxes_are_one_text(void) {
  td_engine engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  uint64_t i, count = check_count(100000), seen = 0;
  const char *at;
  char *json;
  for (i = 0; i < count; i++) open_mailbox(engine);
  json = inspected(engine);
  check_valid(json);
  for (at = json; (at = strstr(at, "{\"mailbox\":")) != NULL; at++) seen++;
  CHECK_EQ(seen, count);
  free(json);
  CHECK_OK(td_engine_close(engine));
}

int main(void) {
  check_begin();
  everything_is_in_it();
  it_is_valid_while_everything_changes();
  many_mailboxes_are_one_text();
  return 0;
}
