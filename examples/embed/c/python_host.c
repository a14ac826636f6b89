/* python_host.c - a C host with CPython inside it: the C side publishes, a Python script subscribes, in one process.
 *
 *   python_host [SCRIPT]          python_host.py beside the current directory's, without one
 *
 * Guarantees: both sides are in one engine, because the Python package takes the library that is in the process already;
 * so ids pass as plain numbers: the script is given the host's as HOST, and the host gets the script's as the payload of
 * a message. The host's thread never touches Python, and the engine outlives the interpreter. Ends with status 0 when
 * the script did. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidings.h>

enum { JOIN = 1, COUNT = 2, STOP = 3 }; /* tags of what the host receives */
enum { TICKS = 10000 };

struct host {
  td_engine engine;
  td_mailbox mailbox;
  uint64_t published;
};

static void check(int32_t result, const char *what) {
  char detail[256];
  if (result >= 0) return;
  td_last_error(detail, sizeof detail);
  fprintf(stderr, "python_host: %s: %s\n", what, detail[0] ? detail : td_strerror(result));
  exit(1);
}

/* ---- the C side, on a thread of its own ---- */

/* The script's mailbox has come: watch it, greet it by its id, and publish. */
static void join(struct host *host, const td_message *message) {
  td_mailbox script;
  td_monitor_ref monitor;
  memcpy(&script.id, message->data, sizeof script.id);
  check(td_monitor(host->mailbox, script, 0, &monitor), "td_monitor");
  check(td_send(script, host->mailbox, 0, "welcome", 7), "td_send");
  for (uint64_t tick = 1; tick <= TICKS; tick++) {
    char line[64];
    int size = snprintf(line, sizeof line, "{\"tick\":%" PRIu64 "}", tick);
    td_receipt receipt;
    check(td_publish(host->engine, host->mailbox, TD_STR("host.tick"), tick, line, (size_t)size, NULL, &receipt), "td_publish");
    host->published += receipt.queued;
  }
}

static void *run_host(void *argument) {
  struct host *host = argument;
  td_message message;
  while (td_recv(host->mailbox, TD_FOREVER, 0, &message) == TD_OK) {
    if (message.kind == TD_KIND_MESSAGE && message.tag == JOIN && message.data_size == sizeof(uint64_t)) {
      join(host, &message);
    } else if (message.kind == TD_KIND_REQUEST && message.tag == COUNT) {
      td_reply((td_ticket){message.ref}, &host->published, sizeof host->published);
    } else if (message.kind == TD_KIND_DOWN) {
      printf("host: the script's mailbox has ended: %.*s\n", (int)message.data_size, (const char *)message.data);
      fflush(stdout);
    }
    bool stop = message.kind == TD_KIND_MESSAGE && message.tag == STOP;
    td_message_release(&message);
    if (stop) break;
  }
  return NULL;
}

/* ---- the Python side, on the main thread ---- */

/* As the python3 of PATH would start, so that an active virtual environment is found. */
static PyStatus start_python(int argc, char **argv) {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.parse_argv = 0;
  PyStatus status = PyConfig_SetBytesArgv(&config, argc, argv);
  if (!PyStatus_Exception(status)) status = PyConfig_SetString(&config, &config.program_name, L"python3");
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  return status;
}

/* Runs the script with HOST as its only gift. */
static int run_script(const char *path, td_mailbox host) {
  PyObject *id = PyLong_FromUnsignedLongLong(host.id);
  int result = -1;
  if (id && PyObject_SetAttrString(PyImport_AddModule("__main__"), "HOST", id) == 0) {
    FILE *file = fopen(path, "rb");
    if (file) result = PyRun_SimpleFileEx(file, path, 1);
    else perror(path);
  }
  Py_XDECREF(id);
  return result;
}

int main(int argc, char **argv) {
  const char *script = argc > 1 ? argv[1] : "python_host.py";
  struct host host = {{0}, {0}, 0};
  pthread_t thread;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.name = "host";
  options.name_size = strlen(options.name);
  check(td_engine_default(&host.engine), "td_engine_default");
  check(td_mailbox_open(host.engine, &options, &host.mailbox), "td_mailbox_open");
  if (pthread_create(&thread, NULL, run_host, &host) != 0) return 1;

  PyStatus started = start_python(argc, argv);
  if (PyStatus_Exception(started)) Py_ExitStatusException(started);
  int failed = run_script(script, host.mailbox);
  if (Py_FinalizeEx() < 0) failed = -1;

  /* Python is gone; the engine and what is the host's live on. */
  td_mailbox found;
  check(td_whereis(host.engine, TD_STR("host"), &found), "td_whereis");
  if (found.id != host.mailbox.id) failed = -1;
  check(td_send(host.mailbox, TD_NOBODY, STOP, NULL, 0), "td_send");
  pthread_join(thread, NULL);
  td_engine_close(host.engine);
  printf("host: published %" PRIu64 "\n", host.published);
  return failed ? 1 : 0;
}
