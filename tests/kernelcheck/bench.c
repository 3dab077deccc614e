/* The command bench: times every kernel beside ref on the shapes of bench/shapes/, each line "NAME OP key=value ...".
 *
 * A row is refused when sampled outputs of the kernel leave their bounds.  ref is timed on the same input, or, where it
 * would take more than two seconds, on a problem made smaller (the row says so); the ratio is of times per FLOP. */
#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernelcheck/bench.h"

enum { LINE = 1024 };

static bool line_run(check_tool *tool, const char *file, char *line, int number) {
  line[strcspn(line, "#\r\n")] = 0;
  char *save = NULL, *layer = strtok_r(line, " \t", &save), *name = layer ? strtok_r(NULL, " \t", &save) : NULL;
  if (!layer) return true;
  const kohl_op *op = name ? kohl_op_find(name) : NULL;
  const case_op *cases = op ? case_op_find(name) : NULL;
  case_problem problem;
  const char *why = "the op";
  if (!cases || !case_parse(cases, save ? save : "", &problem, &why)) {
    fprintf(stderr, "kernelcheck: %s: line %d: \"%s\", expected NAME OP key=value ... with words of the op\n", file,
            number, why);
    return false;
  }
  /* field 0 is the batch where there is one */
  if (tool->options->batch && !strcmp(cases->fields[0].key, "n") && problem.v[0] == 1.0)
    problem.v[0] = tool->options->batch;
  return !tool_wants_op(tool, op) || bench_problem(tool, op, &problem, file, layer);
}

static bool file_run(check_tool *tool, const char *name) {
  char path[LINE], line[LINE];
  snprintf(path, sizeof path, "bench/shapes/%s.txt", name);
  FILE *file = fopen(path, "r");
  if (!file) {
    fprintf(stderr, "kernelcheck: %s: no such file, expected to run in the folder that holds bench/\n", path);
    return false;
  }
  bool right = true;
  for (int number = 1; right && fgets(line, sizeof line, file); number++) right = line_run(tool, name, line, number);
  fclose(file);
  return right;
}

static int is_shapes(const struct dirent *entry) { return !fnmatch("*.txt", entry->d_name, 0); }

static bool all_files(check_tool *tool) {
  struct dirent **entries;
  int count = scandir("bench/shapes", &entries, is_shapes, alphasort);
  if (count < 0) {
    fprintf(stderr, "kernelcheck: bench/shapes: no such folder here\n");
    return false;
  }
  bool right = true;
  for (int i = 0; i < count; i++) {
    entries[i]->d_name[strlen(entries[i]->d_name) - 4] = 0;
    right = file_run(tool, entries[i]->d_name) && right;
    free(entries[i]);
  }
  free(entries);
  return right;
}

static bool one_text(check_tool *tool) {
  char line[LINE];
  snprintf(line, sizeof line, "case %s %s", tool->options->op, tool->options->text);
  return line_run(tool, "--case", line, 1);
}

int bench_command(check_tool *tool) {
  if (tool->ctx->device)
    bench_device_header(tool);
  else
    bench_header(tool);
  const tool_options *options = tool->options;
  bool right = options->text ? one_text(tool) : options->shapes ? file_run(tool, options->shapes) : all_files(tool);
  if (!options->csv) printf("%ld kernels timed, %ld refused as wrong\n", tool->passed, tool->failed);
  return right && !tool->failed ? EXIT_RIGHT : EXIT_WRONG;
}
