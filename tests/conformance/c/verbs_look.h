/* The verbs that look into a running engine: inspect, explain, dump. The text is the outcome's data. */
#ifndef CONFORMANCE_VERBS_LOOK_H
#define CONFORMANCE_VERBS_LOOK_H
#include "verbs_signal.h"

static void give_look(result *r, int32_t code, const td_message *text) {
  if (!give_code(r, code)) return;
  r->message = *text;
  r->holds = 1;
  give_number(r, "size", (int64_t)text->data_size);
  give_text(r, "data", text->data, text->data_size);
}

static void do_inspect(ctx *c, const step *s, result *r) {
  td_message json;
  td_engine engine = {slot_get(c, s->args[0])->id};
  int32_t code = td_engine_inspect(engine, &json);
  give_look(r, code, &json);
}

static void do_explain(ctx *c, const step *s, result *r) {
  td_message text;
  int32_t code = td_explain(slot_get(c, s->args[0])->id, &text);
  give_look(r, code, &text);
}

static void do_dump(ctx *c, const step *s, result *r) {
  td_message text;
  int32_t code = td_recorder_dump(&text);
  (void)c;
  (void)s;
  give_look(r, code, &text);
}
#endif
