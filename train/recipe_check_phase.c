/* What the fields of one phase must be to each other.  A key that the named optimizer or schedule does not read must
 * have its default: a setting without effect is a mistake. */
#include <stdio.h>
#include <string.h>

#include "kernels/core/context.h"
#include "nn/json.h"
#include "train/recipe_field.h"

/* Sets of optimizers and of schedules. */
enum {
  SGD = 1 << KOHL_OPTIMIZER_SGD,
  RMSPROP = 1 << KOHL_OPTIMIZER_RMSPROP,
  ADAM = 1 << KOHL_OPTIMIZER_ADAM | 1 << KOHL_OPTIMIZER_ADAMW,
  STEP = 1 << KOHL_SCHEDULE_STEP,
  EXPONENTIAL = 1 << KOHL_SCHEDULE_EXPONENTIAL,
  COSINE = 1 << KOHL_SCHEDULE_COSINE,
  PLATEAU = 1 << KOHL_SCHEDULE_PLATEAU,
};

/* Who reads a key of the optimizer or the schedule that not all of them read. */
typedef struct reading {
  const char *path, *readers;
  int set;
} reading;

static const reading of_optimizer[] = {
    {"optimizer.momentum", "sgd or rmsprop", SGD | RMSPROP},
    {"optimizer.nesterov", "sgd", SGD},
    {"optimizer.lr_place", "sgd", SGD},
    {"optimizer.rho", "rmsprop", RMSPROP},
    {"optimizer.beta1", "adam or adamw", ADAM},
    {"optimizer.beta2", "adam or adamw", ADAM},
    {"optimizer.epsilon", "rmsprop, adam or adamw", RMSPROP | ADAM},
};

static const reading of_schedule[] = {
    {"schedule.every", "step", STEP},
    {"schedule.factor", "step, exponential or plateau", STEP | EXPONENTIAL | PLATEAU},
    {"schedule.floor", "cosine or plateau", COSINE | PLATEAU},
    {"schedule.patience", "plateau", PLATEAU},
    {"schedule.compare", "plateau", PLATEAU},
    {"schedule.stop", "plateau", PLATEAU},
};

/* The phase that is looked at, with what its messages begin with. */
typedef struct checker {
  kohl_context *ctx;
  const kohl_recipe *recipe;
  const kohl_recipe_phase *phase;
  int number; /* in recipe->phases */
  const char *where;
  char prefix[24]; /* of field names: "phases.2.", or empty where phases are not listed */
} checker;

static int find(const char *path) { return kohl_recipe_field_find(path, strlen(path)); }

/* A field that is not at its default; by whom it is not read, and who would read it. */
static kohl_status check_unread(const checker *c, const char *path, const char *by, int by_length,
                                const char *readers) {
  const int index = find(path);
  const kohl_recipe_field *field = &kohl_recipe_fields[index];
  union { /* numbers and words, which take no memory */
    kohl_recipe_int number;
    kohl_recipe_real real;
    kohl_recipe_word word;
    kohl_recipe_figure figure;
  } initial;
  char expected[KOHL_RECIPE_EXPECTED], value[96];
  kohl_status status;
  if (!kohl_recipe_field_parse(c->ctx, field, field->initial, &initial, expected, &status)) return status;
  const void *own = kohl_recipe_field_at(c->recipe, index, c->number);
  if (field->kind == KOHL_RECIPE_WORD) {
    const kohl_recipe_word word = *(const kohl_recipe_word *)own;
    if (word == initial.word) return KOHL_OK;
    int n;
    const char *text = kohl_recipe_word_text(field, word, &n);
    snprintf(value, sizeof value, "'%.*s'", n, text);
  } else if (field->kind == KOHL_RECIPE_FIGURE) {
    const kohl_recipe_figure *figure = own;
    if (figure->word == initial.figure.word && !figure->head[0]) return KOHL_OK;
    int n;
    const char *text = kohl_recipe_word_text(field, figure->word, &n);
    snprintf(value, sizeof value, "'%s%s%.*s'", figure->head, figure->head[0] ? "." : "", n, text);
  } else if (field->kind == KOHL_RECIPE_INT) {
    const kohl_recipe_int number = *(const kohl_recipe_int *)own;
    if (number == initial.number) return KOHL_OK;
    snprintf(value, sizeof value, "%lld", (long long)number);
  } else {
    const kohl_recipe_real real = *(const kohl_recipe_real *)own;
    if (real == initial.real) return KOHL_OK;
    snprintf(value, sizeof value, "%.16g", real);
  }
  return kohl_fail(c->ctx, KOHL_BAD_INPUT, "%s: field '%s%s': value %s, which %.*s does not read, expected %s or %s",
                   c->where, c->prefix, path, value, by_length, by, field->initial, readers);
}

static kohl_status check_readings(const checker *c, const reading *list, size_t count, const char *path, int word) {
  int length;
  const char *name = kohl_recipe_word_text(&kohl_recipe_fields[find(path)], word, &length);
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < count && status == KOHL_OK; i++) {
    if (!(list[i].set & 1 << word)) status = check_unread(c, list[i].path, name, length, list[i].readers);
  }
  return status;
}

/* Each place of epsilon belongs to a formula.  There is no place that all mean, so that whoever takes another optimizer
 * says which formula is meant; sgd has none and takes the default. */
static kohl_status check_place(const checker *c) {
  const char *path = "optimizer.epsilon_place";
  const int place = c->phase->optimizer.epsilon_place, one = 1 << c->phase->optimizer.name;
  const bool adams = place == KOHL_PLACE_HAT || place == KOHL_PLACE_PLAIN;
  const char *expected = NULL;
  if (one & ADAM && !adams) expected = "hat (Keras) or plain (PyTorch)";
  if (one & RMSPROP && adams) expected = "outside (Keras 2, PyTorch) or inside (Keras 3, slim)";
  if (one & SGD && place != KOHL_PLACE_OUTSIDE) expected = "outside, the default, since it has no epsilon";
  if (!expected) return KOHL_OK;
  int length, n;
  const char *word = kohl_recipe_word_text(&kohl_recipe_fields[find(path)], place, &n);
  const char *name =
      kohl_recipe_word_text(&kohl_recipe_fields[find("optimizer.name")], c->phase->optimizer.name, &length);
  return kohl_fail(c->ctx, KOHL_BAD_INPUT, "%s: field '%s%s': value '%.*s', expected for %.*s %s", c->where, c->prefix,
                   path, n, word, length, name, expected);
}

static kohl_status check_optimizer(const checker *c) {
  kohl_status status = check_readings(c, of_optimizer, sizeof of_optimizer / sizeof *of_optimizer, "optimizer.name",
                                      c->phase->optimizer.name);
  if (status != KOHL_OK) return status;
  const bool moves = c->phase->optimizer.momentum > 0;
  if (c->phase->optimizer.nesterov && !moves) {
    return kohl_fail(c->ctx, KOHL_BAD_INPUT,
                     "%s: field '%soptimizer.nesterov': value 'true' with momentum 0, expected more", c->where,
                     c->prefix);
  }
  if (c->phase->optimizer.lr_place == KOHL_PLACE_INSIDE && !moves) {
    return kohl_fail(c->ctx, KOHL_BAD_INPUT,
                     "%s: field '%soptimizer.lr_place': value 'inside' with momentum 0, expected more", c->where,
                     c->prefix);
  }
  const double clip = c->phase->optimizer.clip_norm;
  if (clip > 0 && clip < 1e-30) { /* it is a float in the step */
    return kohl_fail(c->ctx, KOHL_BAD_INPUT,
                     "%s: field '%soptimizer.clip_norm': value %g, expected 0 or at least 1e-30", c->where, c->prefix,
                     clip);
  }
  return check_place(c);
}

static kohl_status check_schedule(const checker *c) {
  const kohl_recipe_phase *p = c->phase;
  kohl_status status =
      check_readings(c, of_schedule, sizeof of_schedule / sizeof *of_schedule, "schedule.name", p->schedule.name);
  if (status == KOHL_OK && !(p->schedule.warmup > 0)) {
    status = check_unread(c, "schedule.warmup_from", "schedule.warmup 0", 17, "schedule.warmup above 0");
  }
  if (status != KOHL_OK) return status;
  if (p->schedule.warmup > (double)p->epochs) {
    return kohl_fail(c->ctx, KOHL_BAD_INPUT,
                     "%s: field '%sschedule.warmup': value %.16g, expected at most the phase's epochs, %lld", c->where,
                     c->prefix, p->schedule.warmup, (long long)p->epochs);
  }
  return KOHL_OK;
}

static kohl_status check_stop(const checker *c) {
  char path[64];
  snprintf(path, sizeof path, "%sstop.metric", c->prefix);
  if (c->phase->stop.patience > 0) {
    return kohl_recipe_check_figure(c->ctx, c->recipe, &c->phase->stop.metric, path, c->where);
  }
  kohl_status status = check_unread(c, "stop.metric", "stop.patience 0", 15, "stop.patience above 0");
  return status == KOHL_OK ? check_unread(c, "stop.min_delta", "stop.patience 0", 15, "stop.patience above 0") : status;
}

static kohl_status check_layers(const checker *c) {
  kohl_recipe_train train;
  if (!kohl_recipe_train_read(c->phase->train, &train)) {
    return kohl_fail(c->ctx, KOHL_BAD_INPUT,
                     "%s: field '%strain': value '%s', expected head, all, last N with N from 1 to 100000, from LAYER, "
                     "or patterns of layers separated by commas",
                     c->where, c->prefix, kohl_quote(c->phase->train, strlen(c->phase->train)).text);
  }
  if (!c->phase->freeze[0] || kohl_recipe_patterns_read(c->phase->freeze)) return KOHL_OK;
  return kohl_fail(c->ctx, KOHL_BAD_INPUT,
                   "%s: field '%sfreeze': value '%s', expected patterns of layers separated by commas", c->where,
                   c->prefix, kohl_quote(c->phase->freeze, strlen(c->phase->freeze)).text);
}

kohl_status kohl_recipe_check_phase(kohl_context *ctx, const kohl_recipe *recipe, int phase, const char *where) {
  checker c = {.ctx = ctx, .recipe = recipe, .phase = &recipe->phases[phase], .number = phase, .where = where};
  if (recipe->phases_listed) snprintf(c.prefix, sizeof c.prefix, "phases.%d.", phase + 1);
  if (phase == 0 && c.phase->begin == KOHL_BEGIN_BEST) {
    return kohl_fail(
        ctx, KOHL_BAD_INPUT,
        "%s: field '%sbegin': value 'best' in the first phase, which has no epoch before it, expected last", where,
        c.prefix);
  }
  kohl_status status = check_layers(&c);
  if (status == KOHL_OK) status = check_optimizer(&c);
  if (status == KOHL_OK) status = check_schedule(&c);
  return status == KOHL_OK ? check_stop(&c) : status;
}
