/* The literal of a JavaScript module; see module.h. */
#include "convert/tfjs/module.h"

#include <string.h>

#include "nn/json.h"

enum { MOST_TAIL = 256 };

/* A module on its way: text from `at` on, JSON behind out. */
typedef struct module {
  kohl_context *ctx;
  const char *path, *bytes;
  size_t length, at;
  char *out;
  size_t used, room;
} module;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$'; }

static char peek(const module *m, size_t ahead) {
  return m->at < m->length && ahead < m->length - m->at ? m->bytes[m->at + ahead] : 0;
}

static void skip_space(module *m) {
  while (is_space(peek(m, 0))) m->at++;
}

static kohl_status fail(const module *m, const char *expected) {
  if (m->at >= m->length)
    return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: byte %zu: the JavaScript module ends, expected %s", m->path, m->at,
                     expected);
  return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: byte %zu: '%s' in a JavaScript module, expected %s", m->path, m->at,
                   kohl_quote(m->bytes + m->at, 1).text, expected);
}

static bool take_word(module *m, const char *word) {
  size_t n = strlen(word);
  if (m->length - m->at < n || memcmp(m->bytes + m->at, word, n) != 0) return false;
  m->at += n;
  skip_space(m);
  return true;
}

/* Goes to the literal that begins with one of these characters. */
static kohl_status find_literal(module *m, const char *begins, const char *expected) {
  size_t most = m->length < KOHL_TFJS_MODULE_HEAD ? m->length : KOHL_TFJS_MODULE_HEAD;
  for (size_t i = 0; i < most; i++) {
    if (m->bytes[i] != 'e' || (i && (is_name(m->bytes[i - 1]) || is_digit(m->bytes[i - 1])))) continue;
    m->at = i;
    bool found = take_word(m, "exports") ? take_word(m, "=") : take_word(m, "export ") && take_word(m, "default");
    char c = peek(m, 0);
    if (found && c && strchr(begins, c)) return KOHL_OK;
  }
  return kohl_fail(m->ctx, KOHL_BAD_INPUT,
                   "%s: is no JavaScript module of a TF.js model: no 'exports=' with %s in the first %d bytes", m->path,
                   expected, KOHL_TFJS_MODULE_HEAD);
}

/* What follows can hold no second value. */
static kohl_status check_tail(module *m) {
  if (m->length - m->at > MOST_TAIL) return fail(m, "the end of the module behind its value");
  for (; m->at < m->length; m->at++) {
    char c = m->bytes[m->at];
    if (!c || (!is_space(c) && !strchr("{}[](),;1", c))) return fail(m, "closing brackets behind the value");
  }
  return KOHL_OK;
}

/* The room is twice the module and some more; each piece becomes at most twice as long. */
static void put(module *m, const char *text, size_t n) {
  if (n > m->room - m->used) return;
  memcpy(m->out + m->used, text, n);
  m->used += n;
}

static kohl_status put_escape(module *m) {
  char c = peek(m, 1);
  if (c == '\'') {
    put(m, "'", 1);
    m->at += 2;
  } else if (c == 'x' && m->length - m->at >= 4) {
    put(m, "\\u00", 4);
    put(m, m->bytes + m->at + 2, 2);
    m->at += 4;
  } else if (c && strchr("\"\\/bfnrtu", c)) {
    put(m, m->bytes + m->at, 2);
    m->at += 2;
  } else {
    return fail(m, "an escape that JSON has too");
  }
  return KOHL_OK;
}

static kohl_status put_text(module *m) {
  char quote = m->bytes[m->at++];
  kohl_status status = KOHL_OK;
  put(m, "\"", 1);
  while (!status && m->at < m->length && m->bytes[m->at] != quote) {
    char c = m->bytes[m->at];
    if (c == '\\') {
      status = put_escape(m);
      continue;
    }
    put(m, "\\", c == '"');
    put(m, &c, 1);
    m->at++;
  }
  if (status) return status;
  if (m->at >= m->length) return fail(m, "the end of a text");
  m->at++;
  put(m, "\"", 1);
  return KOHL_OK;
}

static void put_number(module *m) {
  if (peek(m, 0) == '-') put(m, &m->bytes[m->at++], 1);
  if (peek(m, 0) == '.') put(m, "0", 1);
  for (char c; (c = peek(m, 0)) && (is_digit(c) || strchr(".eE+-", c)); m->at++) put(m, &c, 1);
}

static kohl_status put_name(module *m) {
  size_t from = m->at;
  while (is_name(peek(m, 0)) || is_digit(peek(m, 0))) m->at++;
  size_t n = m->at - from;
  const char *name = m->bytes + from;
  skip_space(m);
  bool key = peek(m, 0) == ':';
  bool value = (n == 4 && (memcmp(name, "null", n) == 0 || memcmp(name, "true", n) == 0)) ||
               (n == 5 && memcmp(name, "false", n) == 0);
  if (!key && !value) {
    m->at = from;
    return fail(m, "a plain value: the module is read, not run");
  }
  put(m, "\"", key);
  put(m, name, n);
  put(m, "\"", key);
  return KOHL_OK;
}

/* Anything but a bracket. */
static kohl_status put_piece(module *m) {
  char c = peek(m, 0);
  if (c == ',' || c == ':') {
    put(m, &c, 1);
    m->at++;
  } else if (c == '"' || c == '\'') {
    return put_text(m);
  } else if (c == '!' && (peek(m, 1) == '0' || peek(m, 1) == '1')) {
    put(m, peek(m, 1) == '0' ? "true" : "false", peek(m, 1) == '0' ? 4 : 5);
    m->at += 2;
  } else if (is_digit(c) || c == '-' || c == '.') {
    put_number(m);
  } else if (is_name(c)) {
    return put_name(m);
  } else {
    return fail(m, "a plain value: the module is read, not run");
  }
  return KOHL_OK;
}

static kohl_status put_object(module *m) {
  kohl_status status = KOHL_OK;
  size_t depth = 0;
  do {
    char c = peek(m, 0);
    if (c == '{' || c == '[' || c == '}' || c == ']') {
      depth += c == '{' || c == '[' ? 1 : (size_t)-1;
      put(m, &c, 1);
      m->at++;
    } else {
      status = put_piece(m);
    }
    if (depth) skip_space(m);
  } while (!status && depth);
  return status;
}

kohl_status kohl_tfjs_module_object(kohl_context *ctx, const char *path, const char *bytes, size_t length, char **json,
                                    size_t *json_length) {
  module m = {.ctx = ctx, .path = path, .bytes = bytes, .length = length};
  *json = NULL;
  *json_length = 0;
  kohl_status status = find_literal(&m, "{", "an object");
  if (status) return status;
  if (!kohl_mul_size(length - m.at, 2, &m.room) || !kohl_add_size(m.room, 16, &m.room))
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: is too long", path);
  status = kohl_alloc(ctx, m.room, 1, "a JavaScript module as JSON", &m.out);
  if (status) return status;
  status = put_object(&m);
  if (!status) status = check_tail(&m);
  if (status) {
    kohl_free(ctx, m.out);
    return status;
  }
  *json = m.out;
  *json_length = m.used;
  return KOHL_OK;
}

kohl_status kohl_tfjs_module_text(kohl_context *ctx, const char *path, const char *bytes, size_t length, size_t *from,
                                  size_t *text_length) {
  module m = {.ctx = ctx, .path = path, .bytes = bytes, .length = length};
  kohl_status status = find_literal(&m, "\"'", "a text");
  if (status) return status;
  char quote = bytes[m.at++];
  const char *end = memchr(bytes + m.at, quote, length - m.at);
  *from = m.at;
  m.at = end ? (size_t)(end - bytes) : length;
  if (!end) return fail(&m, "the end of the text");
  *text_length = m.at++ - *from;
  return check_tail(&m);
}
