/* Reads the scenario file into steps. Guarantees: every line is either understood or refused with its number and the
 * reason; nothing here knows what a verb does. The language is described in ../README.md. */
#ifndef CONFORMANCE_SCRIPT_H
#define CONFORMANCE_SCRIPT_H
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 10
#define MAX_PAIRS 12
#define MAX_WANTS 4

typedef struct pair {
  char *key;
  char *value;
  int contains;                          /* key~value: the text contains value */
} pair;

/* One acceptable outcome: a word, and fields that must hold. */
typedef struct expectation {
  char *outcome;
  pair fields[MAX_PAIRS];
  int nfields;
} expectation;

typedef struct step {
  int line, indent;
  char *source;                          /* as written, for reports */
  char *verb;
  char *args[MAX_WORDS];
  int nargs;
  pair opts[MAX_PAIRS];
  int nopts;
  char *as;
  expectation wants[MAX_WANTS];                 /* none written: "ok" */
  int nwants;
  struct step *child, *next;
} step;

typedef struct scenario {
  int line;
  char *id, *title, *rules;
  int virtual_clock, child_only;
  int one_clock;                         /* not run on the other clock, too */
  int by_real;                           /* written for the virtual clock, run on the real one: times are at least what is written */
  step *first;
  struct scenario *next;
} scenario;

static void *must_alloc(size_t size) {
  void *p = calloc(1, size ? size : 1);
  if (!p) {
    fprintf(stderr, "conformance: out of memory\n");
    exit(2);
  }
  return p;
}

static char *text_copy(const char *text, size_t size) {
  char *p = must_alloc(size + 1);
  memcpy(p, text, size);
  return p;
}

static void script_refuse(int line, const char *why, const char *text) {
  fprintf(stderr, "scenarios.txt:%d: %s: %s\n", line, why, text);
  exit(2);
}

/* The next word at *at, quotes removed; NULL at the end or at a comment. Quotes may stand after = or ~ too. */
static char *script_word(const char **at, int line) {
  const char *p = *at;
  while (*p == ' ') p++;
  if (!*p || *p == '#') return NULL;
  char *word = must_alloc(strlen(p) + 1), *out = word;
  int quoted = 0;
  for (; *p && (quoted || *p != ' '); p++) {
    if (*p == '"') quoted = !quoted;
    else *out++ = *p;
  }
  if (quoted) script_refuse(line, "a quote is not closed", *at);
  *at = p;
  return word;
}

/* Splits key=value or key~value; 0 when the word is not of this form. */
static int script_pair(const char *word, pair *out) {
  size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz_-");
  if (n == 0 || (word[n] != '=' && word[n] != '~')) return 0;
  out->key = text_copy(word, n);
  out->value = text_copy(word + n + 1, strlen(word + n + 1));
  out->contains = word[n] == '~';
  return 1;
}

static step *script_step(const char *text, int line, int indent) {
  step *s = must_alloc(sizeof *s);
  s->line = line;
  s->indent = indent;
  s->source = text_copy(text, strlen(text));
  const char *at = text;
  char *word;
  expectation *w = NULL;
  s->verb = script_word(&at, line);
  while ((word = script_word(&at, line)) != NULL) {
    pair p;
    if (strcmp(word, "=>") == 0 || (w && strcmp(word, "or") == 0)) {
      if (s->nwants == MAX_WANTS) script_refuse(line, "too many outcomes", text);
      w = &s->wants[s->nwants++];
    } else if (strcmp(word, "as") == 0) {
      s->as = script_word(&at, line);
      if (!s->as) script_refuse(line, "a name must follow 'as'", text);
    } else if (w && script_pair(word, &p)) {
      if (w->nfields == MAX_PAIRS) script_refuse(line, "too many fields", text);
      w->fields[w->nfields++] = p;
    } else if (w) {
      if (w->outcome) script_refuse(line, "an outcome is one word, then fields", text);
      w->outcome = word;
    } else if (script_pair(word, &p)) {
      if (s->nopts == MAX_PAIRS) script_refuse(line, "too many options", text);
      s->opts[s->nopts++] = p;
    } else {
      if (s->nargs == MAX_WORDS) script_refuse(line, "too many words", text);
      s->args[s->nargs++] = word;
    }
  }
  return s;
}

/* "scenario ID | title | rules 1 2 | clock virtual [only: why] [| not python: why] [| not node: why] [| child]" */
static scenario *script_header(const char *text, int line) {
  scenario *sc = must_alloc(sizeof *sc);
  char *copy = text_copy(text, strlen(text)), *part = copy;
  sc->line = line;
  for (int column = 0; part; column++) {
    char *bar = strstr(part, " | "), *next = NULL;
    if (bar) {
      *bar = 0;
      next = bar + 3;
    }
    if (column == 0) sc->id = part + strlen("scenario ");
    else if (column == 1) sc->title = part;
    else if (strncmp(part, "rules ", 6) == 0) sc->rules = part + 6;
    else if (strcmp(part, "clock real") == 0 || strncmp(part, "clock real only: ", 17) == 0) sc->one_clock = 1;
    else if (strcmp(part, "clock virtual") == 0) sc->virtual_clock = 1;
    else if (strncmp(part, "clock virtual only: ", 20) == 0) sc->virtual_clock = sc->one_clock = 1;
    else if (strcmp(part, "child") == 0) sc->child_only = 1;
    else if (strncmp(part, "not node: ", 10) != 0 && strncmp(part, "not python: ", 12) != 0)
      script_refuse(line, "not 'rules ...', 'clock real', 'clock virtual', 'clock CLOCK only: ...', 'not LANGUAGE: ...' or 'child'", part);
    part = next;
  }
  if (!sc->title || !sc->rules) script_refuse(line, "a scenario has a title and its rules", text);
  return sc;
}

/* What is written for the virtual clock runs on both: ID becomes ID.virtual and ID.real, with the same steps. */
static void script_double(scenario *sc) {
  for (; sc; sc = sc->next) {
    if (sc->one_clock || sc->child_only) continue;
    scenario *real = must_alloc(sizeof *real);
    size_t room = strlen(sc->id) + sizeof ".virtual";
    char *ids = must_alloc(2 * room);
    *real = *sc;
    snprintf(ids, room, "%s.virtual", sc->id);
    snprintf(ids + room, room, "%s.real", sc->id);
    sc->id = ids;
    real->id = ids + room;
    real->virtual_clock = 0;
    real->by_real = 1;
    sc->next = real;
    sc = real;
  }
}

/* Steps nest by indentation: deeper lines belong to the nearest shallower one above. */
static scenario *script_read(const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) {
    fprintf(stderr, "conformance: cannot open %s; run from where the runner was compiled, or set CONFORMANCE_SCENARIOS\n", path);
    exit(2);
  }
  scenario *first = NULL, **tail = &first, *now = NULL;
  struct { int indent; step *last; } open[16];
  int depth = 0, line = 0;
  char buf[1024];
  while (fgets(buf, sizeof buf, f)) {
    line++;
    size_t n = strcspn(buf, "\r\n");
    if (n == sizeof buf - 1) script_refuse(line, "the line is too long", "");
    buf[n] = 0;
    while (n > 0 && buf[n - 1] == ' ') buf[--n] = 0;
    int indent = (int)strspn(buf, " ");
    char *text = buf + indent;
    if (!*text || *text == '#') continue;
    if (strchr(text, '\t')) script_refuse(line, "indent with spaces, not tabs", text);
    if (indent == 0) {
      if (strncmp(text, "scenario ", 9) != 0) script_refuse(line, "a step must be indented", text);
      now = script_header(text, line);
      *tail = now;
      tail = &now->next;
      depth = 0;
      continue;
    }
    if (!now) script_refuse(line, "a step before the first scenario", text);
    step *s = script_step(text, line, indent);
    while (depth > 0 && open[depth - 1].indent > indent) depth--;
    if (depth > 0 && open[depth - 1].indent == indent) {
      open[depth - 1].last->next = s;
    } else {
      if (depth == 16) script_refuse(line, "nested too deep", text);
      if (depth == 0) {
        if (now->first) script_refuse(line, "indented less than the scenario's first step", text);
        now->first = s;
      } else {
        if (open[depth - 1].last->child) script_refuse(line, "indented like no step above", text);
        open[depth - 1].last->child = s;
      }
      open[depth++].indent = indent;
    }
    open[depth - 1].last = s;
  }
  fclose(f);
  script_double(first);
  return first;
}

/* The option's text, or NULL. */
static const char *step_opt(const step *s, const char *key) {
  for (int i = 0; i < s->nopts; i++)
    if (strcmp(s->opts[i].key, key) == 0) return s->opts[i].value;
  return NULL;
}
#endif
