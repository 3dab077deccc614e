/* TF.js layers-models: model.json and JavaScript modules with their shards, good and bad. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/tfjs/module.h"
#include "tests/unit/tfjs_files.h"

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(tfjs_ctx))

static void expect_tensor(kohl_source *source, size_t i, const char *name, const char *layer, const char *suffix,
                          const float *values, size_t count) {
  const kohl_source_tensor *tensor = &source->tensors[i];
  float got[64];
  ck_assert_str_eq(tensor->info.name, name);
  ck_assert_str_eq(tensor->layer, layer);
  ck_assert_str_eq(tensor->suffix, suffix);
  ck_assert(!tensor->layout.output_first && !tensor->layout.channels_first && tensor->step == 1);
  ck_assert_uint_eq(tensor->info.bytes / kohl_safetensors_dtype_bytes(tensor->info.dtype), count);
  OK(source->call->read(tfjs_ctx, source, i, 0, count, got));
  ck_assert_mem_eq(got, values, count * sizeof *got);
  for (size_t first = 0; first < count; first++) { /* one by one */
    OK(source->call->read(tfjs_ctx, source, i, first, 1, got));
    ck_assert(got[0] == values[first]);
  }
}

/* The four tensors of the small model. */
static void expect_model(const char *path) {
  kohl_source source = {.path = path};
  float kernel[54], dense[16];
  for (int i = 0; i < 54; i++) kernel[i] = (float)(i * 3);
  for (int i = 0; i < 16; i++) dense[i] = 1 + (float)i / 16;
  OK(kohl_tfjs_source(tfjs_ctx, path, &source));
  ck_assert_uint_eq(source.count, 4);
  expect_tensor(&source, 0, "conv/kernel", "conv", "weight", kernel, 54);
  ck_assert(source.tensors[0].quantised && source.tensors[0].scale == 0.5 && source.tensors[0].min == -2);
  expect_tensor(&source, 1, "conv/bias", "conv", "bias", (float[]){0.75f, -1.5f}, 2);
  ck_assert(!source.tensors[1].quantised && source.tensors[1].info.dtype == KOHL_SAFETENSORS_F32);
  expect_tensor(&source, 2, "s/a/dense/kernel", "a/dense", "weight", dense, 16);
  ck_assert(!source.tensors[2].quantised && source.tensors[2].info.dtype == KOHL_SAFETENSORS_F16);
  expect_tensor(&source, 3, "a/dense/bias", "a/dense", "bias", (float[]){4, 256}, 2);
  ck_assert(source.tensors[3].quantised && source.tensors[3].scale == 0.25 && source.tensors[3].min == -7);
  ck_assert(source.describes);
  kohl_graph *graph;
  OK(source.call->graph(tfjs_ctx, &source, 0, &graph));
  ck_assert_uint_eq(graph->count, 4);
  ck_assert_int_eq(graph->nodes[graph->count - 1].shape.c, 2);
  kohl_graph_destroy(tfjs_ctx, graph);
  source.call->close(tfjs_ctx, &source);
}

START_TEST(model_of_json) {
  char path[128];
  snprintf(path, sizeof path, "%s/model.json", tfjs_folder);
  tfjs_write_model(tfjs_json);
  expect_model(path);
  kohl_source source = {.path = path};
  OK(kohl_tfjs_source(tfjs_ctx, path, &source));
  ck_assert_str_eq(source.source_text, "keras v2.13.1, TensorFlow.js Converter v4.22");
  source.call->close(tfjs_ctx, &source);
  /* The bare topology of tfjs-layers itself, and a browser's download. */
  static char text[TFJS_TEXT];
  strcpy(text, tfjs_edit(tfjs_json, "\"model_config\":{", "\"x\":0,"));
  strcpy(text, tfjs_edit(text, "}},\"weightsManifest\"", "},\"weightsManifest\""));
  strcpy(text, tfjs_edit(text, "\"a.bin\"", "\"./a.bin\""));
  tfjs_write_model(text);
  expect_model(path);
}
END_TEST

START_TEST(model_of_modules) {
  char path[128];
  snprintf(path, sizeof path, "%s/model.min.js", tfjs_folder);
  tfjs_write_modules(tfjs_module);
  expect_model(path);
  tfjs_write_modules(tfjs_edit(tfjs_module, "'2.13.1'", "'2.\\'\"\\x41\\u0042'"));
  kohl_source source = {.path = path};
  OK(kohl_tfjs_source(tfjs_ctx, path, &source));
  ck_assert_str_eq(source.source_text, "Keras 2.'\"AB");
  source.call->close(tfjs_ctx, &source);
}
END_TEST

/* Weights alone, in several groups, with an optimizer's and with whole numbers. */
START_TEST(kinds_of_weights) {
  static const char json[] =
      "{\"weightsManifest\":[{\"paths\":[],\"weights\":[]},{\"weights\":[{\"name\":\"i/n\",\"shape\":[],"
      "\"dtype\":\"int32\",\"quantization\":{\"dtype\":\"uint8\",\"scale\":1.3,\"min\":-2.6}},"
      "{\"name\":\"Adam/m\",\"shape\":[3],\"dtype\":\"float32\",\"group\":\"optimizer\"},"
      "{\"name\":\"b\",\"shape\":[3],\"dtype\":\"bool\",\"group\":\"model\"},{\"name\":\"e/gamma:0\",\"shape\":[0,5],"
      "\"dtype\":\"float32\"}],\"paths\":[\"b.bin\",\"empty\",\"c.bin\"]},{\"paths\":[\"a.bin\"],\"weights\":["
      "{\"name\":\"m/e/moving_variance\",\"shape\":[57],\"dtype\":\"uint8\"}]}]}";
  const char *path;
  kohl_source source = {0};
  float got[3];
  tfjs_write("empty", "", 0);
  tfjs_write("a.bin", tfjs_bytes, TFJS_A);
  tfjs_write("b.bin", "\x05mmmmmmmmmmm", 12);
  tfjs_write("c.bin", "m\x01\x00\x01", 4);
  source.path = path = tfjs_write("model.json", json, strlen(json));
  OK(kohl_tfjs_source(tfjs_ctx, path, &source));
  ck_assert(source.count == 4 && !source.describes && !source.source_text);
  OK(source.call->read(tfjs_ctx, &source, 0, 0, 1, got));
  ck_assert(got[0] == 4 && !source.tensors[0].quantised); /* 5 * 1.3 - 2.6 = 3.9, as TF.js rounds it */
  OK(source.call->read(tfjs_ctx, &source, 1, 0, 3, got));
  ck_assert(got[0] == 1 && got[1] == 0 && got[2] == 1);
  ck_assert(!source.tensors[1].layer && !source.tensors[1].suffix);
  ck_assert_str_eq(source.tensors[2].suffix, "gamma");
  ck_assert_uint_eq(source.tensors[2].info.bytes, 0);
  ck_assert_str_eq(source.tensors[3].layer, "m/e"); /* no topology says that m is a model */
  ck_assert_str_eq(source.tensors[3].suffix, "variance");
  OK(source.call->read(tfjs_ctx, &source, 3, 55, 2, got));
  ck_assert(got[0] == tfjs_bytes[55] && got[1] == tfjs_bytes[56]);
  source.call->close(tfjs_ctx, &source);
}
END_TEST

#define MANIFEST "\"weightsManifest\":[{"
#define BIAS "{\"name\":\"conv/bias\",\"shape\":[2],\"dtype\":\"float32\"}"

static const struct {
  const char *name, *find, *replace, *words;
} bad_models[] = {
    {"nothing after the start", "\"format\"", "", "byte 1: expected a key"},
    {"a graph-model", "layers-model", "graph-model", "is a TF.js graph-model"},
    {"a graph-model without a format", "\"format\":\"layers-model\",", "\"modelTopology\":{\"node\":[]},",
     "is a TF.js graph-model"},
    {"another format", "layers-model", "tf-frozen", "field 'format': value 'tf-frozen', expected layers-model"},
    {"a format that is a number", "\"layers-model\"", "3", "field 'format' is a number, expected a text"},
    {"the format twice", "\"generatedBy\"", "\"format\":\"layers-model\",\"g\"", "field 'format' is there twice"},
    {"no manifest", "weightsManifest", "weightsmanifest", "field 'weightsManifest' is missing"},
    {"a manifest twice", "\"generatedBy\"", "\"weightsManifest\":[],\"g\"", "field 'weightsManifest' is there twice"},
    {"an object as manifest", MANIFEST, "\"weightsManifest\":{\"x\":[{", "expected an array, found an object"},
    {"a text in the manifest", MANIFEST, "\"weightsManifest\":[\"x\",{", "field 'weightsManifest': expected a list"},
    {"an empty manifest", MANIFEST, "\"weightsManifest\":[],\"y\":[{", "holds no weights"},
    {"no paths", "\"paths\"", "\"Paths\"", "'paths' is missing"},
    {"no weights", "\"weights\":[{", "\"Weights\":[{", "'weights' is missing"},
    {"paths twice", "\"paths\":[", "\"paths\":[],\"paths\":[", "the field is there twice"},
    {"paths of numbers", "\"paths\":[", "\"paths\":[1,", "field 'paths': expected a list of texts"},
    {"a path out of the folder", "a.bin", "../a.bin", "'../a.bin', expected the name of a file in the folder"},
    {"the folder above", "a.bin", "..", "'..', expected the name of a file"},
    {"the folder itself", "a.bin", "./.", "'./.', expected the name of a file"},
    {"no name", "a.bin", "./", "'./', expected the name of a file"},
    {"an absolute path", "a.bin", "/etc/passwd", "'/etc/passwd', expected the name of a file"},
    {"a path into a folder", "a.bin", "x/a.bin", "'x/a.bin', expected the name of a file"},
    {"a path of Windows", "a.bin", "x\\\\a.bin", "'x\\a.bin', expected the name of a file"},
    {"an empty path", "a.bin", "", "'', expected the name of a file"},
    {"a path with a zero", "a.bin", "a\\u0000", "expected the name of a file"},
    {"a shard that is not there", "b.bin", "c.bin", "shard 'c.bin' is not there"},
    {"a shard twice", "b.bin", "a.bin", "field 'paths': file 'a.bin' is there twice"},
    {"a shard less", ",\"b.bin\"", "", "have 57 bytes, expected the 98 of its tensors"},
    {"a shard more", "\"b.bin\"", "\"b.bin\",\"model.json\"", "bytes, expected the 98 of its tensors"},
    {"a tensor less", BIAS ",", "", "have 98 bytes, expected the 90 of its tensors"},
    {"a text among the tensors", BIAS, "\"conv\"", "field 'weights': expected a list of objects"},
    {"a tensor without a name", "\"name\":\"conv/bias\",", "", "field 'name' of a tensor is missing"},
    {"a tensor of no name", "conv/bias", "", "field 'name': text of 0 bytes, expected 1 to 512"},
    {"a name with a zero", "conv/bias", "conv\\u0000bias", "field 'name': text of 9 bytes"},
    {"two names", "\"name\":\"conv/bias\"", "\"name\":\"a\",\"name\":\"b\"", "field 'name' is there twice"},
    {"the same name twice", "conv/bias", "conv/kernel", "tensor 'conv/kernel' is there twice"},
    {"no shape", "\"shape\":[2],\"dtype\":\"float32\"}", "\"dtype\":\"float32\"}",
     "tensor 'conv/bias': field 'shape' is missing"},
    {"two shapes", "\"shape\":[2]", "\"shape\":[2],\"shape\":[2]", "field 'shape' is there twice"},
    {"a shape of a fraction", "\"shape\":[2]", "\"shape\":[2.0]", "byte "},
    {"a negative shape", "\"shape\":[2]", "\"shape\":[-2]", "field 'shape': -2, expected at least 0"},
    {"a shape with null", "\"shape\":[2]", "\"shape\":[null]", "tensor 'conv/bias'"},
    {"nine dimensions", "\"shape\":[2]", "\"shape\":[1,1,1,1,1,1,1,1,2]", "more than 8 dimensions"},
    {"a shape that overflows", "\"shape\":[2]", "\"shape\":[4294967296,4294967296]", "field 'shape': too large"},
    {"bytes that overflow", "\"shape\":[2]", "\"shape\":[4611686018427387904]", "field 'shape': too large"},
    {"a sum that overflows", BIAS,
     "{\"name\":\"x\",\"shape\":[18446744073709551],\"dtype\":\"uint8\"},{\"name\":\"y\",\"shape\":"
     "[4611686018427387900],\"dtype\":\"float32\"}",
     "tensor 'y': field 'shape': too large"},
    {"no dtype", ",\"dtype\":\"float32\"}", "}", "tensor 'conv/bias': field 'dtype': value ''"},
    {"a text tensor", "\"dtype\":\"float32\"}", "\"dtype\":\"string\"}", "field 'dtype': value 'string'"},
    {"a complex tensor", "\"dtype\":\"float32\"}", "\"dtype\":\"complex64\"}", "field 'dtype': value 'complex64'"},
    {"another dtype", "\"dtype\":\"float32\"}", "\"dtype\":\"float64\"}", "field 'dtype': value 'float64', expected"},
    {"a packed bool", "\"dtype\":\"float32\",\"quant", "\"dtype\":\"bool\",\"quant",
     "tensor 'conv/kernel': field 'quantization': of dtype 'bool', expected float32 or int32"},
    {"half of whole numbers", "\"dtype\":\"float32\",\"quantization\":{\"dtype\":\"float16\"}",
     "\"dtype\":\"int32\",\"quantization\":{\"dtype\":\"float16\"}", "of dtype 'int32', expected float32"},
    {"packed as int8", "uint8", "int8", "field 'quantization.dtype': value 'int8', expected uint8, uint16 or float16"},
    {"packed as int32", "uint8", "int32", "field 'quantization.dtype': value 'int32'"},
    {"packed as nothing", "\"dtype\":\"uint8\",", "", "field 'quantization.dtype': value ''"},
    {"no scale", "\"scale\":0.5,", "", "field 'quantization': 'scale' is missing"},
    {"no min", ",\"min\":-2", "", "field 'quantization': 'min' is missing"},
    {"a scale of text", "\"scale\":0.5", "\"scale\":\"0.5\"", "expected a number, found a string"},
    {"two scales", "\"scale\":0.5", "\"scale\":0.5,\"scale\":1", "field 'quantization.scale' is there twice"},
    {"a scale too large", "0.5", "1e37", "give values beyond"},
    {"a min too large", "\"min\":-2", "\"min\":-1e39", "give values beyond"},
    {"a quantisation of text", "\"quantization\":{\"dtype\":\"uint8\"", "\"quantization\":1,\"x\":{\"dtype\":\"uint8\"",
     "field 'quantization': expected an object"},
    {"two quantisations", "\"dtype\":\"float32\"}",
     "\"dtype\":\"float32\",\"quantization\":{\"dtype\":\"uint8\"},"
     "\"quantization\":{}}",
     "field 'quantization' is there twice"},
    {"a topology of text", "\"modelTopology\":{", "\"modelTopology\":\"x\",\"y\":{",
     "'modelTopology': expected an object"},
    {"two topologies", "\"modelTopology\":{", "\"modelTopology\":null,\"modelTopology\":{",
     "field 'modelTopology' is there twice"},
    {"a layer that is not known", "\"Flatten\"", "\"Flatter\"", "layer 'flatten': field 'class_name'"},
    {"no layers", "\"layers\"", "\"Layers\"", "field 'layers'"},
    {"another class", "\"Sequential\"", "\"Serial\"", "field 'class_name': value 'Serial'"},
    {"a lone comma", "}]}]}", "},]}]}", "byte "},
    {"text behind the end", "}]}]}", "}]}]} x", "expected nothing after the value"},
    {"a byte order mark", "{\"format\"", "\xef\xbb\xbf{\"format\"", "is no JavaScript module"},
};

START_TEST(bad_json) {
  for (size_t i = 0; i < sizeof bad_models / sizeof bad_models[0]; i++) {
    char path[128];
    snprintf(path, sizeof path, "%s/model.json", tfjs_folder);
    tfjs_write_model(tfjs_edit(tfjs_json, bad_models[i].find, bad_models[i].replace));
    tfjs_refuse(bad_models[i].name, path, bad_models[i].words);
  }
}
END_TEST

static const struct {
  const char *name, *find, *replace, *words;
} bad_modules[] = {
    {"no exports", "{e.exports=", "{e.imports=", "is no JavaScript module of a TF.js model"},
    {"exports of a call", "{e.exports={", "{e.exports=f({", "is no JavaScript module of a TF.js model"},
    {"a name as value", "min:-2", "min:x", "'x' in a JavaScript module, expected a plain value"},
    {"a call as value", "min:-2", "min:f(2)", "'f' in a JavaScript module, expected a plain value"},
    {"a sum", "scale:.5", "scale:1+.5", "byte "},
    {"a template", "'conv/bias'", "`conv/bias`", "'`' in a JavaScript module, expected a plain value"},
    {"a comment", "{name:'conv", "/*c*/{name:'conv", "'/' in a JavaScript module"},
    {"undefined", "quantization:null", "quantization:void 0", "'v' in a JavaScript module"},
    {"not true", "!0", "!2", "'!' in a JavaScript module"},
    {"spread", "{name:'conv", "{...x,name:'conv", "byte "},
    {"a computed key", "{name:'conv", "{[x]:1,name:'conv", "'x' in a JavaScript module"},
    {"an octal escape", "'conv/bias'", "'conv\\0'", "expected an escape that JSON has too"},
    {"a text that does not end", "'float32'", "'float32", "byte "},
    {"a comma at the end", "shape:[2]", "shape:[2,]", "byte "},
    {"brackets that cross", "shape:[2]", "shape:[2}", "byte "},
    {"a call behind the value", "},{}]},{},[1])(1)});", "},{}]},{},[1])(1)});f()", "expected closing brackets"},
    {"a second value", "},{}]},{},[1])(1)});", "},{}]},{},[1])(1)});{a:1}", "expected closing brackets"},
};

START_TEST(bad_javascript) {
  char path[128];
  snprintf(path, sizeof path, "%s/model.min.js", tfjs_folder);
  for (size_t i = 0; i < sizeof bad_modules / sizeof bad_modules[0]; i++) {
    tfjs_write_modules(tfjs_edit(tfjs_module, bad_modules[i].find, bad_modules[i].replace));
    tfjs_refuse(bad_modules[i].name, path, bad_modules[i].words);
  }
  static char far[KOHL_TFJS_MODULE_HEAD + sizeof "exports={}"];
  memset(far, ' ', sizeof far);
  memcpy(far + KOHL_TFJS_MODULE_HEAD, "exports={}", sizeof "exports={}" - 1);
  tfjs_write("model.min.js", far, sizeof far);
  tfjs_refuse("exports too far behind", path, "in the first 4096 bytes");
}
END_TEST

static const struct {
  const char *name, *shard, *words;
} bad_shards[] = {
    {"an object", "e.exports={}", "no 'exports=' with a text"},
    {"no text", "e.exports=f()", "no 'exports=' with a text"},
    {"a text that does not end", "e.exports=\"AAAA", "the JavaScript module ends, expected the end of the text"},
    {"three characters", "e.exports=\"AAA\"}", "has 3 characters, expected a multiple of 4"},
    {"a space", "e.exports=\"AA A\"}", "character 2 of the base64 text is 0x20"},
    {"a line end", "e.exports=\"AAA\nAAAA\"}", "character 3 of the base64 text is 0x0a"},
    {"an escape", "e.exports=\"AA\\nAAAA\"}", "character 2 of the base64 text is 0x5c"},
    {"letters of URLs", "e.exports=\"AA-_AAAA\"}", "character 2 of the base64 text is 0x2d"},
    {"padding inside", "e.exports=\"AA==AAAA\"}", "character 2 of the base64 text is 0x3d"},
    {"padding alone", "e.exports=\"====\"}", "character 0 of the base64 text is 0x3d"},
    {"three paddings", "e.exports=\"A===\"}", "character 1 of the base64 text is 0x3d"},
    {"a letter behind padding", "e.exports=\"AA=A\"}", "character 2 of the base64 text is 0x3d"},
    {"bits of no byte", "e.exports=\"AB==\"}", "ends in bits that belong to no byte"},
    {"bits of no byte with one padding", "e.exports=\"AAB=\"}", "ends in bits that belong to no byte"},
    {"two texts", "e.exports=\"AAAA\"+\"AAAA\"}", "expected closing brackets behind the value"},
    {"too few bytes", "e.exports=\"AAAA\"}", "have 44 bytes, expected the 98 of its tensors"},
    {"no bytes", "export default''", "have 41 bytes, expected the 98 of its tensors"},
    {"an empty file", "", "no 'exports=' with a text"},
};

START_TEST(bad_base64) {
  char path[128];
  snprintf(path, sizeof path, "%s/model.min.js", tfjs_folder);
  tfjs_write_modules(tfjs_module);
  for (size_t i = 0; i < sizeof bad_shards / sizeof bad_shards[0]; i++) {
    tfjs_write("a.bin.min.js", bad_shards[i].shard, strlen(bad_shards[i].shard));
    ck_assert_msg(tfjs_read_all(path) == KOHL_BAD_INPUT, "%s", bad_shards[i].name);
    ck_assert_msg(strstr(kohl_context_error(tfjs_ctx), bad_shards[i].words) != NULL, "%s: '%s'", bad_shards[i].name,
                  kohl_context_error(tfjs_ctx));
  }
}
END_TEST

/* What a manifest names is opened in its folder only, and only if it is a file. */
START_TEST(links) {
  char path[128], shard[128];
  snprintf(path, sizeof path, "%s/model.json", tfjs_folder);
  snprintf(shard, sizeof shard, "%s/a.bin", tfjs_folder);
  tfjs_write_model(tfjs_json);
  tfjs_write("other", tfjs_bytes, TFJS_A);
  ck_assert_int_eq(unlink(shard), 0);
  ck_assert_int_eq(symlink("other", shard), 0);
  tfjs_refuse("a link", path, "shard 'a.bin' is a link, which may lead out of the folder of the model");
  ck_assert_int_eq(unlink(shard), 0);
  ck_assert_int_eq(mkdir(shard, 0700), 0);
  tfjs_refuse("a folder", path, "shard 'a.bin' is no file, expected a file");
  ck_assert_int_eq(rmdir(shard), 0);
  ck_assert_int_eq(mkfifo(shard, 0600), 0);
  tfjs_refuse("a pipe", path, "shard 'a.bin' is no file, expected a file");
}
END_TEST

START_TEST(truncated) {
  char path[128];
  size_t length = strlen(tfjs_json), tail = strlen("},{}]},{},[1])(1)});");
  snprintf(path, sizeof path, "%s/model.json", tfjs_folder);
  tfjs_write_model(tfjs_json);
  for (size_t n = 0; n < length; n++) {
    tfjs_write("model.json", tfjs_json, n);
    tfjs_refuse("a truncated model.json", path, "");
  }
  tfjs_write_model(tfjs_json);
  for (size_t n = 0; n < TFJS_A; n++) {
    tfjs_write("a.bin", tfjs_bytes, n);
    tfjs_refuse("a truncated shard", path, "expected the 98 of its tensors");
  }
  tfjs_write("a.bin", tfjs_bytes, TFJS_A + 1);
  tfjs_refuse("a shard with a byte more", path, "have 99 bytes, expected the 98 of its tensors");
  snprintf(path, sizeof path, "%s/model.min.js", tfjs_folder);
  tfjs_write_modules(tfjs_module);
  for (size_t n = 0; n + tail < strlen(tfjs_module); n++) {
    tfjs_write("model.min.js", tfjs_module, n);
    tfjs_refuse("a truncated module", path, "");
  }
}
END_TEST

static void flip_all(const char *name, const char *text) {
  static char copy[TFJS_TEXT];
  size_t length = strlen(text);
  memcpy(copy, text, length);
  for (size_t i = 0; i < 8 * length; i++) {
    copy[i / 8] ^= (char)(1 << i % 8);
    tfjs_survive(tfjs_write(name, copy, length));
    copy[i / 8] ^= (char)(1 << i % 8);
  }
}

START_TEST(flipped_json) {
  tfjs_write_model(tfjs_json);
  flip_all("model.json", tfjs_json);
}
END_TEST

START_TEST(flipped_module) {
  tfjs_write_modules(tfjs_module);
  flip_all("model.min.js", tfjs_module);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tfjs");
  TCase *tests = tcase_create("tfjs");
  tcase_set_timeout(tests, 300);
  tcase_add_checked_fixture(tests, tfjs_setup, tfjs_teardown);
  tcase_add_test(tests, model_of_json);
  tcase_add_test(tests, model_of_modules);
  tcase_add_test(tests, kinds_of_weights);
  tcase_add_test(tests, bad_json);
  tcase_add_test(tests, bad_javascript);
  tcase_add_test(tests, bad_base64);
  tcase_add_test(tests, links);
  tcase_add_test(tests, truncated);
  tcase_add_test(tests, flipped_json);
  tcase_add_test(tests, flipped_module);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
