/* A seccomp filter for `kohl convert`; see sandbox.h.  A reader that a hostile file takes over could then neither start
 * a program, nor reach the network or another process, nor change an existing file but by deleting or renaming.
 *
 * Refused (EPERM):
 *   programs and processes   execve execveat vfork; clone into new namespaces; clone3 (ENOSYS, so that clone is used).
 *                            Not fork: reading .h5 takes a process of its own (hdf5.h), which has this filter too
 *   network                  socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg
 *   other processes          ptrace process_vm_readv process_vm_writev kill tkill pidfd_* kcmp
 *   opening                  for writing, unless the call also creates the file (O_CREAT with O_EXCL, as the writer of
 *                            model files does); with O_TRUNC; creat; openat2 (ENOSYS), io_uring_setup
 *   the file system          mkdir rmdir link symlink mknod chmod chown truncate mount chroot ... and their at-forms
 *   the kernel               bpf perf_event_open userfaultfd keyctl add_key request_key modules kexec reboot swap
 * Allowed all the rest: above all open for reading, mmap, threads, new files, rename and unlink (a model file is made
 * under another name; a filter cannot see names). */
#include "convert/sandbox.h"

#ifdef KOHL_SECCOMP /* the library's soname as text */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define FUNCTIONS(CALL)  \
  CALL(seccomp_init)     \
  CALL(seccomp_attr_set) \
  CALL(seccomp_rule_add_array) CALL(seccomp_load) CALL(seccomp_release) CALL(seccomp_syscall_resolve_name)

typedef struct library {
#define CALL(name) __typeof__(name) *name;
  FUNCTIONS(CALL)
#undef CALL
} library;

static const char refused[] =
    "execve execveat vfork socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg "
    "ptrace process_vm_readv process_vm_writev kill tkill pidfd_open pidfd_getfd pidfd_send_signal kcmp creat "
    "io_uring_setup mkdir mkdirat rmdir link linkat symlink symlinkat mknod mknodat chmod fchmod fchmodat "
    "chown fchown lchown fchownat truncate setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr "
    "mount umount2 pivot_root chroot open_by_handle_at name_to_handle_at move_mount fsopen setuid setgid "
    "setreuid setregid setresuid setresgid setgroups capset unshare setns bpf perf_event_open userfaultfd "
    "keyctl add_key request_key init_module finit_module delete_module kexec_load kexec_file_load reboot "
    "swapon swapoff acct quotactl settimeofday clock_settime adjtimex sethostname setdomainname iopl ioperm "
    "personality";

/* What a reader still may: read, answer, ask for memory and the time, end. */
static const char reading[] =
    "read pread64 readv write lseek fstat newfstatat stat lstat statx close munmap mremap madvise brk futex exit "
    "exit_group rt_sigreturn rt_sigprocmask clock_gettime gettimeofday getrandom getrusage getpid gettid sched_yield "
    "restart_syscall fcntl";

static bool add(const library *call, scmp_filter_ctx filter, uint32_t action, const char *name, unsigned args,
                const struct scmp_arg_cmp *tests) {
  int id = call->seccomp_syscall_resolve_name(name);
  if (id == __NR_SCMP_ERROR) return true; /* this kernel has no such call, or the library does not know it yet */
  return call->seccomp_rule_add_array(filter, action, id, args, tests) == 0;
}

static bool add_words(const library *call, scmp_filter_ctx filter, uint32_t action, const char *words) {
  bool good = true;
  for (const char *at = words; *at && good; at += strspn(at, " ")) {
    char name[32];
    size_t length = strcspn(at, " ");
    snprintf(name, sizeof name, "%.*s", (int)length, at);
    good = add(call, filter, action, name, 0, NULL);
    at += length;
  }
  return good;
}

static bool add_tested(const library *call, scmp_filter_ctx filter, uint32_t action, const char *name,
                       unsigned argument, int mask, int value) {
  struct scmp_arg_cmp test = {argument, SCMP_CMP_MASKED_EQ, (scmp_datum_t)mask, (scmp_datum_t)value};
  return add(call, filter, action, name, 1, &test);
}

/* Refuses a call whose argument has a value under a mask. */
static bool add_masked(const library *call, scmp_filter_ctx filter, const char *name, unsigned argument, int mask,
                       int value) {
  return add_tested(call, filter, SCMP_ACT_ERRNO(EPERM), name, argument, mask, value);
}

/* An open that could change an existing file; flags is the number of the call's argument. */
static bool add_open(const library *call, scmp_filter_ctx filter, const char *name, unsigned flags) {
  static const int creating[] = {0, O_CREAT, O_EXCL};
  const int mask = O_ACCMODE | O_CREAT | O_EXCL;
  bool good = add_masked(call, filter, name, flags, O_TRUNC, O_TRUNC);
  good = good && add_masked(call, filter, name, flags, mask, O_RDONLY | O_CREAT);
  for (int mode = O_WRONLY; mode <= O_ACCMODE; mode++)
    for (int i = 0; i < 3; i++) good = good && add_masked(call, filter, name, flags, mask, mode | creating[i]);
  return good;
}

static bool fill(const library *call, scmp_filter_ctx filter) {
  bool good = call->seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0; /* also for threads that run already */
  good = good && add_words(call, filter, SCMP_ACT_ERRNO(EPERM), refused);
  static const int namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS,     CLONE_NEWPID, CLONE_NEWNET,
                                   CLONE_NEWIPC,  CLONE_NEWCGROUP, CLONE_NEWUTS};
  for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++)
    good = good && add_masked(call, filter, "clone", 0, namespaces[i], namespaces[i]);
  good = good && add_words(call, filter, SCMP_ACT_ERRNO(ENOSYS), "clone3 openat2");
  return good && add_open(call, filter, "open", 1) && add_open(call, filter, "openat", 2);
}

static bool fill_reader(const library *call, scmp_filter_ctx filter) {
  const int write = O_ACCMODE | O_CREAT | O_TRUNC;
  return add_words(call, filter, SCMP_ACT_ALLOW, reading) &&
         add_tested(call, filter, SCMP_ACT_ALLOW, "open", 1, write, O_RDONLY) &&
         add_tested(call, filter, SCMP_ACT_ALLOW, "openat", 2, write, O_RDONLY) &&
         add_tested(call, filter, SCMP_ACT_ALLOW, "mmap", 2, PROT_EXEC, 0) &&
         add_tested(call, filter, SCMP_ACT_ALLOW, "mprotect", 2, PROT_EXEC, 0);
}

static kohl_status install(kohl_context *ctx, void *handle, bool reader) {
  library call;
#define CALL(name)                                                                                      \
  do {                                                                                                  \
    void *symbol = dlsym(handle, #name);                                                                \
    if (!symbol) return kohl_fail(ctx, KOHL_NO_RESOURCE, "sandbox: %s has no %s", KOHL_SECCOMP, #name); \
    memcpy(&call.name, &symbol, sizeof symbol);                                                         \
  } while (0);
  FUNCTIONS(CALL)
#undef CALL
  scmp_filter_ctx filter = call.seccomp_init(reader ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
  bool good = filter && (reader ? fill_reader(&call, filter) : fill(&call, filter));
  int result = good ? call.seccomp_load(filter) : -ENOMEM;
  if (filter) call.seccomp_release(filter);
  if (result == 0) return KOHL_OK;
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "sandbox: the kernel refuses the filter: %s", strerror(-result));
}

static kohl_status enter(kohl_context *ctx, bool reader) {
  if (KOHL_TRACED) { /* the search for leaks at the end stops this process from another one */
    kohl_log(ctx, KOHL_LOG_INFO, "no sandbox: this is a build for a sanitizer");
    return KOHL_OK;
  }
  void *handle = dlopen(KOHL_SECCOMP, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    kohl_log(ctx, KOHL_LOG_INFO, "no sandbox: this machine has no %s", KOHL_SECCOMP);
    return KOHL_OK;
  }
  kohl_status status = install(ctx, handle, reader);
  dlclose(handle);
  return status;
}

kohl_status kohl_convert_sandbox(kohl_context *ctx) { return enter(ctx, false); }
kohl_status kohl_convert_sandbox_reader(kohl_context *ctx) { return enter(ctx, true); }
#else
static kohl_status absent(kohl_context *ctx) {
  kohl_log(ctx, KOHL_LOG_INFO, "no sandbox: libseccomp was not found when kohl was built");
  return KOHL_OK;
}

kohl_status kohl_convert_sandbox(kohl_context *ctx) { return absent(ctx); }
kohl_status kohl_convert_sandbox_reader(kohl_context *ctx) { return absent(ctx); }
#endif
