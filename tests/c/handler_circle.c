/* Handlers that call in nobody's name wait for each other as mailboxes do: a circle of them is told at once, wherever a request
 * was forwarded to. (rules 22 23) */
#include "check.h"

/* What a part does with a request. */
enum role { CALLS, ANSWERS, FORWARDS };

static td_engine engine;

/* A mailbox with a loop and a thread of its own. */
struct part {
  td_mailbox mailbox;
  td_loop loop;
  pthread_t thread;
  enum role role;
  td_mailbox next; /* whom it calls, or forwards to */
  int32_t result;  /* of its call; 1: none */
};

static void call_next(struct part *part) {
  td_message reply;
  part->result = td_call(part->next, TD_NOBODY, 0, NULL, 0, check_patience(TD_MS(20000)), 0, &reply);
  if (part->result == TD_OK || part->result == TD_EDOWN) CHECK_OK(td_message_release(&reply));
}

/* A plain message has it call, too. */
static void handle(td_batch *batch, void *user) {
  struct part *part = (struct part *)user;
  td_message message;
  td_ticket ticket;
  while (td_batch_next(batch, &message) > 0) {
    ticket.id = message.ref;
    if (message.kind == TD_KIND_MESSAGE) {
      call_next(part);
    } else if (part->role == FORWARDS) {
      CHECK_OK(td_forward(part->next, part->mailbox, &message));
    } else {
      if (part->role == CALLS) call_next(part);
      CHECK_OK(td_reply(ticket, NULL, 0));
    }
  }
}

static void *run(void *user) {
  const struct part *part = (const struct part *)user;
  while (td_loop_run(part->loop, TD_FOREVER, 0) >= 0) {
  }
  return NULL;
}

static void begin(struct part *part, enum role role) {
  part->role = role;
  part->next = TD_NOBODY;
  part->result = 1;
  part->loop = open_loop(engine);
  part->mailbox = open_handler(engine, part->loop, handle, part);
  CHECK_EQ(pthread_create(&part->thread, NULL, run, part), 0);
}

static void end(const struct part *part) {
  CHECK_OK(td_loop_close(part->loop));
  CHECK_EQ(pthread_join(part->thread, NULL), 0);
}

static void ask(td_mailbox mailbox) {
  td_message reply;
  CHECK_OK(td_call(mailbox, TD_NOBODY, 0, NULL, 0, check_patience(TD_MS(20000)), 0, &reply));
  CHECK_OK(td_message_release(&reply));
}

static void a_circle_of_handlers_is_a_deadlock(void) {
  struct part a, b, c;
  begin(&a, CALLS), begin(&b, CALLS), begin(&c, CALLS);
  a.next = b.mailbox, b.next = c.mailbox, c.next = a.mailbox;
  ask(a.mailbox);
  CHECK_IS(c.result, TD_EDEADLK); /* who closes it; the others have their answers then */
  CHECK_IS(b.result, TD_OK);
  CHECK_IS(a.result, TD_OK);
  c.role = ANSWERS;
  ask(a.mailbox); /* nothing is left of it */
  CHECK_IS(a.result, TD_OK);
  CHECK_IS(c.result, TD_EDEADLK);
  end(&a), end(&b), end(&c);
}

static void forwarding_keeps_the_circle_in_view(void) {
  struct part a, b, c;
  begin(&a, CALLS), begin(&b, FORWARDS), begin(&c, CALLS);
  a.next = b.mailbox, b.next = c.mailbox, c.next = a.mailbox;
  ask(a.mailbox);
  CHECK_IS(c.result, TD_EDEADLK);
  CHECK_IS(a.result, TD_OK);
  CHECK_IS(b.result, 1);
  end(&a), end(&b), end(&c);
}

/* Whose request has gone on is not waited for any more, and may call. */
static void forwarding_opens_the_circle(void) {
  struct part a, b;
  td_mailbox keeper = open_mailbox(engine);
  td_message request;
  td_ticket ticket;
  begin(&a, ANSWERS), begin(&b, FORWARDS);
  a.next = b.mailbox, b.next = keeper;
  CHECK_OK(send_tag(a.mailbox, 0)); /* a calls b, and so waits for whoever has the keeper */
  CHECK_OK(td_recv(keeper, check_patience(TD_MS(20000)), 0, &request));
  b.next = a.mailbox;
  CHECK_OK(send_tag(b.mailbox, 0)); /* b calls a */
  while (counters_of(a.mailbox).queued == 0) check_sleep(TD_MS(1));
  ticket.id = request.ref;
  CHECK_OK(td_reply(ticket, NULL, 0));
  CHECK_OK(td_message_release(&request));
  ask(b.mailbox);
  CHECK_IS(a.result, TD_OK);
  CHECK_IS(b.result, TD_OK);
  end(&a), end(&b);
}

/* The detail of a failed call is its own, not that of a look on the way. */
static void a_call_that_times_out_says_so(void) {
  td_mailbox silent = open_mailbox(engine);
  td_message reply;
  char detail[128];
  CHECK_IS(td_call(silent, TD_NOBODY, 0, NULL, 0, TD_MS(1), 0, &reply), TD_ETIMEDOUT);
  td_last_error(detail, sizeof detail);
  CHECK_TEXT(detail, strlen(detail), "no answer came in time");
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  a_circle_of_handlers_is_a_deadlock();
  forwarding_keeps_the_circle_in_view();
  forwarding_opens_the_circle();
  a_call_that_times_out_says_so();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
