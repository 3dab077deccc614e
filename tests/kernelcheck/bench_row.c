/* Rows of the bench as a table or as CSV. */
#include <string.h>

#include "tests/kernelcheck/bench.h"

/* The processor's name and the number of processors, from /proc/cpuinfo. */
static int machine(char *name, size_t size) {
  char line[256];
  int cores = 0;
  snprintf(name, size, "unknown");
  FILE *file = fopen("/proc/cpuinfo", "r");
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strstr(line, ": ");
    if (strncmp(line, "model name", 10) || !colon) continue;
    colon[strcspn(colon, "\n")] = 0;
    snprintf(name, size, "%s", colon + 2);
    cores++;
  }
  if (file) fclose(file);
  return cores;
}

void bench_header(const check_tool *tool) {
  char name[200];
  int cores = machine(name, sizeof name);
  const char *commit = tool->options->commit ? tool->options->commit : "not given";
  printf("# machine: %s, processors: %d, level: %s, compiler: %s, commit: %s\n", name, cores,
         kohl_cpu_level(tool->ctx->caps), __VERSION__, commit);
  if (tool->options->csv) {
    printf(
        "op,direction,kernel,shape,layer,threads,ms_min,ms_median,ms_sd,pack_ms,gflops,gbytes_s,peak_gflops,"
        "percent_of_peak,ratio_to_ref,max_rel_error,rms_error,ref_timed_on,problem\n");
  } else {
    printf("%-8s %-5s %-14s %-22s %2s %9s %9s %7s %8s %7s %6s %6s %5s %7s %8s %8s\n", "op", "dir", "kernel", "layer",
           "th", "min ms", "median", "sd", "pack ms", "GFLOP/s", "GB/s", "peak", "%peak", "x ref", "max err",
           "rms err");
  }
}

void bench_print(const check_tool *tool, const bench_row *r, const char *problem) {
  const char *direction = kohl_direction_name(r->kernel->direction);
  double gflops = r->flops / r->ms_min * 1e-6, gbytes = r->bytes / r->ms_min * 1e-6, peak = r->peak * 1e-9;
  if (tool->options->csv) {
    printf("%s,%s,%s,%s,%s,%zu,%.5f,%.5f,%.5f,%.5f,%.3f,%.3f,%.2f,%.2f,%.3f,%.3e,%.3e,%s,%s\n", r->kernel->op,
           direction, r->kernel->id, r->shapes, r->layer, r->threads, r->ms_min, r->ms_median, r->ms_sd, r->pack_ms,
           gflops, gbytes, peak, 100.0 * gflops / peak, r->ratio, r->max_rel, r->rms, r->ref_note, problem);
    return;
  }
  printf("%-8s %-5s %-14s %-22s %2zu %9.4f %9.4f %7.4f %8.4f %7.1f %6.1f %6.1f %5.1f %7.2f %8.1e %8.1e%s%s\n",
         r->kernel->op, direction, r->kernel->id, r->layer, r->threads, r->ms_min, r->ms_median, r->ms_sd, r->pack_ms,
         gflops, gbytes, peak, 100.0 * gflops / peak, r->ratio, r->max_rel, r->rms,
         *r->ref_note ? " ref timed on " : "", r->ref_note);
}
