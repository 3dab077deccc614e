/* conv2d input gradient: its phases, their filters turned round, and the forward's driver for each. */
#include "kernels/conv2d/dgrad_igemm.h"

#include <string.h>

#include "kernels/conv2d/dgrad_phase.h"

typedef struct {
  size_t index; /* of the phase after this one */
  kohl_dgrad_side down, across;
  kohl_conv2d_desc conv;
  size_t wei;    /* floats before its packed weights */
  size_t floats; /* of its packed weights */
} phase;

/* Steps to the next phase; begins with a zeroed one.  False after the last. */
static bool next_phase(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, phase *f) {
  const size_t rows = (size_t)(d->stride_h < d->h ? d->stride_h : d->h);
  const size_t columns = (size_t)(d->stride_w < d->w ? d->stride_w : d->w);
  f->wei += f->floats;
  f->floats = 0;
  if (f->index == rows * columns) return false;
  f->down = kohl_dgrad_side_of((int)(f->index / columns), d->h, d->r, d->stride_h, d->dilation_h, d->pad_top);
  f->across = kohl_dgrad_side_of((int)(f->index % columns), d->w, d->s, d->stride_w, d->dilation_w, d->pad_left);
  f->index++;
  f->conv = (kohl_conv2d_desc){.n = d->n,
                               .h = d->p,
                               .w = d->q,
                               .c = d->k,
                               .k = d->c,
                               .r = f->down.taps,
                               .s = f->across.taps,
                               .p = f->down.pixels,
                               .q = f->across.pixels,
                               .stride_h = 1,
                               .stride_w = 1,
                               .dilation_h = f->down.dilation,
                               .dilation_w = f->across.dilation,
                               .pad_top = f->down.pad,
                               .pad_left = f->across.pad,
                               .groups = d->groups,
                               .src_stride = d->dst_stride[0],
                               .dsts = 1,
                               .dst_k = {d->c},
                               .dst_stride = {d->src_stride}};
  if (f->conv.r && f->conv.s) f->floats = kohl_igemm_packed_size(isa, &f->conv) / sizeof(float);
  return true;
}

size_t kohl_dgrad_igemm_packed_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d) {
  phase f = {0};
  while (next_phase(isa, d, &f)) continue;
  return f.wei * sizeof(float);
}

/* One panel: a row of `channels` neighbouring floats of every filter and tap. */
static void pack_panel(const kohl_conv2d_desc *d, const phase *f, const kohl_igemm_panel *p, size_t width,
                       const float *wei, float *to) {
  const size_t c_group = (size_t)(d->c / d->groups), k_group = (size_t)(d->k / d->groups);
  const size_t filter = d->r * d->s * c_group, channels = (size_t)p->channels;
  wei += p->group * k_group * filter + p->k0 - p->group * c_group;
  for (int i = f->down.taps - 1; i >= 0; i--) {
    for (int j = f->across.taps - 1; j >= 0; j--) {
      size_t tap = (size_t)(f->down.tap + i * f->down.tap_step) * d->s + f->across.tap + j * f->across.tap_step;
      const float *from = wei + tap * c_group;
      for (size_t k = 0; k < k_group; k++, from += filter, to += width) {
        memcpy(to, from, channels * sizeof *to);
        memset(to + channels, 0, (width - channels) * sizeof *to);
      }
    }
  }
}

void kohl_dgrad_igemm_pack(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const float *wei, float *packed) {
  for (phase f = {0}; next_phase(isa, d, &f);) {
    if (!f.floats) continue;
    for (kohl_igemm_panel p = {0}; kohl_igemm_next_panel(isa, &f.conv, &p);) {
      pack_panel(d, &f, &p, kohl_igemm_panel_width(isa, p.channels), wei, packed + f.wei + p.wei);
    }
  }
}

size_t kohl_dgrad_igemm_workspace_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, size_t workers) {
  size_t most = 0;
  for (phase f = {0}; next_phase(isa, d, &f);) {
    size_t bytes = f.floats ? kohl_igemm_workspace_size(isa, &f.conv, workers) : 0;
    if (bytes > most) most = bytes;
  }
  return most;
}

typedef struct {
  const kohl_conv2d_desc *d;
  const phase *f;
  float *dsrc; /* the phase's first pixel */
} clear_state;

/* One row of a phase that no tap reaches. */
static void clear_row(void *state, size_t index, size_t worker) {
  (void)worker;
  const clear_state *st = state;
  const kohl_conv2d_desc *d = st->d;
  size_t n = index / st->f->down.pixels, y = index % st->f->down.pixels * d->stride_h;
  float *to = st->dsrc + (n * d->h + y) * d->w * d->src_stride;
  for (int x = 0; x < st->f->across.pixels; x++, to += (size_t)d->stride_w * d->src_stride) {
    memset(to, 0, (size_t)d->c * sizeof *to);
  }
}

void kohl_dgrad_igemm_run(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                          kohl_threads *threads) {
  const size_t stride = (size_t)d->src_stride, line = stride * d->w;
  const kohl_igemm_view view = {d->stride_w * stride, d->stride_h * line, d->h * line};
  const bool apart = d->stride_h > 1 || d->stride_w > 1;
  for (phase f = {0}; next_phase(isa, d, &f);) {
    float *dsrc = (float *)args->out[CONV2D_DGRAD_DSRC] + f.down.first * line + f.across.first * stride;
    if (!f.floats) {
      clear_state state = {d, &f, dsrc};
      kohl_parallel(threads, clear_row, &state, (size_t)d->n * f.down.pixels);
      continue;
    }
    kohl_args conv = {.workspace = args->workspace};
    conv.in[CONV2D_SRC] = args->in[CONV2D_DGRAD_DDST];
    conv.in[CONV2D_WEI] = (const float *)args->in[CONV2D_DGRAD_WEI] + f.wei;
    conv.out[CONV2D_DST] = dsrc;
    kohl_igemm_run_view(isa, &f.conv, &conv, apart ? &view : NULL, threads);
  }
}
