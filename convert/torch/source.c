/* Files of torch.save as a kohl_source: both containers, and what looks like one of them.
 *
 *   zip, since PyTorch 1.6     TOP/data.pkl is the pickle, TOP/data/KEY the bytes of a storage
 *   sequential, since 0.1.10   five pickles: a magic number, 1001, {little_endian, ...}, the value, the keys of the
 *                              storages in the order of the file; then for each an i64 count and its bytes
 *
 * The file is mapped; a tensor's numbers are gathered by its strides when they are asked for.  (Format: pytorch,
 * torch/serialization.py and caffe2/serialize/inline_container.cc.) */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "convert/container/map.h"
#include "convert/container/zip.h"
#include "convert/torch/state.h"

static const uint8_t magic[15] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

typedef struct {
  kohl_map map;
  kohl_torch_state state;
} torch_file;

/* A name of a part of the file, for texts; foreign paths may be long. */
typedef struct {
  char text[KOHL_ERROR_TEXT / 2];
} part_name;

static part_name name_part(const char *path, const char *part) {
  part_name name;
  snprintf(name.text, sizeof name.text, "%s: %s", path, part);
  return name;
}

/* "TOP/" + part + key as a member's name; NULL: too long, or there is none. */
static const kohl_zip_member *find_member(const kohl_zip *zip, const char *top, size_t top_length, const char *part,
                                          const uint8_t *key, size_t key_length) {
  char name[KOHL_ZIP_NAME + 1];
  size_t part_length = strlen(part);
  if (key_length > KOHL_ZIP_NAME || top_length + part_length + key_length > KOHL_ZIP_NAME) return NULL;
  memcpy(name, top, top_length);
  memcpy(name + top_length, part, part_length);
  if (key_length) memcpy(name + top_length + part_length, key, key_length);
  name[top_length + part_length + key_length] = 0;
  return strlen(name) == top_length + part_length + key_length ? kohl_zip_find(zip, name) : NULL;
}

static kohl_status fail_script(kohl_context *ctx, const char *path) {
  return kohl_fail(
      ctx, KOHL_BAD_INPUT,
      "%s: is a TorchScript archive, expected a state dict: torch.save(torch.jit.load('FILE').state_dict(), "
      "'NEW')",
      path);
}

/* Does an archive that could not be opened name TorchScript's constants in its directory?  Its code is packed. */
static bool names_script(const kohl_map *map) {
  static const char word[] = "/constants.pkl";
  enum { TAIL = 1 << 20, LENGTH = sizeof word - 1 };
  for (size_t at = map->length > TAIL ? map->length - TAIL : 0; at + LENGTH <= map->length; at++)
    if (map->bytes[at] == '/' && memcmp(map->bytes + at, word, LENGTH) == 0) return true;
  return false;
}

/* *pickle = the one member TOP/data.pkl; archives of TorchScript have others beside it. */
static kohl_status find_pickle(kohl_context *ctx, const kohl_zip *zip, const kohl_zip_member **pickle) {
  *pickle = NULL;
  for (size_t i = 0; i < zip->count; i++) {
    const char *slash = strchr(zip->members[i].name, '/');
    if (!slash) continue;
    if (strcmp(slash, "/constants.pkl") == 0 || strncmp(slash, "/code/", 6) == 0) return fail_script(ctx, zip->path);
    if (strcmp(slash, "/data.pkl") != 0) continue;
    if (*pickle) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: has two members data.pkl, expected one", zip->path);
    *pickle = &zip->members[i];
  }
  if (*pickle) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is a zip archive without a member data.pkl, expected one of torch.save",
                   zip->path);
}

static kohl_status check_order(kohl_context *ctx, const kohl_zip *zip, const char *top, size_t top_length) {
  const kohl_zip_member *member = find_member(zip, top, top_length, "byteorder", NULL, 0);
  if (!member || (member->length == 6 && memcmp(member->bytes, "little", 6) == 0)) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: member 'byteorder': '%s', expected 'little'", zip->path,
                   kohl_quote((const char *)member->bytes, member->length).text);
}

static kohl_status place_member(kohl_context *ctx, const kohl_zip *zip, const char *top, size_t top_length,
                                kohl_torch_storage *storage) {
  kohl_quoted key = kohl_quote((const char *)storage->key, storage->key_length);
  const kohl_zip_member *member = find_member(zip, top, top_length, "data/", storage->key, storage->key_length);
  size_t bytes = storage->count * kohl_safetensors_dtype_bytes(storage->dtype);
  if (!member)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: storage '%s': there is no member 'data/%s'", zip->path, key.text,
                     key.text);
  if (member->length != bytes)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: storage '%s': %zu bytes, expected %zu for %zu of %s", zip->path,
                     key.text, member->length, bytes, storage->count, kohl_safetensors_dtype_name(storage->dtype));
  storage->bytes = member->bytes;
  storage->crc32 = member->crc32;
  storage->checked = member->crc32 == 0; /* PyTorch can write files without */
  return KOHL_OK;
}

static kohl_status read_zip(kohl_context *ctx, const char *path, torch_file *file) {
  kohl_zip zip;
  kohl_torch_pickle pickle = {0};
  const kohl_zip_member *data = NULL;
  kohl_status status = kohl_zip_open(ctx, path, file->map.bytes, file->map.length, &zip);
  if (status) return status == KOHL_BAD_INPUT && names_script(&file->map) ? fail_script(ctx, path) : status;
  status = find_pickle(ctx, &zip, &data);
  size_t top = status ? 0 : (size_t)(strchr(data->name, '/') - data->name) + 1;
  if (!status) status = check_order(ctx, &zip, data->name, top);
  if (!status) status = kohl_zip_check(ctx, &zip, data);
  if (!status)
    status = kohl_torch_pickle_read(ctx, name_part(path, "data.pkl").text, data->bytes, data->length, &pickle);
  if (!status && pickle.used != data->length)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: data.pkl: %zu bytes behind the end of the pickle, expected none", path,
                       data->length - pickle.used);
  if (!status) status = kohl_torch_state_read(ctx, path, &pickle, &file->state);
  for (size_t i = 0; i < file->state.storage_count && !status; i++)
    status = place_member(ctx, &zip, data->name, top, &file->state.storages[i]);
  kohl_torch_pickle_free(ctx, &pickle);
  kohl_zip_close(ctx, &zip);
  return status;
}

/* The next of the pickles that stand one behind the other; *at moves behind it. */
static kohl_status next_pickle(kohl_context *ctx, const char *path, const torch_file *file, const char *what,
                               size_t *at, kohl_torch_pickle *pickle) {
  kohl_status status =
      kohl_torch_pickle_read(ctx, name_part(path, what).text, file->map.bytes + *at, file->map.length - *at, pickle);
  *at += pickle->used;
  return status;
}

/* The second and third pickle: the version of the format, and the machine that wrote it. */
static kohl_status read_preamble(kohl_context *ctx, const char *path, const torch_file *file, size_t *at) {
  kohl_torch_pickle pickle;
  kohl_status status = next_pickle(ctx, path, file, "pickle 2", at, &pickle);
  if (!status && (pickle.root.kind != KOHL_TORCH_INT || pickle.root.number != 1001))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pickle 2: not the number 1001, the version of PyTorch's format", path);
  kohl_torch_pickle_free(ctx, &pickle);
  if (!status) status = next_pickle(ctx, path, file, "pickle 3", at, &pickle);
  if (status) return status;
  bool dict = pickle.root.kind == KOHL_TORCH_DICT;
  const kohl_torch_value *little = dict ? kohl_torch_field(&pickle, &pickle.root, "little_endian") : NULL;
  if (!little || little->kind != KOHL_TORCH_BOOL)
    status =
        kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pickle 3: no truth value 'little_endian', which torch.save writes", path);
  else if (!little->number)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pickle 3: field 'little_endian': False, expected True", path);
  kohl_torch_pickle_free(ctx, &pickle);
  return status;
}

/* A storage at *at: its count and bytes. */
static kohl_status place_next(kohl_context *ctx, const char *path, torch_file *file, const kohl_torch_value *key,
                              size_t *at) {
  if (key->kind != KOHL_TORCH_TEXT)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pickle 5: %s, expected the key of a storage", path,
                     kohl_torch_kind_name(key));
  kohl_quoted quoted = kohl_quote((const char *)key->text, key->length);
  kohl_torch_storage *storage = kohl_torch_storage_find(&file->state, key->text, key->length);
  size_t left = file->map.length - *at;
  uint64_t count = 0;
  if (!storage || storage->bytes)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pickle 5: key '%s' %s", path, quoted.text,
                     storage ? "appears twice" : "is that of no storage in pickle 4");
  size_t bytes = storage->count * kohl_safetensors_dtype_bytes(storage->dtype);
  for (int i = 0; i < 8 && left >= 8; i++) count |= (uint64_t)file->map.bytes[*at + (size_t)i] << 8 * i;
  if (left < 8 || left - 8 < bytes)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: storage '%s': %zu bytes are left, expected %zu and 8 in front of them",
                     path, quoted.text, left, bytes);
  if (count != storage->count)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: storage '%s': %llu values, expected %zu as pickle 4 says", path,
                     quoted.text, (unsigned long long)count, storage->count);
  storage->bytes = file->map.bytes + *at + 8;
  storage->checked = true; /* nothing to compare with */
  *at += 8 + bytes;
  return KOHL_OK;
}

static kohl_status place_all(kohl_context *ctx, const char *path, torch_file *file, size_t at) {
  kohl_torch_pickle keys;
  const kohl_torch_value *key;
  kohl_torch_walk walk = {0};
  kohl_status status = next_pickle(ctx, path, file, "pickle 5", &at, &keys);
  if (status) return status;
  if (keys.root.kind != KOHL_TORCH_LIST)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pickle 5: %s, expected the list of storages", path,
                       kohl_torch_kind_name(&keys.root));
  while (!status && (key = kohl_torch_next(&keys, &keys.root, &walk)) != NULL)
    status = place_next(ctx, path, file, key, &at);
  kohl_torch_pickle_free(ctx, &keys);
  for (size_t i = 0; i < file->state.storage_count && !status; i++) {
    const kohl_torch_storage *storage = &file->state.storages[i];
    if (!storage->bytes)
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: storage '%s': is not in the list of pickle 5", path,
                         kohl_quote((const char *)storage->key, storage->key_length).text);
  }
  if (!status && at != file->map.length)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu bytes behind the last storage, expected none", path,
                       file->map.length - at);
  return status;
}

static kohl_status read_sequential(kohl_context *ctx, const char *path, torch_file *file) {
  kohl_torch_pickle pickle = {0};
  size_t at = sizeof magic;
  kohl_status status = read_preamble(ctx, path, file, &at);
  if (!status) status = next_pickle(ctx, path, file, "pickle 4", &at, &pickle);
  if (!status) status = kohl_torch_state_read(ctx, path, &pickle, &file->state);
  if (!status) status = place_all(ctx, path, file, at);
  kohl_torch_pickle_free(ctx, &pickle);
  return status;
}

/* Compares a storage with the archive's CRC-32 before its first use; block by block, so that little of it stays. */
static kohl_status check_storage(kohl_context *ctx, const kohl_source *source, torch_file *file,
                                 kohl_torch_storage *storage) {
  enum { BLOCK = 1 << 20 };
  if (storage->checked) return KOHL_OK;
  size_t bytes = storage->count * kohl_safetensors_dtype_bytes(storage->dtype);
  uint32_t crc = 0;
  for (size_t at = 0; at < bytes; at += BLOCK) {
    size_t n = bytes - at < BLOCK ? bytes - at : BLOCK;
    crc = (uint32_t)crc32_z(crc, storage->bytes + at, n);
    kohl_map_forget(&file->map, storage->bytes + at, n);
  }
  if (crc != storage->crc32)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: storage '%s': CRC-32 is %08x, the archive says %08x; the file is damaged", source->path,
                     kohl_quote((const char *)storage->key, storage->key_length).text, crc, storage->crc32);
  storage->checked = true;
  return KOHL_OK;
}

/* Where value `first` of a tensor stands: its indices, and its element in the storage. */
static size_t seek(const kohl_tensor_info *info, const kohl_torch_place *place, size_t first,
                   size_t index[KOHL_SAFETENSORS_DIMS]) {
  size_t element = place->offset;
  for (int i = info->dims - 1; i >= 0; i--) {
    index[i] = first % (size_t)info->shape[i];
    first /= (size_t)info->shape[i];
    element += index[i] * place->stride[i];
  }
  return element;
}

/* Values of a tensor that does not lie in one piece. */
static kohl_status gather(kohl_context *ctx, kohl_source *source, size_t tensor, size_t first, size_t count,
                          float *out) {
  enum { BLOCK = 512, ELEMENT = 8 };
  const torch_file *file = source->state;
  const kohl_tensor_info *info = &source->tensors[tensor].info;
  const kohl_torch_place *place = &file->state.places[tensor];
  const uint8_t *bytes = file->state.storages[place->storage].bytes;
  size_t size = kohl_safetensors_dtype_bytes(info->dtype), index[KOHL_SAFETENSORS_DIMS];
  size_t element = seek(info, place, first, index);
  uint8_t block[BLOCK * ELEMENT];
  while (count) {
    size_t n = count < BLOCK ? count : BLOCK;
    for (size_t i = 0; i < n; i++) {
      memcpy(block + i * size, bytes + element * size, size);
      for (int d = info->dims - 1; d >= 0; d--) {
        element += place->stride[d];
        if (++index[d] < (size_t)info->shape[d]) break;
        element -= place->stride[d] * index[d];
        index[d] = 0;
      }
    }
    kohl_status status = kohl_source_values(ctx, source->path, info, block, n, out);
    if (status) return status;
    out += n;
    count -= n;
  }
  return KOHL_OK;
}

static kohl_status read_values(kohl_context *ctx, kohl_source *source, size_t index, size_t first, size_t count,
                               float *out) {
  torch_file *file = source->state;
  const kohl_tensor_info *info = &source->tensors[index].info;
  const kohl_torch_place *place = &file->state.places[index];
  kohl_torch_storage *storage = &file->state.storages[place->storage];
  if (count == 0) return KOHL_OK;
  kohl_status status = check_storage(ctx, source, file, storage);
  if (status) return status;
  if (!place->contiguous) return gather(ctx, source, index, first, count, out);
  size_t size = kohl_safetensors_dtype_bytes(info->dtype);
  const uint8_t *bytes = storage->bytes + (place->offset + first) * size;
  status = kohl_source_values(ctx, source->path, info, bytes, count, out);
  kohl_map_forget(&file->map, bytes, count * size);
  return status;
}

static void close_file(kohl_context *ctx, kohl_source *source) {
  torch_file *file = source->state;
  if (!file) return;
  kohl_torch_state_free(ctx, &file->state);
  kohl_map_close(&file->map);
  kohl_free(ctx, file);
}

/* What is neither container. */
static kohl_status explain(kohl_context *ctx, const char *path, const kohl_map *map) {
  enum { TAR_MAGIC = 257 };
  if (map->length >= TAR_MAGIC + 5 && memcmp(map->bytes + TAR_MAGIC, "ustar", 5) == 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: is a tar archive, maybe of PyTorch before 0.1.10, expected a newer file: "
                     "torch.save(torch.load('FILE', weights_only=False), 'NEW')",
                     path);
  if (map->length >= 2 && map->bytes[0] == 0x80 && map->bytes[1] != 2)
    return kohl_fail(
        ctx, KOHL_BAD_INPUT,
        "%s: is a pickle of protocol %u, expected a file of torch.save under protocol 2, which it takes by "
        "itself",
        path, map->bytes[1]);
  if (map->length >= 2 && map->bytes[0] == 0x80)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: is a pickle without PyTorch's magic number, expected a file of torch.save", path);
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: is no file of torch.save, expected a zip archive or PyTorch's magic number", path);
}

kohl_status kohl_torch_source(kohl_context *ctx, const char *path, kohl_source *source) {
  static const kohl_source_calls calls = {.read = read_values, .close = close_file};
  torch_file *file;
  source->call = &calls;
  source->format = "a PyTorch file";
  kohl_status status = kohl_alloc(ctx, 1, sizeof *file, "a PyTorch file", &file);
  if (status) return status;
  source->state = file;
  status = kohl_map_open(ctx, path, &file->map);
  if (status) return status;
  const kohl_map *map = &file->map;
  if (map->length >= 4 && memcmp(map->bytes, "PK\3\4", 4) == 0)
    status = read_zip(ctx, path, file);
  else if (map->length >= sizeof magic && memcmp(map->bytes, magic, sizeof magic) == 0)
    status = read_sequential(ctx, path, file);
  else
    status = explain(ctx, path, map);
  if (status) return status;
  source->tensors = file->state.tensors;
  source->count = file->state.count;
  return KOHL_OK;
}
