/* From an unpickled value to a flat list of named tensors and the storages that hold their numbers.
 *
 * A checkpoint is unwrapped: what stands under state_dict, model, net, model_state_dict or ema is taken.  A prefix
 * module., model. or backbone. that all names share is dropped.  Values that are no tensors are left out. */
#ifndef KOHL_CONVERT_TORCH_STATE_H
#define KOHL_CONVERT_TORCH_STATE_H

#include "convert/source.h"
#include "convert/torch/pickle.h"

/* Numbers of one type in the file. */
typedef struct kohl_torch_storage {
  const uint8_t *key; /* text inside the pickle */
  uint32_t key_length;
  uint8_t dtype;        /* kohl_safetensors_dtype */
  bool checked;         /* its CRC-32 was compared, or there is none */
  uint32_t crc32;       /* as the file states it */
  size_t count;         /* of elements; their bytes fit in size_t */
  const uint8_t *bytes; /* NULL until the container has found them */
} kohl_torch_storage;

/* Where the numbers of a tensor lie, in elements. */
typedef struct kohl_torch_place {
  size_t storage, offset;
  size_t stride[KOHL_SAFETENSORS_DIMS];
  bool contiguous;
} kohl_torch_place;

typedef struct kohl_torch_state {
  kohl_torch_storage *storages; /* by key, ascending; every storage of the pickle, whether a tensor uses it or not */
  size_t storage_count, storage_capacity;
  kohl_source_tensor *tensors; /* in the order of the dict */
  kohl_torch_place *places;    /* one for each tensor; all of it lies inside its storage */
  size_t count;
  char *names; /* owned text behind the tensors' names */
} kohl_torch_state;

/* A tensor of more values than its storage has (stride 0) may have this many. */
enum { KOHL_TORCH_REPEATED = 1 << 20, KOHL_TORCH_STORAGES = 1 << 17 };

/* Fills a state that is zero; the pickle must outlive the storages' keys.  KOHL_BAD_INPUT names the tensor; end with
 * kohl_torch_state_free, also after a failure. */
kohl_status kohl_torch_state_read(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                                  kohl_torch_state *state);
void kohl_torch_state_free(kohl_context *ctx, kohl_torch_state *state);

/* The storage of a key (key_length bytes), or NULL. */
kohl_torch_storage *kohl_torch_storage_find(const kohl_torch_state *state, const uint8_t *key, size_t key_length);

/* Parts of kohl_torch_state_read (tensor.c): lists the storages of a pickle; reads a tensor's call into *info (all but
 * its name) and *place.  name is for texts. */
kohl_status kohl_torch_storages_read(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                                     kohl_torch_state *state);
kohl_status kohl_torch_tensor_read(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                                   const kohl_torch_state *state, const char *name, const kohl_torch_value *call,
                                   kohl_tensor_info *info, kohl_torch_place *place);

#endif
