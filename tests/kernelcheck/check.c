/* The command check: every kernel of every op on fixed and random problems, with three fills of data each. */
#include <stdio.h>
#include <string.h>

#include "tests/kernelcheck/instance.h"
#include "tests/kernelcheck/options.h"

enum { KERNELS = 64, PRINTED = 5, DRAWS = 200 };

/* One op in one direction under check. */
typedef struct subject {
  check_tool *tool;
  const kohl_op *op;
  const case_op *cases;
  kohl_direction direction;
  double most_flops;              /* of a random problem: ref takes about 1 ns for each */
  long runs[KERNELS][CASE_FILLS]; /* by kernel and fill */
  long printed[KERNELS];
  char refusal[KERNELS][160]; /* of a baseline, the last one */
} subject;

static void count(check_tool *tool, bool right) { ++*(right ? &tool->passed : &tool->failed); }

static void print_failure(subject *s, size_t index, const case_instance *instance, const case_verdict *verdict) {
  const kohl_kernel *kernel = &s->op->kernels[index];
  const tool_options *options = s->tool->options;
  char text[CASE_TEXT];
  if (s->printed[index]++ >= PRINTED) return;
  case_print(instance->layout.problem, text);
  int check = 0;
  while (!(verdict->failed >> check & 1)) check++;
  const difference *at = &verdict->where[check];
  printf("FAILED %s %s %s: %s with %s: %s row %zu channel %d: got %.9g, expected %.9g", s->op->name,
         kohl_direction_name(s->direction), kernel->id, check_name(check), case_fill_name(instance->fill), at->tensor,
         at->row, at->channel, at->got, at->expected);
  if (at->allowed >= 0.0) printf(" +- %.3g", at->allowed);
  printf("; seed %llu; repeat: kernelcheck check %s --impl %s --seed %llu%s%s --case \"%s\"\n",
         (unsigned long long)options->seed, s->op->name, kernel->id, (unsigned long long)options->seed,
         options->cpu ? " --cpu " : "", options->cpu ? options->cpu : "", text);
}

/* What references gave on one instance, by their place in the list. */
typedef struct references {
  outcome outcomes[KERNELS];
  bool made[KERNELS];
} references;

/* The outcome that a kernel is compared with; NULL when it is a reference itself, or of a class of any bits. */
static const outcome *expected_of(subject *s, case_instance *instance, const kohl_kernel *kernel, references *known) {
  const kohl_kernel *ref = instance_reference(s->op, kernel);
  if (ref == kernel || kernel->kind == KOHL_KIND_BASELINE) return NULL;
  const size_t i = (size_t)(ref - s->op->kernels);
  case_verdict verdict = {0};
  if (!known->made[i]) instance_run(instance, ref, NULL, false, &known->outcomes[i], &verdict);
  known->made[i] = true;
  return &known->outcomes[i];
}

/* All wanted kernels on one problem with one fill. */
static void check_fill(subject *s, const case_layout *layout, case_fill fill) {
  if (fill == CASE_INTEGERS && !layout->integer) return;
  case_instance instance;
  references known;
  case_verdict verdict = {0};
  memset(&known, 0, sizeof known);
  instance_make(&instance, layout, fill, s->tool->options->seed);
  instance.ctx = s->tool->ctx;
  for (size_t i = 0; i < s->op->count && i < KERNELS; i++) {
    const kohl_kernel *kernel = &s->op->kernels[i];
    if (kernel->direction != s->direction || !tool_wants(s->tool, kernel)) continue;
    const char *refusal = kohl_kernel_refusal(s->tool->ctx, kernel, layout->desc);
    /* of a library, rather than of a problem that is none for it */
    bool telling = kernel->cuda && (!*s->refusal[i] || !kernel->cuda->accepts(layout->desc));
    if (refusal && telling && kernel->kind == KOHL_KIND_BASELINE)
      snprintf(s->refusal[i], sizeof s->refusal[i], "%s", refusal);
    /* what a vendor makes of NaN is its own affair */
    if (refusal || (fill == CASE_SPECIAL && kernel->kind == KOHL_KIND_BASELINE)) continue;
    instance_judge(&instance, kernel, expected_of(s, &instance, kernel, &known), s->tool->pools, &verdict);
    if (instance.refusal[0]) {
      snprintf(s->refusal[i], sizeof s->refusal[i], "%s", instance.refusal);
      continue;
    }
    s->runs[i][fill]++;
    count(s->tool, !verdict.failed);
    if (verdict.failed) print_failure(s, i, &instance, &verdict);
  }
  for (size_t i = 0; i < KERNELS; i++) {
    if (known.made[i]) outcome_free(&known.outcomes[i]);
  }
  instance_free(&instance);
}

/* NULL when every kernel that accepts a desc has a reference that does, and there is one; else why not. */
static const char *without_reference(const subject *s, const void *desc) {
  const char *why = "the list has no kernel for this direction";
  bool any = false;
  for (size_t i = 0; i < s->op->count; i++) {
    const kohl_kernel *kernel = &s->op->kernels[i], *ref = instance_reference(s->op, kernel);
    if (kernel->direction != s->direction || (kernel->needs & KOHL_CAP_CUDA && !kernel->cuda)) continue;
    const char *refusal = kernel->cuda ? kernel->cuda->accepts(desc) : kernel->code->accepts(desc);
    if (refusal) {
      why = any ? why : refusal;
      continue;
    }
    if (!ref || ref->code->accepts(desc)) return "a kernel accepts what its reference refuses";
    any = true;
  }
  return any ? NULL : why;
}

/* One problem; false when the op has no such problem in this direction or it is larger than most_flops (0: any). */
static bool check_problem(subject *s, const case_problem *problem, double most_flops, const char **why) {
  case_layout layout;
  memset(&layout, 0, sizeof layout);
  layout.problem = problem;
  layout.direction = s->direction;
  *why = s->cases->layout(problem, s->direction, &layout);
  if (*why || (most_flops > 0.0 && layout.flops > most_flops)) return false;
  *why = without_reference(s, layout.desc);
  if (*why) return false;
  for (int fill = 0; fill < CASE_FILLS; fill++) check_fill(s, &layout, (case_fill)fill);
  return true;
}

static void check_text(subject *s, const char *text) {
  case_problem problem;
  const char *why;
  if (!case_parse(s->cases, text, &problem, &why)) {
    printf("FAILED %s: the problem \"%s\" has a bad word at \"%s\"\n", s->op->name, text, why);
    count(s->tool, false);
  } else if (!check_problem(s, &problem, 0.0, &why)) {
    printf("FAILED %s %s: the problem \"%s\" is none: %s\n", s->op->name, kohl_direction_name(s->direction), text, why);
    count(s->tool, false);
  }
}

/* Outputs of 16 MiB and more, which go past the caches of the CPU.  Not with a device, which has none of this and may
 * be a program of the CPU, where a MFLOP takes a second. */
static void check_large(subject *s) {
  static const struct {
    const char *op, *text;
  } large[] = {{"activation", "n=1 pixels=2050 c=2048"},
               {"activation", "n=1 pixels=2051 c=2048 src_gap=16 dst_gap=32"},
               {"batchnorm", "n=1 pixels=2050 c=2048 relu=1"},
               {"batchnorm", "n=1 pixels=2051 c=2048 src_gap=16 dst_gap=32"},
               {"batchnorm_train", "n=1 pixels=65537 c=64 relu=1"},
               {"batchnorm_train", "n=1 pixels=65537 c=64 dst_gap=16 relu=1"},
               {"concat", "n=1 pixels=2050 c=2048"},
               {"concat", "n=1 pixels=2051 c=2048 src_gap=16 dst_gap=32"},
               {"conv2d", "n=1 h=256 w=256 c=1 k=64 bias=1 relu=1"},
               {"pool", "n=16 h=8 w=8 c=4096 r=3 s=3 stride=2 pad=1"},
               {"pool", "n=16 h=8 w=8 c=4096 r=3 s=3 pad=1 mode=1"}};
  for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
    if (!strcmp(large[i].op, s->op->name)) check_text(s, large[i].text);
  }
}

static void check_random(subject *s) {
  for (int i = 0; i < s->tool->options->cases; i++) {
    uint64_t random = case_seed(s->tool->options->seed, s->op->name, (uint64_t)i * 3 + s->direction);
    for (int draws = 0; draws < DRAWS; draws++) {
      case_problem problem;
      const char *why;
      case_parse(s->cases, "", &problem, &why);
      s->cases->draw(&problem, &random);
      if (check_problem(s, &problem, s->most_flops, &why)) break;
    }
  }
}

/* A kernel that no problem reached has not been checked, and that is a failure, unless this machine or --cpu is why. */
static void check_coverage(subject *s) {
  for (size_t i = 0; i < s->op->count && i < KERNELS; i++) {
    const kohl_kernel *kernel = &s->op->kernels[i];
    if (kernel->direction != s->direction || !tool_wants(s->tool, kernel)) continue;
    const char *direction = kohl_direction_name(s->direction);
    const long *runs = s->runs[i];
    if (kernel->needs & ~s->tool->ctx->caps) {
      printf("skipped %s %s %s: %s\n", s->op->name, direction, kernel->id,
             kernel->needs & KOHL_CAP_CUDA ? "needs --device cuda" : "not at this CPU level");
    } else if (kernel->kind == KOHL_KIND_BASELINE && !runs[CASE_FLOATS]) {
      printf("skipped %s %s %s: %s\n", s->op->name, direction, kernel->id, s->refusal[i]);
    } else if (s->tool->options->text && !runs[CASE_FLOATS]) {
      printf("skipped %s %s %s: refuses this problem\n", s->op->name, direction, kernel->id);
    } else if (!runs[CASE_FLOATS] || (!runs[CASE_SPECIAL] && kernel->kind != KOHL_KIND_BASELINE)) {
      printf("FAILED %s %s %s: no problem was accepted\n", s->op->name, direction, kernel->id);
      count(s->tool, false);
    } else {
      printf("%s %s %s: %ld integer, %ld float, %ld special runs, %ld failed\n", s->op->name, direction, kernel->id,
             runs[CASE_INTEGERS], runs[CASE_FLOATS], runs[CASE_SPECIAL], s->printed[i]);
    }
  }
}

static void check_direction(check_tool *tool, const kohl_op *op, const case_op *cases, kohl_direction direction) {
  static subject s;
  bool any = false;
  if (tool->options->direction && strcmp(tool->options->direction, kohl_direction_name(direction)) != 0) return;
  for (size_t i = 0; i < op->count; i++) {
    any = any || (op->kernels[i].direction == direction && tool_wants(tool, &op->kernels[i]));
  }
  if (!any) return;
  memset(&s, 0, sizeof s);
  s = (subject){.tool = tool, .op = op, .cases = cases, .direction = direction};
  s.most_flops = tool->options->fast ? 6e5 : 6e6;
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel *kernel = &op->kernels[i];
    if (kernel->direction != direction || instance_reference(op, kernel)) continue;
    printf("FAILED %s %s %s: the list has no reference for it\n", op->name, kohl_direction_name(direction), kernel->id);
    count(tool, false);
    return;
  }
  if (tool->options->text) {
    check_text(&s, tool->options->text);
  } else {
    for (const char *const *text = cases->fixed; *text; text++) check_text(&s, *text);
    if (!tool->ctx->device) check_large(&s);
    check_random(&s);
  }
  check_coverage(&s);
}

int check_command(check_tool *tool) {
  if (!tool->options->text) selftest_run(tool);
  for (size_t i = 0; i < kohl_op_count; i++) {
    const kohl_op *op = kohl_ops[i];
    if (!tool_wants_op(tool, op)) continue;
    const case_op *cases = case_op_find(op->name);
    if (!cases || op->count > KERNELS) {
      printf("FAILED op %s has %s\n", op->name, cases ? "more kernels than check counts" : "no cases");
      count(tool, false);
      continue;
    }
    check_direction(tool, op, cases, KOHL_FWD);
    check_direction(tool, op, cases, KOHL_DGRAD);
    check_direction(tool, op, cases, KOHL_WGRAD);
  }
  printf("%ld passed, %ld failed\n", tool->passed, tool->failed);
  return tool->failed ? EXIT_WRONG : EXIT_RIGHT;
}
