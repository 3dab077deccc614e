/* kernelcheck: checks and times every kernel of kohl against the reference and against double precision.
 *
 * What it is not: a test of graphs or of training; it knows kernels alone.
 *
 * check  runs each kernel on fixed and random problems.  Small integers must come out exact; floats must lie within a
 *        bound derived from the problem and, for class CHAIN, have ref's bits; NaN and infinities must arrive; nothing
 *        may be written outside the outputs, nothing left unwritten; 1, 2 and 3 threads must agree.  Before that it
 *        runs deliberately bad kernels, each of which must be caught.
 * grad   compares gradients with finite differences in double and by the adjoint identity <f(x),y> = <x,f'(y)>.
 * bench  times each kernel beside ref and beside this machine's peak measured in the same moment, with its error.
 *
 * A failure prints the command that repeats it.  A new op needs one file <op>_cases.c and one line in cases.def. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernelcheck/options.h"

static const char help[] =
    "usage: kernelcheck list  [OP] [--impl GLOB] [--cpu LEVEL]\n"
    "       kernelcheck check [OP] [--impl GLOB] [--direction W] [--fast] [--seed N] [--cases N] [--case TEXT]\n"
    "                         [--cpu LEVEL] [--device D]\n"
    "       kernelcheck grad  [OP] [--seed N] [--case TEXT] [--cpu LEVEL]\n"
    "       kernelcheck bench [OP] [--impl GLOB] [--shapes NAME] [--case TEXT] [--threads N] [--csv] [--commit TEXT]\n"
    "                         [--batch N] [--fast] [--seed N] [--cpu LEVEL] [--device D]\n"
    "\n"
    "  list         one line per kernel: op, direction, id, dtype, needs, kind, accuracy, idea\n"
    "  check        every kernel against small integers, double precision, ref, canaries, NaN, threads;\n"
    "               before that, bad kernels that must be caught\n"
    "  grad         gradients against finite differences and the adjoint identity\n"
    "  bench        times every kernel beside ref and the machine's peak\n"
    "\n"
    "  --impl GLOB  only kernels whose id matches, as 'igemm_*'\n"
    "  --direction W  check: fwd, dgrad or wgrad alone\n"
    "  --fast       fewer and smaller random problems; bench: shorter\n"
    "  --seed N     of random problems and data (default 1)\n"
    "  --cases N    random problems for each op and direction (default 250, with --fast 24)\n"
    "  --case TEXT  only this problem, as a failure prints it: 'n=1 h=7 w=7 c=3 k=8'\n"
    "  --cpu LEVEL  ref, avx2 or avx512: kernels that need more are left out\n"
    "  --device D   cuda or cuda:N: CUDA's kernels too (bench: alone)\n"
    "  --vendor-path DIR  where libcudnn and libcublas are (default: where the loader looks)\n"
    "  --shapes N   only bench/shapes/N.txt (default: every file there that names the op)\n"
    "  --batch N    bench: N pictures where a shape has one\n"
    "  --threads N  worker threads of bench (default: one per processor)\n"
    "  --csv        bench as CSV, with the machine and the compiler in its first line\n"
    "  --commit T   a text for that line\n"
    "\n"
    "Exit codes: 0 all right, 1 usage, 2 a check failed or an input is bad.\n";

bool tool_wants_op(const check_tool *tool, const kohl_op *op) {
  return !tool->options->op || !strcmp(tool->options->op, op->name);
}

bool tool_wants(const check_tool *tool, const kohl_kernel *kernel) {
  return !tool->options->impl || !fnmatch(tool->options->impl, kernel->id, 0);
}

static const char *needs_name(unsigned needs) {
  if (needs & KOHL_CAP_CUDA) return "cuda";
  if (needs & KOHL_CAP_AVX512BF16) return "avx512bf16";
  if (needs & KOHL_CAP_AVX512VNNI) return "avx512vnni";
  if (needs & KOHL_CAP_AVX512) return "avx512";
  return needs & KOHL_CAP_AVX2 ? "avx2" : "none";
}

static int list_command(check_tool *tool) {
  printf("%-14s %-5s %-18s %-4s %-10s %-8s %-8s %-7s %s\n", "op", "dir", "id", "type", "needs", "kind", "accuracy",
         "here", "idea");
  for (size_t i = 0; i < kohl_op_count; i++) {
    const kohl_op *op = kohl_ops[i];
    for (size_t j = 0; tool_wants_op(tool, op) && j < op->count; j++) {
      const kohl_kernel *k = &op->kernels[j];
      if (!tool_wants(tool, k)) continue;
      printf("%-14s %-5s %-18s %-4s %-10s %-8s %-8s %-7s %s\n", k->op, kohl_direction_name(k->direction), k->id,
             kohl_dtype_name(k->dtype), needs_name(k->needs), kohl_kind_name(k->kind), kohl_accuracy_name(k->accuracy),
             k->needs & ~tool->ctx->caps ? "no" : "yes", k->idea);
    }
  }
  return EXIT_RIGHT;
}

static int usage(const char *format, const char *word) {
  fprintf(stderr, "kernelcheck: ");
  fprintf(stderr, format, word);
  fprintf(stderr, "; see kernelcheck --help\n");
  return EXIT_USAGE;
}

/* A whole number within 0 .. high. */
static bool read_number(const char *text, unsigned long long high, unsigned long long *out) {
  char *end;
  if (*text < '0' || *text > '9') return false;
  *out = strtoull(text, &end, 10);
  return !*end && *out <= high;
}

/* Takes one option with its value; the number of words used, 0 when it is unknown, -1 when its value is bad. */
static int read_option(tool_options *options, const char *word, const char *value) {
  const struct {
    const char *word;
    const char **text;
  } texts[] = {{"--impl", &options->impl},     {"--shapes", &options->shapes},          {"--cpu", &options->cpu},
               {"--device", &options->device}, {"--direction", &options->direction},    {"--case", &options->text},
               {"--commit", &options->commit}, {"--vendor-path", &options->vendor_path}};
  if (!strcmp(word, "--fast")) return options->fast = true, 1;
  if (!strcmp(word, "--csv")) return options->csv = true, 1;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (strcmp(word, texts[i].word) != 0) continue;
    *texts[i].text = value;
    return value ? 2 : -1;
  }
  unsigned long long number = 0;
  bool seed = !strcmp(word, "--seed"), threads = !strcmp(word, "--threads"), cases = !strcmp(word, "--cases");
  bool batch = !strcmp(word, "--batch");
  if (!seed && !threads && !cases && !batch) return 0;
  if (!value || !read_number(value, seed ? UINT64_MAX : threads ? 1024 : batch ? 4096 : 100000000, &number)) return -1;
  if (batch) options->batch = (int)number;
  if (seed) options->seed = number;
  if (threads) options->threads = (int)number;
  if (cases) options->cases = (int)number;
  return 2;
}

static int read_options(int argc, char **argv, tool_options *options) {
  int words = 0;
  for (int i = 1; i < argc;) {
    if (argv[i][0] != '-') {
      if (words == 2) return usage("%s is one word too many", argv[i]);
      *(words++ ? &options->op : &options->command) = argv[i++];
      continue;
    }
    int used = read_option(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
    if (!used) return usage("there is no option %s", argv[i]);
    if (used < 0) return usage("%s has no value or a bad one", argv[i]);
    i += used;
  }
  if (!options->command) return usage("%s is missing", "a command");
  if (options->op && !kohl_op_find(options->op)) return usage("there is no op %s", options->op);
  if (options->direction && strcmp(options->direction, "fwd") && strcmp(options->direction, "dgrad") &&
      strcmp(options->direction, "wgrad")) {
    return usage("there is no direction %s", options->direction);
  }
  if (options->text && !options->op) return usage("%s needs an op", "--case");
  if (!options->cases) options->cases = options->fast ? 24 : 250;
  return EXIT_RIGHT;
}

static int run(check_tool *tool) {
  const char *command = tool->options->command;
  if (!strcmp(command, "list")) return list_command(tool);
  if (!strcmp(command, "check")) return check_command(tool);
  if (!strcmp(command, "grad")) return grad_command(tool);
  if (!strcmp(command, "bench")) return bench_command(tool);
  return usage("there is no command %s", command);
}

int main(int argc, char **argv) {
  tool_options options = {0};
  options.seed = 1;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return fputs(help, stdout), EXIT_RIGHT;
  }
  int code = read_options(argc, argv, &options);
  if (code) return code;
  kohl_context_options wanted = kohl_context_options_default();
  wanted.cpu = options.cpu;
  wanted.threads = options.threads;
  check_tool tool = {&options, NULL, {NULL, NULL, NULL}, 0, 0};
  kohl_status status = kohl_context_create(&wanted, &tool.ctx);
  if (status != KOHL_OK)
    return usage("--cpu %s or the threads asked for are not to be had here", options.cpu ? options.cpu : "");
  if (options.device && kohl_context_use_device(tool.ctx, options.device) != KOHL_OK) {
    fprintf(stderr, "kernelcheck: %s\n", kohl_context_error(tool.ctx));
    return kohl_context_destroy(tool.ctx), EXIT_WRONG;
  }
  if (options.vendor_path && tool.ctx->device &&
      kohl_device_libraries(tool.ctx, tool.ctx->device, options.vendor_path) != KOHL_OK) {
    fprintf(stderr, "kernelcheck: %s\n", kohl_context_error(tool.ctx));
    return kohl_context_destroy(tool.ctx), EXIT_WRONG;
  }
  for (int i = 1; i < 3; i++) {
    if (kohl_threads_create(tool.ctx, i + 1, &tool.pools[i]) == KOHL_OK) continue;
    fprintf(stderr, "kernelcheck: %s\n", kohl_context_error(tool.ctx));
    return EXIT_WRONG;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  code = run(&tool);
  for (int i = 1; i < 3; i++) kohl_threads_destroy(tool.ctx, tool.pools[i]);
  kohl_context_destroy(tool.ctx);
  return code;
}
