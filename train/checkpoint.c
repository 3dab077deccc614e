/* Checkpoints: arrays as tensors, numbers as JSON in the metadata key kohl_checkpoint. */
#include "train/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "nn/safetensors.h"
#include "train/runfolder.h"

static const char key[] = "kohl_checkpoint";
static const char *const files[] = {"last.ckpt", "previous.ckpt"};

/* The whole numbers, by name, in the order of the file. */
static const char *const number_names[] = {"epoch", "step", "best_epoch", "recipe", "data", "features", "plan"};
enum { NUMBERS = 7 };

static kohl_status write_state(kohl_context *ctx, const kohl_checkpoint *c, kohl_safetensors_writer *file) {
  const int64_t numbers[NUMBERS] = {c->epoch, c->step, c->best_epoch, c->recipe, c->data, c->features, c->plan};
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_json_write_object_begin(&json);
  for (int i = 0; i < NUMBERS; i++) {
    kohl_json_write_key(&json, number_names[i]);
    kohl_json_write_int64(&json, numbers[i]);
  }
  kohl_json_write_key(&json, "best");
  kohl_json_write_double(&json, c->best);
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

static kohl_status read_state(kohl_context *ctx, const kohl_safetensors_text *text, kohl_checkpoint *c) {
  int64_t numbers[NUMBERS] = {-1, -1, -1, -1, -1, -1, -1};
  bool best = false;
  kohl_json json;
  kohl_json_open(&json, ctx, text->text, text->length);
  kohl_status status = kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN);
  while (status == KOHL_OK && kohl_json_next(&json) == KOHL_JSON_KEY) {
    int which = 0;
    while (which < NUMBERS && !kohl_json_is(&json, number_names[which])) which++;
    bool is_best = kohl_json_is(&json, "best"), is_history = kohl_json_is(&json, "history");
    kohl_json_next(&json);
    if (which < NUMBERS) {
      status = kohl_json_get_int64(&json, &numbers[which]);
      if (status == KOHL_OK && numbers[which] < 0) status = kohl_json_fail(&json, "%s below 0", number_names[which]);
    } else if (is_best) {
      status = kohl_json_get_double(&json, &c->best);
      best = true;
    } else if (is_history && json.event == KOHL_JSON_STRING && !c->history) {
      status = kohl_json_copy_text(&json, &c->history);
    } else {
      status = kohl_json_fail(&json, "a field that no checkpoint has");
    }
  }
  if (status == KOHL_OK) status = json.status;
  for (int i = 0; i < NUMBERS && status == KOHL_OK; i++) {
    if (numbers[i] < 0) status = kohl_fail(ctx, KOHL_BAD_INPUT, "field '%s' is missing", number_names[i]);
  }
  if (status == KOHL_OK && (!best || !c->history)) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "field '%s' is missing", best ? "history" : "best");
  }
  kohl_json_close(&json);
  if (status == KOHL_OK && (uint32_t)numbers[3] != c->recipe) {
    status = kohl_fail(ctx, KOHL_USAGE,
                       "the checkpoint is of another recipe (CRC32C %08" PRIx32 ", expected %08" PRIx32
                       "): resume with the recipe and --set of the first call; only epochs may differ",
                       (uint32_t)numbers[3], c->recipe);
  }
  c->epoch = numbers[0];
  c->step = numbers[1];
  c->best_epoch = numbers[2];
  c->data = (uint32_t)numbers[4];
  c->features = (uint32_t)numbers[5];
  c->plan = (uint32_t)numbers[6];
  return status;
}

static kohl_status read_arrays(kohl_context *ctx, const kohl_safetensors *file, kohl_checkpoint *c) {
  if (kohl_safetensors_count(file) != c->array_count) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu tensors, expected %zu", kohl_safetensors_count(file), c->array_count);
  }
  for (size_t i = 0; i < c->array_count; i++) {
    const kohl_checkpoint_array *array = &c->arrays[i];
    long at = kohl_safetensors_find(file, array->name);
    if (at < 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s' is missing", array->name);
    const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)at);
    if (info->bytes != array->count * sizeof(float)) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': %zu bytes, expected %zu for the recipe's head", array->name,
                       info->bytes, array->count * sizeof(float));
    }
    kohl_status status = kohl_safetensors_verify(ctx, file, (size_t)at);
    if (status == KOHL_OK) status = kohl_safetensors_read_f32(ctx, file, info, array->values, array->count);
    if (status != KOHL_OK) return status;
  }
  return KOHL_OK;
}

static kohl_status load_one(kohl_context *ctx, const char *path, kohl_checkpoint *c) {
  kohl_safetensors *file;
  kohl_status status = kohl_safetensors_open(ctx, path, &file);
  if (status != KOHL_OK) return status;
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(file, key);
  c->history = NULL;
  status =
      text ? read_state(ctx, text, c) : kohl_fail(ctx, KOHL_BAD_INPUT, "no checkpoint: metadata '%s' is missing", key);
  if (status == KOHL_OK) status = read_arrays(ctx, file, c);
  if (status != KOHL_OK) {
    kohl_fail_prefix(ctx, "%s", path);
    kohl_free(ctx, c->history);
    c->history = NULL;
  }
  kohl_safetensors_close(ctx, file);
  return status;
}

kohl_status kohl_checkpoint_load(kohl_context *ctx, const char *folder, kohl_checkpoint *checkpoint) {
  char path[KOHL_RUN_PATH], first[KOHL_ERROR_TEXT];
  kohl_status status = kohl_run_path(ctx, folder, files[0], path);
  if (status == KOHL_OK) status = load_one(ctx, path, checkpoint);
  if (status != KOHL_BAD_INPUT) return status;
  memcpy(first, ctx->error, sizeof first);
  kohl_status second = kohl_run_path(ctx, folder, files[1], path);
  if (second == KOHL_OK) second = load_one(ctx, path, checkpoint);
  if (second == KOHL_OK) {
    kohl_log(ctx, KOHL_LOG_WARNING, "%s; going on from %s", first, path);
    return KOHL_OK;
  }
  memcpy(ctx->error, first, sizeof first); /* the newer file is the one to complain about */
  return status;
}
