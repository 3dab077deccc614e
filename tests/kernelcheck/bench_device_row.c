/* Rows of the bench on a device as a table or as CSV. */
#include <stdio.h>
#include <string.h>

#include "tests/kernelcheck/bench.h"

static void version(char out[16], int number) { snprintf(out, 16, "%d.%d", number / 1000, number % 1000 / 10); }

static kohl_device_info describe(const check_tool *tool) {
  kohl_device_info info;
  if (kohl_device_describe(tool->ctx, kohl_device_number(tool->ctx->device), &info) != KOHL_OK)
    memset(&info, 0, sizeof info);
  return info;
}

static const char *commit(const check_tool *tool) {
  return tool->options->commit ? tool->options->commit : "not given";
}

void bench_device_header(check_tool *tool) {
  const kohl_device_info d = describe(tool);
  char driver[16], runtime[16];
  version(driver, d.driver);
  version(runtime, d.runtime);
  printf(
      "# device: %s, sm_%d%d, multiprocessors: %d, clock: %d MHz, memory: %d bits at %d MHz, L2: %d bytes, driver: %s, "
      "runtime: %s, commit: %s\n",
      d.name, d.major, d.minor, d.multiprocessors, d.clock_mhz, d.memory_bits, d.memory_clock_mhz, d.l2_bytes, driver,
      runtime, commit(tool));
  if (tool->options->csv) {
    printf(
        "op,direction,kernel,kind,accuracy,shape,layer,launches,sets,graph,ms_min,ms_median,ms_sd,gflops,gbytes_s,"
        "percent_of_flops,percent_of_bandwidth,ratio_to_ref,max_rel_error,rms_error,device,driver,clock_mhz,commit,"
        "ref_timed_on,problem\n");
  } else {
    printf("%-8s %-5s %-18s %-22s %4s %4s %9s %9s %7s %9s %8s %6s %6s %8s %8s\n", "op", "dir", "kernel", "layer",
           "runs", "sets", "min ms", "median", "sd", "GFLOP/s", "GB/s", "%flops", "%bytes", "max err", "rms err");
  }
}

/* Of a hundred; nothing where there is no peak to compare with. */
static void percent(char out[16], double value, double peak) {
  out[0] = 0;
  if (peak > 0.0) snprintf(out, 16, "%.2f", 100.0 * value / peak);
}

void bench_device_print(const check_tool *tool, const bench_row *r, const char *problem) {
  const kohl_kernel *k = r->kernel;
  double gflops = r->flops / r->ms_median * 1e-6, gbytes = r->bytes / r->ms_median * 1e-6;
  char flops_share[16], bytes_share[16], ratio[16] = "";
  percent(flops_share, 1e9 * gflops, r->flops > 0.0 ? r->peak : 0.0);
  percent(bytes_share, 1e9 * gbytes, r->bandwidth);
  if (r->ratio > 0.0) snprintf(ratio, sizeof ratio, "%.3g", r->ratio);
  if (tool->options->csv) {
    const kohl_device_info d = describe(tool);
    char driver[16];
    version(driver, d.driver);
    printf("%s,%s,%s,%s,%s,%s,%s,%d,%d,%d,%.6f,%.6f,%.6f,%.3f,%.3f,%s,%s,%s,%.3e,%.3e,%s,%s,%d,%s,%s,%s\n", k->op,
           kohl_direction_name(k->direction), k->id, kohl_kind_name(k->kind), kohl_accuracy_name(k->accuracy),
           r->shapes, r->layer, r->launches, r->sets, r->graph, r->ms_min, r->ms_median, r->ms_sd, gflops, gbytes,
           flops_share, bytes_share, ratio, r->max_rel, r->rms, d.name, driver, d.clock_mhz, commit(tool), r->ref_note,
           problem);
    return;
  }
  printf("%-8s %-5s %-18s %-22s %4d %4d %9.4f %9.4f %7.4f %9.1f %8.1f %6s %6s %8.1e %8.1e\n", k->op,
         kohl_direction_name(k->direction), k->id, r->layer, r->launches, r->sets, r->ms_min, r->ms_median, r->ms_sd,
         gflops, gbytes, flops_share, bytes_share, r->max_rel, r->rms);
}
