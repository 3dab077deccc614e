/* Less rights for a process that is about to read a stranger's file. */
#ifndef KOHL_CONVERT_SANDBOX_H
#define KOHL_CONVERT_SANDBOX_H

#include "kernels/core/context.h"

/* Gives up, for the whole process and for ever, the system calls that reading one file and writing another does not
 * need (sandbox.c has the list); threads go on working.  It is for programs that only convert: the library never calls
 * it.  A build or a machine without libseccomp goes on without, and logs so (KOHL_LOG_INFO); KOHL_NO_RESOURCE when the
 * kernel refuses the filter. */
kohl_status kohl_convert_sandbox(kohl_context *ctx);

#endif
