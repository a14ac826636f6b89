/* http.h - as much HTTP/1.1 as data_stream.c needs, without a socket in it.
 *
 * Guarantees: http_parse never reads past what it was given, takes any bytes, and answers one of three things: not
 * complete yet, a request, or the 4xx status that says what is wrong with it. http_answer and http_chunk write whole
 * texts into the caller's buffer. A server of your own would use the HTTP library it already has; this one is here so
 * that the example shows nothing but the engine inside a plain poll loop. */
#ifndef EXAMPLE_HTTP_H
#define EXAMPLE_HTTP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HTTP_HEADER_MAX = 8192, HTTP_ANSWER_MAX = 512 };

struct http_request {
  const char *method, *path; /* inside the parsed bytes, not NUL-terminated; path without the query */
  size_t method_size, path_size;
};

static inline bool http_is(const char *text, size_t size, const char *word) {
  return size == strlen(word) && memcmp(text, word, size) == 0;
}

/* The characters of a method or a header's name: RFC 9110's token. */
static inline bool http_is_token(const char *text, size_t size) {
  if (size == 0) return false;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!alphanumeric && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))) return false;
  }
  return true;
}

/* One line from *at on, without its line end; NULL when the line has not ended yet. A lone LF ends a line too. */
static inline const char *http_line(const char **at, const char *end, size_t *size) {
  const char *line = *at;
  const char *feed = memchr(line, '\n', (size_t)(end - line));
  if (!feed) return NULL;
  *at = feed + 1;
  *size = (size_t)(feed - line);
  if (*size > 0 && line[*size - 1] == '\r') (*size)--;
  return line;
}

/* "METHOD target HTTP/1.1": 0, or the status that refuses it. */
static inline int http_parse_request_line(const char *line, size_t size, struct http_request *request) {
  const char *end = line + size;
  const char *first = memchr(line, ' ', size);
  if (!first) return 400;
  const char *target = first + 1;
  const char *second = memchr(target, ' ', (size_t)(end - target));
  if (!second || target == second) return 400;
  const char *version = second + 1;
  size_t version_size = (size_t)(end - version);
  request->method = line;
  request->method_size = (size_t)(first - line);
  if (!http_is_token(request->method, request->method_size)) return 400;
  if (version_size != 8 || memcmp(version, "HTTP/", 5) != 0) return 400;
  if (!http_is(version, version_size, "HTTP/1.1")) return 426;
  request->path = target;
  const char *query = memchr(target, '?', (size_t)(second - target));
  request->path_size = (size_t)((query ? query : second) - target);
  return 0;
}

/* > 0: the size of the request's head, *request is filled in. 0: not complete yet. < 0: minus the status to refuse it with. */
static inline int http_parse(const char *bytes, size_t size, struct http_request *request) {
  for (size_t i = 0; i < size; i++) { /* at once, not after a timeout: a TLS hello has no line end */
    unsigned char c = (unsigned char)bytes[i];
    if ((c < ' ' && c != '\r' && c != '\n' && c != '\t') || c == 127) return -400;
  }
  const char *at = bytes, *end = bytes + size, *line;
  size_t line_size;
  int hosts = 0;
  memset(request, 0, sizeof *request);
  while ((line = http_line(&at, end, &line_size)) != NULL) {
    if (!request->method) {
      if (line_size == 0) continue; /* RFC 9112, 2.2: empty lines before a request are passed over */
      int refused = http_parse_request_line(line, line_size, request);
      if (refused) return -refused;
      continue;
    }
    if (line_size == 0) return hosts == 1 ? (int)(at - bytes) : -400;
    const char *colon = memchr(line, ':', line_size);
    if (!colon || !http_is_token(line, (size_t)(colon - line))) return -400;
    if (colon - line == 4 && strncasecmp(line, "host", 4) == 0) hosts++;
  }
  return size >= HTTP_HEADER_MAX ? -431 : 0;
}

static inline const char *http_reason(int status) {
  switch (status) {
  case 200: return "OK";
  case 400: return "Bad Request";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 408: return "Request Timeout";
  case 426: return "Upgrade Required";
  case 431: return "Request Header Fields Too Large";
  case 503: return "Service Unavailable";
  default: return "Error";
  }
}

/* A whole response with a short text; `allow` is the method a 405 names. HEAD gets the head alone. Returns its size. */
static inline size_t http_answer(char out[HTTP_ANSWER_MAX], int status, const char *text, const char *allow, bool head) {
  char extra[64] = "";
  if (status == 405) snprintf(extra, sizeof extra, "Allow: %s\r\n", allow);
  if (status == 426) snprintf(extra, sizeof extra, "Upgrade: HTTP/1.1\r\n");
  int size = snprintf(out, HTTP_ANSWER_MAX,
                      "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n%s"
                      "Connection: %sclose\r\n\r\n%s",
                      status, http_reason(status), strlen(text), extra, status == 426 ? "upgrade, " : "", head ? "" : text);
  return (size_t)size;
}

#define HTTP_STREAM_HEAD                                                                                               \
  "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\n"                               \
  "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
#define HTTP_LAST_CHUNK "0\r\n\r\n"
enum { HTTP_CHUNK_EXTRA = 20 }; /* what http_chunk adds at most: 16 hexadecimal digits and two line ends */

/* `data` as one chunk of a chunked response; out must hold size + HTTP_CHUNK_EXTRA. Returns the chunk's size. */
static inline size_t http_chunk(char *out, const void *data, size_t size) {
  size_t at = (size_t)sprintf(out, "%zx\r\n", size);
  memcpy(out + at, data, size);
  memcpy(out + at + size, "\r\n", 2);
  return at + size + 2;
}

#endif
