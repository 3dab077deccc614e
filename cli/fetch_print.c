/* The list, the progress line and the result of `kohl fetch`. */
#include "cli/fetch_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/json.h"

static const char *const states[] = {"no", "part", "yes"};

static void size_text(uint64_t bytes, char *text, size_t room) {
  const double n = (double)bytes;
  if (n < 1e6)
    snprintf(text, room, "%.1f kB", n / 1e3);
  else
    snprintf(text, room, "%.1f MB", n / 1e6);
}

static void list_row(cli_table *table, const kohl_fetch_file *file, kohl_fetch_state state, uint64_t bytes) {
  char size[32] = "", there[64];
  if (file->bytes) size_text(file->bytes, size, sizeof size);
  size_text(bytes, there, sizeof there);
  cli_table_cell(table, file->name);
  cli_table_cell(table, file->arch);
  cli_table_cell(table, file->preset);
  cli_table_cell(table, size);
  cli_table_cell(table, file->licence);
  cli_table_cellf(table, "%s%s%s", states[state], state == KOHL_FETCH_ABSENT ? "" : ", ",
                  state == KOHL_FETCH_ABSENT ? "" : there);
}

static void list_fields(cli_table *table, const kohl_fetch_file *file, kohl_fetch_state state, uint64_t bytes) {
  cli_table_cell(table, file->name);
  cli_table_cell(table, file->arch);
  cli_table_cell(table, file->preset);
  cli_table_cell(table, file->no_top ? "yes" : "no");
  cli_table_cellf(table, file->bytes ? "%llu" : "", (unsigned long long)file->bytes);
  cli_table_cell(table, file->licence);
  cli_table_cell(table, states[state]);
  cli_table_cellf(table, "%llu", (unsigned long long)bytes);
  cli_table_cell(table, file->file);
  cli_table_cell(table, file->address);
  cli_table_cell(table, file->digest);
}

static void text_or_null(kohl_json_writer *w, const char *key, const char *value) {
  kohl_json_write_key(w, key);
  if (*value)
    kohl_json_write_string(w, value);
  else
    kohl_json_write_null(w);
}

static void list_object(kohl_json_writer *w, const kohl_fetch_file *file, kohl_fetch_state state, uint64_t bytes) {
  kohl_json_write_object_begin(w);
  cli_json_text(w, "name", file->name);
  text_or_null(w, "arch", file->arch);
  text_or_null(w, "preset", file->preset);
  kohl_json_write_key(w, "no_top");
  kohl_json_write_bool(w, file->no_top);
  kohl_json_write_key(w, "bytes");
  if (file->bytes)
    kohl_json_write_uint64(w, file->bytes);
  else
    kohl_json_write_null(w);
  text_or_null(w, "licence", file->licence);
  cli_json_text(w, "cached", states[state]);
  cli_json_count(w, "cached_bytes", bytes);
  cli_json_text(w, "file", file->file);
  text_or_null(w, "inside", file->inside);
  cli_json_text(w, "address", file->address);
  text_or_null(w, "digest", file->digest);
  kohl_json_write_object_end(w);
}

int fetch_print_list(cli *c, const kohl_fetch_file *files, size_t count, const char *folder) {
  const bool json = cli_format_is(c, "json"), plain = cli_format_is(c, "table");
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_array_begin(&w);
  cli_table *table =
      json ? NULL
           : cli_table_new(plain ? "name|architecture|preset|>size|licence|in the cache"
                                 : "name|arch|preset|no_top|bytes|licence|cached|cached_bytes|file|address|digest");
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < count && status == KOHL_OK; i++) {
    kohl_fetch_state state;
    uint64_t bytes;
    status = kohl_fetch_look(c->ctx, &files[i], folder, &state, &bytes);
    if (status == KOHL_OK && json) list_object(&w, &files[i], state, bytes);
    if (status == KOHL_OK && !json) (plain ? list_row : list_fields)(table, &files[i], state, bytes);
  }
  kohl_json_write_array_end(&w);
  if (status == KOHL_OK && json) return cli_print_json(c, &w);
  kohl_json_write_free(&w);
  if (status == KOHL_OK) return cli_print_table(c, table);
  cli_table_free(table);
  return cli_fail_library(c, status);
}

/* A word of a shell's command line, quoted where that is needed. */
static void put_word(FILE *out, const char *text) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/+=:@%,";
  if (*text && !text[strspn(text, plain)]) {
    fputs(text, out);
    return;
  }
  putc('\'', out);
  for (; *text; text++) fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, out);
  putc('\'', out);
}

/* The command that makes a model of the file; "" for one that holds no weights. */
static void put_command(FILE *out, const kohl_fetch_file *file, const char *folder, const char *path) {
  if (!*file->arch) return;
  if (*file->inside) {
    fputs("tar -xzf ", out);
    put_word(out, path);
    fputs(" -C ", out);
    put_word(out, folder);
    fputs(" && ", out);
  }
  const char *end = strrchr(path, '/');
  size_t stem = *file->inside && end ? (size_t)(end - path) + 1 : strlen(path);
  char *in = calloc(strlen(path) + strlen(file->inside) + 1, 1);
  if (!in) return;
  memcpy(in, path, stem);
  strcat(in, file->inside);
  fputs("kohl convert ", out);
  put_word(out, in);
  fprintf(out, " --arch %s", file->arch);
  if (*file->preset) fprintf(out, " --preset %s", file->preset);
  fprintf(out, "%s -o %s.safetensors", file->no_top ? " --no-top" : "", file->name);
  free(in);
}

/* The same as a text, to be freed; NULL: memory was refused. */
static char *command_text(const kohl_fetch_file *file, const char *folder, const char *path) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&text, &bytes);
  if (!out) return NULL;
  put_command(out, file, folder, path);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

static int print_object(cli *c, const kohl_fetch_file *file, const char *command, const kohl_fetch_result *result) {
  char digest[16 + KOHL_DIGEST_TEXT];
  kohl_json_writer w;
  snprintf(digest, sizeof digest, "%s:%s", result->kind == KOHL_DIGEST_MD5 ? "md5" : "sha256", result->digest);
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_text(&w, "name", file->name);
  cli_json_text(&w, "path", result->path);
  cli_json_count(&w, "bytes", result->bytes);
  cli_json_text(&w, "digest", digest);
  kohl_json_write_key(&w, "checked");
  kohl_json_write_bool(&w, *file->digest);
  kohl_json_write_key(&w, "fetched");
  kohl_json_write_bool(&w, result->fetched);
  text_or_null(&w, "convert", command);
  kohl_json_write_object_end(&w);
  return cli_print_json(c, &w);
}

int fetch_print_result(cli *c, const kohl_fetch_file *file, const char *folder, const kohl_fetch_result *result) {
  char *command = command_text(file, folder, result->path);
  int code;
  if (!command) return cli_fail(c, KOHL_NO_RESOURCE, "memory for the result was refused");
  if (cli_format_is(c, "json")) {
    code = print_object(c, file, command, result);
  } else if (cli_format_is(c, "table")) {
    printf("%s\n", result->path);
    if (*command && !cli_get(c, CLI_OPTION_quiet)->set) printf("%s\n", command);
    code = cli_flush(c, 0);
  } else {
    cli_table *table = cli_table_new("name|path|bytes|digest|fetched|convert");
    cli_table_cell(table, file->name);
    cli_table_cell(table, result->path);
    cli_table_cellf(table, "%llu", (unsigned long long)result->bytes);
    cli_table_cellf(table, "%s:%s", result->kind == KOHL_DIGEST_MD5 ? "md5" : "sha256", result->digest);
    cli_table_cell(table, result->fetched ? "yes" : "no");
    cli_table_cell(table, command);
    code = cli_print_table(c, table);
  }
  free(command);
  return code;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

fetch_view fetch_view_begin(cli *c, const kohl_fetch_file *file) {
  bool terminal = isatty(STDOUT_FILENO) == 1 && !cli_get(c, CLI_OPTION_quiet)->set;
  return (fetch_view){.c = c, .file = file, .terminal = terminal, .begun = now()};
}

static void show(const kohl_fetch_progress *p, void *user) {
  enum { SHOWN_PER_SECOND = 5 };
  static const char *const doing[] = {"", "checking, ", "npm pack"};
  fetch_view *v = user;
  const double at = now();
  if (p->doing != v->doing || p->done <= p->begun) v->begun = at;
  if (p->doing == v->doing && at - v->shown < 1.0 / SHOWN_PER_SECOND && !(p->total && p->done == p->total)) return;
  v->doing = p->doing;
  v->shown = at;
  printf("\r%s: %s", v->file->file, doing[p->doing]);
  if (p->doing != KOHL_FETCH_PACKS) {
    const double seconds = at - v->begun, rate = seconds > 0 ? (double)(p->done - p->begun) / seconds : 0;
    printf("%.1f", (double)p->done / 1e6);
    if (p->total) printf(" of %.1f", (double)p->total / 1e6);
    printf(" MB");
    if (rate > 0) printf(", %.1f MB/s", rate / 1e6);
    if (rate > 0 && p->total > p->done && seconds >= 1) {
      const double left = (double)(p->total - p->done) / rate;
      if (left < 1e6) printf(", %d:%02d left", (int)left / 60, (int)left % 60);
    }
  }
  printf("\033[K");
  fflush(stdout);
  v->c->line_open = true;
}

kohl_fetch_meter fetch_view_meter(fetch_view *view) { return (kohl_fetch_meter){view->terminal ? show : NULL, view}; }
