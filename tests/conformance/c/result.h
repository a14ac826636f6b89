/* What a step gave, and whether that was expected. Guarantees: a step without a written outcome must give "ok"; a
 * message's `lost` must be 0 unless the step says otherwise; a report names every field that was there. */
#ifndef CONFORMANCE_RESULT_H
#define CONFORMANCE_RESULT_H
#include "world.h"

typedef struct field {
  const char *key, *text;                /* text NULL: a number */
  size_t size;
  int64_t number;
} field;

typedef struct result {
  char outcome[24];
  field fields[24];
  int n;
  td_message message;                    /* text fields point into it */
  int holds;
  char names[1024];                      /* what a snapshot holds, by name */
} result;

static void give(result *r, const char *outcome) { snprintf(r->outcome, sizeof r->outcome, "%s", outcome); }

/* The error's name, or "ok" for 0 and for counts. */
static int give_code(result *r, int32_t code) {
  give(r, code < 0 ? td_err_name(code) : "ok");
  return code >= 0;
}

static void give_number(result *r, const char *key, int64_t n) {
  r->fields[r->n++] = (field){key, NULL, 0, n};
}

static void give_text(result *r, const char *key, const void *text, size_t size) {
  r->fields[r->n++] = (field){key, text, size, 0};
}

static const char *kind_name(uint32_t kind) {
  switch (kind) {
    case TD_KIND_MESSAGE: return "message";
    case TD_KIND_REQUEST: return "request";
    case TD_KIND_TOPIC: return "topic";
    case TD_KIND_PART: return "part";
    case TD_KIND_MEMBER: return "member";
    case TD_KIND_INTEREST: return "interest";
    case TD_KIND_PRESENCE: return "presence";
    case TD_KIND_DOWN: return "down";
    case TD_KIND_TIMER: return "timer";
    case TD_KIND_REPLY: return "reply";
    case TD_KIND_EXIT: return "exit";
    case TD_KIND_RESYNC: return "resync";
    case TD_KIND_REPLIES: return "replies";
    case TD_KIND_NOTIFY: return "notify";
    case TD_KIND_END: return "end";
    default: return "unknown-kind";
  }
}

/* The names of mailboxes, with a space between, into r->names; how long that is. */
static size_t give_names(result *r, const td_mailbox *boxes, size_t count) {
  size_t out = 0;
  r->names[0] = 0;
  for (size_t i = 0; i < count && out + 64 < sizeof r->names; i++)
    out += (size_t)snprintf(r->names + out, sizeof r->names - out, "%s%s", i ? " " : "", slot_name(boxes[i].id));
  return out;
}

/* What a snapshot says: how many entries, and the members' names or the keys, with a space between. */
static void give_entries(result *r, const td_message *m) {
  size_t out = 0;
  give_number(r, "count", (int64_t)m->info[1]);
  r->names[0] = 0;
  if (m->info[0] == TD_KIND_MEMBER) out = give_names(r, m->data, m->data_size / sizeof(td_mailbox));
  if (m->info[0] == TD_KIND_PRESENCE) {
    const char *keys = (const char *)m->data;
    for (size_t at = 0; at < m->data_size && out + 300 < sizeof r->names; at += strlen(keys + at) + 1)
      out += (size_t)snprintf(r->names + out, sizeof r->names - out, "%s%s", at ? " " : "", keys + at);
  }
  give_text(r, m->info[0] == TD_KIND_MEMBER ? "members" : "keys", r->names, out);
}

static void give_message(result *r, const td_message *m) {
  r->message = *m;
  give(r, kind_name(m->kind));
  give_number(r, "status", m->status);
  give_number(r, "from", (int64_t)m->from.id);
  give_number(r, "tag", (int64_t)m->tag);
  give_number(r, "ref", (int64_t)m->ref);
  give_number(r, "lost", (int64_t)m->lost);
  give_number(r, "size", (int64_t)m->data_size);
  give_number(r, "info", (int64_t)m->info[0]);
  give_number(r, "more", (int64_t)m->info[1]);
  give_text(r, "data", m->data, m->data_size);
  give_text(r, "topic", m->topic, m->topic_size);
  if (m->kind == TD_KIND_RESYNC) give_entries(r, m);
  if (m->kind == TD_KIND_TOPIC && m->info[0]) give_number(r, "for", (int64_t)m->info[0]);
}

static const struct { const char *name; int32_t code; } reasons[] = {
    {"normal", TD_REASON_NORMAL},           {"killed", TD_REASON_KILLED},
    {"noproc", TD_REASON_NOPROC},           {"callback_failed", TD_REASON_CALLBACK_FAILED},
    {"overflow", TD_REASON_OVERFLOW},       {"engine_closed", TD_REASON_ENGINE_CLOSED},
    {"runtime_exit", TD_REASON_RUNTIME_EXIT}, {"os_exit", TD_REASON_OS_EXIT}, {"joined", TD_JOINED},
    {"left", TD_LEFT},                      {"started", TD_STARTED},
    {"stopped", TD_STOPPED},                {"retained", TD_RETAINED}};

/* A reason or the status of an edge by its word, an error by its name, or a number. */
static int status_of(const char *text, int64_t *out) {
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (strcmp(reasons[i].name, text) == 0) return *out = reasons[i].code, 1;
  for (int32_t code = -1; code >= -20; code--)
    if (strcmp(td_err_name(code), text) == 0) return *out = code, 1;
  return number(text, out);
}

static int is_object(const char *key) {
  return !strcmp(key, "from") || !strcmp(key, "ref") || !strcmp(key, "mailbox") || !strcmp(key, "for");
}

static int text_contains(const char *text, size_t size, const char *part) {
  size_t n = strlen(part);
  for (size_t i = 0; i + n <= size; i++)
    if (memcmp(text + i, part, n) == 0) return 1;
  return 0;
}

static int field_holds(const ctx *c, const pair *want, const field *got) {
  char buf[1024];
  const char *text = expand(c, want->value, buf, sizeof buf);
  int64_t low, high, n;
  if (got->text) {
    if (want->contains) return text_contains(got->text, got->size, text);
    return strlen(text) == got->size && memcmp(text, got->text, got->size) == 0;
  }
  if (is_object(want->key)) return strcmp(text, "nobody") == 0 ? got->number == 0
                                 : slot_get(c, text)->id != 0 && (uint64_t)got->number == slot_get(c, text)->id;
  if (strcmp(want->key, "status") == 0) return status_of(text, &n) && got->number == n;
  if (W.scenario->by_real && (strcmp(want->key, "time") == 0 || strcmp(want->key, "remaining") == 0)) {
    if (!range(text, &low, &high)) {
      if (!number(text, &low)) return 0;
      high = low;
    }
    if (strcmp(want->key, "remaining") == 0) return got->number >= 0 && got->number <= high;
    return got->number >= low && (high > INT64_MAX - OWN_WAIT_NS || got->number <= high + OWN_WAIT_NS);
  }
  if (strcmp(want->key, "tag") == 0 && c->in_range) return got->number == c->range;
  if (range(text, &low, &high)) return got->number >= low && got->number <= high;
  return number(text, &n) && got->number == n;
}

static int want_holds(const ctx *c, const expectation *w, const result *r) {
  int lost_named = 0;
  if (strcmp(w && w->outcome ? w->outcome : "ok", r->outcome) != 0) return 0;
  for (int i = 0; w && i < w->nfields; i++) {
    const field *got = NULL;
    for (int k = 0; k < r->n; k++)
      if (strcmp(r->fields[k].key, w->fields[i].key) == 0) got = &r->fields[k];
    if (!got || !field_holds(c, &w->fields[i], got)) return 0;
    if (strcmp(got->key, "lost") == 0) lost_named = 1;
  }
  for (int k = 0; !lost_named && r->message.kind && k < r->n; k++)
    if (strcmp(r->fields[k].key, "lost") == 0 && r->fields[k].number != 0) return 0;
  return 1;
}

static void describe(const result *r, char *buf, size_t size) {
  size_t out = (size_t)snprintf(buf, size, "%s", r->outcome);
  for (int i = 0; i < r->n && out + 200 < size; i++) {
    const field *f = &r->fields[i];
    if (f->text) out += (size_t)snprintf(buf + out, size - out, " %s=\"%.*s\"", f->key, (int)(f->size > 80 ? 80 : f->size), f->text);
    else if (is_object(f->key)) out += (size_t)snprintf(buf + out, size - out, " %s=%s", f->key, slot_name((uint64_t)f->number));
    else out += (size_t)snprintf(buf + out, size - out, " %s=%lld", f->key, (long long)f->number);
  }
  if (strncmp(r->outcome, "TD_", 3) == 0 && out + 200 < size) {
    char detail[160];
    td_last_error(detail, sizeof detail);
    snprintf(buf + out, size - out, " (%s)", detail);
  }
}

/* Compares, reports, and releases what the step took. */
static void check(ctx *c, const step *s, result *r) {
  int holds = s->nwants == 0 && want_holds(c, NULL, r);
  for (int i = 0; i < s->nwants && !holds; i++) holds = want_holds(c, &s->wants[i], r);
  if (!holds) {
    char got[1600];
    describe(r, got, sizeof got);
    const char *wanted = strstr(s->source, "=>");
    char tag[48] = "";
    if (c->in_range) snprintf(tag, sizeof tag, "   (at tag %lld)", (long long)c->range);
    fail(c, "  expected %s%s\n  got      %s", wanted ? wanted + 3 : "ok", tag, got);
  }
  if (s->as && !slot_get(c, s->as)->id) {          /* not an object: the word itself, for `when` */
    slot *o = slot_get(c, s->as);
    o->kind = OUTCOME;
    snprintf(o->outcome, sizeof o->outcome, "%s", r->outcome);
  }
  if (r->holds) td_message_release(&r->message);
}
#endif
