/* Reading label rules: libyaml's events through a machine of a few states, no tree. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "datasets/file.h"
#include "datasets/rules_parts.h"
#include "kernels/core/alloc.h"

/* Where the next event stands. */
typedef enum {
  OUTSIDE, /* before and behind the mapping of the file */
  TOP,     /* a key of the file */
  CLASSES_VALUE,
  CLASSES, /* the name of a class */
  CLASS_VALUE,
  CLASS,      /* a key of a class */
  LIST_VALUE, /* a list of texts, or one text */
  LIST,       /* one of them */
} place;

typedef enum { FIELDS, EXCLUDE_ALL, SYNONYMS, EXCLUDE, LISTS } list;

typedef struct {
  kohl_context *ctx;
  const char *name;
  kohl_rules *rules;
  int line, documents;
  place at, back; /* back: to where a list returns */
  list which;
  bool has_classes, has[LISTS]; /* keys that have come: of the file, and of the class at hand */
  bool done;                    /* the mapping of the file has ended */
  size_t synonyms;              /* of the class at hand */
  char *folded;
  size_t folded_capacity;
} reader;

/* The field that an error is about: "exclude", "classes.scarab.synonyms". */
typedef struct {
  char text[160];
} field_name;

static field_name field_of(const reader *r) {
  static const char *const lists[LISTS] = {"fields", "exclude", "synonyms", "exclude"};
  field_name out;
  bool in_class = r->rules->classes > 0 && r->at != TOP && r->at != CLASSES_VALUE && r->at != CLASSES &&
                  !((r->at == LIST || r->at == LIST_VALUE) && r->which < SYNONYMS);
  if (r->at == TOP || r->at == OUTSIDE) {
    snprintf(out.text, sizeof out.text, "rules");
  } else if (!in_class) {
    snprintf(out.text, sizeof out.text, "%s", r->at == LIST || r->at == LIST_VALUE ? lists[r->which] : "classes");
  } else {
    const char *class = kohl_rules_class(r->rules, r->rules->classes - 1);
    bool list_of = r->at == LIST || r->at == LIST_VALUE;
    snprintf(out.text, sizeof out.text, "classes.%.100s%s%s", class, list_of ? "." : "",
             list_of ? lists[r->which] : "");
  }
  return out;
}

static kohl_status fail(reader *r, const char *what) {
  return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s:%d: field '%s': %s", r->name, r->line, field_of(r).text, what);
}

/* "what 'text', expected ..." */
static kohl_status fail_text(reader *r, const char *what, const char *text, const char *expected) {
  return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s:%d: field '%s': %s '%.100s', expected %s", r->name, r->line,
                   field_of(r).text, what, text, expected);
}

static kohl_status add_field(reader *r, const char *text, size_t bytes) {
  kohl_rules *rules = r->rules;
  if (rules->fields == KOHL_RULES_FIELDS) return fail_text(r, "one column too many", text, "at most 16");
  for (size_t i = 0; i < rules->fields; i++) {
    if (strcmp(kohl_rules_field(rules, i), text) == 0) return fail_text(r, "given again:", text, "each column once");
  }
  kohl_status status = kohl_rules_keep(r->ctx, rules, text, bytes, &rules->field[rules->fields]);
  if (status == KOHL_OK) rules->fields++;
  return status;
}

static kohl_status add_phrase(reader *r, const char *text, size_t bytes) {
  kohl_status status = kohl_grow(r->ctx, &r->folded, &r->folded_capacity, bytes + 1, 1, "label rules");
  if (status != KOHL_OK) return status;
  size_t folded = kohl_rules_fold(text, r->folded), words = 1;
  if (folded == 0) return fail_text(r, "no letter or digit in", text, "a word");
  if (strchr(r->folded, '\n')) return fail_text(r, "punctuation in", text, "words with blanks between them");
  for (size_t i = 0; i < folded; i++) words += r->folded[i] == ' ';
  if (words > KOHL_RULES_WORDS) return fail_text(r, "too many words in", text, "at most 16");
  const char *refused;
  int class = r->which == EXCLUDE_ALL ? -1 : (int)r->rules->classes - 1;
  status = kohl_rules_add(r->ctx, r->rules, class, r->which != SYNONYMS, r->folded, folded, &refused);
  if (status == KOHL_OK && refused) return fail_text(r, refused, text, "each phrase once, upper and lower case alike");
  if (r->which == SYNONYMS) r->synonyms++;
  return status;
}

static kohl_status add_text(reader *r, const char *text, size_t bytes) {
  if (bytes == 0) return fail(r, "an empty text, expected a word");
  return r->which == FIELDS ? add_field(r, text, bytes) : add_phrase(r, text, bytes);
}

static kohl_status add_class(reader *r, const char *text, size_t bytes) {
  kohl_rules *rules = r->rules;
  if (bytes == 0) return fail(r, "an empty text, expected the name of a class");
  if (rules->classes == KOHL_RULES_CLASSES) return fail_text(r, "one class too many", text, "at most 10000");
  for (size_t i = 0; i < rules->classes; i++) {
    if (strcmp(kohl_rules_class(rules, i), text) == 0) return fail_text(r, "given again:", text, "each class once");
  }
  kohl_status status =
      kohl_grow(r->ctx, &rules->class, &rules->class_capacity, rules->classes + 1, sizeof *rules->class, "label rules");
  if (status == KOHL_OK) status = kohl_rules_keep(r->ctx, rules, text, bytes, &rules->class[rules->classes]);
  if (status != KOHL_OK) return status;
  rules->classes++;
  r->synonyms = 0;
  r->has[SYNONYMS] = r->has[EXCLUDE] = false;
  r->at = CLASS_VALUE;
  return KOHL_OK;
}

static kohl_status begin_list(reader *r, list which, const char *text) {
  if (r->has[which]) return fail_text(r, "given again:", text, "each key once");
  r->has[which] = true;
  r->which = which;
  r->back = r->at;
  r->at = LIST_VALUE;
  return KOHL_OK;
}

static kohl_status take_scalar(reader *r, const char *text, size_t bytes) {
  if (memchr(text, 0, bytes)) return fail(r, "a text with a zero byte");
  switch (r->at) {
    case TOP:
      if (!strcmp(text, "fields")) return begin_list(r, FIELDS, text);
      if (!strcmp(text, "exclude")) return begin_list(r, EXCLUDE_ALL, text);
      if (strcmp(text, "classes")) return fail_text(r, "unknown key", text, "fields, exclude or classes");
      if (r->has_classes) return fail_text(r, "given again:", text, "each key once");
      r->has_classes = true;
      r->at = CLASSES_VALUE;
      return KOHL_OK;
    case CLASSES: return add_class(r, text, bytes);
    case CLASS:
      if (!strcmp(text, "synonyms")) return begin_list(r, SYNONYMS, text);
      if (!strcmp(text, "exclude")) return begin_list(r, EXCLUDE, text);
      return fail_text(r, "unknown key", text, "synonyms or exclude");
    case LIST: return add_text(r, text, bytes);
    case LIST_VALUE: {
      kohl_status status = add_text(r, text, bytes);
      r->at = r->back;
      return status;
    }
    case CLASSES_VALUE: return fail_text(r, "text", text, "a mapping from the names of classes");
    case CLASS_VALUE: return fail_text(r, "text", text, "a list of synonyms, or a mapping with the key synonyms");
    default: return fail_text(r, "text", text, "a mapping with the keys fields, exclude and classes");
  }
}

static kohl_status begin_mapping(reader *r) {
  switch (r->at) {
    case OUTSIDE: r->at = TOP; return KOHL_OK;
    case CLASSES_VALUE: r->at = CLASSES; return KOHL_OK;
    case CLASS_VALUE: r->at = CLASS; return KOHL_OK;
    case LIST:
    case LIST_VALUE: return fail(r, "a mapping, expected texts");
    default: return fail(r, "a mapping in the place of a key, expected a word");
  }
}

static kohl_status begin_sequence(reader *r) {
  if (r->at == CLASS_VALUE) {
    r->which = SYNONYMS;
    r->back = CLASSES;
  } else if (r->at != LIST_VALUE) {
    return fail(r, r->at == LIST ? "a list in a list, expected texts" : "a list, expected a mapping");
  }
  r->at = LIST;
  return KOHL_OK;
}

static kohl_status end_class(reader *r) {
  r->at = CLASS;
  if (r->synonyms == 0) return fail(r, "no synonyms, expected at least 1");
  r->at = CLASSES;
  return KOHL_OK;
}

static kohl_status end_mapping(reader *r) {
  if (r->at == CLASS) return end_class(r);
  r->done = r->at == TOP;
  r->at = r->at == CLASSES ? TOP : OUTSIDE;
  return KOHL_OK;
}

static kohl_status take_event(reader *r, const yaml_event_t *event) {
  r->line = (int)event->start_mark.line + 1;
  switch (event->type) {
    case YAML_DOCUMENT_START_EVENT: return r->documents++ ? fail(r, "a second document, expected one") : KOHL_OK;
    case YAML_ALIAS_EVENT: return fail(r, "an alias, expected a value");
    case YAML_SCALAR_EVENT:
      if (event->data.scalar.anchor || event->data.scalar.tag) return fail(r, "an anchor or tag, expected a value");
      return take_scalar(r, (const char *)event->data.scalar.value, event->data.scalar.length);
    case YAML_MAPPING_START_EVENT:
      if (event->data.mapping_start.anchor || event->data.mapping_start.tag) {
        return fail(r, "an anchor or tag, expected a value");
      }
      return begin_mapping(r);
    case YAML_SEQUENCE_START_EVENT:
      if (event->data.sequence_start.anchor || event->data.sequence_start.tag) {
        return fail(r, "an anchor or tag, expected a value");
      }
      return begin_sequence(r);
    case YAML_SEQUENCE_END_EVENT:
      if (r->back == CLASSES) return end_class(r);
      r->at = r->back;
      return KOHL_OK;
    case YAML_MAPPING_END_EVENT: return end_mapping(r);
    default: return KOHL_OK;
  }
}

static kohl_status read_events(reader *r, yaml_parser_t *parser) {
  kohl_status status = KOHL_OK;
  for (bool end = false; !end && status == KOHL_OK;) {
    yaml_event_t event;
    if (!yaml_parser_parse(parser, &event)) {
      if (parser->error == YAML_MEMORY_ERROR) {
        return kohl_fail(r->ctx, KOHL_NO_RESOURCE, "%s: memory for libyaml refused", r->name);
      }
      return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s:%d: not YAML: %s", r->name, (int)parser->problem_mark.line + 1,
                       parser->problem ? parser->problem : "unreadable");
    }
    end = event.type == YAML_STREAM_END_EVENT;
    status = take_event(r, &event);
    yaml_event_delete(&event);
  }
  return status;
}

static kohl_status finish(reader *r) {
  kohl_rules *rules = r->rules;
  r->at = TOP;
  if (!r->done) return fail(r, "an empty file, expected a mapping with the keys fields, exclude and classes");
  if (rules->fields == 0) return fail(r, "no columns, expected at least 1 in the list fields");
  if (rules->classes == 0) return fail(r, "no classes, expected at least 1");
  return kohl_grow(r->ctx, &rules->tally, &rules->tally_capacity, rules->classes, sizeof *rules->tally, "label rules");
}

kohl_status kohl_rules_parse(kohl_context *ctx, const char *name, const char *text, size_t bytes, kohl_rules **out) {
  reader r = {.ctx = ctx, .name = name, .line = 1};
  *out = NULL;
  if (bytes > KOHL_RULES_BYTES) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu bytes, expected at most %d", name, bytes, KOHL_RULES_BYTES);
  }
  kohl_status status = kohl_alloc(ctx, 1, sizeof *r.rules, "label rules", &r.rules);
  if (status != KOHL_OK) return status;
  yaml_parser_t parser;
  if (yaml_parser_initialize(&parser)) {
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    status = read_events(&r, &parser);
    yaml_parser_delete(&parser);
  } else {
    status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: memory for libyaml refused", name);
  }
  if (status == KOHL_OK) status = finish(&r);
  kohl_free(ctx, r.folded);
  if (status == KOHL_OK) {
    *out = r.rules;
  } else {
    kohl_rules_free(ctx, r.rules);
  }
  return status;
}

kohl_status kohl_rules_read(kohl_context *ctx, const char *path, kohl_rules **out) {
  uint8_t *text;
  size_t bytes;
  *out = NULL;
  kohl_status status = kohl_file_load(ctx, path, KOHL_RULES_BYTES, &text, &bytes);
  if (status != KOHL_OK) return status;
  status = kohl_rules_parse(ctx, path, (const char *)text, bytes, out);
  kohl_free(ctx, text);
  return status;
}
