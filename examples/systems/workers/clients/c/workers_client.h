/*
 * A client of the daemon, for C, with jansson for JSON. A client does one thing at a time, and belongs to one thread.
 *
 *   workers_client *client;
 *   if (workers_connect("tmp/nodesockd.ipc", 30000, &client) == WORKERS_OK) {
 *     json_t *reply;
 *     workers_send_app_request(client, "echo", NULL, "0-1");
 *     while (workers_next(client, &reply) == WORKERS_REPLY) {
 *       printf("%s\n", json_string_value(json_object_get(reply, "id")));
 *       json_decref(reply);
 *     }
 *     workers_terminate(client);
 *   }
 */
#ifndef WORKERS_CLIENT_H
#define WORKERS_CLIENT_H

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct workers_client workers_client;

enum {
  WORKERS_REPLY = 1,      /* there is a reply */
  WORKERS_OK = 0,         /* done; no more replies */
  WORKERS_ECONNECT = -1,  /* nobody listens there */
  WORKERS_ECLOSED = -2,   /* the connection has ended; nothing more can be done with this client */
  WORKERS_ETIMEDOUT = -3, /* the daemon has said nothing in time; likewise */
  WORKERS_EREQUEST = -4,  /* the daemon cannot do it; workers_error says why */
  WORKERS_EINVAL = -5,    /* data is not an object, or a text is not UTF-8 */
  WORKERS_ENOMEM = -6     /* for the frame, or it is larger than 32 MiB */
};

/* A client of the daemon whose socket this is, which waits `timeout` milliseconds at most for each word of it; 0 is forever. */
int workers_connect(const char *path, unsigned timeout, workers_client **client);

/* Ends the client; the daemon goes on. NULL is none. */
void workers_terminate(workers_client *client);

/* What went wrong last, in words; "" if nothing. Valid until the next call. */
const char *workers_error(const workers_client *client);

/* An event "message" in workers. `data` is an object or NULL, and stays the caller's; `workers` NULL is all in service. */
int workers_send_app_message(workers_client *client, const char *message, json_t *data, const char *workers);

/* Asks workers; workers_next has their replies. What has not been read of the request before is given up. */
int workers_send_app_request(workers_client *client, const char *request, json_t *data, const char *workers);

/* WORKERS_REPLY and the next reply, {id, pid, data} or {id, pid, errors}, which is to be given to json_decref; WORKERS_OK at the end. */
int workers_next(workers_client *client, json_t **reply);

/* Any other request to the daemon: "status", "config", "reload", "set-worker-count" with {count}, "terminate". `data` stays the caller's;
   `result`, if it is not NULL, gets what the daemon answers, or NULL where that is nothing. */
int workers_call(workers_client *client, const char *type, json_t *data, json_t **result);

#ifdef __cplusplus
}
#endif
#endif
