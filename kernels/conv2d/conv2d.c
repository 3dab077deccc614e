/* The list of convolutions and what they share: checking a desc, output size, FLOPs. */
#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/wgrad_wino.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(conv2d, __VA_ARGS__)
#include "kernels/conv2d/conv2d.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(conv2d, __VA_ARGS__)
#include "kernels/conv2d/conv2d.def"
#undef KERNEL
};

static const char *advise(const kohl_kernel *kernel, const void *desc) {
  if (kernel->accuracy != KOHL_ACCURACY_WINOGRAD) return NULL;
  if (kernel->direction == KOHL_WGRAD) return kohl_wgrad_wino_advise(desc);
  return kohl_wino_advise(kernel->id[4] - '0', desc);
}

KOHL_DEFINE_OP_ADVISED(conv2d, table, advise)

int kohl_conv2d_out(int in, int filter, int stride, int dilation, int pad_before, int pad_after) {
  int64_t room = (int64_t)in + pad_before + pad_after - (int64_t)dilation * (filter - 1) - 1;
  return room < 0 ? 0 : (int)(room / stride + 1);
}

const char *kohl_conv2d_check(const kohl_conv2d_desc *d) {
  if (d->n < 0 || d->h < 1 || d->w < 1 || d->c < 1 || d->k < 1 || d->r < 1 || d->s < 1) return "a size is below 1";
  if (d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 || d->dilation_w < 1)
    return "a stride or dilation is below 1";
  if (d->pad_top < 0 || d->pad_left < 0 || d->pad_bottom < 0 || d->pad_right < 0) return "a padding is negative";
  int64_t height = (int64_t)d->h + d->pad_top + d->pad_bottom, width = (int64_t)d->w + d->pad_left + d->pad_right;
  if (height > 1 << 30 || width > 1 << 30) return "a padded side is above 2^30";
  if (d->groups < 1 || d->c % d->groups || d->k % d->groups) return "groups do not divide the channels";
  if (d->p != kohl_conv2d_out(d->h, d->r, d->stride_h, d->dilation_h, d->pad_top, d->pad_bottom) ||
      d->q != kohl_conv2d_out(d->w, d->s, d->stride_w, d->dilation_w, d->pad_left, d->pad_right) || d->p < 1 ||
      d->q < 1) {
    return "p or q does not follow from the other sizes";
  }
  if (d->dsts < 1 || d->dsts > KOHL_CONV2D_DSTS) return "destinations are not 1 to 4";
  int64_t sum = 0;
  for (int i = 0; i < d->dsts; i++) {
    if (d->dst_k[i] < 1 || d->dst_stride[i] < d->dst_k[i]) return "a destination's stride is below its channels";
    sum += d->dst_k[i];
  }
  if (sum != d->k) return "the destinations' channels do not add up to k";
  if (d->src_stride < d->c) return "the source's stride is below its channels";
  if (d->add && (d->dsts != 1 || d->add_stride < d->k))
    return "an addend needs one destination and a stride of at least k";
  if (d->pool && (d->p < 2 || d->q < 2 || d->dsts != 1)) return "a fused pool needs one destination of at least 2x2";
  return NULL;
}

const char *kohl_conv2d_gradient_check(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  if (d->pool) return "no gradient of a fused pool";
  if (d->dsts != 1) return "a gradient has one destination";
  return kohl_conv2d_check(d);
}

int kohl_conv2d_block_rows(const kohl_conv2d_desc *d) { return d->q < 256 ? 256 / d->q : 1; }

double kohl_conv2d_flops(const kohl_conv2d_desc *d) {
  return 2.0 * d->n * d->p * d->q * d->k * d->r * d->s * (d->c / d->groups);
}
