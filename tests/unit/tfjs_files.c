/* Files of a small TF.js model; see tfjs_files.h. */
#include "tests/unit/tfjs_files.h"

#include <check.h>
#include <dirent.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAYERS_JSON                                                                                                  \
  "\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"layers\":["                                            \
  "{\"class_name\":\"InputLayer\",\"config\":{\"batch_input_shape\":[null,4,4,3],\"name\":\"input\"}},"              \
  "{\"class_name\":\"Conv2D\",\"config\":{\"name\":\"conv\",\"filters\":2,\"kernel_size\":[3,3],\"strides\":[1,1],"  \
  "\"padding\":\"valid\",\"activation\":\"relu\",\"use_bias\":true}},"                                               \
  "{\"class_name\":\"Flatten\",\"config\":{\"name\":\"flatten\"}},"                                                  \
  "{\"class_name\":\"Dense\",\"config\":{\"name\":\"a/dense\",\"units\":2,\"activation\":\"linear\",\"use_bias\":true}}]}"

/* 54 bytes of uint8, 8 of float32 (57 lies inside), 32 of float16, 4 of uint16. */
const char tfjs_json[] =
    "{\"format\":\"layers-model\",\"generatedBy\":\"keras v2.13.1\",\"convertedBy\":\"TensorFlow.js Converter v4.22\","
    "\"modelTopology\":{\"keras_version\":\"2.13.1\",\"model_config\":{" LAYERS_JSON "}},"
    "\"weightsManifest\":[{\"paths\":[\"a.bin\",\"b.bin\"],\"weights\":["
    "{\"name\":\"conv/kernel\",\"shape\":[3,3,3,2],\"dtype\":\"float32\",\"quantization\":{\"dtype\":\"uint8\","
    "\"scale\":0.5,\"min\":-2}},"
    "{\"name\":\"conv/bias\",\"shape\":[2],\"dtype\":\"float32\"},"
    "{\"name\":\"s/a/dense/kernel\",\"shape\":[8,2],\"dtype\":\"float32\",\"quantization\":{\"dtype\":\"float16\"}},"
    "{\"name\":\"a/dense/bias\",\"shape\":[2],\"dtype\":\"float32\",\"quantization\":{\"dtype\":\"uint16\","
    "\"scale\":0.25,\"min\":-7}}]}]}";

#define HEAD_JS "!function(f){if(\"object\"==typeof exports)module.exports=f()}(function(){return{1:[function(d,e,f){e.exports="
#define TAIL_JS "},{}]},{},[1])(1)});"

const char tfjs_module[] = HEAD_JS
    "{modelTopology:{keras_version:'2.13.1',model_config:{" LAYERS_JSON "},$x_1:!0,y:!1},"
    "weightsManifest:[{paths:[\"a.bin\",\"b.bin\"],weights:["
    "{name:\"conv/kernel\",shape:[3,3,3,2],dtype:\"float32\",quantization:{dtype:\"uint8\",scale:.5,min:-2}},"
    "{name:'conv/bias',shape:[2],dtype:'float32',quantization:null},"
    "{name:\"s/a/dense/kernel\",shape:[8,2],dtype:\"float32\",quantization:{dtype:\"float16\"}},"
    "{name:\"a/dense/bias\",shape:[2],dtype:\"float32\",quantization:{dtype:\"uint16\",scale:25e-2,min:-7}}]}]}" TAIL_JS;

uint8_t tfjs_bytes[TFJS_BYTES];
kohl_context *tfjs_ctx;
char tfjs_folder[64], tfjs_log[512];

static void keep_log(kohl_log_level level, const char *text, void *user) {
  (void)level;
  (void)user;
  snprintf(tfjs_log, sizeof tfjs_log, "%s", text);
}

size_t tfjs_taken, tfjs_most;

static void *allocate(size_t bytes, void *user) {
  (void)user;
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  tfjs_taken += memory ? malloc_usable_size(memory) : 0;
  if (tfjs_taken > tfjs_most) tfjs_most = tfjs_taken;
  return memory;
}

static void release(void *memory, void *user) {
  (void)user;
  tfjs_taken -= memory ? malloc_usable_size(memory) : 0;
  free(memory);
}

static void fill_bytes(void) {
  static const float bias[2] = {0.75f, -1.5f};
  for (int i = 0; i < 54; i++) tfjs_bytes[i] = (uint8_t)(i * 3);
  memcpy(tfjs_bytes + 54, bias, sizeof bias);
  for (int i = 0; i < 16; i++) { /* 1 + i/16 */
    tfjs_bytes[62 + 2 * i] = (uint8_t)(i * 64 & 0xff);
    tfjs_bytes[63 + 2 * i] = (uint8_t)(0x3c + i * 64 / 256);
  }
  memcpy(tfjs_bytes + 94, "\x04\x00\x00\x01", 4); /* 4 and 256 */
}

void tfjs_setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.log = keep_log;
  options.allocator = (kohl_allocator){allocate, release, NULL};
  ck_assert_int_eq(kohl_context_create(&options, &tfjs_ctx), KOHL_OK);
  strcpy(tfjs_folder, "/tmp/kohl_test_tfjs_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(tfjs_folder));
  fill_bytes();
  tfjs_log[0] = 0;
}

void tfjs_teardown(void) {
  DIR *folder = opendir(tfjs_folder);
  ck_assert_ptr_nonnull(folder);
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", tfjs_folder, entry->d_name);
    if (entry->d_name[0] != '.' && unlink(path) != 0) rmdir(path);
  }
  closedir(folder);
  ck_assert_int_eq(rmdir(tfjs_folder), 0);
  kohl_context_destroy(tfjs_ctx);
  ck_assert_uint_eq(tfjs_taken, 0);
}

const char *tfjs_write(const char *name, const void *bytes, size_t length) {
  static char path[400];
  snprintf(path, sizeof path, "%s/%s", tfjs_folder, name);
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  ck_assert_int_eq(fclose(file), 0);
  return path;
}

size_t tfjs_shard_module(const uint8_t *bytes, size_t length, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t n = (size_t)sprintf(out, HEAD_JS "\"");
  for (size_t i = 0; i < length; i += 3) {
    unsigned word = (unsigned)bytes[i] << 16;
    if (i + 1 < length) word |= (unsigned)bytes[i + 1] << 8;
    if (i + 2 < length) word |= bytes[i + 2];
    for (int k = 0; k < 4; k++) out[n++] = i + (size_t)k > length ? '=' : digits[word >> (18 - 6 * k) & 63];
  }
  return n + (size_t)sprintf(out + n, "\"" TAIL_JS);
}

void tfjs_write_model(const char *json) {
  tfjs_write("model.json", json, strlen(json));
  tfjs_write("a.bin", tfjs_bytes, TFJS_A);
  tfjs_write("b.bin", tfjs_bytes + TFJS_A, TFJS_B);
}

void tfjs_write_modules(const char *module) {
  static char text[4096];
  tfjs_write("model.min.js", module, strlen(module));
  size_t n = tfjs_shard_module(tfjs_bytes, TFJS_A, text);
  tfjs_write("a.bin.min.js", text, n);
  n = tfjs_shard_module(tfjs_bytes + TFJS_A, TFJS_B, text);
  tfjs_write("b.bin.min.js", text, n);
}

const char *tfjs_edit(const char *text, const char *find, const char *replace) {
  static char edited[TFJS_TEXT];
  const char *at = find ? strstr(text, find) : NULL;
  if (!find) return text;
  ck_assert_msg(at != NULL, "'%s' is not in the text", find);
  ck_assert_uint_lt(strlen(text) + strlen(replace), sizeof edited);
  sprintf(edited, "%.*s%s%s", (int)(at - text), text, replace, at + strlen(find));
  return edited;
}

/* All numbers of all tensors. */
static kohl_status read_tensors(kohl_source *source) {
  float values[64];
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < source->count && !status; i++) {
    const kohl_tensor_info *info = &source->tensors[i].info;
    size_t count = info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
    for (size_t first = 0; first < count && !status; first += 64)
      status = source->call->read(tfjs_ctx, source, i, first, count - first < 64 ? count - first : 64, values);
  }
  return status;
}

kohl_status tfjs_read_all(const char *path) {
  kohl_source source = {.path = path};
  kohl_status status = kohl_tfjs_source(tfjs_ctx, path, &source);
  if (!status) status = read_tensors(&source);
  if (!status && source.describes) {
    kohl_graph *graph = NULL;
    status = source.call->graph(tfjs_ctx, &source, 0, &graph);
    kohl_graph_destroy(tfjs_ctx, graph);
  }
  if (source.call) source.call->close(tfjs_ctx, &source);
  return status;
}

static void check_line(const char *name, const char *path) {
  const char *text = kohl_context_error(tfjs_ctx);
  ck_assert_msg(strncmp(text, path, strlen(path)) == 0 && text[strlen(path)] == ':', "%s: '%s' does not begin with %s",
                name, text, path);
  ck_assert_msg(!strchr(text, '\n') && text[strlen(text) - 1] != '.', "%s: '%s' is no line", name, text);
}

void tfjs_refuse(const char *name, const char *path, const char *words) {
  kohl_status status = tfjs_read_all(path);
  ck_assert_msg(status == KOHL_BAD_INPUT, "%s: status %d, expected it to be refused", name, (int)status);
  check_line(name, path);
  ck_assert_msg(strstr(kohl_context_error(tfjs_ctx), words) != NULL, "%s: '%s' does not say '%s'", name,
                kohl_context_error(tfjs_ctx), words);
}

void tfjs_survive(const char *path) {
  kohl_status status = tfjs_read_all(path);
  ck_assert_msg(status == KOHL_OK || status == KOHL_BAD_INPUT, "status %d: %s", (int)status,
                kohl_context_error(tfjs_ctx));
  if (status) check_line("a damaged file", path);
}
