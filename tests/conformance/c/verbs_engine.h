/* The verbs of engines as a whole: opened, closed, drained. Each makes one call of the library and hands over what came
 * of it; it judges nothing. */
#ifndef CONFORMANCE_VERBS_ENGINE_H
#define CONFORMANCE_VERBS_ENGINE_H
#include "result.h"

#define MOST_SUSPENDED 16                /* of the suspended mailboxes, as many are named */

static void do_engine(ctx *c, const step *s, result *r) {
  td_engine_options o = TD_ENGINE_OPTIONS_INIT;
  td_engine e;
  o.flags = W.scenario->virtual_clock ? TD_ENGINE_VIRTUAL_CLOCK : 0;
  o.workers = (uint32_t)opt_number(c, s, "workers", 0);
  o.max_bytes = (uint64_t)opt_number(c, s, "budget", 0);
  if (give_code(r, td_engine_open(&o, &e))) slot_set(c, s->args[0], ENGINE, e.id);
}

static void do_close_engine(ctx *c, const step *s, result *r) {
  give_code(r, td_engine_close(engine_of(c, s->args[0])));
}

/* drain E: what was delivered meanwhile, what was left, and the suspended mailboxes in which some was. */
static void do_drain(ctx *c, const step *s, result *r) {
  td_drain_report report;
  td_mailbox suspended[MOST_SUSPENDED];
  memset(&report, 0, sizeof report);
  report.size = sizeof report;
  int32_t code = td_engine_drain(engine_of(c, s->args[0]), opt_number(c, s, "timeout", TD_FOREVER), &report, suspended, MOST_SUSPENDED);
  if (!give_code(r, code) && code != TD_ETIMEDOUT) return;
  size_t named = report.suspended < MOST_SUSPENDED ? (size_t)report.suspended : MOST_SUSPENDED, size = give_names(r, suspended, named);
  give_number(r, "delivered", (int64_t)report.delivered);
  give_number(r, "undelivered", (int64_t)report.undelivered);
  give_text(r, "suspended", r->names, size);
}
#endif
