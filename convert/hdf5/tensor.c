/* Datasets of an HDF5 file; see hdf5.h.  Type, shape, layout, filters and stored bytes are known to be harmless before
 * a number is read. */
#include <string.h>

#include "convert/hdf5/file.h"
#include "nn/json.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

#ifdef KOHL_HDF5

enum {
  GZIP_RATIO = 1100,   /* deflate cannot shrink more than 1032 times */
  MOST_CHUNK = 4 << 20 /* bytes; the library holds a whole chunk in memory, packed and unpacked */
};

/* A dataset on its way: handles that end together. */
typedef struct dataset {
  const char *path;
  hid_t id, type, space, plist;
} dataset;

static kohl_status bad_dataset(kohl_context *ctx, const kohl_hdf5_file *h5, const dataset *d, const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' %s", h5->path, QUOTE(d->path), what);
}

static void close_dataset(kohl_hdf5_file *h5, dataset *d) {
  if (d->plist >= 0) h5->call.H5Pclose(d->plist);
  if (d->space >= 0) h5->call.H5Sclose(d->space);
  if (d->type >= 0) h5->call.H5Tclose(d->type);
  if (d->id >= 0) h5->call.H5Oclose(d->id);
}

/* Keras writes bfloat16 as two bytes of no type, and says so in an attribute. */
static bool is_bfloat16(kohl_context *ctx, kohl_hdf5_file *h5, const dataset *d) {
  kohl_hdf5_texts texts = {0};
  bool good = h5->call.H5Tget_class(d->type) == H5T_OPAQUE && h5->call.H5Tget_size(d->type) == 2 &&
              kohl_hdf5_file_texts(ctx, h5, d->path, "dtype", sizeof "bfloat16", &texts) == KOHL_OK &&
              texts.count == 1 && strcmp(texts.text[0], "bfloat16") == 0;
  kohl_hdf5_texts_free(ctx, &texts);
  return good;
}

static bool find_dtype(kohl_context *ctx, kohl_hdf5_file *h5, const dataset *d, kohl_safetensors_dtype *out) {
  kohl_hdf5_library *call = &h5->call;
  hid_t type = d->type;
  if (call->H5Tequal(type, *call->H5T_IEEE_F32LE_g) > 0 || call->H5Tequal(type, *call->H5T_IEEE_F32BE_g) > 0)
    *out = KOHL_SAFETENSORS_F32;
  else if (call->H5Tequal(type, *call->H5T_IEEE_F64LE_g) > 0 || call->H5Tequal(type, *call->H5T_IEEE_F64BE_g) > 0)
    *out = KOHL_SAFETENSORS_F64;
  else if (call->H5Tequal(type, h5->half) > 0)
    *out = KOHL_SAFETENSORS_F16;
  else if (is_bfloat16(ctx, h5, d))
    *out = KOHL_SAFETENSORS_BF16;
  else
    return false;
  return true;
}

static kohl_status check_space(kohl_context *ctx, kohl_hdf5_file *h5, const dataset *d, kohl_tensor_info *info) {
  hsize_t sizes[KOHL_SAFETENSORS_DIMS];
  H5S_class_t kind = h5->call.H5Sget_simple_extent_type(d->space);
  info->dims = h5->call.H5Sget_simple_extent_ndims(d->space);
  if ((kind != H5S_SIMPLE && kind != H5S_SCALAR) || info->dims < 0 || info->dims > KOHL_SAFETENSORS_DIMS)
    return bad_dataset(ctx, h5, d, "has no shape of at most 8 dimensions");
  if (h5->call.H5Sget_simple_extent_dims(d->space, sizes, NULL) < 0)
    return bad_dataset(ctx, h5, d, "has no readable shape; the file is damaged");
  info->bytes = kohl_safetensors_dtype_bytes(info->dtype);
  for (int i = 0; i < info->dims; i++) {
    if (sizes[i] > INT64_MAX || !kohl_mul_size(info->bytes, (size_t)sizes[i], &info->bytes))
      return bad_dataset(ctx, h5, d, "is larger than any memory");
    info->shape[i] = (int64_t)sizes[i];
  }
  return KOHL_OK;
}

static kohl_status check_chunks(kohl_context *ctx, kohl_hdf5_file *h5, const dataset *d, const kohl_tensor_info *info) {
  hsize_t sizes[KOHL_SAFETENSORS_DIMS];
  size_t bytes = kohl_safetensors_dtype_bytes(info->dtype);
  int filters = h5->call.H5Pget_nfilters(d->plist);
  if (h5->call.H5Pget_chunk(d->plist, KOHL_SAFETENSORS_DIMS, sizes) != info->dims)
    return bad_dataset(ctx, h5, d, "has chunks of another number of dimensions");
  for (int i = 0; i < info->dims; i++)
    if (sizes[i] == 0 || sizes[i] > (hsize_t)info->shape[i] || !kohl_mul_size(bytes, (size_t)sizes[i], &bytes) ||
        bytes > MOST_CHUNK)
      return bad_dataset(ctx, h5, d, "has chunks of more than 4 MiB or larger than itself");
  for (int i = 0; i < filters; i++) {
    unsigned flags;
    size_t values = 0;
    H5Z_filter_t filter = h5->call.H5Pget_filter2(d->plist, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
    if (filter != H5Z_FILTER_DEFLATE) return bad_dataset(ctx, h5, d, "is stored with a filter, expected none or gzip");
  }
  return KOHL_OK;
}

/* How the numbers are stored, and whether the file can hold as many. */
static kohl_status check_storage(kohl_context *ctx, kohl_hdf5_file *h5, const dataset *d,
                                 const kohl_tensor_info *info) {
  H5D_layout_t layout = h5->call.H5Pget_layout(d->plist);
  if (layout == H5D_VIRTUAL) return bad_dataset(ctx, h5, d, "is virtual: its numbers are in other files");
  if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT && layout != H5D_CHUNKED)
    return bad_dataset(ctx, h5, d, "has no readable storage; the file is damaged");
  if (h5->call.H5Pget_external_count(d->plist) != 0)
    return bad_dataset(ctx, h5, d, "is external: its numbers are in other files");
  hsize_t stored = info->bytes ? h5->call.H5Dget_storage_size(d->id) : 0;
  bool fits = stored <= h5->bytes;
  if (layout == H5D_CHUNKED)
    fits = fits && info->bytes / GZIP_RATIO <= stored && (stored > 0 || info->bytes == 0);
  else
    fits = fits && stored == info->bytes;
  if (!fits)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' has %zu bytes, but %llu are stored in a file of %llu",
                     h5->path, QUOTE(d->path), info->bytes, (unsigned long long)stored, (unsigned long long)h5->bytes);
  return layout == H5D_CHUNKED && info->bytes ? check_chunks(ctx, h5, d, info) : KOHL_OK;
}

static kohl_status check_dataset(kohl_context *ctx, kohl_hdf5_file *h5, dataset *d, kohl_tensor_info *info) {
  kohl_hdf5_library *call = &h5->call;
  kohl_status status = kohl_hdf5_file_object(ctx, h5, d->path, &d->id);
  if (status) return status;
  if (d->id < 0 || call->H5Iget_type(d->id) != H5I_DATASET) return bad_dataset(ctx, h5, d, "is missing in the file");
  d->plist = call->H5Dget_create_plist(d->id);
  d->type = call->H5Dget_type(d->id);
  if (d->plist < 0 || d->type < 0) return bad_dataset(ctx, h5, d, "cannot be read; the file is damaged");
  if (!find_dtype(ctx, h5, d, &info->dtype))
    return bad_dataset(ctx, h5, d, "is of another type, expected floats of 16, 32 or 64 bits");
  d->space = call->H5Dget_space(d->id);
  if (d->space < 0) return bad_dataset(ctx, h5, d, "cannot be read; the file is damaged");
  status = check_space(ctx, h5, d, info);
  return status ? status : check_storage(ctx, h5, d, info);
}

kohl_status kohl_hdf5_file_tensor(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, kohl_tensor_info *info) {
  dataset d = {path, -1, -1, -1, -1};
  info->data = NULL;
  kohl_status status = check_dataset(ctx, h5, &d, info);
  close_dataset(h5, &d);
  return status;
}

/* Numbers of bfloat16 that lie in the second half of the block become floats. */
static void widen(float *out, size_t count) {
  const char *from = (const char *)out + count * sizeof(uint16_t);
  for (size_t i = 0; i < count; i++) { /* what is written ends before what is still to be read */
    uint16_t upper;
    memcpy(&upper, from + i * sizeof upper, sizeof upper);
    uint32_t bits = (uint32_t)upper << 16;
    memcpy(&out[i], &bits, sizeof bits);
  }
}

kohl_status kohl_hdf5_file_read(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, const kohl_tensor_info *info,
                                size_t first, size_t slices, float *out) {
  kohl_hdf5_library *call = &h5->call;
  dataset d = {path, -1, -1, -1, -1};
  kohl_tensor_info now = {0};
  kohl_status status = check_dataset(ctx, h5, &d, &now);
  if (!status && (now.dims != info->dims || now.dtype != info->dtype ||
                  memcmp(now.shape, info->shape, sizeof now.shape[0] * (size_t)now.dims) != 0))
    status = bad_dataset(ctx, h5, &d, "has changed while it was read");
  if (!status) {
    int axis = kohl_hdf5_axis(&now);
    hsize_t start[KOHL_SAFETENSORS_DIMS] = {0}, count[KOHL_SAFETENSORS_DIMS], all = slices;
    for (int i = 0; i < axis; i++) count[i] = 1;
    start[axis] = first;
    count[axis] = slices;
    for (int i = axis + 1; i < now.dims; i++) all *= count[i] = (hsize_t)now.shape[i];
    hid_t memory = call->H5Screate_simple(1, &all, NULL);
    bool good = memory >= 0;
    if (now.dims > 0) good = good && call->H5Sselect_hyperslab(d.space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0;
    bool narrow = now.dtype == KOHL_SAFETENSORS_BF16;
    hid_t type = narrow ? d.type : *call->H5T_NATIVE_FLOAT_g;
    char *to = (char *)out + (narrow ? all * sizeof(uint16_t) : 0);
    good = good && call->H5Dread(d.id, type, memory, d.space, H5P_DEFAULT, to) >= 0;
    if (good && narrow) widen(out, (size_t)all);
    if (memory >= 0) call->H5Sclose(memory);
    if (!good) status = bad_dataset(ctx, h5, &d, "cannot be read; the file is damaged");
  }
  close_dataset(h5, &d);
  return status;
}

#else
typedef int kohl_hdf5_tensor_absent; /* a file must declare something */
#endif
