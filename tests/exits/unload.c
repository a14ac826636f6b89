/* Opens LIBRARY by itself, uses it, closes it while its timer thread is at work, does so once more, and ends (rules 30 32):
 * unload LIBRARY. Not linked with it. For run.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include <tidings.h>

static int open_and_close(const char *path) {
  for (int i = 0; i < 2; i++) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    int32_t (*open_default)(td_engine *);
    int32_t (*open_mailbox)(td_engine, const td_mailbox_options *, td_mailbox *);
    int32_t (*send_after)(td_mailbox, int64_t, uint64_t, const void *, size_t, td_timer *);
    td_engine own;
    td_mailbox mailbox;
    td_timer timer;
    if (!library) return fprintf(stderr, "leave: %s\n", dlerror()), 96;
    *(void **)&open_default = dlsym(library, "td_engine_default");
    *(void **)&open_mailbox = dlsym(library, "td_mailbox_open");
    *(void **)&send_after = dlsym(library, "td_send_after");
    if (!open_default || !open_mailbox || !send_after) return 97;
    if (open_default(&own) || open_mailbox(own, NULL, &mailbox)) return 98;
    if (send_after(mailbox, TD_MS(5), 1, NULL, 0, &timer)) return 99;
    if (dlclose(library) != 0) return 100;
    usleep(10000); /* the timer thread works on */
  }
  return 0;
}

int main(int count, char **arguments) { return open_and_close(count > 1 ? arguments[1] : ""); }
