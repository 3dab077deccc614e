/* make_jpeg: writes JPEGs of kinds that Pillow cannot write, for tests/oracle/pillow.py to decode.
 *
 *   make_jpeg < LIST
 *
 * One line of LIST: SPACE W H QUALITY SAMPLING PROCESS RESTART MARKER SEED PATH
 *   SPACE     grey ycc rgb cmyk ycck
 *   SAMPLING  horizontal and vertical factors of every component, as 221111 for 4:2:0
 *   PROCESS   baseline progressive arithmetic both (progressive and arithmetic) scans (one per component)
 *   RESTART   MCUs between restart markers, 0 for none
 *   MARKER    1: the JFIF or Adobe marker that belongs to SPACE; 0: none
 * The pixels are a gradient, noise and edges that depend on SEED.  Prints "done N" at the end. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct {
  char space[8], sampling[16], process[16], path[4096];
  int w, h, quality, restart, marker;
  unsigned seed;
} request;

static bool parse(const char *line, request *r) {
  return sscanf(line, "%7s %d %d %d %15s %15s %d %d %u %4095[^\n]", r->space, &r->w, &r->h, &r->quality, r->sampling,
                r->process, &r->restart, &r->marker, &r->seed, r->path) == 10;
}

static void set_space(struct jpeg_compress_struct *c, const char *space) {
  J_COLOR_SPACE stored = strcmp(space, "grey") == 0   ? JCS_GRAYSCALE
                         : strcmp(space, "ycc") == 0  ? JCS_YCbCr
                         : strcmp(space, "rgb") == 0  ? JCS_RGB
                         : strcmp(space, "cmyk") == 0 ? JCS_CMYK
                                                      : JCS_YCCK;
  c->in_color_space = stored == JCS_YCbCr ? JCS_RGB : stored == JCS_YCCK ? JCS_CMYK : stored;
  c->input_components = stored == JCS_GRAYSCALE ? 1 : stored == JCS_CMYK || stored == JCS_YCCK ? 4 : 3;
  jpeg_set_defaults(c);
  jpeg_set_colorspace(c, stored);
}

static void set_process(struct jpeg_compress_struct *c, const request *r, jpeg_scan_info *scans) {
  for (int i = 0; i < c->num_components && r->sampling[2 * i] && r->sampling[2 * i + 1]; i++) {
    c->comp_info[i].h_samp_factor = r->sampling[2 * i] - '0';
    c->comp_info[i].v_samp_factor = r->sampling[2 * i + 1] - '0';
  }
  jpeg_set_quality(c, r->quality, TRUE);
  if (strcmp(r->process, "progressive") == 0 || strcmp(r->process, "both") == 0) jpeg_simple_progression(c);
  if (strcmp(r->process, "arithmetic") == 0 || strcmp(r->process, "both") == 0) c->arith_code = TRUE;
  if (strcmp(r->process, "scans") == 0) {
    for (int i = 0; i < c->num_components; i++) scans[i] = (jpeg_scan_info){1, {i}, 0, 63, 0, 0};
    c->scan_info = scans;
    c->num_scans = c->num_components;
  }
  c->restart_interval = (unsigned)r->restart;
  if (!r->marker) c->write_JFIF_header = c->write_Adobe_marker = FALSE;
}

static void fill_row(const request *r, int y, int channels, unsigned *state, uint8_t *row) {
  for (int x = 0; x < r->w; x++) {
    for (int k = 0; k < channels; k++) {
      *state = *state * 1664525u + 1013904223u;
      unsigned v = (unsigned)(x * (3 + k) + y * (5 - k)) + r->seed * 40u;
      if (x < r->w / 2 && y < r->h / 2) v = *state >> 24;
      if (x >= r->w / 2 && y >= r->h / 2) v = ((unsigned)x / 5 + (unsigned)y / 7 + (unsigned)k) % 2 * 255;
      *row++ = (uint8_t)v;
    }
  }
}

static bool make(const request *r) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  jpeg_scan_info scans[4];
  FILE *file = fopen(r->path, "wb");
  uint8_t *row = calloc((size_t)r->w, 4);
  if (!file || !row) return false;
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_stdio_dest(&c, file);
  c.image_width = (JDIMENSION)r->w;
  c.image_height = (JDIMENSION)r->h;
  set_space(&c, r->space);
  set_process(&c, r, scans);
  jpeg_start_compress(&c, TRUE);
  unsigned state = r->seed;
  while (c.next_scanline < c.image_height) {
    JSAMPROW line = row;
    fill_row(r, (int)c.next_scanline, c.input_components, &state, row);
    jpeg_write_scanlines(&c, &line, 1);
  }
  jpeg_finish_compress(&c);
  jpeg_destroy_compress(&c);
  free(row);
  return fclose(file) == 0;
}

int main(void) {
  static char line[8192];
  static request r;
  int done = 0;
  while (fgets(line, sizeof line, stdin)) {
    if (!parse(line, &r) || !make(&r)) {
      fprintf(stderr, "make_jpeg: cannot do: %s", line);
      return EXIT_FAILURE;
    }
    done++;
  }
  printf("done %d\n", done);
  return EXIT_SUCCESS;
}
