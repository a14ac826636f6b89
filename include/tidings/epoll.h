/* tidings/epoll.h - a td_loop or a mailbox in the epoll set of a server. Header only; Linux.
 *
 *   td_epoll member;
 *   epoll_data_t data;
 *   data.ptr = &member;                                       whatever the server's events carry
 *   td_epoll_add_loop(&member, epoll_fd, loop, data);
 *   for (;;) {
 *     int n = epoll_wait(epoll_fd, events, 64, td_turn_timeout(loop, -1));
 *     ... for the event of member: td_turn_loop(loop), of a mailbox: td_turn_mailbox(mailbox, 0, fn, user)
 *   }
 *
 * With TD_TIME_HOST, which needs no thread, a turn is due after every epoll_wait, event or not. */
#ifndef TIDINGS_EPOLL_H
#define TIDINGS_EPOLL_H

#include <sys/epoll.h>
#include <tidings/turn.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is in an epoll set. Its fields are the adapter's; it may be moved. */
typedef struct td_epoll {
  int epoll;
  int fd; /* -1: in none */
  epoll_data_t data;
} td_epoll;

/* A member that is in no set: td_epoll_remove takes it, too. */
#define TD_EPOLL_INIT { -1, -1, { NULL } }

/* For the functions below: takes fd over. */
static inline int32_t td_epoll_add_(td_epoll *member, int epoll, td_fd fd, epoll_data_t data) {
  struct epoll_event event;
  event.events = EPOLLIN;
  event.data = data;
  member->epoll = epoll;
  member->data = data;
  member->fd = (int)fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, member->fd, &event) == 0) return TD_OK;
  close(member->fd);
  member->fd = -1;
  return TD_ESYS;
}

/* Puts a loop into the epoll set: an EPOLLIN event with this data comes, level-triggered, while td_turn_loop has
 * something to do.
 *
 * Returns: 0; as td_loop_fd; TD_ESYS with errno when epoll_ctl failed. After an error member is in no set.
 * Threads: any; the events come to whoever waits on the set.
 * Blocks: no.
 * Owns: member owns a descriptor until td_epoll_remove, which has to come before epoll is closed. The loop stays the
 *   caller's. */
static inline int32_t td_epoll_add_loop(td_epoll *member, int epoll, td_loop loop, epoll_data_t data) {
  td_fd fd;
  int32_t result = td_loop_fd(loop, &fd);
  member->fd = -1;
  return result < 0 ? result : td_epoll_add_(member, epoll, fd, data);
}

/* Puts a mailbox that is read with td_recv into the epoll set: an EPOLLIN event with this data comes, level-triggered,
 * while td_turn_mailbox has a message to give, and once the mailbox is over.
 *
 * Returns: 0; as td_mailbox_fd; TD_ESYS with errno when epoll_ctl failed. After an error member is in no set.
 * Threads: any; the events come to whoever waits on the set.
 * Blocks: no.
 * Owns: as td_epoll_add_loop. */
static inline int32_t td_epoll_add_mailbox(td_epoll *member, int epoll, td_mailbox mailbox, epoll_data_t data) {
  td_fd fd;
  int32_t result = td_mailbox_fd(mailbox, &fd);
  member->fd = -1;
  return result < 0 ? result : td_epoll_add_(member, epoll, fd, data);
}

/* Asks for the member's events, or for none: while a socket is full, what it is to be sent waits in the mailbox, under
 * the mailbox's bound and policy. An event that epoll_wait has given already still comes.
 *
 * Returns: 0; TD_ESYS with errno when epoll_ctl failed; TD_ESTALE when member is in no set.
 * Threads: one at a time for one member.
 * Blocks: no.
 * Owns: nothing. */
static inline int32_t td_epoll_watch(td_epoll *member, int on) {
  struct epoll_event event;
  if (member->fd < 0) return TD_ESTALE;
  event.events = on ? (uint32_t)EPOLLIN : 0u;
  event.data = member->data;
  return epoll_ctl(member->epoll, EPOLL_CTL_MOD, member->fd, &event) == 0 ? TD_OK : TD_ESYS;
}

/* Takes the member out of its set and closes its descriptor; one that is in none stays so. It is more than a close: the
 * engine has a descriptor of the same bell, for whose sake the kernel would go on giving events. An event that
 * epoll_wait has given already still comes.
 *
 * Returns: nothing.
 * Threads: one at a time for one member.
 * Blocks: no.
 * Owns: member owns nothing from here on. */
static inline void td_epoll_remove(td_epoll *member) {
  struct epoll_event event; /* kernels before 2.6.9 want one */
  if (member->fd < 0) return;
  event.events = 0;
  event.data = member->data;
  epoll_ctl(member->epoll, EPOLL_CTL_DEL, member->fd, &event);
  close(member->fd);
  member->fd = -1;
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TIDINGS_EPOLL_H */
