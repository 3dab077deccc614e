/* The containers of PyTorch files, zip and sequential: what is wrong with either in a line of its own, every cut, every
 * flipped bit, storages that are damaged, memory that runs out. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torch_make.h"

static kohl_context *ctx;
static torch_bytes file, pickle;

/* Allocations, to let the n-th one fail. */
static size_t allocations, refused, in_use;

static void *allocate(size_t bytes, void *user) {
  (void)user;
  if (++allocations == refused) return NULL;
  in_use++;
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void release(void *memory, void *user) {
  (void)user;
  in_use -= memory != NULL;
  free(memory);
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.allocator = (kohl_allocator){allocate, release, NULL};
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  file.length = 0;
}
static void teardown(void) { kohl_context_destroy(ctx); }

#define SMALL STORED("ByteStorage", "1", "6")
#define TWO PROTO "} ( 'w' " MATRIX "'v' " V2(SMALL, "1", D2(2, 2), D2(1, 2)) "u ."
#define SHOWN "w F32 2,3: 0 1 2 3 4 5; v U8 2,2: 251 253 252 254"
#define SIX_OLD "( 'storage' @torch.FloatStorage '0' 'cpu' #6 N t Q "

static kohl_status show(char *text, size_t room) { return torch_show(ctx, &file, file.length, text, room); }

static void expect_refused(const char *message) {
  char text[1024];
  ck_assert_msg(show(text, sizeof text) == KOHL_BAD_INPUT, "not refused: %s", message);
  ck_assert_msg(strstr(text, message), "'%s' does not contain '%s'", text, message);
}

/* Members of the good archive; one of them can be replaced, or left out where its name is NULL. */
static void build_zip(int which, torch_member other) {
  torch_member members[] = {{"net/data.pkl", NULL, 0, 0},
                            {"net/byteorder", "little", 6, 0},
                            {"net/data/0", torch_floats, sizeof torch_floats, 0},
                            {"net/data/1", torch_small, sizeof torch_small, 0},
                            {"net/version", "3\n", 2, 0}};
  size_t count = sizeof members / sizeof members[0];
  pickle.length = 0;
  torch_assemble(&pickle, TWO);
  members[0].bytes = pickle.at;
  members[0].length = pickle.length;
  if (which >= 0) members[which] = other;
  if (which >= 0 && !other.name) members[which] = members[--count];
  torch_zip(&file, members, count);
}

START_TEST(zip_members) {
  char text[1024];
  build_zip(-1, (torch_member){0});
  ck_assert_msg(show(text, sizeof text) == KOHL_OK, "%s", text);
  ck_assert_str_eq(text, SHOWN);
  build_zip(1, (torch_member){0}); /* PyTorch before 1.13 says nothing of the order */
  ck_assert_int_eq(show(text, sizeof text), KOHL_OK);
  build_zip(4, (torch_member){"data.pkl", "x", 1, 0}); /* in no folder: another's */
  ck_assert_int_eq(show(text, sizeof text), KOHL_OK);
  build_zip(0, (torch_member){0});
  expect_refused("is a zip archive without a member data.pkl, expected one of torch.save");
  build_zip(0, (torch_member){"config.json", "{}", 2, 0});
  expect_refused("is a zip archive without a member data.pkl");
  build_zip(4, (torch_member){"old/data.pkl", pickle.at, 2, 0});
  expect_refused("has two members data.pkl, expected one");
  build_zip(1, (torch_member){"net/byteorder", "big", 3, 0});
  expect_refused("member 'byteorder': 'big', expected 'little'");
  build_zip(4, (torch_member){"net/constants.pkl", "", 0, 0});
  expect_refused(
      "is a TorchScript archive, expected a state dict: torch.save(torch.jit.load('FILE').state_dict(), 'NEW')");
  build_zip(4, (torch_member){"net/code/__torch__.py", "", 0, 0});
  expect_refused("is a TorchScript archive");
  build_zip(4, (torch_member){"net/constants.pkl", "", 0, 0});
  file.at[8] = 8; /* a member that cannot be read, as TorchScript's code */
  expect_refused("is a TorchScript archive");
  build_zip(-1, (torch_member){0});
  file.at[8] = 8;
  expect_refused("member 'net/data.pkl': is packed (method 8), expected stored bytes");
  build_zip(2, (torch_member){0});
  expect_refused("storage '0': there is no member 'data/0'");
  build_zip(2, (torch_member){"net/data/0", torch_floats, 20, 0});
  expect_refused("storage '0': 20 bytes, expected 24 for 6 of F32");
  build_zip(2, (torch_member){"old/data/0", torch_floats, 24, 0});
  expect_refused("storage '0': there is no member 'data/0'");
  build_zip(2, (torch_member){"net/data/0", torch_floats, 24, 1});
  expect_refused("storage '0': CRC-32 is 91e79017, the archive says 91e79018; the file is damaged");
  build_zip(0, (torch_member){"net/data.pkl", pickle.at, pickle.length, 1});
  expect_refused("member 'net/data.pkl': CRC-32 is ");
}
END_TEST

/* A sequential file; each part can be replaced. */
typedef struct {
  const char *version, *system, *value, *keys;
  int64_t first, second; /* counts in front of the storages, if not 0 */
  int cut;               /* bytes that are missing at the end; negative: too many */
} sequence;

static void build_sequence(sequence s) {
  file.length = 0;
  torch_append(&file, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  torch_assemble(&file, s.version ? s.version : PROTO "#1001 .");
  torch_assemble(&file, s.system ? s.system
                                 : PROTO
                            "} ( 'protocol_version' #1001 'little_endian' %88 'type_sizes' } ( 'int' #4 u u .");
  torch_assemble(&file, s.value ? s.value : TWO);
  torch_assemble(&file, s.keys ? s.keys : PROTO "] ( '1' '0' e .");
  torch_number(&file, (uint64_t)(s.second ? s.second : 6), 8);
  torch_append(&file, torch_small, sizeof torch_small);
  torch_number(&file, (uint64_t)(s.first ? s.first : 6), 8);
  torch_append(&file, torch_floats, sizeof torch_floats);
  for (int i = s.cut; i < 0; i++) torch_number(&file, 0, 1);
  if (s.cut > 0) file.length -= (size_t)s.cut;
}

static const struct {
  sequence sequence;
  const char *message; /* NULL: good */
} sequences[] = {
    {{0}, NULL},
    {{.system = PROTO "} \"little_endian\" %88 s ."}, NULL},
    {{.value = PROTO "} ( 'w' " V2(SIX_OLD, "0", D2(2, 3), D2(3, 1)) "'v' " V2(SMALL, "1", D2(2, 2), D2(1, 2)) "u ."},
     NULL},
    {{.version = PROTO "#1002 ."}, "pickle 2: not the number 1001, the version of PyTorch's format"},
    {{.version = PROTO "} ."}, "pickle 2: not the number 1001"},
    {{.version = PROTO "0"}, "pickle 2: byte 2: opcode 0x30: not one that torch.save writes"},
    {{.version = "%80%04 #1001 ."}, "pickle 2: pickle protocol 4, expected 2"},
    {{.system = PROTO "#1 ."}, "pickle 3: no truth value 'little_endian', which torch.save writes"},
    {{.system = PROTO "} ."}, "pickle 3: no truth value 'little_endian'"},
    {{.system = PROTO "} 'little_endian' #1 s ."}, "pickle 3: no truth value 'little_endian'"},
    {{.system = PROTO "} 'little_endian' %89 s ."}, "pickle 3: field 'little_endian': False, expected True"},
    {{.value = PROTO "@torchvision.models.vgg.VGG ) %81 ."},
     "pickle 4: byte 2: 'torchvision.models.vgg.VGG': an object of this class is in the file"},
    {{.value = PROTO "( 'module' @torchvision.models.vgg.VGG 'vgg.py' 'class VGG' t Q ."},
     "'torchvision.models.vgg.VGG': an object of this class is in the file, maybe a whole pickled module"},
    {{.value = PROTO "] ."}, "holds a list, expected a dict of named tensors"},
    {{.keys = PROTO "} ."}, "pickle 5: a dict, expected the list of storages"},
    {{.keys = PROTO "] #1 a ."}, "pickle 5: a whole number, expected the key of a storage"},
    {{.keys = PROTO "] ( '1' '2' e ."}, "pickle 5: key '2' is that of no storage in pickle 4"},
    {{.keys = PROTO "] ( '1' '1' e ."}, "pickle 5: key '1' appears twice"},
    {{.keys = PROTO "] '1' a ."}, "storage '0': is not in the list of pickle 5"},
    {{.keys = PROTO "] '0' a ."}, "storage '1': is not in the list of pickle 5"},
    {{.keys = "x"}, "pickle 5: is no pickle of protocol 2, expected byte 0x80 first"},
    {{.first = 5}, "storage '0': 5 values, expected 6 as pickle 4 says"},
    {{.second = -1}, "storage '1': 18446744073709551615 values, expected 6 as pickle 4 says"},
    {{.cut = 1}, "storage '0': 31 bytes are left, expected 24 and 8 in front of them"},
    {{.cut = 25}, "storage '0': 7 bytes are left"},
    {{.cut = 33}, "storage '1': 13 bytes are left, expected 6 and 8 in front of them"},
    {{.cut = -3}, "3 bytes behind the last storage, expected none"},
};

START_TEST(sequential) {
  char text[1024];
  build_sequence(sequences[_i].sequence);
  if (sequences[_i].message) {
    expect_refused(sequences[_i].message);
    return;
  }
  ck_assert_msg(show(text, sizeof text) == KOHL_OK, "%s", text);
  ck_assert_str_eq(text, SHOWN);
}
END_TEST

START_TEST(neither_container) {
  static const struct {
    const char *bytes;
    size_t length;
    const char *message;
  } cases[] = {
      {"", 0, "is no file of torch.save, expected a zip archive or PyTorch's magic number"},
      {"PK", 2, "is no file of torch.save"},
      {"PK\3\4", 4, "zip archive: has no end record"},
      {"\x89HDF", 4, "is no file of torch.save"},
      {"\x80\2}.", 4, "is a pickle without PyTorch's magic number, expected a file of torch.save"},
      {"\x80\4}.", 4, "is a pickle of protocol 4, expected a file of torch.save under protocol 2"},
      {"\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14, "is a pickle without PyTorch's magic number"},
      {"\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15, "pickle 2: is no pickle of protocol 2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    file.length = 0;
    torch_append(&file, cases[i].bytes, cases[i].length);
    expect_refused(cases[i].message);
  }
  memset(file.at, 0, 512);
  memcpy(file.at + 257, "ustar", 5);
  file.length = 512;
  expect_refused(
      "is a tar archive, maybe of PyTorch before 0.1.10, expected a newer file: torch.save(torch.load('FILE'");
  kohl_source source = {.path = "/nonexistent/net.pth"};
  ck_assert_int_eq(kohl_torch_source(ctx, source.path, &source), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "/nonexistent/net.pth: cannot be opened"));
  source.call->close(ctx, &source);
}
END_TEST

static void build(bool zip) {
  if (zip)
    build_zip(-1, (torch_member){0});
  else
    build_sequence((sequence){0});
}

/* _i: of which container. */
START_TEST(every_cut) {
  char text[1024];
  build(_i);
  size_t whole = file.length;
  for (file.length = 0; file.length < whole; file.length++) ck_assert_int_eq(show(text, sizeof text), KOHL_BAD_INPUT);
  ck_assert_int_eq(show(text, sizeof text), KOHL_OK);
}
END_TEST

/* In an archive every bit of the pickle and of the storages is seen by its CRC-32; elsewhere a flipped bit is refused,
 * or it is of no meaning, and gives the same numbers.  A sequential file has no such sums. */
START_TEST(every_bit) {
  char text[1024];
  size_t same = 0, other = 0;
  build(_i);
  for (size_t bit = 0; bit < 8 * file.length; bit++) {
    file.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    kohl_status status = show(text, sizeof text);
    ck_assert(status == KOHL_OK || status == KOHL_BAD_INPUT);
    if (status == KOHL_OK && strcmp(text, SHOWN) == 0) same++;
    if (status == KOHL_OK && strcmp(text, SHOWN) != 0) other++;
    file.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  ck_assert_uint_gt(same, 0);
  if (_i) ck_assert_uint_eq(other, 0);
}
END_TEST

/* Whichever allocation fails: KOHL_NO_RESOURCE, and nothing stays behind. */
START_TEST(no_memory) {
  char text[1024];
  build(_i);
  size_t before = in_use;
  for (size_t n = 1;; n++) {
    allocations = 0;
    refused = n;
    kohl_status status = show(text, sizeof text);
    refused = 0;
    ck_assert_uint_eq(in_use, before);
    if (status == KOHL_OK) break;
    ck_assert_int_eq(status, KOHL_NO_RESOURCE);
    ck_assert_uint_lt(n, 200);
  }
  ck_assert_uint_gt(allocations, 10);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("torch_file");
  TCase *tests = tcase_create("torch_file");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, zip_members);
  tcase_add_loop_test(tests, sequential, 0, (int)(sizeof sequences / sizeof sequences[0]));
  tcase_add_test(tests, neither_container);
  tcase_add_loop_test(tests, every_cut, 0, 2);
  tcase_add_loop_test(tests, every_bit, 0, 2);
  tcase_add_loop_test(tests, no_memory, 0, 2);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
