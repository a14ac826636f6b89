/* What a running scenario knows: its named objects, its variables, its first failure. Guarantees: any thread may look
 * names up and set them; only the first failure of a scenario is kept, and it ends the engine so that no other thread
 * of the scenario stays blocked. */
#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H
#include <pthread.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "script.h"
#include "tidings.h"

#define OWN_WAIT_NS INT64_C(10000000000)   /* how long the runner itself waits for anything */
#define SLACK_NS INT64_C(100000000)         /* on the real clock: what is due gets so much longer */

typedef enum { UNSET, ENGINE, MAILBOX, MONITOR, TIMER, SUBSCRIPTION, WATCH, LOOP, TICKET, STOPWATCH, OUTCOME, BAG, PROCESS } slot_kind;
static const char *const slot_kind_names[] = {"unset", "engine", "mailbox", "monitor", "timer", "subscription", "watch",
                                              "loop", "ticket", "stopwatch", "outcome", "bag", "process"};

/* A message a handler was given, copied. */
typedef struct seen {
  td_message message;
  char *data, *topic;
  struct seen *next;
} seen;

typedef struct slot {
  char name[48];
  slot_kind kind;
  uint64_t id;
  int64_t at;                            /* stopwatch: the engine's time when it was set */
  char outcome[24];
  td_fd fd;                              /* mailbox: made when first asked for */
  int has_fd;
  const step *rules[8];                  /* handler mailbox: its `on` blocks, in order */
  int nrules;
  seen *seen_first, **seen_tail;
  uint64_t seen_count;
  uint64_t *bag;                         /* tags taken by several receivers */
  uint64_t bag_count, bag_room;
  struct slot *next;
} slot;

/* Where the threads of a `together` block wait for one another. */
typedef struct meeting {
  int members;
  volatile int arrived, round;
  pthread_mutex_t lock;
  pthread_cond_t turned;                 /* round has moved */
  volatile int over;                     /* threads that have ended */
} meeting;

/* One thread of a scenario, or one run of a handler. */
typedef struct ctx {
  const step *volatile now;
  struct { const char *name; int64_t value; } vars[8];
  int nvars;
  int64_t range;                         /* the tag at hand of a step written for a range of tags */
  int in_range;
  meeting *meet;
  slot *handling;                        /* inside a handler: whose */
  int gone;                              /* inside a handler: it failed, the rest of its block does not run */
  struct ctx *next;                      /* of all running */
} ctx;

static struct world {
  const scenario *scenario;
  td_engine engine;
  pthread_mutex_t lock;
  slot *slots;
  ctx *running;
  volatile int failed, leaving;
  char failure[4096];
} W = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void nap(int64_t ns) {
  struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
  nanosleep(&t, NULL);
}

static int64_t real_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Records the first failure, with where it was, and frees the threads that wait on something. */
static void fail(const ctx *c, const char *format, ...) {
  char text[3072];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  pthread_mutex_lock(&W.lock);
  int first = !W.failed;
  if (first) {
    snprintf(W.failure, sizeof W.failure, "%s scenarios.txt:%d: %s\n%s", W.scenario->id, c->now ? c->now->line : 0,
             c->now ? c->now->source : "", text);
    W.failed = 1;
  }
  pthread_mutex_unlock(&W.lock);
  if (first) td_engine_close(W.engine);
}

/* $name becomes the variable's value; without a $ the text itself. */
static const char *expand(const ctx *c, const char *text, char *buf, size_t size) {
  if (!strchr(text, '$')) return text;
  size_t out = 0;
  while (*text && out + 24 < size) {
    if (*text != '$') {
      buf[out++] = *text++;
      continue;
    }
    size_t n = strspn(text + 1, "abcdefghijklmnopqrstuvwxyz");
    int found = 0;
    for (int i = c->nvars - 1; i >= 0 && !found; i--)
      if (strlen(c->vars[i].name) == n && strncmp(c->vars[i].name, text + 1, n) == 0) {
        out += (size_t)snprintf(buf + out, size - out, "%lld", (long long)c->vars[i].value);
        found = 1;
      }
    if (!found) buf[out++] = '$';
    text += found ? n + 1 : 1;
  }
  buf[out] = 0;
  return buf;
}

/* 12, 50ms, 3us, 2s, 7ns; forever. 0 when it is none of these. */
static int number(const char *text, int64_t *out) {
  if (strcmp(text, "forever") == 0) return *out = TD_FOREVER, 1;
  char *end;
  if (!isdigit((unsigned char)*text) && *text != '-') return 0;
  long long n = strtoll(text, &end, 10);
  if (strcmp(end, "ms") == 0) n *= 1000000;
  else if (strcmp(end, "us") == 0) n *= 1000;
  else if (strcmp(end, "s") == 0) n *= 1000000000;
  else if (*end && strcmp(end, "ns") != 0) return 0;
  *out = n;
  return 1;
}

/* a..b, a.. or ..b */
static int range(const char *text, int64_t *low, int64_t *high) {
  const char *dots = strstr(text, "..");
  char head[32];
  if (!dots || (size_t)(dots - text) >= sizeof head) return 0;
  memcpy(head, text, (size_t)(dots - text));
  head[dots - text] = 0;
  *low = INT64_MIN;
  *high = INT64_MAX;
  if (*head && !number(head, low)) return 0;
  if (dots[2] && !number(dots + 2, high)) return 0;
  return *head || dots[2];
}

static int64_t must_number(const ctx *c, const char *text) {
  char buf[64];
  int64_t n = 0;
  if (!number(expand(c, text, buf, sizeof buf), &n)) fail(c, "  '%s' is not a number or a time", text);
  return n;
}

static int64_t opt_number(const ctx *c, const step *s, const char *key, int64_t otherwise) {
  const char *text = step_opt(s, key);
  return text ? must_number(c, text) : otherwise;
}

/* The slot of this name, made when missing. */
static slot *slot_get(const ctx *c, const char *text) {
  char buf[64];
  const char *name = expand(c, text, buf, sizeof buf);
  pthread_mutex_lock(&W.lock);
  slot *s = W.slots;
  while (s && strcmp(s->name, name) != 0) s = s->next;
  if (!s) {
    s = must_alloc(sizeof *s);
    snprintf(s->name, sizeof s->name, "%s", name);
    s->seen_tail = &s->seen_first;
    s->next = W.slots;
    W.slots = s;
  }
  pthread_mutex_unlock(&W.lock);
  return s;
}

/* The object of this name, which must be of this kind. "nobody" is the zero mailbox. */
static slot *slot_of(const ctx *c, const char *text, slot_kind kind) {
  slot *s = slot_get(c, text);
  if (strcmp(s->name, "nobody") != 0 && s->kind != kind)
    fail(c, "  '%s' is %s here, %s is wanted", s->name, slot_kind_names[s->kind], slot_kind_names[kind]);
  return s;
}

static td_mailbox mailbox_of(const ctx *c, const char *text) {
  td_mailbox m = {0};
  if (text) m.id = slot_of(c, text, MAILBOX)->id;
  return m;
}

static td_engine engine_of(const ctx *c, const char *text) {
  td_engine e = W.engine;
  if (text) e.id = slot_of(c, text, ENGINE)->id;
  return e;
}

static slot *slot_set(const ctx *c, const char *text, slot_kind kind, uint64_t id) {
  slot *s = slot_get(c, text);
  if (s->has_fd) close((int)s->fd);
  s->has_fd = 0;
  s->kind = kind;
  s->id = id;
  return s;
}

/* The name of the object with this id, for reports. */
static const char *slot_name(uint64_t id) {
  if (id == 0) return "nobody";
  const char *name = "(unknown)";
  pthread_mutex_lock(&W.lock);
  for (slot *s = W.slots; s; s = s->next)
    if (s->id == id) name = s->name;
  pthread_mutex_unlock(&W.lock);
  return name;
}

static void world_empty(void) {
  while (W.slots) {
    slot *s = W.slots;
    W.slots = s->next;
    while (s->seen_first) {
      seen *m = s->seen_first;
      s->seen_first = m->next;
      free(m->data);
      free(m->topic);
      free(m);
    }
    if (s->has_fd) close((int)s->fd);
    free(s->bag);
    free(s);
  }
}
#endif
