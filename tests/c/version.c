/* The library says which one it is, and every error has a name, a text and a detail of its thread. */
#include "check.h"

static void *other_thread(void *user) {
  char text[64] = "x";
  (void)user;
  CHECK_EQ(td_last_error(text, sizeof text), 0); /* nothing failed on this thread */
  CHECK_EQ(text[0], 0);
  return NULL;
}

static void version_matches_the_header(void) {
  char text[64];
  snprintf(text, sizeof text, "%d.%d.%d", TD_VERSION_MAJOR, TD_VERSION_MINOR, TD_VERSION_PATCH);
  CHECK(strncmp(td_version(), text, strlen(text)) == 0);
}

static void unknown_codes_have_a_text(void) {
  const int32_t unknown[] = {1, 77, -21, -1000, INT32_MIN, INT32_MAX};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    CHECK(td_err_name(unknown[i]) != NULL);
    CHECK(strlen(td_strerror(unknown[i])) > 0);
  }
}

static void the_detail_is_cut_and_counted(void) {
  char whole[512], cut[8];
  td_mailbox nobody = TD_NOBODY;
  memset(cut, 'x', sizeof cut);
  CHECK_FAILS(td_mailbox_close(nobody));
  size_t size = td_last_error(whole, sizeof whole);
  CHECK(size > 8 && size < sizeof whole);
  CHECK_EQ(strlen(whole), size);
  CHECK_EQ(td_last_error(cut, 5), size);
  CHECK_EQ(strlen(cut), 4);
  CHECK(strncmp(cut, whole, 4) == 0);
  CHECK_EQ(cut[5], 'x'); /* not one byte further */
  CHECK_EQ(td_last_error(NULL, 0), size);
  CHECK_EQ(td_last_error(cut, 0), size);
  CHECK_EQ(td_last_error(NULL, 100), size);

  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void) {
  check_begin();
  version_matches_the_header();
  unknown_codes_have_a_text();
  the_detail_is_cut_and_counted();
  return 0;
}
