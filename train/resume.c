/* The run's checkpoint: what stands in it, and taking it up again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/run.h"

static uint32_t plan_digest(const kohl_run *run) {
  uint64_t plan = run->session->plan->digest;
  return (uint32_t)(plan ^ plan >> 32);
}

/* The arrays of the phase at hand. */
static void list_arrays(kohl_run *run, kohl_checkpoint *state) {
  size_t count;
  float *values = kohl_session_params(run->session, &count);
  state->arrays[0] = (kohl_checkpoint_array){"params", values, count};
  state->array_count = 1 + kohl_update_arrays(run->update, state->arrays + 1);
  values = kohl_session_state(run->session, &count);
  if (count) state->arrays[state->array_count++] = (kohl_checkpoint_array){"statistics", values, count};
}

kohl_status kohl_run_save(kohl_run *run) {
  kohl_checkpoint state = {.place = run->place,
                           .recipe = run->recipe_digest,
                           .data = run->data_digest,
                           .features = run->features_digest,
                           .plan = plan_digest(run),
                           .kernels = run->chosen.text,
                           .history = run->history.text ? run->history.text : (char *)""};
  list_arrays(run, &state);
  kohl_status status = kohl_session_fetch(run->session);
  if (status == KOHL_OK) status = kohl_update_fetch(run->update);
  if (status != KOHL_OK) return status;
  return run->history.status == KOHL_OK ? kohl_checkpoint_save(run->ctx, run->options->run, &state)
                                        : run->history.status;
}

/* A checkpoint's numbers must be those of a run of this recipe on these pictures. */
static kohl_status check_place(kohl_run *run, const kohl_checkpoint *c) {
  const char *folder = run->options->run;
  if (c->recipe != run->recipe_digest) {
    return kohl_fail(run->ctx, KOHL_USAGE,
                     "%s: the checkpoint is of another recipe (CRC32C %08" PRIx32 ", expected %08" PRIx32
                     "): resume with the recipe and --set of the first call; only epochs may differ",
                     folder, c->recipe, run->recipe_digest);
  }
  if (c->data != run->data_digest) {
    return kohl_fail(run->ctx, KOHL_BAD_INPUT,
                     "%s: the checkpoint is of other pictures (CRC32C of the list %08" PRIx32 ", expected %08" PRIx32
                     ")",
                     folder, c->data, run->data_digest);
  }
  if (c->place.phase >= run->recipe.phase_count || c->place.at > (int64_t)run->draws.count) {
    return kohl_fail(run->ctx, KOHL_BAD_INPUT,
                     "%s: the checkpoint stands in phase %lld at draw %lld, expected at most %d and %zu", folder,
                     (long long)c->place.phase + 1, (long long)c->place.at, run->recipe.phase_count, run->draws.count);
  }
  return KOHL_OK;
}

kohl_status kohl_run_peek(kohl_run *run, kohl_safetensors **file) {
  kohl_checkpoint state;
  kohl_status status = kohl_checkpoint_open(run->ctx, run->options->run, &state, file);
  if (status != KOHL_OK) return status;
  status = check_place(run, &state);
  if (status == KOHL_OK) {
    run->place = state.place;
    run->recorded_features = state.features;
    run->recorded_plan = state.plan;
    snprintf(run->again.text, sizeof run->again.text, "%s", state.kernels);
    run->ctx->again = &run->again;
    kohl_text_add(&run->history, "%s", state.history);
    status = run->history.status;
  }
  kohl_free(run->ctx, state.history);
  kohl_free(run->ctx, state.kernels);
  if (status == KOHL_OK) return KOHL_OK;
  kohl_safetensors_close(run->ctx, *file);
  *file = NULL;
  return status;
}

/* Recorded kernels are used where they can run.  Others of class CHAIN give the same bits, which the base's outputs,
 * where they are kept, prove. */
static void say_differences(kohl_run *run) {
  const kohl_kernel_record *again = &run->again;
  const bool unknown = !again->text[0] && run->recorded_plan != plan_digest(run);
  char line[KOHL_ERROR_TEXT];
  if (run->recorded_features != run->features_digest || again->other_bits || unknown) {
    snprintf(
        line, sizeof line,
        "the %s not those of the first call (another machine, --cpu or --impl)%s%s: the result will be close to an "
        "uninterrupted run's, not equal",
        again->other_bits || unknown ? "kernels are" : "base's outputs are", again->replaced[0] ? ", now " : "",
        again->replaced);
    kohl_log(run->ctx, KOHL_LOG_WARNING, "%s: %s", run->options->run, line);
    kohl_run_log(run->ctx, run->options->run, "%s", line);
  } else if (again->replaced[0]) {
    kohl_run_log(run->ctx, run->options->run,
                 "kernels in the place of those of the first call, all of class CHAIN and so with the same bits: %s",
                 again->replaced);
  }
}

kohl_status kohl_run_load(kohl_run *run, const kohl_safetensors *file) {
  kohl_checkpoint state = {.array_count = 0};
  list_arrays(run, &state);
  kohl_status status = kohl_checkpoint_read(run->ctx, file, &state);
  if (status != KOHL_OK) {
    kohl_fail_prefix(run->ctx, "%s: the checkpoint", run->options->run);
    return status;
  }
  say_differences(run);
  status = kohl_session_put(run->session);
  if (status == KOHL_OK) status = kohl_update_restore(run->update);
  return status == KOHL_OK ? kohl_session_keep_state(run->session) : status;
}
