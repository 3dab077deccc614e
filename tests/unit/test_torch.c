/* Pickles of PyTorch: what torch.save writes and what is like it, with the numbers that come out; every other one with
 * its own line.  The containers are test_torch_file.c's. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torch_make.h"

static kohl_context *ctx;

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
}
static void teardown(void) { kohl_context_destroy(ctx); }

#define ORDERED "@collections.OrderedDict ) R "
#define SMALL STORED("ByteStorage", "1", "6")
#define PAIR(name) "'" name "' " MATRIX
#define OLD "@torch._utils._rebuild_tensor ( " SIX "#2 " D2(2, 2) D2(2, 1) "t R "
#define VIEW(offset, count) "( 'storage' @torch.FloatStorage '0' 'cpu' #6 ( 'v' #" offset " #" count " t t Q "
#define ALL " F32 2,3: 0 1 2 3 4 5"

static const struct {
  const char *words, *shown;
} good[] = {
    {NAMED(MATRIX), "w" ALL},
    {PROTO ORDERED "( " PAIR("a") PAIR("b") "u } '_metadata' " ORDERED "s b .", "a" ALL "; b" ALL},
    {PROTO "} 'w' " MATRIX "s .", "w" ALL},
    {PROTO "} \"w\" " MATRIX "s .", "w" ALL},
    {PROTO "} ( " PAIR("a") "u ( " PAIR("b") PAIR("c") "u .", "a" ALL "; b" ALL "; c" ALL},
    /* shapes and strides */
    {NAMED(V2(SIX, "3", ") ", ") ")), "w F32 scalar: 3"},
    {NAMED(V2(SIX, "0", D2(3, 2), D2(1, 3))), "w F32 3,2: 0 3 1 4 2 5"},
    {NAMED(V2(SIX, "1", D2(2, 2), D2(3, 1))), "w F32 2,2: 1 2 4 5"},
    {NAMED(V2(SIX, "4", D2(2, 3), D2(0, 0))), "w F32 2,3: 4 4 4 4 4 4"},
    {NAMED(V2(SIX, "0", D3(2, 1, 3), D3(1, 77, 2))), "w F32 2,1,3: 0 2 4 1 3 5"},
    {NAMED(V2(SIX, "0", D3(2, 1, 3), D3(3, 77, 1))), "w F32 2,1,3: 0 1 2 3 4 5"},
    {NAMED(V2(SIX, "99", D2(3, 0), D2(1, 1))), "w F32 3,0:"},
    {NAMED(V2(SIX, "0", "@torch.Size " D2(2, 3) "%85 R ", D2(3, 1))), "w" ALL},
    {NAMED(V2(SIX, "0", "( #1 #1 #1 #1 #1 #1 #2 #1 t ", "( #1 #1 #1 #1 #1 #1 #1 #1 t ")), "w F32 1,1,1,1,1,1,2,1: 0 1"},
    {NAMED(V2(SMALL, "1", D1(4), D1(1))), "w U8 4: 251 252 253 254"},
    {NAMED(V2(STORED("CharStorage", "1", "6"), "1", D1(4), D1(1))), "w I8 4: -5 -4 -3 -2"},
    {NAMED(V2(STORED("ShortStorage", "1", "3"), "1", D1(2), D1(1))), "w I16 2: -516 -2"},
    {NAMED(V2("( 'storage' @torch.storage.UntypedStorage '1' 'cpu' #6 t Q ", "5", D1(1), D1(1))), "w U8 1: 255"},
    {NAMED(OLD), "w F32 2,2: 2 3 4 5"},
    {NAMED(V2(VIEW("2", "3"), "1", D1(2), D1(1))), "w F32 2: 3 4"},
    {NAMED(V2("( 'storage' @torch.FloatStorage '0' 'cpu' #6 N t Q ", "1", D1(2), D1(1))), "w F32 2: 1 2"},
    /* Parameters */
    {NAMED("@torch._utils._rebuild_parameter ( " MATRIX "%88 " ORDERED "t R "), "w" ALL},
    {NAMED("@torch.nn.parameter.Parameter " MATRIX "%85 %81 %88 %89 " ORDERED "%87 b "), "w" ALL},
    {NAMED("@torch.nn.parameter.Parameter " MATRIX "%88 %86 R "), "w" ALL},
    /* wrappers, prefixes and what is no tensor */
    {PROTO "} ( 'epoch' #3 'state_dict' } ( " PAIR("module.a") PAIR("module.b") "u 'loss' G12345678 'optimizer' } u .",
     "a" ALL "; b" ALL},
    {PROTO "} 'model' } 'net' } ( " PAIR("module.backbone.a.b") PAIR("module.backbone.model.c") "u s s .",
     "a.b" ALL "; model.c" ALL},
    {PROTO "} ( 'ema' N 'model' 'resnet' 'model_state_dict' } ( " PAIR("module.a") PAIR("b") "u " PAIR("best") "u .",
     "module.a" ALL "; b" ALL},
    {PROTO "} ( 'state_dict' } " PAIR("model.") "u .", "model." ALL},
    {PROTO "} ( 'model' } 'depth' #50 s " PAIR("a") "'ema' } " PAIR("c") "s u .", "c" ALL},
    {PROTO "} ( 'model' } 'depth' #50 s 'net' } " PAIR("a") "u .", "a" ALL},
    {PROTO "} ( " PAIR("a") "'extra' %8f 'n' #-5 'big' #1099511627776 'none' N 'list' ] ( #1 #2 e 'true' %88 u .",
     "a" ALL},
    /* the memo, and values that contain themselves */
    {PROTO "} ( 'a' " MATRIX "q%07 'b' h%07 'c' h%07 r%00%01%00%00 'd' j%00%01%00%00 u .",
     "a" ALL "; b" ALL "; c" ALL "; d" ALL},
    {PROTO "} q%00 ( 'self' h%00 'list' ] q%01 h%01 a " PAIR("a") "'model' } u .", "a" ALL},
    {PROTO "} q%00 ( 'model' h%00 " PAIR("a") "u .", "a" ALL},
    /* an OrderedDict of Python 2 */
    {PROTO "@collections.OrderedDict ] ( ] ( " PAIR("a") "e ] ( " PAIR("b") "e e %85 R .", "a" ALL "; b" ALL},
    {PROTO "@collections.OrderedDict ) %81 " PAIR("a") "s .", "a" ALL},
};

START_TEST(good_pickles) {
  static torch_bytes file;
  char text[1024];
  torch_make_zip(&file, good[_i].words);
  kohl_status status = torch_show(ctx, &file, file.length, text, sizeof text);
  ck_assert_msg(status == KOHL_OK, "%s: %s", good[_i].shown, text);
  ck_assert_str_eq(text, good[_i].shown);
}
END_TEST

#define BAD_ID(id) NAMED(V2(id, "0", D1(1), D1(1)))
#define ID_TEXT "a persistent id is not what torch.save writes"
#define SHAPE_TEXT "tensor 'w': shape and strides, expected as many whole numbers of each, at most 8"
#define ARGUMENTS_TEXT "tensor 'w': its arguments are not what torch.save writes"

static const struct {
  const char *words, *message;
} bad[] = {
    /* opcodes and the stack */
    {"", "data.pkl: is no pickle of protocol 2, expected byte 0x80 first"},
    {"} .", "data.pkl: is no pickle of protocol 2"},
    {"%80%03 } .", "data.pkl: pickle protocol 3, expected 2, which torch.save takes by itself"},
    {"%80%04 } .", "pickle protocol 4, expected 2"},
    {"%80%02", "data.pkl: the pickle has no end, expected opcode '.'"},
    {PROTO "} . x", "data.pkl: 1 bytes behind the end of the pickle, expected none"},
    {PROTO "} } .", "byte 4: opcode 0x2e: expected one value on the stack at the end"},
    {PROTO "( .", "opcode 0x2e: the stack is empty"},
    {PROTO ".", "opcode 0x2e: expected one value on the stack"},
    {PROTO "0", "byte 2: opcode 0x30: not one that torch.save writes for tensors and plain values"},
    {PROTO "%95", "opcode 0x95: not one that torch.save writes"},
    {PROTO "%93", "opcode 0x93: not one that torch.save writes"},
    {PROTO "i", "opcode 0x69: not one that torch.save writes"},
    {PROTO "J%01%02", "opcode 0x4a: the pickle ends inside it"},
    {PROTO "G", "opcode 0x47: the pickle ends inside it"},
    {PROTO "X%05%00%00%00abc", "opcode 0x58: the pickle ends inside it"},
    {PROTO "X%ff%ff%ff%ff", "opcode 0x58: the pickle ends inside it"},
    {PROTO "U%05ab", "opcode 0x55: the pickle ends inside it"},
    {PROTO "%8a%09abcdefghi", "opcode 0x8a: a number of more than 8 bytes"},
    {PROTO "%8a%05ab", "opcode 0x8a: the pickle ends inside it"},
    {PROTO "ctorch", "opcode 0x63: the pickle ends inside it"},
    {PROTO "t", "opcode 0x74: no mark on the stack"},
    {PROTO "#1 %86", "opcode 0x86: the stack is empty"},
    {PROTO "#1 ( #2 %86", "opcode 0x86: the stack is empty"},
    {PROTO "] ( a", "opcode 0x61: the stack is empty"},
    {PROTO "} #1 a", "opcode 0x61: expected a list and values"},
    {PROTO "#1 ( #2 e", "opcode 0x65: expected a list and values"},
    {PROTO "( #1 e", "opcode 0x65: expected a list and values"},
    {PROTO "] #1 #2 s", "opcode 0x73: expected a dict and pairs"},
    {PROTO "} ( #1 #2 #3 u", "opcode 0x75: expected a dict and pairs"},
    {PROTO "q%00", "opcode 0x71: the stack is empty"},
    {PROTO "#1 q%05 h%04", "opcode 0x68: a value that was never remembered"},
    {PROTO "h%05", "opcode 0x68: a value that was never remembered"},
    {PROTO "j%ff%ff%ff%ff", "opcode 0x6a: a value that was never remembered"},
    {PROTO "#1 r%ff%ff%ff%ff", "opcode 0x72: more than 524288 remembered values"},
    /* calls */
    {PROTO "#1 Q", "opcode 0x51: expected a tuple as a persistent id"},
    {PROTO "#1 ) R", "opcode 0x52: expected a function and a tuple of its arguments"},
    {PROTO "@torch.Size #1 R", "expected a function and a tuple of its arguments"},
    {PROTO "@torch.FloatStorage ) R", "expected a function and a tuple of its arguments"},
    {PROTO "@torch.Size ) R", "a torch.Size of something else than a tuple"},
    {PROTO "@torch.Size #1 %85 R", "a torch.Size of something else than a tuple"},
    {PROTO "@collections.OrderedDict #1 %85 R", "an OrderedDict of something else than pairs"},
    {PROTO "@collections.OrderedDict ] #1 a %85 R", "an OrderedDict of something else than pairs"},
    {PROTO "@collections.OrderedDict ] ] #1 a a %85 R", "an OrderedDict of something else than pairs"},
    {PROTO "#1 #2 b", "opcode 0x62: expected an OrderedDict or a Parameter, and its state"},
    {PROTO MATRIX "N b", "expected an OrderedDict or a Parameter, and its state"},
    {PROTO "N b", "expected an OrderedDict or a Parameter, and its state"},
    /* globals */
    {PROTO "@os.system", "data.pkl: byte 2: 'os.system': a call of this function is in the file, expected tensors"},
    {PROTO "@torch.nn.modules.conv.Conv2d",
     "'torch.nn.modules.conv.Conv2d': an object of this class is in the file, maybe a whole pickled module, expected "
     "tensors and plain values alone; save the weights with torch.save(model.state_dict(), 'FILE')"},
    {PROTO "@torch.storage.FloatStorage", "'torch.storage.FloatStorage': an object of this class"},
    {PROTO "@collections.OrderedDicts", "'collections.OrderedDicts': an object of this class"},
    {PROTO "@torch._utils._rebuild_qtensor", "a quantised tensor, expected one of floats; save it after dequantize()"},
    {PROTO "@torch._utils._rebuild_sparse_csr_tensor", "a sparse tensor, expected a dense one"},
    {PROTO "@torch.ComplexFloatStorage", "a tensor of complex numbers, expected real ones"},
    {PROTO "@torch._utils._rebuild_tensor_v3", "a tensor of one of PyTorch's newer types"},
    {PROTO "@torch._utils._rebuild_meta_tensor_no_storage", "a tensor without numbers, on the 'meta' device"},
    {PROTO "@torch.jit._pickle.build_intlist", "a part of a TorchScript archive"},
    {PROTO "@numpy.core.multiarray.scalar", "an array or a number of NumPy beside the tensors"},
    /* storages */
    {BAD_ID("( 'module' @torch.FloatStorage '0' 'cpu' #6 t Q "), ID_TEXT},
    {BAD_ID("( 'storage' @torch.Size '0' 'cpu' #6 t Q "), ID_TEXT},
    {BAD_ID("( 'storage' 'float' '0' 'cpu' #6 t Q "), ID_TEXT},
    {BAD_ID("( 'storage' @torch.FloatStorage #0 'cpu' #6 t Q "), ID_TEXT},
    {BAD_ID("( 'storage' @torch.FloatStorage '0' N #6 t Q "), ID_TEXT},
    {BAD_ID("( 'storage' @torch.FloatStorage '0' 'cpu' #-6 t Q "), ID_TEXT},
    {BAD_ID("( 'storage' @torch.FloatStorage '0' 'cpu' #4611686018427387904 t Q "), ID_TEXT},
    {BAD_ID("( 'storage' @torch.FloatStorage '0' 'cpu' t Q "), ID_TEXT},
    {BAD_ID("( 'storage' @torch.FloatStorage '0' 'cpu' #6 N N t Q "), ID_TEXT},
    {BAD_ID(") Q "), ID_TEXT},
    {BAD_ID(VIEW("4", "3")), ID_TEXT},
    {BAD_ID(VIEW("7", "0")), ID_TEXT},
    {BAD_ID(VIEW("-1", "3")), ID_TEXT},
    {BAD_ID("( 'storage' @torch.FloatStorage '0' 'cpu' #6 #5 t Q "), ID_TEXT},
    {PROTO "} ( 'a' " MATRIX "'b' " V2(STORED("IntStorage", "0", "6"), "0", D1(1), D1(1)) "u .",
     "storage '0': 6 of F32 in one place and 6 of I32 in another"},
    {PROTO "} ( 'a' " MATRIX "'b' " V2(STORED("FloatStorage", "0", "5"), "0", D1(1), D1(1)) "u .", "storage '0': "},
    {BAD_ID(STORED("FloatStorage", "2", "6")), "storage '2': there is no member 'data/2'"},
    {BAD_ID(STORED("FloatStorage", "../x", "6")), "storage '../x': there is no member 'data/../x'"},
    {BAD_ID(STORED("FloatStorage", "0", "5")), "storage '0': 24 bytes, expected 20 for 5 of F32"},
    {BAD_ID(STORED("DoubleStorage", "0", "6")), "storage '0': 24 bytes, expected 48 for 6 of F64"},
    /* tensors */
    {NAMED(V2("#1 ", "0", D1(1), D1(1))), ARGUMENTS_TEXT},
    {NAMED(V2(SIX, "-1", D1(1), D1(1))), ARGUMENTS_TEXT},
    {NAMED("@torch._utils._rebuild_tensor_v2 " SIX "#0 %86 R "), ARGUMENTS_TEXT},
    {NAMED("@torch._utils._rebuild_tensor ) R "), ARGUMENTS_TEXT},
    {NAMED("@torch._utils._rebuild_parameter ) R "), ARGUMENTS_TEXT},
    {NAMED("@torch.nn.parameter.Parameter #1 %85 R "), ARGUMENTS_TEXT},
    {NAMED(V2(SIX, "0", D2(2, 3), D1(1))), SHAPE_TEXT},
    {NAMED(V2(SIX, "0", "#6 ", D1(1))), SHAPE_TEXT},
    {NAMED(V2(SIX, "0", D1(-1), D1(1))), SHAPE_TEXT},
    {NAMED(V2(SIX, "0", D1(1), D1(-1))), SHAPE_TEXT},
    {NAMED(V2(SIX, "0", "( #1 #1 #1 #1 #1 #1 #1 #1 #1 t ", "( #1 #1 #1 #1 #1 #1 #1 #1 #1 t ")), SHAPE_TEXT},
    {NAMED(V2(SIX, "0", D2(4294967296, 4294967296), D2(0, 0))), SHAPE_TEXT},
    {NAMED(V2(SIX, "0", D1(7), D1(1))), "tensor 'w': leaves its storage of 6 values"},
    {NAMED(V2(SIX, "1", D2(2, 3), D2(3, 1))), "tensor 'w': leaves its storage of 6 values"},
    {NAMED(V2(SIX, "6", ") ", ") ")), "tensor 'w': leaves its storage of 6 values"},
    {NAMED(V2(SIX, "0", D2(2, 2), D2(9223372036854775807, 9223372036854775807))), "leaves its storage of 6 values"},
    {NAMED(V2(SIX, "0", D1(3), D1(9223372036854775807))), "leaves its storage of 6 values"},
    {NAMED(V2(VIEW("2", "3"), "1", D1(3), D1(1))), "tensor 'w': leaves its storage of 3 values"},
    {NAMED(V2(SIX, "0", D1(1048577), D1(0))), "tensor 'w': 1048577 values made of 6, expected at most 1048576"},
    /* what is no state dict */
    {PROTO "] .", "holds a list, expected a dict of named tensors"},
    {PROTO MATRIX ".", "holds a tensor, expected a dict of named tensors"},
    {PROTO ") .", "holds a tuple, expected a dict"},
    {PROTO "N .", "holds None, expected a dict"},
    {PROTO "} .", "holds a dict without tensors (empty), expected a state dict, or one under 'state_dict', 'model'"},
    {PROTO "} 'epoch' #1 s .", "holds a dict without tensors (its first key is 'epoch')"},
    {PROTO "} #1 #1 s .", "holds a dict without tensors (its first key is a whole number)"},
    {PROTO "} ( 'state' } #0 " MATRIX "s 'param_groups' ] u .", "holds the state of an optimizer alone"},
    {PROTO "} #0 " MATRIX "s .", "a tensor's key is a whole number, expected its name"},
    {PROTO "} '' " MATRIX "s .", "a tensor's name has 0 bytes, expected 1 to 512"},
    {PROTO "} X%03%00%00%00a%00b " MATRIX "s .", "tensor 'a?b': its name contains a zero byte"},
    {PROTO "} ( " PAIR("a") PAIR("a") "u .", "tensor 'a': its name appears twice"},
};

START_TEST(bad_pickles) {
  static torch_bytes file;
  char text[1024];
  torch_make_zip(&file, bad[_i].words);
  kohl_status status = torch_show(ctx, &file, file.length, text, sizeof text);
  ck_assert_msg(status == KOHL_BAD_INPUT, "not refused: %s", bad[_i].message);
  ck_assert_msg(strstr(text, bad[_i].message), "'%s' does not contain '%s'", text, bad[_i].message);
}
END_TEST

/* Texts of every length around the limit of a name, and one limit of each of the machine's stores. */
START_TEST(limits) {
  static torch_bytes file;
  static char words[2048];
  char text[2048], name[600] = "";
  for (int n = 511; n <= 513; n++) {
    memset(name, 'n', (size_t)n);
    snprintf(words, sizeof words, "%s'%s' %s", PROTO "} ", name, MATRIX "s .");
    torch_make_zip(&file, words);
    ck_assert_int_eq(torch_show(ctx, &file, file.length, text, sizeof text), n > 512 ? KOHL_BAD_INPUT : KOHL_OK);
    ck_assert_ptr_nonnull(strstr(text, n > 512 ? "a tensor's name has 513 bytes, expected 1 to 512" : name));
  }
}
END_TEST

/* A pickle of n times the same opcodes in an archive by itself. */
static kohl_status many(const char *begin, const char *again, size_t n, char *text, size_t room) {
  size_t begins = strlen(begin), length = begins + strlen(again) * n;
  char *pickle = malloc(length), path[] = "/tmp/kohl_test_torch_XXXXXX";
  memcpy(pickle, begin, begins);
  for (size_t i = 0; i < n; i++) memcpy(pickle + begins + i * strlen(again), again, strlen(again));
  static const uint8_t magic[] =
      "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}X\15\0\0\0"
      "little_endian\x88s.";
  int file = mkstemp(path);
  FILE *out = fdopen(file, "wb");
  fwrite(magic, 1, sizeof magic - 1, out);
  fwrite(pickle, 1, length, out);
  ck_assert_int_eq(fclose(out), 0);
  kohl_source source = {.path = path};
  kohl_status status = kohl_torch_source(ctx, path, &source);
  snprintf(text, room, "%s", kohl_context_error(ctx));
  source.call->close(ctx, &source);
  remove(path);
  free(pickle);
  return status;
}

START_TEST(stores) {
  char text[1024];
  static const struct {
    const char *begin, *again, *message;
    size_t n;
  } cases[] = {
      {"\x80\2", "N", "pickle 4: byte 262146: opcode 0x4e: more than 262144 values on the stack", 300000},
      {"\x80\2]", ")a", "opcode 0x29: more than 524288 tuples, lists and dicts", 600000},
      {"\x80\2]", "Na", "opcode 0x61: more than 524288 additions to lists and dicts", 600000},
      {"\x80\2]", "(NNNNNNNNe", "opcode 0x65: more than 1048576 items", 150000},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ck_assert_int_eq(many(cases[i].begin, cases[i].again, cases[i].n, text, sizeof text), KOHL_BAD_INPUT);
    ck_assert_msg(strstr(text, cases[i].message), "%s", text);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("torch");
  TCase *tests = tcase_create("torch");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, good_pickles, 0, (int)(sizeof good / sizeof good[0]));
  tcase_add_loop_test(tests, bad_pickles, 0, (int)(sizeof bad / sizeof bad[0]));
  tcase_add_test(tests, limits);
  tcase_add_test(tests, stores);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
