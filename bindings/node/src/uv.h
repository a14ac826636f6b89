/* The few functions of libuv 1.x that this addon uses. The node executable exports them, and libuv keeps them as they are for all of
 * version 1; its header is not part of the Node-API headers, so they are declared here. A handle's size is asked for at run time. */
#ifndef TIDINGS_NODE_UV_H
#define TIDINGS_NODE_UV_H
#include <stddef.h>

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;   /* every pointer below is one of these: a poll handle begins with the handle */
typedef void (*uv_close_cb)(uv_handle_t *handle);
typedef void (*uv_poll_cb)(uv_handle_t *handle, int status, int events);

enum { UV_HANDLE_TYPE_POLL = 8, UV_EVENT_READABLE = 1 };

size_t uv_handle_size(int type);
void uv_handle_set_data(uv_handle_t *handle, void *data);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_ref(uv_handle_t *handle);
void uv_unref(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, uv_close_cb closed);
int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int fd);
int uv_poll_start(uv_handle_t *handle, int events, uv_poll_cb ready);
int uv_poll_stop(uv_handle_t *handle);
const char *uv_strerror(int code);
#endif
