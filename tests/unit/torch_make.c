#include "torch_make.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

const float torch_floats[6] = {0, 1, 2, 3, 4, 5};
const uint8_t torch_small[6] = {250, 251, 252, 253, 254, 255};

void torch_append(torch_bytes *out, const void *bytes, size_t length) {
  ck_assert_uint_le(length, TORCH_BYTES - out->length);
  if (length) memcpy(out->at + out->length, bytes, length);
  out->length += length;
}

void torch_number(torch_bytes *out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) torch_append(out, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_number(torch_bytes *out, int64_t value) {
  bool byte = value >= 0 && value < 256, word = value >= 0 && value < 65536, fits = value == (int32_t)value;
  torch_append(out, byte ? "K" : word ? "M" : fits ? "J" : "\x8a\x08", fits ? 1 : 2);
  torch_number(out, (uint64_t)value, byte ? 1 : word ? 2 : fits ? 4 : 8);
}

static void put_text(torch_bytes *out, char quote, const char *text, size_t length) {
  torch_append(out, quote == '"' ? "U" : "X", 1);
  torch_number(out, length, quote == '"' ? 1 : 4);
  torch_append(out, text, length);
}

static void put_global(torch_bytes *out, const char *text, size_t length) {
  size_t dot = length;
  while (text[dot - 1] != '.') dot--;
  torch_append(out, "c", 1);
  torch_append(out, text, dot - 1);
  torch_append(out, "\n", 1);
  torch_append(out, text + dot, length - dot);
  torch_append(out, "\n", 1);
}

void torch_assemble(torch_bytes *out, const char *words) {
  for (const char *at = words; *at;) {
    size_t length = strcspn(at + 1, *at == '\'' ? "'" : *at == '"' ? "\"" : " ");
    switch (*at) {
      case ' ': at++; break;
      case '%':
        torch_number(out, strtoul((char[]){at[1], at[2], 0}, NULL, 16), 1);
        at += 3;
        break;
      case '\'':
      case '"':
        put_text(out, *at, at + 1, length);
        at += length + 2;
        break;
      case '#': put_number(out, strtoll(at + 1, NULL, 10)), at += length + 1; break;
      case '@': put_global(out, at + 1, length), at += length + 1; break;
      default: torch_append(out, at++, 1);
    }
  }
}

static void put_member(torch_bytes *out, const torch_member *member, bool entry, size_t offset) {
  uint32_t crc = (uint32_t)crc32_z(0, member->bytes, member->length) + member->crc_off;
  torch_append(out, entry ? "PK\1\2\0\0" : "PK\3\4", entry ? 6 : 4);
  torch_number(out, 0, 2);
  torch_number(out, 8 | 1 << 11, 2);
  torch_number(out, 0, 6);
  torch_number(out, entry ? crc : 0, 4);
  for (int i = 0; i < 2; i++) torch_number(out, entry ? member->length : 0, 4);
  torch_number(out, strlen(member->name), 2);
  torch_append(out, (const uint8_t[12]){0}, entry ? 12 : 2);
  if (entry) torch_number(out, offset, 4);
  torch_append(out, member->name, strlen(member->name));
  if (!entry) torch_append(out, member->bytes, member->length);
}

void torch_zip(torch_bytes *out, const torch_member *members, size_t count) {
  size_t offset[16];
  out->length = 0;
  for (size_t i = 0; i < count; i++) {
    offset[i] = out->length;
    put_member(out, &members[i], false, 0);
  }
  size_t directory = out->length;
  for (size_t i = 0; i < count; i++) put_member(out, &members[i], true, offset[i]);
  size_t end = out->length;
  torch_append(out, "PK\5\6\0\0\0", 8);
  for (int i = 0; i < 2; i++) torch_number(out, count, 2);
  torch_number(out, end - directory, 4);
  torch_number(out, directory, 4);
  torch_number(out, 0, 2);
}

void torch_make_zip(torch_bytes *out, const char *words) {
  static torch_bytes pickle;
  pickle.length = 0;
  torch_assemble(&pickle, words);
  const torch_member members[] = {{"net/data.pkl", pickle.at, pickle.length, 0},
                                  {"net/byteorder", "little", 6, 0},
                                  {"net/data/0", torch_floats, sizeof torch_floats, 0},
                                  {"net/data/1", torch_small, sizeof torch_small, 0},
                                  {"net/version", "3\n", 2, 0}};
  torch_zip(out, members, sizeof members / sizeof members[0]);
}

const char *torch_file(const torch_bytes *bytes, size_t length) {
  static char path[32];
  static int file = -1;
  if (file < 0) {
    char name[64]; /* in memory, as it is written some ten thousand times */
    snprintf(name, sizeof name, "/kohl_test_torch_%ld", (long)getpid());
    file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    ck_assert(file >= 0 && shm_unlink(name) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  ck_assert(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
  ck_assert_int_eq(write(file, bytes->at, length), (ssize_t)length);
  return path;
}

static kohl_status show_tensor(kohl_context *ctx, kohl_source *source, size_t index, char *text, size_t room) {
  const kohl_tensor_info *info = &source->tensors[index].info;
  size_t count = info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
  size_t n =
      (size_t)snprintf(text, room, "%s%s %s ", index ? "; " : "", info->name, kohl_safetensors_dtype_name(info->dtype));
  if (info->dims == 0) n += (size_t)snprintf(text + n, room - n, "scalar");
  for (int i = 0; i < info->dims; i++)
    n += (size_t)snprintf(text + n, room - n, "%s%lld", i ? "," : "", (long long)info->shape[i]);
  n += (size_t)snprintf(text + n, room - n, ":");
  float *values = malloc((count + 1) * sizeof *values), *again = malloc((count + 1) * sizeof *again);
  kohl_status status = source->call->read(ctx, source, index, 0, count, values);
  for (size_t first = 0; first < count && !status; first++) { /* any part of it is the same part */
    ck_assert_int_eq(source->call->read(ctx, source, index, first, (count - first + 1) / 2, again), KOHL_OK);
    ck_assert_mem_eq(again, values + first, (count - first + 1) / 2 * sizeof *again);
  }
  for (size_t i = 0; i < count && !status && n < room - 32; i++)
    n += (size_t)snprintf(text + n, room - n, " %g", (double)values[i]);
  free(values);
  free(again);
  return status;
}

kohl_status torch_show(kohl_context *ctx, const torch_bytes *bytes, size_t length, char *text, size_t room) {
  kohl_source source = {.path = torch_file(bytes, length)};
  text[0] = 0;
  kohl_status status = kohl_torch_source(ctx, source.path, &source);
  for (size_t i = 0; i < source.count && !status; i++) {
    ck_assert(source.tensors[i].layout.output_first && source.tensors[i].layout.channels_first);
    ck_assert(source.tensors[i].layer == NULL && source.tensors[i].step == 1 && !source.tensors[i].quantised);
    status = show_tensor(ctx, &source, i, text + strlen(text), room - strlen(text));
  }
  if (status) {
    snprintf(text, room, "%s", kohl_context_error(ctx));
    ck_assert(text[0] && !strchr(text, '\n') && text[strlen(text) - 1] != '.');
    ck_assert(status != KOHL_BAD_INPUT || strstr(text, source.path));
  }
  source.call->close(ctx, &source);
  return status;
}
