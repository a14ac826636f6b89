/* Every public macro of tidings.h, expanded; run.sh fails when the header gains one that is not here. */
#include "check.h"

static void constants(void) {
  CHECK_EQ(td_version_number(), TD_VERSION_MAJOR * 1000000 + TD_VERSION_MINOR * 1000 + TD_VERSION_PATCH);
  CHECK_EQ(td_abi_version(), TD_ABI_VERSION);
  CHECK(TD_CHECK_ABI());
  CHECK_EQ(TD_FRAME_VERSION, 2);
  CHECK(TD_FOREVER == INT64_MAX);
  CHECK_EQ(TD_MS(1500), INT64_C(1500000000));
  CHECK_EQ(TD_MS(INT64_C(5000000000)), INT64_C(5000000000000000));

  CHECK_EQ(TD_INTERRUPTIBLE | TD_FLUSH | TD_RETAIN, 1u | 2u | 4u);
  CHECK_EQ(TD_KIND_MESSAGE, 1u);
  CHECK_EQ(TD_KIND_REQUEST, 2u);
  CHECK_EQ(TD_KIND_TOPIC, 3u);
  CHECK_EQ(TD_KIND_PART, 4u);
  CHECK_EQ(TD_KIND_REPLIES, 21u);
  CHECK_EQ(TD_KIND_MEMBER, 5u);
  CHECK_EQ(TD_KIND_INTEREST, 6u);
  CHECK_EQ(TD_KIND_PRESENCE, 7u);
  CHECK_EQ(TD_KIND_DOWN, 16u);
  CHECK_EQ(TD_KIND_TIMER, 17u);
  CHECK_EQ(TD_KIND_REPLY, 18u);
  CHECK_EQ(TD_KIND_EXIT, 19u);
  CHECK_EQ(TD_KIND_RESYNC, 20u);
  CHECK_EQ(TD_KIND_NOTIFY, 22u);
  CHECK_EQ(TD_KIND_END, 32u);
  CHECK_EQ(TD_KIND_GAP, 33u);

  CHECK_EQ(TD_REASON_NORMAL, 0);
  CHECK_EQ(TD_REASON_KILLED, 1);
  CHECK_EQ(TD_REASON_NOPROC, 2);
  CHECK_EQ(TD_REASON_CALLBACK_FAILED, 3);
  CHECK_EQ(TD_REASON_OVERFLOW, 4);
  CHECK_EQ(TD_REASON_ENGINE_CLOSED, 5);
  CHECK_EQ(TD_REASON_RUNTIME_EXIT, 6);
  CHECK_EQ(TD_REASON_OS_EXIT, 7);
  CHECK_EQ(TD_REASON_USER, 1024);

  CHECK_EQ(TD_FAIL, 0u);
  CHECK_EQ(TD_BLOCK, 1u);
  CHECK_EQ(TD_DROP_NEW, 2u);
  CHECK_EQ(TD_DROP_OLD, 3u);
  CHECK_EQ(TD_KILL, 4u);
  CHECK_EQ(TD_THREAD_BOUND, 1u);
  CHECK_EQ(TD_NOTIFIABLE, 2u);
  CHECK_EQ(TD_JOINED, 1);
  CHECK_EQ(TD_LEFT, 2);
  CHECK_EQ(TD_STARTED, 3);
  CHECK_EQ(TD_STOPPED, 4);
  CHECK_EQ(TD_RETAINED, 1);
  CHECK_EQ(TD_CONFLATE, 5u);
  CHECK_EQ(TD_BY_WORKERS, 4u);
  CHECK_EQ(TD_WAS_ARMED, 1u);
  CHECK_EQ(TD_WAS_FLUSHED, 2u);
  CHECK_EQ(TD_WAS_DELIVERED, 3u);
  CHECK_EQ(TD_ENGINE_VIRTUAL_CLOCK, 1u);
  CHECK_EQ(TD_TIME_THREAD, 0u);
  CHECK_EQ(TD_TIME_HOST, 1u);
  CHECK_EQ(TD_STATE_OPEN, 1u);
  CHECK_EQ(TD_STATE_ENDED, 2u);
  CHECK_EQ(TD_FRAME_BY_REF, 1u);
  CHECK_EQ(TD_FRAME_TRAILER, 2u);
  CHECK_EQ(TD_LOG_ERROR, 1u);
  CHECK_EQ(TD_LOG_WARN, 2u);
  CHECK_EQ(TD_LOG_INFO, 3u);
  CHECK_EQ(TD_MATCH_KIND | TD_MATCH_TAG | TD_MATCH_FROM | TD_MATCH_REF, 15u);
}

/* Every code has its number, its own name and a text. */
#define CODE(code, number)                                                                                             \
  do {                                                                                                                 \
    CHECK_EQ(code, number);                                                                                            \
    CHECK(strcmp(td_err_name(code), #code) == 0);                                                                      \
    CHECK(strlen(td_strerror(code)) > 0);                                                                              \
  } while (0)

static void codes(void) {
  CODE(TD_OK, 0);
  CODE(TD_EINVAL, -1);
  CODE(TD_EBADID, -2);
  CODE(TD_ENOPROC, -3);
  CODE(TD_ESTALE, -4);
  CODE(TD_ECLOSED, -5);
  CODE(TD_ENOTFOUND, -6);
  CODE(TD_EEXIST, -7);
  CODE(TD_EAGAIN, -8);
  CODE(TD_ETIMEDOUT, -9);
  CODE(TD_EINTR, -10);
  CODE(TD_EFULL, -11);
  CODE(TD_ETOOBIG, -12);
  CODE(TD_ENOMEM, -13);
  CODE(TD_EDOWN, -14);
  CODE(TD_ENOREPLY, -15);
  CODE(TD_EDEADLK, -16);
  CODE(TD_EFORKED, -17);
  CODE(TD_EPANIC, -18);
  CODE(TD_ESYS, -19);
  CODE(TD_EUNSUPPORTED, -20);
}

/* An INIT macro sets the size and leaves every default at zero. */
#define ONLY_SIZE(type, init)                                                                                          \
  do {                                                                                                                 \
    type options = init;                                                                                               \
    type zero;                                                                                                         \
    memset(&zero, 0, sizeof zero);                                                                                     \
    CHECK_EQ(options.size, sizeof(type));                                                                              \
    options.size = 0;                                                                                                  \
    CHECK(memcmp(&options, &zero, sizeof zero) == 0);                                                                  \
  } while (0)

static void initialisers(void) {
  ONLY_SIZE(td_engine_options, TD_ENGINE_OPTIONS_INIT);
  ONLY_SIZE(td_mailbox_options, TD_MAILBOX_OPTIONS_INIT);
  ONLY_SIZE(td_send_options, TD_SEND_OPTIONS_INIT);
  ONLY_SIZE(td_match, TD_MATCH_INIT);
  ONLY_SIZE(td_loop_options, TD_LOOP_OPTIONS_INIT);
  ONLY_SIZE(td_subscribe_options, TD_SUBSCRIBE_OPTIONS_INIT);
  td_cursor cursor = TD_CURSOR_INIT;
  for (int i = 0; i < 4; i++) CHECK_EQ(cursor.words[i], 0);
  td_mailbox nobody = TD_NOBODY;
  CHECK_EQ(nobody.id, 0);
  nobody.id = 7;
  nobody = TD_NOBODY;
  CHECK_EQ(nobody.id, 0);
}

static size_t size_of(const char *text, size_t size) { return text[0] == 'a' ? size : 0; }

int main(void) {
  check_begin();
  constants();
  codes();
  initialisers();
  CHECK_EQ(size_of(TD_STR("abc")), 3);
  return 0;
}
