/* Which plan of which model a file of packed weights is for: one number of everything that its bytes follow from. */
#include <string.h>

#include "nn/json.h"
#include "nn/packed.h"

/* FNV-1a, 64 bits. */
typedef struct sum {
  uint64_t hash;
} sum;

static void take(sum *s, const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) s->hash = (s->hash ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
}

static void take_text(sum *s, const char *text) { take(s, text, strlen(text) + 1); } /* the zero ends it */

static void take_numbers(sum *s, const int *numbers, size_t count) { take(s, numbers, count * sizeof *numbers); }

static kohl_status take_weights(kohl_context *ctx, const kohl_model *model, sum *s) {
  for (size_t i = 0; i < model->weight_count; i++) {
    const kohl_weight *weight = &model->weights[i];
    uint32_t crc;
    if (weight->file_index < 0 || !kohl_safetensors_crc(model->file, (size_t)weight->file_index, &crc))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s' is not one of a model file with checksums", weight->name);
    take_text(s, weight->name);
    take(s, &crc, sizeof crc);
  }
  return KOHL_OK;
}

static kohl_status take_graph(kohl_context *ctx, const kohl_graph *graph, sum *s) {
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_graph_write_json(graph, &json);
  kohl_status status = kohl_json_write_end(&json);
  if (status == KOHL_OK) take(s, json.text, json.length);
  kohl_json_write_free(&json);
  return status;
}

/* A member that is added to a desc must be taken here too, but for the batch: a plan runs smaller batches with the same
 * weights, so that these cannot depend on it.  Not the bytes as they lie, which have holes. */
_Static_assert(sizeof(kohl_conv2d_desc) == 128 && sizeof(kohl_dense_desc) == 28 && sizeof(kohl_batchnorm_desc) == 24,
               "descs have the members that take_desc knows");

static void take_desc(sum *s, const kohl_step *step) {
  if (step->op == &kohl_conv2d_op) {
    const kohl_conv2d_desc *d = &step->desc.conv2d;
    const int own[] = {d->h,
                       d->w,
                       d->c,
                       d->k,
                       d->r,
                       d->s,
                       d->p,
                       d->q,
                       d->stride_h,
                       d->stride_w,
                       d->dilation_h,
                       d->dilation_w,
                       d->pad_top,
                       d->pad_left,
                       d->pad_bottom,
                       d->pad_right,
                       d->groups,
                       d->src_stride,
                       d->dsts,
                       d->bias,
                       d->add,
                       d->add_stride,
                       (int)d->activation,
                       d->pool};
    take_numbers(s, own, sizeof own / sizeof *own);
    take_numbers(s, d->dst_k, KOHL_CONV2D_DSTS);
    take_numbers(s, d->dst_stride, KOHL_CONV2D_DSTS);
  } else if (step->op == &kohl_dense_op) {
    const kohl_dense_desc *d = &step->desc.dense;
    const int own[] = {d->c, d->k, d->src_stride, d->dst_stride, d->bias, (int)d->activation};
    take_numbers(s, own, sizeof own / sizeof *own);
  } else if (step->op == &kohl_batchnorm_op) {
    const kohl_batchnorm_desc *d = &step->desc.batchnorm;
    const int own[] = {d->pixels, d->c, d->src_stride, d->dst_stride, (int)d->activation};
    take_numbers(s, own, sizeof own / sizeof *own);
  }
}

static void take_step(const kohl_plan *plan, const kohl_step *step, sum *s) {
  take_text(s, step->op->name);
  take_text(s, step->kernel->id);
  take_numbers(s, step->sources, KOHL_CONV2D_DSTS);
  take_numbers(s, step->norms, KOHL_CONV2D_DSTS);
  take_desc(s, step);
  for (int i = 1; i <= 2; i++) { /* weights and bias of every op that has them */
    if (step->in[i] < 0) continue;
    const uint64_t place[] = {kohl_buffer_offset(plan, step->in[i]), plan->buffers[step->in[i]].bytes};
    take(s, place, sizeof place);
  }
}

kohl_status kohl_packed_digest(kohl_context *ctx, const kohl_model *model, const kohl_plan *plan, uint64_t *digest) {
  sum s = {0xcbf29ce484222325u};
  take_text(&s, KOHL_VERSION);
  kohl_status status = take_weights(ctx, model, &s);
  if (status == KOHL_OK) status = take_graph(ctx, model->graph, &s);
  for (size_t i = 0; i < plan->step_count && status == KOHL_OK; i++) {
    const kohl_step *step = &plan->steps[i];
    const bool weighted = step->op == &kohl_conv2d_op || step->op == &kohl_dense_op || step->op == &kohl_batchnorm_op;
    if (step->absorbed_by < 0 && weighted) take_step(plan, step, &s);
  }
  *digest = s.hash;
  return status;
}
