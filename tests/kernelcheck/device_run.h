/* One run of a CUDA kernel on copies of host memory in the device's. */
#ifndef KOHL_TESTS_KERNELCHECK_DEVICE_RUN_H
#define KOHL_TESTS_KERNELCHECK_DEVICE_RUN_H

#include "kernels/core/kernel.h"
#include "tests/kernelcheck/canary.h"

/* Copies inputs (exactly their bytes, so that a sanitizer sees what is read behind them), outputs and workspace (with
 * their canaries, or exactly too) to ctx->device, runs, and copies outputs, workspace and those canaries back.  An
 * input that is the block of an output is the same there.  Blocks without base are left out.  Ends the program when the
 * device fails, since no later result would mean anything; a call of a vendor's library that fails has broken nothing:
 * false, with its words in why. */
bool device_run(kohl_context *ctx, const kohl_kernel *kernel, const void *desc, const guarded in[KOHL_ARGS_IN],
                guarded out[KOHL_ARGS_OUT], guarded *workspace, bool canaries, char *why, size_t why_bytes);

#endif
