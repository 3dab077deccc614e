/* Text to value, for every key of a recipe.  Numbers are read by the JSON reader, because it does not ask the locale
 * what a decimal point is. */
#include "train/recipe_field.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"

#define KIND_TEXT KOHL_RECIPE_TEXT
#define KIND_INT KOHL_RECIPE_INT
#define KIND_REAL KOHL_RECIPE_REAL
#define KIND_WORD KOHL_RECIPE_WORD
#define KIND_COLOUR KOHL_RECIPE_COLOUR
#define KIND_RANGE KOHL_RECIPE_RANGE
#define KIND_LIST KOHL_RECIPE_LIST_OF_INT
#define KIND_FIGURE KOHL_RECIPE_FIGURE

const kohl_recipe_field kohl_recipe_fields[KOHL_RECIPE_FIELDS] = {
#define FIELD(path, kind, initial, low, high, words, doc) \
  {#path, KIND_##kind, offsetof(kohl_recipe, path), initial, low, high, words, doc},
#define HEAD_FIELD(path, kind, initial, low, high, words, doc) \
  {#path, KIND_##kind, offsetof(kohl_recipe_head, path), initial, low, high, words, doc},
#define PHASE_FIELD(path, kind, initial, low, high, words, doc) \
  {#path, KIND_##kind, offsetof(kohl_recipe_phase, path), initial, low, high, words, doc},
#include "train/recipe.def"
#undef FIELD
#undef HEAD_FIELD
#undef PHASE_FIELD
};

_Static_assert(KOHL_RECIPE_FIELDS - KOHL_RECIPE_PHASE_FIRST <= 64, "kohl_recipe_phase.own has a bit for each");
_Static_assert(KOHL_RECIPE_PHASE_FIRST - KOHL_RECIPE_RUN_FIELDS <= 64, "kohl_recipe_head.own has a bit for each");

const kohl_recipe_scope kohl_recipe_scopes[KOHL_RECIPE_SCOPES] = {
    {"heads", "head", "head.", KOHL_RECIPE_RUN_FIELDS, KOHL_RECIPE_PHASE_FIRST, KOHL_RECIPE_HEADS,
     offsetof(kohl_recipe, head), offsetof(kohl_recipe, heads), sizeof(kohl_recipe_head),
     offsetof(kohl_recipe_head, own), offsetof(kohl_recipe, head_count), offsetof(kohl_recipe, heads_listed)},
    {"phases", "phase", "", KOHL_RECIPE_PHASE_FIRST, KOHL_RECIPE_FIELDS, KOHL_RECIPE_PHASES,
     offsetof(kohl_recipe, phase), offsetof(kohl_recipe, phases), sizeof(kohl_recipe_phase),
     offsetof(kohl_recipe_phase, own), offsetof(kohl_recipe, phase_count), offsetof(kohl_recipe, phases_listed)},
};

const kohl_recipe_scope *kohl_recipe_scope_of(int index) {
  for (int s = 0; s < KOHL_RECIPE_SCOPES; s++) {
    if (index >= kohl_recipe_scopes[s].first && index < kohl_recipe_scopes[s].end) return &kohl_recipe_scopes[s];
  }
  return NULL;
}

const char *kohl_recipe_element_key(int index) {
  const char *path = kohl_recipe_fields[index].path, *without = kohl_recipe_scope_of(index)->without;
  size_t n = strlen(without);
  return strncmp(path, without, n) == 0 ? path + n : path;
}

int kohl_recipe_field_find(const char *path, size_t length) {
  for (int i = 0; i < KOHL_RECIPE_FIELDS; i++) {
    const char *own = kohl_recipe_fields[i].path;
    if (strlen(own) == length && memcmp(own, path, length) == 0) return i;
  }
  return -1;
}

void *kohl_recipe_field_at(const kohl_recipe *recipe, int index, int item) {
  const kohl_recipe_scope *scope = kohl_recipe_scope_of(index);
  size_t at = !scope ? 0 : item < 0 ? scope->all : scope->items + (size_t)item * scope->size;
  return (char *)recipe + at + kohl_recipe_fields[index].offset;
}

const char *kohl_recipe_word_text(const kohl_recipe_field *field, int word, int *length) {
  const char *words = field->words;
  for (; word > 0; word--) words += strcspn(words, "|") + 1;
  *length = (int)strcspn(words, "|");
  return words;
}

/* One number and nothing else. */
static bool parse_number(kohl_context *ctx, const char *text, size_t length, bool whole, double *real, int64_t *count) {
  kohl_json json;
  kohl_json_open(&json, ctx, text, length);
  bool good = kohl_json_next(&json) == KOHL_JSON_NUMBER_VALUE;
  if (good && whole) good = kohl_json_get_int64(&json, count) == KOHL_OK;
  if (good && !whole) good = kohl_json_get_double(&json, real) == KOHL_OK;
  good = good && kohl_json_next(&json) == KOHL_JSON_END;
  kohl_json_close(&json);
  return good;
}

static bool parse_real(kohl_context *ctx, const kohl_recipe_field *field, const char *text, double *out) {
  const char *slash = strchr(text, '/');
  double above = 0, below = 1;
  if (!parse_number(ctx, text, slash ? (size_t)(slash - text) : strlen(text), false, &above, NULL)) return false;
  if (slash && !parse_number(ctx, slash + 1, strlen(slash + 1), false, &below, NULL)) return false;
  double value = above / below;
  if (!(value >= field->low && value <= field->high)) return false;
  *out = value;
  return true;
}

static bool parse_int(kohl_context *ctx, const kohl_recipe_field *field, const char *text, size_t length,
                      int64_t *out) {
  int64_t value;
  if (!parse_number(ctx, text, length, true, NULL, &value)) return false;
  if (!((double)value >= field->low && (double)value <= field->high)) return false;
  *out = value;
  return true;
}

static bool parse_word(const char *words, const char *text, int *out) {
  size_t length = strlen(text);
  for (int i = 0;; i++) {
    size_t n = strcspn(words, "|");
    if (n == length && memcmp(words, text, n) == 0) {
      *out = i;
      return true;
    }
    if (!words[n]) return false;
    words += n + 1;
  }
}

bool kohl_recipe_name_good(const char *name) {
  static const char *const columns[] = {"path",  "file",   "filename",      "image", "label", "class", "category",
                                        "split", "weight", "sample_weight", "group", "file",  "true",  "predicted"};
  static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    if (strcasecmp(name, columns[i]) == 0) return false;
  }
  return *name && strlen(name) < KOHL_RECIPE_NAME && !name[strspn(name, good)];
}

/* "val_loss" or "material.val_loss"; the word that stands for another figure belongs to no head. */
static bool parse_figure(const char *words, const char *text, kohl_recipe_figure *out) {
  kohl_recipe_figure figure = {0, ""};
  const char *dot = strchr(text, '.');
  if (dot) {
    if ((size_t)(dot - text) >= sizeof figure.head) return false;
    memcpy(figure.head, text, (size_t)(dot - text));
    if (!kohl_recipe_name_good(figure.head)) return false;
  }
  if (!parse_word(words, dot ? dot + 1 : text, &figure.word)) return false;
  if (dot && strcmp(dot + 1, "best") == 0) return false;
  *out = figure;
  return true;
}

static int hex_digit(char c) {
  const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
  return at ? (int)(at - digits) : -1;
}

static bool parse_colour(const char *text, kohl_recipe_colour *out) {
  const char *full = strcmp(text, "white") == 0   ? "#ffffff"
                     : strcmp(text, "black") == 0 ? "#000000"
                     : strcmp(text, "grey") == 0  ? "#808080"
                                                  : text;
  if (full[0] != '#' || strlen(full) != 7) return false;
  for (int i = 0; i < 3; i++) {
    int high = hex_digit(full[1 + 2 * i]), low = hex_digit(full[2 + 2 * i]);
    if (high < 0 || low < 0) return false;
    out->rgb[i] = (uint8_t)(16 * high + low);
  }
  return true;
}

/* "[256, 128]", "256,128", "[]" or "". */
static bool parse_list(kohl_context *ctx, const kohl_recipe_field *field, const char *text, kohl_recipe_list *out) {
  size_t n = strlen(text);
  if (n >= 2 && text[0] == '[' && text[n - 1] == ']') text++, n -= 2;
  kohl_recipe_list list = {0, {0}};
  while (n > 0) {
    const char *comma = memchr(text, ',', n);
    size_t one = comma ? (size_t)(comma - text) : n;
    int64_t value;
    if (list.count == KOHL_RECIPE_LIST || !parse_int(ctx, field, text, one, &value)) return false;
    list.value[list.count++] = (int)value;
    if (comma && one + 1 == n) return false;
    text += comma ? one + 1 : n;
    n -= comma ? one + 1 : n;
  }
  *out = list;
  return true;
}

/* "[0.9, 1.1]", "0.9,1.1" or, as in other options, "0.9:1.1". */
static bool parse_range(kohl_context *ctx, const kohl_recipe_field *field, const char *text, kohl_recipe_range *out) {
  size_t n = strlen(text);
  if (n >= 2 && text[0] == '[' && text[n - 1] == ']') text++, n -= 2;
  size_t first = strcspn(text, ",:");
  kohl_recipe_range range;
  if (first >= n || !parse_number(ctx, text, first, false, &range.low, NULL)) return false;
  if (!parse_number(ctx, text + first + 1, n - first - 1, false, &range.high, NULL)) return false;
  if (!(range.low >= field->low && range.low <= range.high && range.high <= field->high)) return false;
  *out = range;
  return true;
}

/* UTF-8 without control characters, so that the text can be written between quotes and read back. */
static bool clean_text(const char *text) {
  size_t n = strlen(text);
  for (size_t i = 0; i < n;) {
    size_t one = kohl_utf8_character(text + i, n - i);
    if (one == 0 || (unsigned char)text[i] < 32 || text[i] == 127) return false;
    if (one == 2 && (unsigned char)text[i] == 0xc2 && (unsigned char)text[i + 1] < 0xa0) return false;
    i += one;
  }
  return n < 4096;
}

static void expect(const kohl_recipe_field *field, char expected[KOHL_RECIPE_EXPECTED]) {
  size_t room = KOHL_RECIPE_EXPECTED;
  switch (field->kind) {
    case KOHL_RECIPE_TEXT: snprintf(expected, room, "UTF-8 text without control characters"); break;
    case KOHL_RECIPE_INT:
      snprintf(expected, room, "a whole number from %.16g to %.16g", field->low, field->high);
      break;
    case KOHL_RECIPE_REAL: snprintf(expected, room, "a number from %.16g to %.16g", field->low, field->high); break;
    case KOHL_RECIPE_WORD: snprintf(expected, room, "one of %s", field->words); break;
    case KOHL_RECIPE_FIGURE: snprintf(expected, room, "one of %s, or HEAD.WORD", field->words); break;
    case KOHL_RECIPE_COLOUR: snprintf(expected, room, "white, black, grey or #rrggbb"); break;
    case KOHL_RECIPE_RANGE:
      snprintf(expected, room, "a range [LOW, HIGH] within %.16g to %.16g", field->low, field->high);
      break;
    case KOHL_RECIPE_LIST_OF_INT:
      snprintf(expected, room, "a list of up to %d whole numbers from %.16g to %.16g", KOHL_RECIPE_LIST, field->low,
               field->high);
      break;
  }
}

bool kohl_recipe_field_parse(kohl_context *ctx, const kohl_recipe_field *field, const char *text, void *at,
                             char expected[KOHL_RECIPE_EXPECTED], kohl_status *status) {
  bool good = false;
  *status = KOHL_OK;
  switch (field->kind) {
    case KOHL_RECIPE_TEXT:
      good = clean_text(text);
      if (good) {
        char *copy;
        *status = kohl_strdup(ctx, text, &copy);
        if (*status != KOHL_OK) return false;
        kohl_free(ctx, *(kohl_recipe_text *)at);
        *(kohl_recipe_text *)at = copy;
      }
      break;
    case KOHL_RECIPE_INT: good = parse_int(ctx, field, text, strlen(text), at); break;
    case KOHL_RECIPE_REAL: good = parse_real(ctx, field, text, at); break;
    case KOHL_RECIPE_WORD: good = parse_word(field->words, text, at); break;
    case KOHL_RECIPE_FIGURE: good = parse_figure(field->words, text, at); break;
    case KOHL_RECIPE_COLOUR: good = parse_colour(text, at); break;
    case KOHL_RECIPE_RANGE: good = parse_range(ctx, field, text, at); break;
    case KOHL_RECIPE_LIST_OF_INT: good = parse_list(ctx, field, text, at); break;
  }
  if (!good) expect(field, expected);
  return good;
}
