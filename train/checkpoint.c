/* Checkpoints: arrays as tensors, numbers as JSON in the metadata key kohl_checkpoint. */
#include "train/checkpoint.h"

#include <float.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "nn/safetensors.h"
#include "train/runfolder.h"

static const char key[] = "kohl_checkpoint";
static const char *const files[] = {"last.ckpt", "previous.ckpt"};

/* Where the numbers of the metadata stand in kohl_checkpoint, by name. */
typedef enum kind { WHOLE, DIGEST, REAL } kind;
static const struct {
  const char *name;
  kind kind;
  size_t offset;
} fields[] = {
#define WHOLE_FIELD(name) \
  { #name, WHOLE, offsetof(kohl_checkpoint, place.name) }
#define REAL_FIELD(name) \
  { #name, REAL, offsetof(kohl_checkpoint, place.name) }
#define DIGEST_FIELD(name) \
  { #name, DIGEST, offsetof(kohl_checkpoint, name) }
    WHOLE_FIELD(phase),
    WHOLE_FIELD(epoch),
    WHOLE_FIELD(phase_epoch),
    WHOLE_FIELD(step),
    WHOLE_FIELD(phase_step),
    WHOLE_FIELD(at),
    {"right", WHOLE, offsetof(kohl_checkpoint, place.head[0].right)},
    {"seen", WHOLE, offsetof(kohl_checkpoint, place.head[0].seen)},
    {"loss", REAL, offsetof(kohl_checkpoint, place.head[0].loss)},
    {"divisor", REAL, offsetof(kohl_checkpoint, place.head[0].divisor)},
    WHOLE_FIELD(bad_steps),
    WHOLE_FIELD(ended),
    WHOLE_FIELD(best_epoch),
    REAL_FIELD(best),
    REAL_FIELD(best_loss),
    REAL_FIELD(best_accuracy),
    REAL_FIELD(best_balanced),
    REAL_FIELD(schedule.factor),
    REAL_FIELD(schedule.before),
    REAL_FIELD(schedule.best),
    WHOLE_FIELD(schedule.waited),
    WHOLE_FIELD(schedule.lowered),
    REAL_FIELD(schedule.stop_best),
    WHOLE_FIELD(schedule.stop_waited),
    DIGEST_FIELD(recipe),
    DIGEST_FIELD(data),
    DIGEST_FIELD(features),
    DIGEST_FIELD(plan),
};
enum { FIELDS = sizeof fields / sizeof *fields };

kohl_train_place kohl_train_place_begin(void) {
  kohl_train_place place;
  memset(&place, 0, sizeof place);
  place.best = -DBL_MAX;
  place.head_count = 1;
  place.schedule = kohl_schedule_begin();
  return place;
}

/* Reals are finite, and written so that they read back the same. */
static void write_field(const kohl_checkpoint *c, int i, kohl_json_writer *json) {
  const char *from = (const char *)c + fields[i].offset;
  kohl_json_write_key(json, fields[i].name);
  if (fields[i].kind == WHOLE) {
    int64_t value;
    memcpy(&value, from, sizeof value);
    kohl_json_write_int64(json, value);
  } else if (fields[i].kind == DIGEST) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    kohl_json_write_int64(json, value);
  } else {
    double value;
    memcpy(&value, from, sizeof value);
    kohl_json_write_double(json, value);
  }
}

/* What an element of "heads" holds, in this order; the list is there with several heads only. */
static const struct {
  kind kind;
  size_t offset;
} head_fields[] = {{REAL, offsetof(kohl_train_head, loss)},          {REAL, offsetof(kohl_train_head, divisor)},
                   {WHOLE, offsetof(kohl_train_head, right)},        {WHOLE, offsetof(kohl_train_head, seen)},
                   {REAL, offsetof(kohl_train_head, best_loss)},     {REAL, offsetof(kohl_train_head, best_accuracy)},
                   {REAL, offsetof(kohl_train_head, best_balanced)}, {REAL, offsetof(kohl_train_head, best_macro_f1)}};
enum { HEAD_FIELDS = sizeof head_fields / sizeof *head_fields };

static void write_heads(const kohl_train_place *place, kohl_json_writer *json) {
  kohl_json_write_key(json, "heads");
  kohl_json_write_array_begin(json);
  for (int64_t h = 0; h < place->head_count; h++) {
    kohl_json_write_array_begin(json);
    for (int i = 0; i < HEAD_FIELDS; i++) {
      const char *from = (const char *)&place->head[h] + head_fields[i].offset;
      int64_t whole;
      double real;
      memcpy(&whole, from, sizeof whole);
      memcpy(&real, from, sizeof real);
      if (head_fields[i].kind == WHOLE) kohl_json_write_int64(json, whole);
      if (head_fields[i].kind == REAL) kohl_json_write_double(json, real);
    }
    kohl_json_write_array_end(json);
  }
  kohl_json_write_array_end(json);
}

static kohl_status write_state(kohl_context *ctx, const kohl_checkpoint *c, kohl_safetensors_writer *file) {
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_json_write_object_begin(&json);
  for (int i = 0; i < FIELDS; i++) write_field(c, i, &json);
  if (c->place.head_count > 1) write_heads(&c->place, &json);
  kohl_json_write_key(&json, "kernels");
  kohl_json_write_string(&json, c->kernels ? c->kernels : "");
  kohl_json_write_key(&json, "history");
  kohl_json_write_string(&json, c->history);
  kohl_json_write_object_end(&json);
  kohl_status status = kohl_json_write_end(&json);
  if (status == KOHL_OK) status = kohl_safetensors_writer_metadata(file, key, json.text, json.length);
  kohl_json_write_free(&json);
  return status;
}

kohl_status kohl_checkpoint_save(kohl_context *ctx, const char *folder, const kohl_checkpoint *checkpoint) {
  char last[KOHL_RUN_PATH], previous[KOHL_RUN_PATH];
  kohl_status status = kohl_run_path(ctx, folder, files[0], last);
  if (status == KOHL_OK) status = kohl_run_path(ctx, folder, files[1], previous);
  if (status != KOHL_OK) return status;
  kohl_safetensors_writer *file;
  status = kohl_safetensors_writer_begin(ctx, last, &file);
  if (status != KOHL_OK) return status;
  size_t count = checkpoint->array_count;
  for (size_t i = 0; i < count && status == KOHL_OK; i++) {
    const int64_t shape = (int64_t)checkpoint->arrays[i].count;
    status = kohl_safetensors_writer_tensor(file, checkpoint->arrays[i].name, KOHL_SAFETENSORS_F32, 1, &shape);
  }
  if (status == KOHL_OK) status = write_state(ctx, checkpoint, file);
  if (status == KOHL_OK) status = kohl_safetensors_writer_lay(file);
  for (size_t i = 0; i < count && status == KOHL_OK; i++) {
    const kohl_checkpoint_array *array = &checkpoint->arrays[kohl_safetensors_writer_order(file, i)];
    status = kohl_safetensors_write(file, array->values, array->count * sizeof(float));
  }
  if (status != KOHL_OK) {
    kohl_safetensors_writer_abandon(file);
    return status;
  }
  /* A second name for the old file: where links do not exist there is one generation only, which is still atomic. */
  unlink(previous);
  (void)!link(last, previous);
  return kohl_safetensors_writer_finish(file);
}

bool kohl_checkpoint_exists(const char *folder) {
  char path[KOHL_RUN_PATH];
  for (int i = 0; i < 2; i++) {
    int n = snprintf(path, sizeof path, "%s/%s", folder, files[i]);
    if (n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0) return true;
  }
  return false;
}

static kohl_status read_field(kohl_json *json, int i, kohl_checkpoint *c) {
  char *to = (char *)c + fields[i].offset;
  if (fields[i].kind == REAL) {
    double value = 0;
    kohl_status status = kohl_json_get_double(json, &value);
    memcpy(to, &value, sizeof value);
    return status;
  }
  int64_t value;
  kohl_status status = kohl_json_get_int64(json, &value);
  if (status != KOHL_OK) return status;
  if (value < 0) return kohl_json_fail(json, "%s below 0", fields[i].name);
  if (fields[i].kind == DIGEST) {
    if (value > UINT32_MAX) return kohl_json_fail(json, "%s of more than 32 bits", fields[i].name);
    uint32_t digest = (uint32_t)value;
    memcpy(to, &digest, sizeof digest);
  } else {
    memcpy(to, &value, sizeof value);
  }
  return KOHL_OK;
}

static kohl_status read_heads(kohl_json *json, kohl_train_place *place) {
  kohl_status status = json->event == KOHL_JSON_ARRAY_BEGIN ? KOHL_OK : kohl_json_fail(json, "expected heads");
  place->head_count = 0;
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_ARRAY_BEGIN) {
    if (place->head_count == KOHL_TRAIN_HEADS) return kohl_json_fail(json, "more than %d heads", KOHL_TRAIN_HEADS);
    char *to = (char *)&place->head[place->head_count++];
    for (int i = 0; i < HEAD_FIELDS && status == KOHL_OK; i++) {
      int64_t whole;
      double real;
      status = kohl_json_expect(json, KOHL_JSON_NUMBER_VALUE);
      if (status == KOHL_OK && head_fields[i].kind == WHOLE) {
        status = kohl_json_get_int64(json, &whole);
        if (status == KOHL_OK) memcpy(to + head_fields[i].offset, &whole, sizeof whole);
      } else if (status == KOHL_OK) {
        status = kohl_json_get_double(json, &real);
        if (status == KOHL_OK) memcpy(to + head_fields[i].offset, &real, sizeof real);
      }
    }
    if (status == KOHL_OK) status = kohl_json_expect(json, KOHL_JSON_ARRAY_END);
  }
  if (status == KOHL_OK) status = json->status;
  if (status == KOHL_OK && json->event != KOHL_JSON_ARRAY_END) status = kohl_json_fail(json, "expected a head");
  return status;
}

static kohl_status read_state(kohl_context *ctx, const kohl_safetensors_text *text, kohl_checkpoint *c) {
  bool given[FIELDS] = {false};
  kohl_json json;
  c->place.head_count = 1;
  kohl_json_open(&json, ctx, text->text, text->length);
  kohl_status status = kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN);
  while (status == KOHL_OK && kohl_json_next(&json) == KOHL_JSON_KEY) {
    int which = 0;
    while (which < FIELDS && !kohl_json_is(&json, fields[which].name)) which++;
    bool is_history = kohl_json_is(&json, "history"), is_heads = kohl_json_is(&json, "heads");
    bool is_kernels = kohl_json_is(&json, "kernels");
    kohl_json_next(&json);
    if (which < FIELDS && !given[which]) {
      status = read_field(&json, which, c);
      given[which] = true;
    } else if (is_heads) { /* behind the fields, whose first head they repeat */
      status = read_heads(&json, &c->place);
    } else if (is_kernels && json.event == KOHL_JSON_STRING && !c->kernels) {
      status = kohl_json_copy_text(&json, &c->kernels);
    } else if (is_history && json.event == KOHL_JSON_STRING && !c->history) {
      status = kohl_json_copy_text(&json, &c->history);
    } else {
      status = kohl_json_fail(&json, "a field that no checkpoint has");
    }
  }
  if (status == KOHL_OK) status = json.status;
  kohl_json_close(&json);
  for (int i = 0; i < FIELDS && status == KOHL_OK; i++) {
    if (!given[i]) status = kohl_fail(ctx, KOHL_BAD_INPUT, "field '%s' is missing", fields[i].name);
  }
  if (status == KOHL_OK && !c->kernels) status = kohl_strdup(ctx, "", &c->kernels); /* of an earlier version */
  if (status == KOHL_OK && !c->history) status = kohl_fail(ctx, KOHL_BAD_INPUT, "field 'history' is missing");
  return status;
}

kohl_status kohl_checkpoint_read(kohl_context *ctx, const kohl_safetensors *file, kohl_checkpoint *c) {
  if (kohl_safetensors_count(file) != c->array_count) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu tensors, expected %zu", kohl_safetensors_count(file), c->array_count);
  }
  for (size_t i = 0; i < c->array_count; i++) {
    const kohl_checkpoint_array *array = &c->arrays[i];
    long at = kohl_safetensors_find(file, array->name);
    if (at < 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s' is missing", array->name);
    const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)at);
    if (info->bytes != array->count * sizeof(float)) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': %zu bytes, expected %zu for what the recipe trains",
                       array->name, info->bytes, array->count * sizeof(float));
    }
    kohl_status status = kohl_safetensors_read_f32(ctx, file, info, array->values, array->count);
    if (status != KOHL_OK) return status;
  }
  return KOHL_OK;
}

/* Opens one file and checks all of it. */
static kohl_status open_one(kohl_context *ctx, const char *path, kohl_checkpoint *c, kohl_safetensors **file) {
  kohl_status status = kohl_safetensors_open(ctx, path, file);
  if (status != KOHL_OK) return status;
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(*file, key);
  c->history = c->kernels = NULL;
  status =
      text ? read_state(ctx, text, c) : kohl_fail(ctx, KOHL_BAD_INPUT, "no checkpoint: metadata '%s' is missing", key);
  for (size_t i = 0; i < kohl_safetensors_count(*file) && status == KOHL_OK; i++) {
    status = kohl_safetensors_verify(ctx, *file, i);
  }
  if (status == KOHL_OK) return KOHL_OK;
  kohl_fail_prefix(ctx, "%s", path);
  kohl_free(ctx, c->history);
  kohl_free(ctx, c->kernels);
  c->history = c->kernels = NULL;
  kohl_safetensors_close(ctx, *file);
  *file = NULL;
  return status;
}

kohl_status kohl_checkpoint_open(kohl_context *ctx, const char *folder, kohl_checkpoint *checkpoint,
                                 kohl_safetensors **file) {
  char path[KOHL_RUN_PATH], first[KOHL_ERROR_TEXT];
  memset(checkpoint, 0, sizeof *checkpoint);
  *file = NULL;
  kohl_status status = kohl_run_path(ctx, folder, files[0], path);
  if (status == KOHL_OK) status = open_one(ctx, path, checkpoint, file);
  if (status != KOHL_BAD_INPUT) return status;
  memcpy(first, ctx->error, sizeof first);
  kohl_status second = kohl_run_path(ctx, folder, files[1], path);
  if (second == KOHL_OK) second = open_one(ctx, path, checkpoint, file);
  if (second == KOHL_OK) {
    kohl_log(ctx, KOHL_LOG_WARNING, "%s; going on from %s", first, path);
    return KOHL_OK;
  }
  memcpy(ctx->error, first, sizeof first); /* the newer file is the one to complain about */
  return status;
}
