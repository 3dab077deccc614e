/* Less rights for a process that is about to read a stranger's file. */
#ifndef KOHL_CONVERT_SANDBOX_H
#define KOHL_CONVERT_SANDBOX_H

#include "kernels/core/context.h"

/* Gives up, for the whole process and for ever, the system calls that reading one file and writing another does not
 * need (sandbox.c has the list); threads go on working.  It is for programs that only convert: the library never calls
 * it.  A build or a machine without libseccomp goes on without, and logs so (KOHL_LOG_INFO); KOHL_NO_RESOURCE when the
 * kernel refuses the filter. */
kohl_status kohl_convert_sandbox(kohl_context *ctx);

/* The same for a process that only reads files and answers through open pipes: all but a few calls are refused (EPERM),
 * above all those that make a process, a file or memory that can be run. */
kohl_status kohl_convert_sandbox_reader(kohl_context *ctx);

/* Whether this is a build for a sanitizer, which needs more calls and memory than such a process may have. */
#if defined(__has_feature)
#define KOHL_TRACED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KOHL_TRACED true
#else
#define KOHL_TRACED false
#endif

#endif
