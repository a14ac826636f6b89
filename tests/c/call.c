/* A caller gets exactly one of: the reply, an error of the replier's, or the reason why there will be none.
 * (rules 22 23) */
#include "check.h"

static td_engine engine;
static td_engine hand; /* virtual clock */

static td_ticket ticket_of(const td_message *request) {
  td_ticket ticket;
  CHECK_EQ(request->kind, TD_KIND_REQUEST);
  ticket.id = request->ref;
  return ticket;
}

/* A server thread: answers each request by its tag until the mailbox ends. */
enum { ECHO = 1, REFUSE, DROP, DIE, IGNORE };

static void *serve(void *user) {
  td_mailbox mailbox = *(td_mailbox *)user;
  td_message request;
  while (td_recv(mailbox, TD_FOREVER, 0, &request) == TD_OK) {
    td_ticket ticket = ticket_of(&request);
    if (request.tag == ECHO) CHECK_OK(td_reply(ticket, request.data, request.data_size));
    if (request.tag == REFUSE) CHECK_OK(td_reply_error(ticket, 42, TD_STR("refused")));
    if (request.tag == DROP) CHECK_OK(td_ticket_drop(ticket));
    if (request.tag == DIE) CHECK_OK(td_mailbox_exit(mailbox, TD_REASON_USER + 2, TD_STR("died of it")));
    CHECK_OK(td_message_release(&request));
  }
  return NULL;
}

static void blocking_calls(void) {
  td_mailbox server = open_mailbox(engine), caller = open_mailbox(engine);
  td_message reply;
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, serve, &server), 0);
  CHECK_OK(td_call(server, caller, ECHO, TD_STR("question"), TD_FOREVER, 0, &reply));
  CHECK_EQ(reply.kind, TD_KIND_REPLY);
  CHECK_EQ(reply.status, 0);
  CHECK_EQ(reply.from.id, server.id);
  CHECK_TEXT(reply.data, reply.data_size, "question");
  CHECK_OK(td_message_release(&reply));
  CHECK_IS(td_message_release(&reply), TD_ESTALE);
  CHECK_OK(td_call(server, TD_NOBODY, ECHO, NULL, 0, check_patience(TD_MS(10000)), 0, &reply));
  CHECK_EQ(reply.data_size, 0);
  CHECK_OK(td_message_release(&reply));
  CHECK_OK(td_call(server, caller, REFUSE, NULL, 0, TD_FOREVER, 0, &reply));
  CHECK_EQ(reply.status, 42);
  CHECK_TEXT(reply.data, reply.data_size, "refused");
  CHECK_OK(td_message_release(&reply));

  memset(&reply, 0x5a, sizeof reply);
  CHECK_IS(td_call(server, caller, DROP, NULL, 0, TD_FOREVER, 0, &reply), TD_ENOREPLY);
  CHECK_IS(td_call(server, caller, IGNORE, NULL, 0, TD_MS(20), 0, &reply), TD_ETIMEDOUT);
  CHECK_EQ(reply.kind, 0x5a5a5a5a); /* written on success, and for TD_EDOWN */
  CHECK_IS(td_call(server, caller, DIE, NULL, 0, TD_FOREVER, 0, &reply), TD_EDOWN);
  CHECK_EQ(reply.kind, TD_KIND_DOWN);
  CHECK_EQ(reply.status, TD_REASON_USER + 2);
  CHECK_EQ(reply.from.id, server.id);
  CHECK_TEXT(reply.data, reply.data_size, "died of it");
  CHECK_OK(td_message_release(&reply));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_IS(td_call(server, caller, ECHO, NULL, 0, TD_FOREVER, 0, &reply), TD_ENOPROC); /* without waiting */
  CHECK_IS(td_recv(caller, 0, 0, &reply), TD_EAGAIN); /* nothing of it reached the mailbox */
}

struct asking {
  td_mailbox to, from;
  int32_t result;
};

static void *ask(void *user) {
  struct asking *asking = (struct asking *)user;
  td_message reply;
  asking->result = td_call(asking->to, asking->from, 0, NULL, 0, TD_MS(50), 0, &reply);
  return NULL;
}

static void a_call_times_out_to_the_nanosecond(void) { /* C22, C23 */
  struct asking asking;
  td_message request, message;
  pthread_t thread;
  td_engine_counters counters;
  int64_t now;
  asking.to = open_mailbox(hand);
  asking.from = open_mailbox(hand);
  CHECK_OK(td_now(hand, &now));
  CHECK_EQ(pthread_create(&thread, NULL, ask, &asking), 0);
  CHECK_OK(td_clock_wait_parked(hand, 1, check_patience(TD_MS(10000))));
  CHECK_OK(td_recv(asking.to, 0, 0, &request));
  CHECK_EQ(request.deadline, now + TD_MS(50)); /* the deadline travels with the request */
  CHECK_EQ(request.from.id, asking.from.id);
  CHECK_OK(td_clock_advance(hand, TD_MS(50) - 1));
  CHECK_OK(td_clock_wait_parked(hand, 1, check_patience(TD_MS(10000))));
  CHECK_OK(td_clock_advance(hand, 1));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_IS(asking.result, TD_ETIMEDOUT);
  CHECK_IS(td_reply(ticket_of(&request), TD_STR("late")), TD_ESTALE);
  CHECK_OK(td_message_release(&request));
  CHECK_IS(td_recv(asking.from, 0, 0, &message), TD_EAGAIN); /* invisible */
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(hand, &counters));
  CHECK_EQ(counters.dead_letters, 1);
}

static void an_expired_request_is_not_delivered(void) {
  td_mailbox server = open_mailbox(hand), caller = open_mailbox(hand);
  td_ticket ticket;
  td_message message;
  CHECK_OK(td_call_start(server, caller, 0, NULL, 0, TD_MS(10), &ticket));
  CHECK_OK(td_clock_advance(hand, TD_MS(10)));
  CHECK_IS(td_recv(server, 0, 0, &message), TD_EAGAIN);
  CHECK_EQ(counters_of(server).expired, 1);
  CHECK_OK(td_recv(caller, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_REPLY);
  CHECK_EQ(message.status, TD_ETIMEDOUT);
  CHECK_OK(td_message_release(&message));
}

static void calling_oneself_is_a_deadlock(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_message reply;
  CHECK_IS(td_call(mailbox, mailbox, 0, NULL, 0, TD_MS(5000), 0, &reply), TD_EDEADLK);
  CHECK_EQ(counters_of(mailbox).queued, 0);
}

struct handler {
  td_mailbox other;
  int32_t result;
};

static void call_within_the_loop(td_batch *batch, void *user) {
  struct handler *handler = (struct handler *)user;
  td_message message, reply;
  while (td_batch_next(batch, &message) > 0) {
    handler->result = td_call(handler->other, batch->mailbox, 0, NULL, 0, TD_MS(5000), 0, &reply);
  }
}

static void calling_ones_own_loop_is_a_deadlock(void) {
  td_loop loop = open_loop(engine);
  struct handler handler, idle;
  handler.other = open_handler(engine, loop, call_within_the_loop, &idle);
  handler.result = 1;
  td_mailbox mailbox = open_handler(engine, loop, call_within_the_loop, &handler);
  CHECK_OK(send_tag(mailbox, 0));
  CHECK_IS(td_loop_run(loop, 0, 0), 1);
  CHECK_IS(handler.result, TD_EDEADLK);
  CHECK_OK(td_loop_close(loop));
}

struct circle {
  td_mailbox own, next;
  int32_t result;
};

/* Calls the next in the circle; who gets through answers its own caller by ending. */
static void *call_next(void *user) {
  struct circle *circle = (struct circle *)user;
  td_message reply;
  circle->result = td_call(circle->next, circle->own, 0, NULL, 0, TD_FOREVER, 0, &reply);
  if (circle->result == TD_OK || circle->result == TD_EDOWN) CHECK_OK(td_message_release(&reply));
  CHECK_OK(td_mailbox_close(circle->own));
  return NULL;
}

static void a_circle_of_calls_is_a_deadlock(void) {
  enum { SIZE = 3 };
  struct circle circle[SIZE];
  pthread_t threads[SIZE];
  int deadlocks = 0;
  for (int i = 0; i < SIZE; i++) circle[i].own = open_mailbox(engine);
  for (int i = 0; i < SIZE; i++) {
    circle[i].next = circle[(i + 1) % SIZE].own;
    CHECK_EQ(pthread_create(&threads[i], NULL, call_next, &circle[i]), 0);
  }
  for (int i = 0; i < SIZE; i++) {
    CHECK_EQ(pthread_join(threads[i], NULL), 0);
    deadlocks += circle[i].result == TD_EDEADLK;
    CHECK(circle[i].result == TD_EDEADLK || circle[i].result == TD_EDOWN || circle[i].result == TD_ENOPROC);
  }
  CHECK(deadlocks >= 1); /* at least one of the circle is told */
}

/* front's request of `waiting` goes on to `to`; whoever waits for whom is what it is after that. */
static void forward_next(td_mailbox front, td_mailbox to, int32_t result) {
  td_message request;
  CHECK_OK(td_recv(front, check_patience(TD_MS(20000)), 0, &request));
  CHECK_IS(td_forward(to, front, &request), result);
  if (result != TD_OK) CHECK_OK(td_reply(ticket_of(&request), NULL, 0));
  CHECK_OK(td_message_release(&request));
}

static void forwarding_moves_who_is_waited_for(void) {
  struct circle waiting;
  pthread_t thread;
  td_message reply;
  td_mailbox back = open_mailbox(engine), front = open_mailbox(engine);
  waiting.own = open_mailbox(engine);
  waiting.next = front;
  CHECK_EQ(pthread_create(&thread, NULL, call_next, &waiting), 0);
  forward_next(front, back, TD_OK);
  /* It waits for back now, and no longer for front. */
  CHECK_IS(td_call(waiting.own, back, 0, NULL, 0, TD_FOREVER, 0, &reply), TD_EDEADLK);
  CHECK_IS(td_call(waiting.own, front, 0, NULL, 0, TD_MS(1), 0, &reply), TD_ETIMEDOUT);
  CHECK_OK(td_mailbox_close(back));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(waiting.result, TD_EDOWN);
  CHECK_OK(td_mailbox_close(front));
}

static void forwarding_does_not_close_a_circle(void) {
  struct circle first, second;
  pthread_t threads[2];
  td_message request;
  td_mailbox front = open_mailbox(engine);
  first.own = open_mailbox(engine);
  second.own = open_mailbox(engine);
  first.next = front;
  second.next = first.own;
  CHECK_EQ(pthread_create(&threads[0], NULL, call_next, &first), 0);
  CHECK_EQ(pthread_create(&threads[1], NULL, call_next, &second), 0);
  /* The second waits for the first. */
  CHECK_OK(td_recv(first.own, check_patience(TD_MS(20000)), 0, &request));
  CHECK_OK(td_message_release(&request));
  /* If the first waited for the second, nobody would ever go on: so it stays with front, which answers. */
  forward_next(front, second.own, TD_EDEADLK);
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  CHECK_EQ(first.result, TD_OK);
  CHECK_EQ(second.result, TD_EDOWN);
  CHECK_OK(td_mailbox_close(front));
}

static void take_reply(td_mailbox caller, td_ticket ticket, int32_t status, uint64_t tag, const char *text) {
  td_message message;
  CHECK_OK(td_recv(caller, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_REPLY);
  CHECK_EQ(message.ref, ticket.id);
  CHECK_EQ(message.status, status);
  CHECK_EQ(message.tag, tag);
  CHECK_TEXT(message.data, message.data_size, text);
  CHECK_OK(td_message_release(&message));
}

static void started_calls_answer_into_the_mailbox(void) {
  td_mailbox server = open_mailbox(engine), caller = open_mailbox(engine);
  td_ticket good, refused, dropped, down;
  td_message request;
  CHECK_OK(td_call_start(server, caller, 1, TD_STR("a"), TD_FOREVER, &good));
  CHECK_OK(td_call_start(server, caller, 2, TD_STR("b"), TD_FOREVER, &refused));
  CHECK_OK(td_call_start(server, caller, 3, TD_STR("c"), TD_FOREVER, &dropped));
  CHECK_OK(td_call_start(server, caller, 4, TD_STR("d"), TD_FOREVER, &down));
  CHECK_EQ(counters_of(server).monitored_by, 4);
  CHECK_OK(td_recv(server, 0, 0, &request));
  CHECK_EQ(request.ref, good.id);
  CHECK_EQ(request.tag, 1);
  CHECK_TEXT(request.data, request.data_size, "a");
  CHECK(request.deadline == TD_FOREVER);
  CHECK_OK(td_message_release(&request)); /* the ticket lives on its own */
  CHECK_OK(td_reply(good, TD_STR("answer")));
  CHECK_IS(td_reply(good, TD_STR("again")), TD_ESTALE);
  CHECK_IS(td_reply_error(good, 1, NULL, 0), TD_ESTALE);
  CHECK_IS(td_ticket_drop(good), TD_ESTALE);
  CHECK_IS(td_reply_error(refused, 0, NULL, 0), TD_EINVAL); /* not an error's status */
  CHECK_IS(td_reply_error(refused, -3, NULL, 0), TD_EINVAL);
  CHECK_OK(td_reply_error(refused, 7, TD_STR("no")));
  CHECK_OK(td_ticket_drop(dropped));
  CHECK_OK(td_mailbox_exit(server, TD_REASON_USER, TD_STR("gone")));
  take_reply(caller, good, 0, 1, "answer");
  take_reply(caller, refused, 7, 2, "no");
  take_reply(caller, dropped, TD_ENOREPLY, 3, "");
  take_reply(caller, down, TD_EDOWN, 4, "gone");
  CHECK_IS(td_recv(caller, 0, 0, &request), TD_EAGAIN);
  td_ticket none;
  none.id = 9;
  CHECK_IS(td_call_start(server, caller, 1, NULL, 0, TD_FOREVER, &none), TD_ENOPROC);
  CHECK_EQ(none.id, 0);
}

static void cancelled_calls_are_not_seen(void) {
  td_mailbox server = open_mailbox(engine), caller = open_mailbox(engine);
  td_ticket open, answered;
  td_message message;
  CHECK_OK(td_call_start(server, caller, 1, NULL, 0, TD_FOREVER, &open));
  CHECK_OK(td_call_start(server, caller, 2, NULL, 0, TD_FOREVER, &answered));
  CHECK_OK(td_reply(answered, TD_STR("queued")));
  CHECK_OK(td_call_cancel(open));
  CHECK_IS(td_reply(open, NULL, 0), TD_ESTALE);
  CHECK_OK(td_call_cancel(answered)); /* the queued reply goes too */
  CHECK_IS(td_recv(caller, 0, 0, &message), TD_EAGAIN);
  CHECK_IS(td_call_cancel(open), TD_ESTALE);
  (void)counters_of(caller);
}

static void a_caller_that_ends_leaves_nothing_behind(void) {
  td_mailbox server = open_mailbox(engine), caller = open_mailbox(engine);
  td_ticket ticket;
  CHECK_OK(td_call_start(server, caller, 1, NULL, 0, TD_FOREVER, &ticket));
  CHECK_OK(td_mailbox_close(caller));
  CHECK_EQ(counters_of(server).monitored_by, 0);
  CHECK_IS(td_reply(ticket, NULL, 0), TD_ESTALE);
}

static void a_full_mailbox_refuses_calls(void) {
  td_mailbox server = open_bounded(engine, TD_FAIL, 1), caller = open_mailbox(engine);
  td_message reply;
  td_ticket ticket;
  CHECK_OK(send_tag(server, 1));
  CHECK_IS(td_call(server, caller, 0, NULL, 0, TD_FOREVER, 0, &reply), TD_EFULL);
  CHECK_IS(td_call_start(server, caller, 0, NULL, 0, TD_FOREVER, &ticket), TD_EFULL);
  CHECK_EQ(ticket.id, 0);
  CHECK_EQ(counters_of(server).monitored_by, 0);
}

static void replies_of_any_size(void) {
  enum { SIZE = 200000 };
  static char bytes[SIZE];
  td_mailbox server = open_mailbox(engine), caller = open_mailbox(engine);
  td_ticket ticket;
  td_message reply;
  memset(bytes, 'b', SIZE);
  CHECK_OK(td_call_start(server, caller, 1, bytes, SIZE, TD_FOREVER, &ticket));
  CHECK_OK(td_reply(ticket, bytes, SIZE));
  CHECK_OK(td_recv(caller, 0, 0, &reply));
  CHECK_EQ(reply.data_size, SIZE);
  CHECK(memcmp(reply.data, bytes, SIZE) == 0);
  CHECK_OK(td_message_release(&reply));
}

static void calls_are_checked(void) {
  td_mailbox server = open_mailbox(engine), caller = open_mailbox(engine);
  td_message reply;
  td_ticket ticket;
  CHECK_IS(td_call(server, caller, 0, NULL, 0, TD_FOREVER, 0, NULL), TD_EINVAL);
  CHECK_IS(td_call(server, caller, 0, NULL, 1, TD_FOREVER, 0, &reply), TD_EINVAL);
  CHECK_IS(td_call(server, caller, 0, NULL, 0, -1, 0, &reply), TD_EINVAL);
  CHECK_IS(td_call(server, caller, 0, NULL, 0, 1, 0x10, &reply), TD_EINVAL);
  CHECK_IS(td_call_start(server, caller, 0, NULL, 0, -1, &ticket), TD_EINVAL);
  CHECK_IS(td_call_start(server, caller, 0, NULL, 0, 1, NULL), TD_EINVAL);
  CHECK_FAILS(td_call_start(server, TD_NOBODY, 0, NULL, 0, TD_FOREVER, &ticket)); /* the answer needs a place */
  CHECK_EQ(counters_of(server).queued, 0);
  CHECK_OK(td_call_start(server, caller, 0, NULL, 0, TD_FOREVER, &ticket));
  CHECK_IS(td_reply(ticket, NULL, 5), TD_EINVAL);
  CHECK_IS(td_reply_error(ticket, 1, NULL, 5), TD_EINVAL);
  CHECK_OK(td_reply(ticket, NULL, 0)); /* not used up by that */
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  hand = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  blocking_calls();
  a_call_times_out_to_the_nanosecond();
  an_expired_request_is_not_delivered();
  calling_oneself_is_a_deadlock();
  calling_ones_own_loop_is_a_deadlock();
  a_circle_of_calls_is_a_deadlock();
  forwarding_moves_who_is_waited_for();
  forwarding_does_not_close_a_circle();
  started_calls_answer_into_the_mailbox();
  cancelled_calls_are_not_seen();
  a_caller_that_ends_leaves_nothing_behind();
  a_full_mailbox_refuses_calls();
  replies_of_any_size();
  calls_are_checked();
  CHECK_OK(td_engine_close(engine));
  CHECK_OK(td_engine_close(hand));
  return 0;
}
