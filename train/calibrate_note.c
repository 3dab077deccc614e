/* What a calibration did, in the model's provenance and as JSON. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/calibrate.h"

static void number(kohl_json_writer *w, const char *key, double value) {
  kohl_json_write_key(w, key);
  kohl_json_write_double(w, value);
}

static void pair(kohl_json_writer *w, const char *key, const double values[2]) {
  kohl_json_write_key(w, key);
  kohl_json_write_array_begin(w);
  kohl_json_write_double(w, values[0]);
  kohl_json_write_double(w, values[1]);
  kohl_json_write_array_end(w);
}

void kohl_calibrated_write_json(const kohl_calibrated *calibrated, bool thresholds, kohl_json_writer *w) {
  kohl_json_write_key(w, "n");
  kohl_json_write_uint64(w, calibrated->n);
  kohl_json_write_key(w, "bad");
  kohl_json_write_uint64(w, calibrated->bad);
  pair(w, "log_loss", calibrated->log_loss);
  pair(w, "ece", calibrated->ece);
  if (!thresholds) {
    number(w, "temperature", calibrated->temperature);
    return;
  }
  number(w, "beta", calibrated->beta);
  pair(w, "macro_fbeta", calibrated->macro_fbeta);
  pair(w, "micro_fbeta", calibrated->micro_fbeta);
  pair(w, "samples_fbeta", calibrated->samples_fbeta);
}

/* Copies all members of the object but `name`; values as they are written. */
static kohl_status copy_members(kohl_context *ctx, const char *object, const char *name, kohl_json_writer *w) {
  kohl_json json;
  kohl_json_open(&json, ctx, object, strlen(object));
  kohl_status status = kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN);
  while (status == KOHL_OK && kohl_json_next(&json) == KOHL_JSON_KEY) {
    const bool skipped = kohl_json_is(&json, name);
    if (!skipped) kohl_json_write_key_n(w, json.text, json.text_length);
    size_t begin = json.at;
    status = kohl_json_skip(&json);
    while (begin < json.at && strchr(": \t\r\n", json.bytes[begin])) begin++;
    if (skipped || status != KOHL_OK) continue;
    char *value;
    status = kohl_alloc(ctx, json.at - begin + 1, 1, "provenance", &value);
    if (status != KOHL_OK) break;
    memcpy(value, json.bytes + begin, json.at - begin);
    kohl_json_write_raw(w, value);
    kohl_free(ctx, value);
  }
  if (status == KOHL_OK) status = json.status;
  kohl_json_close(&json);
  return status;
}

kohl_status kohl_calibrated_note(kohl_context *ctx, kohl_model *model, const char *data,
                                 const kohl_calibrate_options *options, const kohl_calibrated *calibrated) {
  const char *name = options->thresholds ? "thresholds" : "calibration";
  kohl_json_writer w;
  kohl_json_write_begin(&w, ctx);
  kohl_json_write_object_begin(&w);
  kohl_status status = copy_members(ctx, model->provenance, name, &w);
  kohl_json_write_key(&w, name);
  kohl_json_write_object_begin(&w);
  kohl_json_write_key(&w, "data");
  kohl_json_write_string(&w, data);
  if (options->evaluate.split) {
    kohl_json_write_key(&w, "split");
    kohl_json_write_string(&w, options->evaluate.split);
  }
  kohl_calibrated_write_json(calibrated, options->thresholds, &w);
  kohl_json_write_object_end(&w);
  kohl_json_write_object_end(&w);
  kohl_status ended = kohl_json_write_end(&w);
  if (status == KOHL_OK) status = ended;
  if (status == KOHL_OK) status = kohl_model_set_provenance(ctx, model, w.text);
  kohl_json_write_free(&w);
  return status;
}
