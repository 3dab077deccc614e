/* The wire format of protocol buffers: values at the ends of their ranges, every truncation, every way to break it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "convert/container/protobuf.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

/* A copy of exactly this size, so that a sanitizer sees a read behind it. */
static uint8_t *copy_of(const uint8_t *bytes, size_t length) {
  uint8_t *copy = malloc(length ? length : 1);
  ck_assert_ptr_nonnull(copy);
  memcpy(copy, bytes, length);
  return copy;
}

static void expect_number(const uint8_t *bytes, size_t length, uint32_t field, kohl_proto_wire wire, uint64_t number) {
  uint8_t *copy = copy_of(bytes, length);
  kohl_proto message = kohl_proto_open((kohl_proto_bytes){copy, length});
  ck_assert(kohl_proto_next(&message));
  ck_assert(kohl_proto_is(&message, field, wire));
  ck_assert(!kohl_proto_is(&message, field + 1, wire));
  ck_assert_uint_eq(message.number, number);
  ck_assert_uint_eq(message.rest.length, 0);
  ck_assert(!kohl_proto_next(&message));
  ck_assert(!message.damaged);
  free(copy);
}

START_TEST(numbers) {
  expect_number(BYTES(0x08, 0x00), 1, KOHL_PROTO_VARINT, 0);
  expect_number(BYTES(0x08, 0x7f), 1, KOHL_PROTO_VARINT, 127);
  expect_number(BYTES(0x08, 0x80, 0x01), 1, KOHL_PROTO_VARINT, 128);
  expect_number(BYTES(0x08, 0x96, 0x01), 1, KOHL_PROTO_VARINT, 150);     /* the example of the specification */
  expect_number(BYTES(0x08, 0x80, 0x80, 0x00), 1, KOHL_PROTO_VARINT, 0); /* longer than needed is allowed */
  expect_number(BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), 1, KOHL_PROTO_VARINT,
                UINT64_MAX);
  expect_number(BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01), 1, KOHL_PROTO_VARINT,
                UINT64_C(1) << 63);
  expect_number(BYTES(0x09, 1, 2, 3, 4, 5, 6, 7, 0x88), 1, KOHL_PROTO_FIXED64, UINT64_C(0x8807060504030201));
  expect_number(BYTES(0x0d, 1, 2, 3, 0x84), 1, KOHL_PROTO_FIXED32, UINT64_C(0x84030201));
  expect_number(BYTES(0xf8, 0xff, 0xff, 0xff, 0x0f, 0x05), (1 << 29) - 1, KOHL_PROTO_VARINT, 5);
  expect_number(BYTES(0x80, 0x01, 0x05), 16, KOHL_PROTO_VARINT, 5);
}
END_TEST

START_TEST(bytes_and_order) {
  const uint8_t text[] = {0x12, 0x03, 'a', 'b', 'c', 0x12, 0x00, 0x08, 0x07};
  uint8_t *copy = copy_of(text, sizeof text);
  kohl_proto message = kohl_proto_open((kohl_proto_bytes){copy, sizeof text});
  ck_assert(kohl_proto_next(&message) && kohl_proto_is(&message, 2, KOHL_PROTO_BYTES));
  ck_assert(message.bytes.at == copy + 2 && message.bytes.length == 3);
  ck_assert(kohl_proto_word(message.bytes, "abc"));
  ck_assert(!kohl_proto_word(message.bytes, "ab"));
  ck_assert(!kohl_proto_word(message.bytes, "abd"));
  ck_assert(!kohl_proto_word(message.bytes, "abcd"));
  ck_assert(!kohl_proto_word(message.bytes, ""));
  ck_assert(kohl_proto_next(&message) && kohl_proto_is(&message, 2, KOHL_PROTO_BYTES));
  ck_assert_uint_eq(message.bytes.length, 0);
  ck_assert(kohl_proto_word(message.bytes, ""));
  ck_assert(!kohl_proto_word(message.bytes, "a"));
  ck_assert(kohl_proto_next(&message) && kohl_proto_is(&message, 1, KOHL_PROTO_VARINT));
  ck_assert_uint_eq(message.number, 7);
  ck_assert_uint_eq(message.bytes.length, 0);
  ck_assert(!kohl_proto_next(&message) && !message.damaged);
  free(copy);
  ck_assert(kohl_proto_word((kohl_proto_bytes){0}, ""));
  kohl_proto nothing = kohl_proto_open((kohl_proto_bytes){0});
  ck_assert(!kohl_proto_next(&nothing) && !nothing.damaged);
}
END_TEST

static void expect_damage(const uint8_t *bytes, size_t length) {
  uint8_t *copy = copy_of(bytes, length);
  kohl_proto message = kohl_proto_open((kohl_proto_bytes){copy, length});
  ck_assert(!kohl_proto_next(&message));
  ck_assert(message.damaged);
  ck_assert(!kohl_proto_next(&message)); /* it stays */
  ck_assert(message.damaged);
  free(copy);
}

START_TEST(damage) {
  expect_damage(BYTES(0x00, 0x00));                         /* field 0 */
  expect_damage(BYTES(0x80, 0x80, 0x80, 0x80, 0x10, 0x00)); /* field 2^29 */
  expect_damage(BYTES(0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00));
  expect_damage(BYTES(0x0b, 0x0c)); /* a group, and its end */
  expect_damage(BYTES(0x0c));
  expect_damage(BYTES(0x0e, 0x00)); /* wire types that there are not */
  expect_damage(BYTES(0x0f, 0x00));
  expect_damage(BYTES(0x80)); /* ends inside the tag */
  expect_damage(BYTES(0x08)); /* no value */
  expect_damage(BYTES(0x08, 0xff));
  expect_damage(BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02));       /* 65 bits */
  expect_damage(BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)); /* 11 bytes */
  expect_damage(BYTES(0x09, 1, 2, 3, 4, 5, 6, 7));
  expect_damage(BYTES(0x0d, 1, 2, 3));
  expect_damage(BYTES(0x0a));
  expect_damage(BYTES(0x0a, 0x02, 'a'));
  expect_damage(BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'a')); /* 2^64 - 1 bytes */
}
END_TEST

/* Cut anywhere, a message is whole fields and then an end at a field's end, or damaged. */
START_TEST(truncation) {
  const uint8_t whole[] = {0x08, 0x96, 0x01, 0x12, 0x03, 'a', 'b', 'c', 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8};
  const size_t ends[] = {0, 3, 8, 13, 22};
  for (size_t length = 0; length <= sizeof whole; length++) {
    uint8_t *copy = copy_of(whole, length);
    kohl_proto message = kohl_proto_open((kohl_proto_bytes){copy, length});
    size_t fields = 0, at_end = 0;
    while (kohl_proto_next(&message)) ck_assert_uint_eq(message.field, ++fields);
    while (at_end < 4 && ends[at_end + 1] <= length) at_end++;
    ck_assert_uint_eq(fields, at_end);
    ck_assert_int_eq(message.damaged, ends[at_end] != length);
    free(copy);
  }
}
END_TEST

START_TEST(packed_varints) {
  const uint8_t packed[] = {0x01, 0x96, 0x01, 0x00};
  kohl_proto_bytes rest = {packed, sizeof packed};
  uint64_t value;
  bool damaged = false;
  const uint64_t expected[] = {1, 150, 0};
  for (int i = 0; i < 3; i++) {
    ck_assert(kohl_proto_varint(&rest, &value, &damaged));
    ck_assert_uint_eq(value, expected[i]);
  }
  ck_assert(!kohl_proto_varint(&rest, &value, &damaged) && !damaged);
  rest = (kohl_proto_bytes){packed, 2};
  ck_assert(kohl_proto_varint(&rest, &value, &damaged));
  ck_assert(!kohl_proto_varint(&rest, &value, &damaged) && damaged);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("protobuf");
  TCase *tests = tcase_create("protobuf");
  tcase_add_test(tests, numbers);
  tcase_add_test(tests, bytes_and_order);
  tcase_add_test(tests, damage);
  tcase_add_test(tests, truncation);
  tcase_add_test(tests, packed_varints);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
