/* kohl devices: the processor and the GPUs that networks can run on, or why there is no GPU. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "kernels/core/device.h"

/* One row, of the processor or a GPU; 0 and "" for what it has not. */
typedef struct device_row {
  char device[24], name[200], level[16], driver[16], runtime[16];
  uint64_t units; /* threads, multiprocessors */
  uint64_t clock_mhz, memory_clock_mhz, memory_bits;
  uint64_t memory, available; /* bytes */
} device_row;

/* 13000 as "13.0"; "" for 0. */
static void print_version(char out[16], int version) {
  out[0] = 0;
  if (version > 0) snprintf(out, 16, "%d.%d", version / 1000, version % 1000 / 10);
}

/* The processor's name in /proc/cpuinfo, "" when it is not there. */
static void processor_name(char *out, size_t size) {
  char line[256];
  FILE *file = fopen("/proc/cpuinfo", "r");
  out[0] = 0;
  while (file && !out[0] && fgets(line, sizeof line, file)) {
    char *colon = strstr(line, ": ");
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    colon[strcspn(colon, "\n")] = 0;
    snprintf(out, size, "%s", colon + 2);
  }
  if (file) fclose(file);
}

static device_row processor(const cli *c) {
  device_row row;
  memset(&row, 0, sizeof row);
  snprintf(row.device, sizeof row.device, "cpu");
  processor_name(row.name, sizeof row.name);
  snprintf(row.level, sizeof row.level, "%s", kohl_cpu_level(c->ctx->caps));
  row.units = kohl_threads_count(c->ctx->threads);
  long page = sysconf(_SC_PAGESIZE), pages = sysconf(_SC_PHYS_PAGES), free_pages = sysconf(_SC_AVPHYS_PAGES);
  if (page > 0 && pages > 0) row.memory = (uint64_t)pages * (uint64_t)page;
  if (page > 0 && free_pages > 0) row.available = (uint64_t)free_pages * (uint64_t)page;
  return row;
}

static kohl_status gpu(const cli *c, int number, device_row *row) {
  kohl_device_info info;
  memset(row, 0, sizeof *row);
  kohl_status status = kohl_device_describe(c->ctx, number, &info);
  if (status != KOHL_OK) return status;
  snprintf(row->device, sizeof row->device, "cuda:%d", number);
  snprintf(row->name, sizeof row->name, "%s", info.name);
  snprintf(row->level, sizeof row->level, "sm_%d%d", info.major, info.minor);
  print_version(row->driver, info.driver);
  print_version(row->runtime, info.runtime);
  row->units = (uint64_t)info.multiprocessors;
  row->clock_mhz = (uint64_t)info.clock_mhz;
  row->memory_clock_mhz = (uint64_t)info.memory_clock_mhz;
  row->memory_bits = (uint64_t)info.memory_bits;
  row->memory = info.memory;
  row->available = info.available;
  return KOHL_OK;
}

static void count_cell(cli_table *table, uint64_t n) {
  if (n)
    cli_table_cellf(table, "%llu", (unsigned long long)n);
  else
    cli_table_cell(table, "");
}

static void add_row(cli_table *table, const device_row *row) {
  cli_table_cell(table, row->device);
  cli_table_cell(table, row->name);
  cli_table_cell(table, row->level);
  count_cell(table, row->units);
  count_cell(table, row->clock_mhz);
  count_cell(table, row->memory >> 20);
  count_cell(table, row->available >> 20);
  cli_table_cell(table, row->driver);
  cli_table_cell(table, row->runtime);
}

static void add_object(kohl_json_writer *w, const device_row *row) {
  bool cpu = !strcmp(row->device, "cpu");
  kohl_json_write_object_begin(w);
  cli_json_text(w, "device", row->device);
  cli_json_text(w, "name", row->name);
  cli_json_text(w, "level", row->level);
  cli_json_count(w, cpu ? "threads" : "multiprocessors", row->units);
  if (!cpu) {
    cli_json_count(w, "clock_mhz", row->clock_mhz);
    cli_json_count(w, "memory_clock_mhz", row->memory_clock_mhz);
    cli_json_count(w, "memory_bits", row->memory_bits);
    cli_json_text(w, "driver", row->driver);
    cli_json_text(w, "runtime", row->runtime);
  }
  cli_json_count(w, "memory_bytes", row->memory);
  cli_json_count(w, "available_bytes", row->available);
  kohl_json_write_object_end(w);
}

/* {"devices": [...], "no_cuda": "why"}: the last member only where there is no GPU. */
static int print_json(cli *c, int gpus, const char *why) {
  device_row row = processor(c);
  kohl_json_writer w;
  int code = 0;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  kohl_json_write_key(&w, "devices");
  kohl_json_write_array_begin(&w);
  add_object(&w, &row);
  for (int i = 0; i < gpus; i++) {
    kohl_status status = gpu(c, i, &row);
    if (status == KOHL_OK)
      add_object(&w, &row);
    else
      code = cli_fail_library(c, status);
  }
  kohl_json_write_array_end(&w);
  if (!gpus) cli_json_text(&w, "no_cuda", why);
  kohl_json_write_object_end(&w);
  int printed = cli_print_json(c, &w);
  return code ? code : printed;
}

int cmd_devices(cli *c) {
  const char *why = "";
  int code = cli_begin(c), gpus = code ? 0 : kohl_device_count(&why);
  if (code) return code;
  if (cli_format_is(c, "json")) return print_json(c, gpus, why);
  cli_table *table = cli_table_new("device|name|level|>units|>clock_mhz|>memory_mib|>available_mib|driver|runtime");
  device_row row = processor(c);
  add_row(table, &row);
  for (int i = 0; i < gpus; i++) {
    kohl_status status = gpu(c, i, &row);
    if (status == KOHL_OK)
      add_row(table, &row);
    else
      code = cli_fail_library(c, status);
  }
  int printed = cli_print_table(c, table);
  if (!gpus && cli_format_is(c, "table")) printf("\nno GPU: %s\n", why);
  return code ? code : cli_flush(c, printed);
}
