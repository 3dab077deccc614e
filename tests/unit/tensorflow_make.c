/* Tables put together; see tensorflow_make.h. */
#include "tests/unit/tensorflow_make.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t made_bytes[65536];
table_out made;

static kohl_context *ctx;
static char folder[64], index_path[128], shard_path[128];

void make_setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_tf_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(index_path, sizeof index_path, "%s/x.index", folder);
  snprintf(shard_path, sizeof shard_path, "%s/x.data-00000-of-00001", folder);
  made = (table_out){made_bytes, 0, sizeof made_bytes};
}

void make_teardown(void) {
  unlink(index_path);
  unlink(shard_path);
  ck_assert_int_eq(rmdir(folder), 0);
  kohl_context_destroy(ctx);
}

/* In place: some file systems write a file out that was emptied and filled again, which takes its time. */
static void write_file(const char *path, const void *from, size_t length) {
  int out = open(path, O_WRONLY | O_CREAT, 0600);
  ck_assert_int_ge(out, 0);
  ck_assert(pwrite(out, from, length, 0) == (ssize_t)length && ftruncate(out, (off_t)length) == 0);
  ck_assert_int_eq(close(out), 0);
}

/* One entry that repeats nothing. */
static void put_entry(table_out *out, text key, text value) {
  table_put_varint(out, 0);
  table_put_varint(out, key.length);
  table_put_varint(out, value.length);
  table_put(out, key.at, key.length);
  table_put(out, value.at, value.length);
}

static void put_footer(table_range meta, table_range index) {
  static const uint8_t magic[] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
  uint8_t footer[TABLE_FOOTER] = {0};
  table_out end = {footer, 0, TABLE_FOOTER - sizeof magic};
  table_put_varint(&end, meta.at);
  table_put_varint(&end, meta.length);
  table_put_varint(&end, index.at);
  table_put_varint(&end, index.length);
  memcpy(footer + TABLE_FOOTER - sizeof magic, magic, sizeof magic);
  table_put(&made, footer, sizeof footer);
}

void make_table(const text *blocks, size_t count) {
  static const char keys[] = "bdf";
  uint8_t place[32], room[256];
  table_out index = {room, 0, sizeof room};
  made.length = 0;
  for (size_t i = 0; i < count; i++) {
    table_range range = table_put_block(&made, (const uint8_t *)blocks[i].at, blocks[i].length);
    table_out handle = {place, 0, sizeof place};
    table_put_varint(&handle, range.at);
    table_put_varint(&handle, range.length);
    put_entry(&index, (text){keys + i, 1}, (text){(char *)place, handle.length});
  }
  table_put(&index, "\0\0\0\0\1\0\0", 8);
  table_range meta = table_put_block(&made, (const uint8_t *)"\0\0\0\0\1\0\0", 8);
  put_footer(meta, table_put_block(&made, room, index.length));
}

void make_entries(const text (*entries)[2], size_t count) {
  static uint8_t room[32768];
  table_out block = {room, 0, sizeof room};
  for (size_t i = 0; i < count; i++) put_entry(&block, entries[i][0], entries[i][1]);
  table_put(&block, "\0\0\0\0\1\0\0", 8);
  text all = {(char *)room, block.length};
  make_table(&all, 1);
  table_parts parts;
  ck_assert(table_split(made_bytes, made.length, &parts));
  made_bytes[parts.keys[0].at] = 0xff; /* behind all of them */
  table_seal_all(made_bytes, made.length);
}

void expect_refused(const char *name, const char *words) {
  kohl_source source = {.path = index_path};
  float values[16];
  write_file(index_path, made_bytes, made.length);
  write_file(shard_path, (char[16]){0}, 16);
  kohl_status status = kohl_tensorflow_source(ctx, index_path, &source);
  for (size_t i = 0; i < source.count && !status; i++) {
    const kohl_tensor_info *info = &source.tensors[i].info;
    size_t count = info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
    status = source.call->read(ctx, &source, i, 0, count < 16 ? count : 16, values);
  }
  if (source.call) source.call->close(ctx, &source);
  const char *error = kohl_context_error(ctx);
  if (!words) {
    ck_assert_msg(status == KOHL_OK, "%s: %s", name, error);
    return;
  }
  ck_assert_msg(status == KOHL_BAD_INPUT && strstr(error, words), "%s: '%s', expected '%s'", name,
                status ? error : "OK", words);
  ck_assert_msg(strncmp(error, index_path, strlen(index_path)) == 0, "%s: %s", name, error);
  ck_assert_msg(!strchr(error, '\n') && error[strlen(error) - 1] != '.', "%s: %s", name, error);
}
