/* What the two processes of hdf5.h say to each other: a request down one pipe, a reply up the other, both of fixed
 * size, then the reply's bytes.  Both are the same program, so that structures travel as they are; pointers in them
 * mean nothing on the other side. */
#ifndef KOHL_CONVERT_HDF5_MESSAGE_H
#define KOHL_CONVERT_HDF5_MESSAGE_H

#include <limits.h>

#include "convert/hdf5/hdf5.h"

enum { KOHL_HDF5_ATTRIBUTE = 64 };

typedef enum kohl_hdf5_ask {
  KOHL_HDF5_ASK_OPEN,
  KOHL_HDF5_ASK_FIND,
  KOHL_HDF5_ASK_TEXTS,
  KOHL_HDF5_ASK_LIST,
  KOHL_HDF5_ASK_TENSOR,
  KOHL_HDF5_ASK_READ
} kohl_hdf5_ask;

typedef struct kohl_hdf5_request {
  kohl_hdf5_ask ask;
  char path[KOHL_HDF5_PATH];
  char attribute[KOHL_HDF5_ATTRIBUTE];
  size_t most;          /* TEXTS, LIST: bytes of one */
  size_t first, slices; /* READ */
  kohl_tensor_info info;
} kohl_hdf5_request;

/* An empty pipe takes as much without waiting, even when nobody reads any more. */
_Static_assert(sizeof(kohl_hdf5_request) <= PIPE_BUF, "a request must fit into a pipe");

typedef struct kohl_hdf5_reply {
  kohl_status status;
  char error[KOHL_ERROR_TEXT]; /* one line, where status is not KOHL_OK; then nothing follows */
  kohl_hdf5_kind kind;         /* FIND */
  kohl_tensor_info info;       /* TENSOR */
  bool found;                  /* TEXTS, LIST */
  size_t count, bytes;         /* TEXTS, LIST: count texts with their zeros follow, READ: floats; bytes altogether */
} kohl_hdf5_reply;

/* All of a block; false at the end of the pipe or on an error. */
bool kohl_hdf5_send(int pipe, const void *block, size_t bytes);
bool kohl_hdf5_receive(int pipe, void *block, size_t bytes);

/* The child: confines itself and answers until the pipe of requests ends.  bytes is the file's size, image its bytes
 * in memory or NULL.  Never returns. */
_Noreturn void kohl_hdf5_serve(const char *path, const void *image, uint64_t bytes, int requests, int replies);

/* Its limits for a file, seconds and bytes. */
uint64_t kohl_hdf5_seconds(uint64_t bytes);
uint64_t kohl_hdf5_memory(uint64_t bytes);

#endif
