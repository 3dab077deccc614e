/* Texts of an exported file; see about.h. */
#include "convert/export/about.h"

#include <string.h>

#include "convert/container/json_fields.h"
#include "nn/preprocessing_json.h"

void kohl_export_about_free(kohl_context *ctx, kohl_export_about *about) {
  for (int i = 0; i < about->count; i++) kohl_free(ctx, about->text[i]);
  about->count = 0;
}

kohl_status kohl_export_about_add(kohl_context *ctx, kohl_export_about *about, const char *key, const char *text) {
  if (about->count == KOHL_EXPORT_ABOUT) return kohl_fail(ctx, KOHL_USAGE, "more than %d texts", KOHL_EXPORT_ABOUT);
  kohl_status status = kohl_strdup(ctx, text, &about->text[about->count]);
  if (status == KOHL_OK) about->key[about->count++] = key;
  return status;
}

/* What the writer holds, which is freed. */
static kohl_status add_json(kohl_context *ctx, kohl_export_about *about, const char *key, kohl_json_writer *json) {
  kohl_status status = kohl_json_write_end(json);
  if (status == KOHL_OK) status = kohl_export_about_add(ctx, about, key, json->text);
  kohl_json_write_free(json);
  return status;
}

static kohl_status add_labels(kohl_context *ctx, kohl_export_about *about, const kohl_model *model) {
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_json_write_array_begin(&json);
  for (size_t i = 0; i < model->label_count; i++) kohl_json_write_string(&json, model->labels[i]);
  kohl_json_write_array_end(&json);
  return add_json(ctx, about, "labels", &json);
}

static kohl_status add_thresholds(kohl_context *ctx, kohl_export_about *about, const kohl_model *model) {
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_json_write_array_begin(&json);
  for (size_t i = 0; i < model->label_count; i++) kohl_json_write_float(&json, kohl_model_threshold(model, i));
  kohl_json_write_array_end(&json);
  return add_json(ctx, about, "thresholds", &json);
}

static kohl_status add_preprocessing(kohl_context *ctx, kohl_export_about *about, const kohl_model *model) {
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_preprocessing_write_json(&model->preprocessing, &json);
  return add_json(ctx, about, "preprocessing", &json);
}

/* A text of the provenance.  One that is something else, or long, stays in the whole of it only. */
static kohl_status add_origin(kohl_context *ctx, kohl_export_about *about, const kohl_model *model, const char *key) {
  char text[KOHL_JSON_WORD] = "";
  kohl_json_range provenance = {model->provenance, strlen(model->provenance)};
  kohl_status status = kohl_json_field_text(ctx, provenance, key, text);
  if (status == KOHL_BAD_INPUT) return KOHL_OK;
  return status == KOHL_OK && *text ? kohl_export_about_add(ctx, about, key, text) : status;
}

kohl_status kohl_export_about_make(kohl_context *ctx, const kohl_model *model, kohl_export_about *about) {
  const bool many = model->task == KOHL_TASK_MANY_LABELS;
  kohl_status status = kohl_export_about_add(ctx, about, "arch", model->graph->arch);
  if (status == KOHL_OK) status = add_origin(ctx, about, model, "preset");
  if (status == KOHL_OK) status = add_origin(ctx, about, model, "source");
  if (status == KOHL_OK) status = kohl_export_about_add(ctx, about, "task", kohl_model_task_name(model->task));
  if (status == KOHL_OK) status = add_labels(ctx, about, model);
  if (status == KOHL_OK && many) status = add_thresholds(ctx, about, model);
  if (status == KOHL_OK) status = add_preprocessing(ctx, about, model);
  return status == KOHL_OK ? kohl_export_about_add(ctx, about, "provenance", model->provenance) : status;
}
