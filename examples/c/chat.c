/* chat.c - a chat room in one process, from the first to join to the last to leave.
 *
 * Guarantees: the room is a mailbox whose handler runs in td_loop_run; its members are mailboxes that are read when
 * their owner cares to. Members are told newest first. Who is no member is told so, and nothing else happens. A member
 * that ends without a word has left: the room monitors it. The order of the printed lines is the order in which the
 * room spoke, so every run prints the same. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidings.h>

enum { JOIN = 1, POST, LEAVE }; /* to the room */
enum { NAME_MAX_SIZE = 32, TEXT_MAX_SIZE = 256 };

/* From the room: an answer to what you asked, or a notice with the running number of what the room has said so far. */
#define ANSWER (UINT64_C(1) << 32)
#define NOTICE (UINT64_C(2) << 32)

static void check(int32_t result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "chat: %s: %s\n", what, td_strerror(result));
  exit(1);
}

/* ---- the room ---- */

struct member {
  struct member *next;
  td_mailbox mailbox;
  td_monitor_ref monitor;
  char name[NAME_MAX_SIZE];
};

struct room {
  td_mailbox mailbox;
  struct member *members; /* newest first */
  uint64_t said;
};

static struct member **find_member(struct room *room, td_mailbox mailbox) {
  struct member **at = &room->members;
  while (*at && (*at)->mailbox.id != mailbox.id) at = &(*at)->next;
  return at;
}

static void answer(struct room *room, td_mailbox to, const char *text) { td_send(to, room->mailbox, ANSWER, text, strlen(text)); }

/* Tells every member but `except`, newest first. An error means that one has just ended: its DOWN is on the
 * way, and the notice does not count as said. */
static void tell_members(struct room *room, td_mailbox except, const char *format, ...) {
  char text[NAME_MAX_SIZE + TEXT_MAX_SIZE + 32];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  for (struct member *member = room->members; member; member = member->next)
    if (member->mailbox.id != except.id)
      room->said += td_send(member->mailbox, room->mailbox, NOTICE | (room->said + 1), text, (size_t)size) == TD_OK;
}

static void join(struct room *room, const td_message *message) {
  struct member *member = *find_member(room, message->from);
  if (member || message->data_size == 0 || message->data_size >= NAME_MAX_SIZE) {
    answer(room, message->from, member ? "you are in the room already" : "a name has 1 to 31 bytes");
    return;
  }
  member = calloc(1, sizeof *member);
  if (!member) return;
  member->mailbox = message->from;
  memcpy(member->name, message->data, message->data_size);
  check(td_monitor(room->mailbox, member->mailbox, 0, &member->monitor), "cannot monitor a member");
  tell_members(room, TD_NOBODY, "%s has joined the room", member->name);
  member->next = room->members;
  room->members = member;
  answer(room, message->from, "");
}

static void remove_member(struct room *room, struct member **at) {
  struct member *member = *at;
  *at = member->next;
  td_demonitor(member->monitor, TD_FLUSH, NULL);
  tell_members(room, TD_NOBODY, "%s has left the room", member->name);
  free(member);
  if (!room->members) printf("the room is empty\n");
}

static void post(struct room *room, const struct member *member, const td_message *message) {
  int size = message->data_size < TEXT_MAX_SIZE ? (int)message->data_size : TEXT_MAX_SIZE;
  tell_members(room, member->mailbox, "%s: %.*s", member->name, size, (const char *)message->data);
  answer(room, message->from, "");
}

static void room_message(struct room *room, const td_message *message) {
  struct member **at = find_member(room, message->from);
  if (message->kind == TD_KIND_DOWN) {
    if (*at) remove_member(room, at);
  } else if (message->tag == JOIN) {
    join(room, message);
  } else if (!*at) {
    answer(room, message->from, "you are not in the room");
  } else if (message->tag == POST) {
    post(room, *at, message);
  } else if (message->tag == LEAVE) {
    remove_member(room, at);
    answer(room, message->from, "");
  }
}

static void room_handle(td_batch *batch, void *user) {
  struct room *room = user;
  room->mailbox = batch->mailbox;
  td_message message;
  while (td_batch_next(batch, &message) > 0) room_message(room, &message);
}

/* ---- the people ---- */

enum { ALICE, BOB, CAROL, MALLORY, PEOPLE };

struct chat {
  td_engine engine;
  td_loop loop;
  td_mailbox room;
  uint64_t heard; /* number of the last notice printed */
  const char *names[PEOPLE];
  td_mailbox mailboxes[PEOPLE];
};

static void print_text(const char *name, const td_message *message) {
  printf("[%s] %.*s\n", name, (int)message->data_size, (const char *)message->data);
}

/* Takes the message with this tag, whatever waits before it. */
static bool take(td_mailbox mailbox, uint64_t tag, td_message *message) {
  td_match match = TD_MATCH_INIT;
  match.fields = TD_MATCH_TAG;
  match.tag = tag;
  return td_recv_match(mailbox, &match, 0, 0, message) == TD_OK;
}

/* Prints the notices by their number: in the order the room spoke, whoever they went to. */
static void print_notices(struct chat *chat) {
  td_message message;
  for (int i = 0; i < PEOPLE; i++) {
    if (!take(chat->mailboxes[i], NOTICE | (chat->heard + 1), &message)) continue;
    print_text(chat->names[i], &message);
    td_message_release(&message);
    chat->heard++;
    i = -1; /* the next number may be anyone's */
  }
}

/* One asks the room, the room acts, and the one who asked waits for the answer while notices pile up before it. */
static void ask(struct chat *chat, int who, uint64_t what, const char *text) {
  td_message message;
  check(td_send(chat->room, chat->mailboxes[who], what, text, strlen(text)), "cannot reach the room");
  while (!take(chat->mailboxes[who], ANSWER, &message)) {
    if (td_loop_run(chat->loop, TD_MS(5000), 0) <= 0) check(TD_ETIMEDOUT, "the room does not answer");
  }
  if (message.data_size > 0) print_text(chat->names[who], &message);
  td_message_release(&message);
  print_notices(chat);
}

static void script(struct chat *chat) {
  ask(chat, ALICE, JOIN, "alice");
  ask(chat, BOB, JOIN, "bob");
  ask(chat, CAROL, JOIN, "carol");
  ask(chat, ALICE, POST, "hello");
  ask(chat, MALLORY, POST, "let me in");
  ask(chat, BOB, LEAVE, "");
  check(td_mailbox_kill(chat->mailboxes[CAROL]), "cannot kill carol's mailbox");
  check(td_loop_run(chat->loop, TD_MS(5000), 0), "the room does not notice");
  print_notices(chat);
  ask(chat, ALICE, LEAVE, "");
}

int main(void) {
  struct room room = {{0}, NULL, 0};
  struct chat chat = {{0}, {0}, {0}, 0, {"alice", "bob", "carol", "mallory"}, {{0}, {0}, {0}, {0}}};
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  check(td_engine_open(NULL, &chat.engine), "cannot open the engine");
  check(td_loop_open(chat.engine, NULL, &chat.loop), "cannot open a loop");
  options.loop = chat.loop;
  options.handler = room_handle;
  options.user = &room;
  check(td_mailbox_open(chat.engine, &options, &chat.room), "cannot open the room");
  for (int i = 0; i < PEOPLE; i++) check(td_mailbox_open(chat.engine, NULL, &chat.mailboxes[i]), "cannot open a mailbox");
  script(&chat);
  check(td_loop_close(chat.loop), "cannot close the loop");
  check(td_engine_close(chat.engine), "cannot close the engine");
  while (room.members) {
    struct member *member = room.members;
    room.members = member->next;
    free(member);
  }
  return 0;
}
