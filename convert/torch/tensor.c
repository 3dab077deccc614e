/* Storages and tensors, from the arguments of the calls that would make them; see state.h. */
#include <stdlib.h>
#include <string.h>

#include "convert/torch/state.h"

/* A storage's persistent id: ('storage', type, key, location, count[, view]), view None or (key, offset, count). */
typedef struct {
  kohl_torch_storage storage;
  size_t offset, count; /* the part that a view shows, in elements */
} storage_id;

static bool take_size(const kohl_torch_value *value, size_t *out) {
  if (value->kind != KOHL_TORCH_INT || value->number < 0 || (uint64_t)value->number > SIZE_MAX) return false;
  *out = (size_t)value->number;
  return true;
}

static bool read_view(const kohl_torch_pickle *pickle, const kohl_torch_value *view, storage_id *id) {
  if (view->kind == KOHL_TORCH_NONE) return true;
  if (view->kind != KOHL_TORCH_TUPLE || kohl_torch_count(pickle, view) != 3) return false;
  const kohl_torch_value *parts = kohl_torch_items(pickle, view);
  return take_size(&parts[1], &id->offset) && take_size(&parts[2], &id->count) && id->offset <= id->storage.count &&
         id->count <= id->storage.count - id->offset;
}

static bool read_id(const kohl_torch_pickle *pickle, const kohl_torch_value *value, storage_id *id) {
  size_t parts = kohl_torch_count(pickle, value), bytes;
  const kohl_torch_value *part = kohl_torch_items(pickle, value);
  if (parts < 5 || parts > 6 || !kohl_torch_is_word(&part[0], "storage")) return false;
  if (part[1].kind != KOHL_TORCH_GLOBAL || part[1].number != KOHL_TORCH_STORAGE_TYPE) return false;
  if (part[2].kind != KOHL_TORCH_TEXT || part[3].kind != KOHL_TORCH_TEXT) return false;
  *id = (storage_id){.storage = {.key = part[2].text, .key_length = part[2].length, .dtype = part[1].detail}};
  if (!take_size(&part[4], &id->storage.count)) return false;
  if (!kohl_mul_size(id->storage.count, kohl_safetensors_dtype_bytes(part[1].detail), &bytes)) return false;
  id->count = id->storage.count;
  return parts == 5 || read_view(pickle, &part[5], id);
}

static int order(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length) {
  size_t n = a_length < b_length ? a_length : b_length;
  int by_bytes = n ? memcmp(a, b, n) : 0;
  return by_bytes ? by_bytes : (a_length > b_length) - (a_length < b_length);
}

static int by_key(const void *a, const void *b) {
  const kohl_torch_storage *x = a, *y = b;
  return order(x->key, x->key_length, y->key, y->key_length);
}

kohl_torch_storage *kohl_torch_storage_find(const kohl_torch_state *state, const uint8_t *key, size_t key_length) {
  if (key_length > UINT32_MAX || state->storage_count == 0) return NULL;
  kohl_torch_storage wanted = {.key = key, .key_length = (uint32_t)key_length};
  return bsearch(&wanted, state->storages, state->storage_count, sizeof wanted, by_key);
}

/* One of each key; those that tensors share must agree. */
static kohl_status unite(kohl_context *ctx, const char *path, kohl_torch_state *state) {
  size_t kept = 0;
  if (state->storage_count) qsort(state->storages, state->storage_count, sizeof *state->storages, by_key);
  for (size_t i = 0; i < state->storage_count; i++) {
    const kohl_torch_storage *one = &state->storages[i], *last = kept ? &state->storages[kept - 1] : NULL;
    if (!last || by_key(last, one) != 0) {
      state->storages[kept++] = *one;
    } else if (last->dtype != one->dtype || last->count != one->count) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: storage '%s': %zu of %s in one place and %zu of %s in another", path,
                       kohl_quote((const char *)one->key, one->key_length).text, last->count,
                       kohl_safetensors_dtype_name(last->dtype), one->count, kohl_safetensors_dtype_name(one->dtype));
    }
  }
  state->storage_count = kept;
  if (kept > KOHL_TORCH_STORAGES)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu storages, expected at most %d", path, kept, KOHL_TORCH_STORAGES);
  return KOHL_OK;
}

kohl_status kohl_torch_storages_read(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                                     kohl_torch_state *state) {
  uint8_t *seen; /* objects that are listed already: one storage may be remembered and used often */
  kohl_status status = kohl_alloc(ctx, pickle->object_count, 1, "a pickle's storages", &seen);
  for (size_t i = 0; i < pickle->item_count && !status; i++) {
    const kohl_torch_value *value = &pickle->items[i];
    storage_id id;
    if (value->kind != KOHL_TORCH_STORAGE || seen[value->object]) continue;
    seen[value->object] = 1;
    if (!read_id(pickle, value, &id))
      status = kohl_fail(ctx, KOHL_BAD_INPUT,
                         "%s: a persistent id is not what torch.save writes: 'storage', type, key, location and count",
                         path);
    if (!status)
      status = kohl_grow(ctx, &state->storages, &state->storage_capacity, state->storage_count + 1,
                         sizeof *state->storages, "a file's storages");
    if (!status) state->storages[state->storage_count++] = id.storage;
  }
  kohl_free(ctx, seen);
  return status ? status : unite(ctx, path, state);
}

/* The innermost call: a Parameter is one around a tensor.  NULL: none, or the arguments are not those of torch. */
static const kohl_torch_value *find_rebuild(const kohl_torch_pickle *pickle, const kohl_torch_value *call) {
  enum { MOST_INSIDE = 4 };
  for (int i = 0; i < MOST_INSIDE && call->kind == KOHL_TORCH_CALL; i++) {
    size_t count = kohl_torch_count(pickle, call);
    if (call->detail == KOHL_TORCH_REBUILD) return count == 4 ? call : NULL;
    if (call->detail == KOHL_TORCH_REBUILD_V2) return count == 6 || count == 7 ? call : NULL;
    if (count == 0) return NULL;
    call = kohl_torch_items(pickle, call);
  }
  return NULL;
}

/* Shape and strides; false: not two tuples of as many whole numbers. */
static bool read_shape(const kohl_torch_pickle *pickle, const kohl_torch_value *size, const kohl_torch_value *stride,
                       kohl_tensor_info *info, kohl_torch_place *place) {
  if (size->kind != KOHL_TORCH_TUPLE || stride->kind != KOHL_TORCH_TUPLE) return false;
  size_t dims = kohl_torch_count(pickle, size);
  if (dims > KOHL_SAFETENSORS_DIMS || kohl_torch_count(pickle, stride) != dims) return false;
  const kohl_torch_value *sizes = kohl_torch_items(pickle, size), *strides = kohl_torch_items(pickle, stride);
  info->dims = (int)dims;
  for (size_t i = 0; i < dims; i++) {
    size_t n;
    if (!take_size(&sizes[i], &n) || n > INT64_MAX || !take_size(&strides[i], &place->stride[i])) return false;
    info->shape[i] = (int64_t)n;
  }
  return kohl_source_measure(info);
}

/* Does it lie inside the first `count` elements behind `offset`?  Sets contiguous. */
static bool lies_inside(const kohl_tensor_info *info, kohl_torch_place *place, size_t offset, size_t count) {
  size_t last = offset, run = 1, step;
  place->contiguous = true;
  for (int i = info->dims - 1; i >= 0; i--) {
    size_t n = (size_t)info->shape[i];
    if (n != 1 && place->stride[i] != run) place->contiguous = false;
    run *= n; /* at most info->bytes */
  }
  if (info->bytes == 0) { /* no element is read, and PyTorch lets it begin anywhere */
    place->contiguous = true;
    return true;
  }
  for (int i = 0; i < info->dims; i++) {
    if (!kohl_mul_size((size_t)info->shape[i] - 1, place->stride[i], &step) || !kohl_add_size(last, step, &last))
      return false;
  }
  return last < count;
}

kohl_status kohl_torch_tensor_read(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                                   const kohl_torch_state *state, const char *name, const kohl_torch_value *call,
                                   kohl_tensor_info *info, kohl_torch_place *place) {
  kohl_quoted quoted = kohl_quote(name, strlen(name));
  const kohl_torch_value *rebuild = find_rebuild(pickle, call);
  const kohl_torch_value *part = rebuild ? kohl_torch_items(pickle, rebuild) : NULL;
  storage_id id;
  size_t offset;
  if (!part || part[0].kind != KOHL_TORCH_STORAGE || !read_id(pickle, &part[0], &id) || !take_size(&part[1], &offset))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': its arguments are not what torch.save writes", path,
                     quoted.text);
  info->dtype = id.storage.dtype;
  if (!read_shape(pickle, &part[2], &part[3], info, place))
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: tensor '%s': shape and strides, expected as many whole numbers of each, at most %d", path,
                     quoted.text, KOHL_SAFETENSORS_DIMS);
  size_t count = info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
  if (!lies_inside(info, place, offset, id.count))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': leaves its storage of %zu values", path, quoted.text,
                     id.count);
  if (count > id.storage.count && count > KOHL_TORCH_REPEATED)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': %zu values made of %zu, expected at most %d", path,
                     quoted.text, count, id.storage.count, KOHL_TORCH_REPEATED);
  place->offset = info->bytes ? id.offset + offset : 0;
  place->storage = (size_t)(kohl_torch_storage_find(state, id.storage.key, id.storage.key_length) - state->storages);
  return KOHL_OK;
}
