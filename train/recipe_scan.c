/* Where the keys of a recipe stand, and what libcyaml does not refuse or refuses without a line: broken YAML, repeated
 * keys, aliases, a second document.  Reads libyaml's events with a stack of its own. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "train/recipe_field.h"

enum { DEPTH = 8, KEYS = 1024 /* of a file, elements too; the search for repeated ones is quadratic */ };

typedef struct scanner {
  kohl_context *ctx;
  const char *name;
  kohl_recipe_lines *lines;
  int depth;
  bool mapping[DEPTH + 1]; /* the bracket at this depth; 0 is outside */
  bool value_next[DEPTH + 1];
  int elements[DEPTH + 1];       /* of a list so far */
  size_t path_length[DEPTH + 1]; /* of path, before this depth's key */
  char path[sizeof((kohl_recipe_line *)0)->path];
  int documents;
} scanner;

/* A key of the mapping, or the number of an element of the list, at the current depth. */
static kohl_status add_key(scanner *s, const char *key, size_t length, int line) {
  if (s->lines->count == KEYS) {
    return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: more than %d keys and elements", s->name, line, KEYS);
  }
  size_t at = s->path_length[s->depth], room = sizeof s->path - 1;
  if (at > 0 && at < room) s->path[at++] = '.';
  size_t n = length < room - at ? length : room - at;
  memcpy(s->path + at, key, n);
  s->path[at + n] = 0;
  for (size_t i = 0; s->mapping[s->depth] && i < s->lines->count; i++) {
    if (strcmp(s->lines->line[i].path, s->path) == 0) {
      return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: field '%s': given again, expected once (line %d)", s->name, line,
                       kohl_quote(s->path, at + n).text, s->lines->line[i].line);
    }
  }
  kohl_status status = kohl_grow(s->ctx, &s->lines->line, &s->lines->capacity, s->lines->count + 1,
                                 sizeof *s->lines->line, "the lines of a recipe");
  if (status != KOHL_OK) return status;
  kohl_recipe_line *entry = &s->lines->line[s->lines->count++];
  memcpy(entry->path, s->path, sizeof entry->path);
  entry->line = line;
  return KOHL_OK;
}

/* A scalar or an opening bracket: is it a key, a value or an element? */
static kohl_status take_node(scanner *s, const yaml_event_t *event) {
  int line = (int)event->start_mark.line + 1;
  bool scalar = event->type == YAML_SCALAR_EVENT;
  /* libyaml has the same first two members, anchor and tag, in all three events that carry them. */
  bool marked = scalar ? event->data.scalar.anchor || event->data.scalar.tag
                       : event->data.sequence_start.anchor || event->data.sequence_start.tag;
  if (marked) return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: an anchor or tag, expected a value", s->name, line);
  if (s->depth > 0 && s->mapping[s->depth] && !s->value_next[s->depth]) {
    if (!scalar) return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: a key that is no plain word", s->name, line);
    s->value_next[s->depth] = true;
    return add_key(s, (const char *)event->data.scalar.value, event->data.scalar.length, line);
  }
  s->value_next[s->depth] = false;
  if (s->depth > 0 && !s->mapping[s->depth]) {
    char number[16];
    kohl_status status =
        add_key(s, number, (size_t)snprintf(number, sizeof number, "%d", ++s->elements[s->depth]), line);
    if (status != KOHL_OK) return status;
  }
  if (scalar) {
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length)) {
      return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: field '%s': text with a zero byte", s->name, line,
                       kohl_quote(s->path, strlen(s->path)).text);
    }
    return KOHL_OK;
  }
  if (s->depth == DEPTH) {
    return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: nested deeper than %d, expected at most 4", s->name, line, DEPTH);
  }
  s->depth++;
  s->mapping[s->depth] = event->type == YAML_MAPPING_START_EVENT;
  s->value_next[s->depth] = false;
  s->elements[s->depth] = 0;
  s->path_length[s->depth] = strlen(s->path);
  return KOHL_OK;
}

static kohl_status take_event(scanner *s, const yaml_event_t *event) {
  int line = (int)event->start_mark.line + 1;
  switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
      if (s->documents++) {
        return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: a second document, expected one", s->name, line);
      }
      return KOHL_OK;
    case YAML_ALIAS_EVENT: return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s:%d: an alias, expected a value", s->name, line);
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: return take_node(s, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      s->path[s->path_length[s->depth]] = 0;
      s->depth--;
      return KOHL_OK;
    default: return KOHL_OK;
  }
}

kohl_status kohl_recipe_scan(kohl_context *ctx, const char *name, const char *text, size_t bytes,
                             kohl_recipe_lines *lines) {
  scanner s = {.ctx = ctx, .name = name, .lines = lines};
  memset(lines, 0, sizeof *lines);
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: memory for libyaml refused", name);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
  kohl_status status = KOHL_OK;
  for (bool end = false; !end && status == KOHL_OK;) {
    yaml_event_t event;
    if (!yaml_parser_parse(&parser, &event)) {
      status = parser.error == YAML_MEMORY_ERROR
                   ? kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: memory for libyaml refused", name)
                   : kohl_fail(ctx, KOHL_BAD_INPUT, "%s:%d: not YAML: %s", name, (int)parser.problem_mark.line + 1,
                               parser.problem ? parser.problem : "unreadable");
      break;
    }
    end = event.type == YAML_STREAM_END_EVENT;
    status = take_event(&s, &event);
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  return status;
}

int kohl_recipe_line_of(const kohl_recipe_lines *lines, const char *path) {
  size_t best = 0;
  int line = 1;
  for (size_t i = 0; i < lines->count; i++) {
    size_t n = strlen(lines->line[i].path);
    bool part = strncmp(lines->line[i].path, path, n) == 0 && (path[n] == 0 || path[n] == '.');
    if (part && n > best) best = n, line = lines->line[i].line;
  }
  return line;
}
