/* Pictures, a base and runs for the tests of training; fit_pictures.h says what. */
#include "tests/unit/fit_pictures.h"

#include <check.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/core/philox.h"
#include "nn/model.h"

enum { SIDE = 12, TEXT = 512 };

long fit_polls_left = -1;

static char root[] = "/tmp/kohl_fit_XXXXXX";

static bool stop(void *user) {
  (void)user;
  return fit_polls_left >= 0 && fit_polls_left-- == 0;
}

kohl_context *fit_context(int threads) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = threads;
  options.cancel = stop;
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

/* A square of one colour, every byte moved by up to 20. */
void fit_write_picture(const char *name, unsigned colour, uint32_t number) {
  uint8_t pixels[SIDE * SIDE * 3];
  for (uint32_t i = 0; i < sizeof pixels; i++) {
    int base = (int)(colour >> (16 - 8 * (i % 3)) & 255), noise = (int)(kohl_random_u32(1, 2, number, 3, i) % 41) - 20;
    int value = base + noise;
    pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
  }
  char path[TEXT];
  snprintf(path, sizeof path, "%s/%s", root, name);
  png_image image;
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = SIDE;
  image.format = PNG_FORMAT_RGB;
  ck_assert(png_image_write_to_file(&image, path, 0, pixels, 0, NULL));
}

void fit_write_text(const char *name, const char *text) {
  char path[TEXT];
  snprintf(path, sizeof path, "%s/%s", root, name);
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

char *fit_path(const char *name) { /* a static ring, enough for one call's arguments */
  static char ring[8][TEXT];
  static int next;
  char *path = ring[next++ % 8];
  snprintf(path, TEXT, "%s/%s", root, name);
  return path;
}

void fit_make_folder(const char *name) { ck_assert_int_eq(mkdir(fit_path(name), 0777), 0); }

/* input 8x8x3 -> conv 3x3, 6 filters, ReLU. */
static void write_base(void) {
  kohl_context *ctx = fit_context(1);
  kohl_graph *graph;
  kohl_model *model;
  kohl_params params = kohl_params_default();
  int input, conv;
  fit_ok(ctx, kohl_graph_create(ctx, "tiny", &graph));
  params.size[0] = params.size[1] = 8;
  params.size[2] = 3;
  fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_input, "input", &params, NULL, 0, &input));
  params = kohl_params_default();
  params.filters = 6;
  params.kernel[0] = params.kernel[1] = 3;
  params.activation = KOHL_ACTIVATION_RELU;
  fit_ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_conv2d, "conv", &params, &input, 1, &conv));
  fit_ok(ctx, kohl_graph_infer(ctx, graph));
  fit_ok(ctx, kohl_model_create(ctx, graph, &model));
  for (size_t w = 0; w < model->weight_count; w++) {
    fit_ok(ctx, kohl_weight_own(ctx, &model->weights[w]));
    for (size_t i = 0; i < model->weights[w].spec.count; i++) {
      model->weights[w].owned[i] = kohl_random_uniform(5, 0, w, 0, i) - 0.5f;
    }
  }
  model->preprocessing.fit.w = model->preprocessing.fit.h = 8;
  fit_ok(ctx, kohl_model_save(ctx, model, fit_path("base.safetensors")));
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}

void fit_set_up(void) {
  static const unsigned colours[3] = {0xc03030, 0x30c030, 0x3030c0};
  static const char *const names[3] = {"red", "green", "blue"};
  ck_assert_ptr_nonnull(mkdtemp(root));
  write_base();
  fit_make_folder("data");
  for (int c = 0; c < 3; c++) {
    char name[64];
    snprintf(name, sizeof name, "data/%s", names[c]);
    fit_make_folder(name);
    for (int i = 0; i < 12 + 6 * c; i++) {
      snprintf(name, sizeof name, "data/%s/%02d.png", names[c], i);
      fit_write_picture(name, colours[c], (uint32_t)(100 * c + i));
    }
  }
  fit_write_text("r.yaml",
                 "pictures: {fit: stretch, filter: bilinear}\n"
                 "head: {dense: [16], dropout: 0.25}\n"
                 "optimizer: {lr: 3e-3, decay: 1e-3}\n"
                 "epochs: 8\nbatch: 7\nseed: 3\n");
}

void fit_tear_down(void) {
  char command[TEXT];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
}

kohl_status fit_train(kohl_context *ctx, const char *run, bool resume, const char *set, kohl_train_result *out) {
  kohl_train_options options = {.recipe = fit_path("r.yaml"),
                                .data = fit_path("data"),
                                .run = fit_path(run),
                                .resume = resume,
                                .init_from = fit_path("base.safetensors"),
                                .overrides = &set,
                                .override_count = set ? 1 : 0};
  return kohl_train(ctx, &options, out);
}

char *fit_load(const char *name, size_t *bytes) {
  FILE *file = fopen(fit_path(name), "r");
  ck_assert_msg(file != NULL, "%s is missing", name);
  char *text = calloc(1, 1 << 20);
  *bytes = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  return text;
}

void fit_same_file(const char *a, const char *b) {
  size_t na, nb;
  char *ta = fit_load(a, &na), *tb = fit_load(b, &nb);
  ck_assert_msg(na > 1000 && na == nb && memcmp(ta, tb, na) == 0, "%s and %s differ", a, b);
  free(ta);
  free(tb);
}

/* The tensors of two checkpoints (their history holds seconds). */
void fit_same_state(const char *a, const char *b) {
  kohl_context *ctx = fit_context(1);
  kohl_safetensors *fa, *fb;
  fit_ok(ctx, kohl_safetensors_open(ctx, fit_path(a), &fa));
  fit_ok(ctx, kohl_safetensors_open(ctx, fit_path(b), &fb));
  ck_assert_uint_eq(kohl_safetensors_count(fa), kohl_safetensors_count(fb));
  for (size_t i = 0; i < kohl_safetensors_count(fa); i++) {
    const kohl_tensor_info *ta = kohl_safetensors_tensor(fa, i), *tb = kohl_safetensors_tensor(fb, i);
    ck_assert_str_eq(ta->name, tb->name);
    ck_assert_uint_eq(ta->bytes, tb->bytes);
    ck_assert_msg(memcmp(ta->data, tb->data, ta->bytes) == 0, "tensor %s differs", ta->name);
  }
  kohl_safetensors_close(ctx, fa);
  kohl_safetensors_close(ctx, fb);
  kohl_context_destroy(ctx);
}
