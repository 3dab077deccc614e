/* What the files of the session share: session.c (making and running), session_weights.c (packing weights into the
 * arena), session_packed.c (packed weights kept in a file), session_device.c (runs on a device). */
#ifndef KOHL_NN_SESSION_PARTS_H
#define KOHL_NN_SESSION_PARTS_H

#include "nn/packed.h"
#include "nn/session.h"

/* Where the caller finds a buffer: the arena on the CPU, the mirror on a device.  NULL for -1 and for what has none. */
void *kohl_session_seen(const kohl_session *session, int buffer);

/* Where a tensor of the model is trained or kept up to date, as the caller sees it; NULL when it is neither. */
float *kohl_session_trained(const kohl_session *session, const kohl_weight *weight);

/* Memory where the steps are, zeroed, and copies within it. */
kohl_status kohl_session_memory(kohl_session *session, size_t bytes, const char *what, void *out);
void kohl_session_release(kohl_session *session, void *memory);
kohl_status kohl_session_copy(kohl_session *session, void *to, const void *from, size_t bytes);

/* Packing that only moves numbers; done for many steps at a time by kohl_session_pack. */
struct kohl_pack_job {
  const kohl_step *step;
  const float *wei;
  void *packed;
  size_t bytes; /* of the weights, where they are copied as they are */
};

/* Packs all weights into the arena, or again those that training changes. */
kohl_status kohl_session_pack(kohl_session *session, bool again);

/* Whether a step's weights have memory of their own in the arena; others read params.  On the CPU: packs those of one
 * step, with its bias (NULL: it has none), to other memory of the same sizes. */
bool kohl_session_has_weights(const kohl_plan *plan, const kohl_step *step);
kohl_status kohl_session_pack_step(kohl_session *session, const kohl_step *step, void *wei, void *bia);

/* The addresses of every step's arguments. */
void kohl_session_resolve(kohl_session *session);

/* Packed weights that are kept in a file (session_packed.c): takes them from it where the context wants that and it
 * fits; packs, where weights are not from the file, and writes it; checks them once, before the first run. */
kohl_status kohl_session_packed_open(kohl_session *session);
bool kohl_session_packed_mapped(const kohl_session *session);
kohl_status kohl_session_packed_fill(kohl_session *session);
kohl_status kohl_session_packed_check(kohl_session *session);
void kohl_session_packed_close(kohl_session *session);

/* A step's desc for n samples of an epoch. */
kohl_desc kohl_session_desc(const kohl_step *step, int n, uint32_t epoch);

/* Device only. */
kohl_status kohl_session_mirror_create(kohl_session *session);
void kohl_session_mirror_destroy(kohl_session *session);
float *kohl_session_mirror_params(const kohl_session *session);
float *kohl_session_mirror_state(const kohl_session *session);
kohl_status kohl_session_device_run(kohl_session *session, size_t end, int n, uint32_t epoch, bool backward);

#endif
