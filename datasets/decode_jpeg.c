/* JPEG through libjpeg-turbo, with its default transform and upsampling, whole or scaled: the pixels of Pillow.
 *
 * libjpeg reports errors by a jump.  Everything that the jump must not lose lives in one struct, outside the
 * function that calls setjmp. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "datasets/decode.h"
#include "kernels/core/alloc.h"

typedef struct {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf out_of_libjpeg;
  const kohl_decode_job *job;
  kohl_picture *picture;
  uint8_t *cmyk; /* one row of a four-channel picture, owned */
  int scans;     /* at most */
  kohl_status status;
} reader;

static _Noreturn void stop(reader *r, kohl_status status) {
  r->status = status;
  longjmp(r->out_of_libjpeg, 1);
}

static const char *process_name(int sof) {
  switch (sof & 15) {
    case 3:
    case 11: return "lossless";
    case 8: return "JPG extension";
    default: return "hierarchical";
  }
}

static void on_error(j_common_ptr info) {
  reader *r = info->client_data;
  kohl_context *ctx = r->job->ctx;
  const char *name = r->job->name;
  int code = info->err->msg_code, value = info->err->msg_parm.i[0];
  if (code == JERR_OUT_OF_MEMORY) {
    stop(r, kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: memory for the JPEG decoder refused", name));
  }
  if (code == JERR_BAD_PRECISION) {
    stop(r, kohl_fail(ctx, KOHL_BAD_INPUT, "%s: JPEG of %d bits a channel, expected 8", name, value));
  }
  if (code == JERR_SOF_UNSUPPORTED) {
    stop(r, kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %s JPEG (SOF%d), expected baseline, extended or progressive", name,
                      process_name(value), value & 15));
  }
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  stop(r, kohl_fail(r->job->ctx, KOHL_BAD_INPUT, "%s: damaged JPEG: %s", r->job->name, text));
}

static _Noreturn void stop_truncated(reader *r) {
  stop(r, kohl_fail(r->job->ctx, KOHL_BAD_INPUT, "%s: truncated JPEG: the picture goes on after its %zu bytes",
                    r->job->name, r->job->length));
}

/* Warnings after which pixels are invented are errors; the others (stray bytes, a wrong Adobe transform, scans that
 * refine nothing) are harmless. */
static void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  int code = info->err->msg_code;
  reader *r = info->client_data;
  if (code == JWRN_HIT_MARKER) {
    stop(r, kohl_fail(r->job->ctx, KOHL_BAD_INPUT, "%s: damaged JPEG: its pixels end early", r->job->name));
  }
  if (code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC) on_error(info);
}

static void no_output(j_common_ptr info) { (void)info; }

static void on_progress(j_common_ptr info) {
  reader *r = info->client_data;
  if (r->info.input_scan_number > r->scans) {
    stop(r, kohl_fail(r->job->ctx, KOHL_BAD_INPUT, "%s: JPEG scan %d, expected at most %d for %u x %u pixels",
                      r->job->name, r->info.input_scan_number, r->scans, r->info.image_width, r->info.image_height));
  }
}

static void source_begin(j_decompress_ptr info) { (void)info; }
static void source_end(j_decompress_ptr info) { (void)info; }

/* Asked for more when the bytes are used up. */
static boolean source_fill(j_decompress_ptr info) { stop_truncated(info->client_data); }

static void source_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if ((size_t)count > info->src->bytes_in_buffer) stop_truncated(info->client_data);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= (size_t)count;
}

static void prepare(reader *r) {
  r->info.err = jpeg_std_error(&r->errors);
  r->errors.error_exit = on_error;
  r->errors.emit_message = on_message;
  r->errors.output_message = no_output;
  r->info.client_data = r;
  r->source = (struct jpeg_source_mgr){.next_input_byte = r->job->bytes,
                                       .bytes_in_buffer = r->job->length,
                                       .init_source = source_begin,
                                       .fill_input_buffer = source_fill,
                                       .skip_input_data = source_skip,
                                       .resync_to_restart = jpeg_resync_to_restart,
                                       .term_source = source_end};
  r->progress.progress_monitor = on_progress;
}

static const char *mode_of(J_COLOR_SPACE space) {
  switch (space) {
    case JCS_GRAYSCALE: return "JPEG grey";
    case JCS_RGB: return "JPEG RGB";
    case JCS_YCbCr: return "JPEG YCbCr";
    case JCS_CMYK: return "JPEG CMYK";
    case JCS_YCCK: return "JPEG YCCK";
    default: return NULL;
  }
}

/* Inks are stored inverted: with k = 255 - K, red is k - (255 - cyan_stored) * k / 255, which is Pillow's order. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t w) {
  for (size_t x = 0; x < w; x++, cmyk += 4) {
    for (int c = 0; c < 3; c++) *rgb++ = (uint8_t)(cmyk[3] - kohl_scale_255(255u - cmyk[c], cmyk[3]));
  }
}

static void read_rows(reader *r) {
  size_t row = (size_t)r->picture->w * 3;
  while (r->info.output_scanline < r->info.output_height) {
    uint8_t *rgb = r->picture->rgb + r->info.output_scanline * row;
    JSAMPROW line = r->cmyk ? r->cmyk : rgb;
    if (jpeg_read_scanlines(&r->info, &line, 1) != 1) stop_truncated(r);
    if (r->cmyk) cmyk_to_rgb(r->cmyk, rgb, (size_t)r->picture->w);
  }
}

/* Scale and limits, which need the header alone. */
static void set_scale(reader *r) {
  const kohl_decode_want *want = &r->job->want;
  int64_t w = r->info.image_width, h = r->info.image_height;
  /* An arithmetic decoder makes pixels out of no bytes at all, and slowly: a quarter of the scans. */
  int64_t scans = KOHL_PICTURE_SCAN_PIXELS / (r->info.arith_code ? 4 : 1) / (w * h);
  r->scans = scans < KOHL_PICTURE_SCANS ? (int)scans : KOHL_PICTURE_SCANS;
  unsigned scale = want->w > 0 && want->h > 0 ? 8 : 1;
  for (; scale > 1; scale /= 2) {
    bool wide = w >= (int64_t)want->w * scale, high = h >= (int64_t)want->h * scale;
    if (want->either ? wide || high : wide && high) break;
  }
  r->info.scale_num = 1;
  r->info.scale_denom = scale;
  jpeg_calc_output_dimensions(&r->info);
}

static void decode(reader *r) {
  const kohl_decode_job *job = r->job;
  jpeg_create_decompress(&r->info);
  r->info.src = &r->source;
  r->info.progress = &r->progress;
  jpeg_read_header(&r->info, TRUE);
  r->picture->mode = mode_of(r->info.jpeg_color_space);
  if (!r->picture->mode) {
    stop(r, kohl_fail(job->ctx, KOHL_BAD_INPUT, "%s: JPEG of %d channels, expected 1, 3 or 4", job->name,
                      r->info.num_components));
  }
  kohl_status status = kohl_picture_check(job, r->info.image_width, r->info.image_height);
  if (status != KOHL_OK) stop(r, status);
  set_scale(r);
  status = kohl_picture_allocate(job, r->info.output_width, r->info.output_height, r->picture);
  bool four = r->info.jpeg_color_space == JCS_CMYK || r->info.jpeg_color_space == JCS_YCCK;
  if (status == KOHL_OK && four) status = kohl_alloc(job->ctx, (size_t)r->picture->w, 4, job->name, &r->cmyk);
  if (status != KOHL_OK) stop(r, status);
  r->info.out_color_space = four ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&r->info);
  read_rows(r);
  jpeg_finish_decompress(&r->info);
}

kohl_status kohl_jpeg_decode(const kohl_decode_job *job, kohl_picture *out) {
  reader *r;
  kohl_status status = kohl_alloc(job->ctx, 1, sizeof *r, job->name, &r);
  if (status != KOHL_OK) return status;
  r->job = job;
  r->picture = out;
  prepare(r);
  if (setjmp(r->out_of_libjpeg) == 0) decode(r);
  status = r->status;
  jpeg_destroy_decompress(&r->info);
  kohl_free(job->ctx, r->cmyk);
  kohl_free(job->ctx, r);
  return status;
}
