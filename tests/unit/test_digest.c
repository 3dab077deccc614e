/* SHA-256 and MD5 against published answers, at every way to cut the bytes in two, and for every length around a block
 * against one byte at a time; and how a manifest states a digest. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "convert/fetch/digest.h"

enum { LONGEST = 300 };

static void digest_of(kohl_digest_kind kind, const void *bytes, size_t n, char *text) {
  kohl_digest digest;
  kohl_digest_begin(&digest, kind);
  kohl_digest_add(&digest, bytes, n);
  kohl_digest_end(&digest, text);
}

typedef struct answer {
  const char *text, *digest;
} answer;

/* FIPS 180-4's examples (one and two blocks) and the empty text; RFC 1321, A.5. */
static const answer sha256[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};
static const answer md5[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e"},
    {"a", "0cc175b9c0f1b6a831c399e269772661"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "57edf4a22be3c955ac49da2e2107b67a"},
};

static void check_answers(kohl_digest_kind kind, const answer *answers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t length = strlen(answers[i].text);
    for (size_t cut = 0; cut <= length; cut++) {
      kohl_digest digest;
      char text[KOHL_DIGEST_TEXT];
      kohl_digest_begin(&digest, kind);
      kohl_digest_add(&digest, answers[i].text, cut);
      kohl_digest_add(&digest, answers[i].text + cut, length - cut);
      kohl_digest_end(&digest, text);
      ck_assert_str_eq(text, answers[i].digest);
    }
  }
}

START_TEST(published_answers) {
  check_answers(KOHL_DIGEST_SHA256, sha256, sizeof sha256 / sizeof *sha256);
  check_answers(KOHL_DIGEST_MD5, md5, sizeof md5 / sizeof *md5);
}
END_TEST

/* A million times the letter a: FIPS 180-4's third example; for MD5 the same text's well-known digest. */
START_TEST(a_million_letters) {
  char letters[1000], text[KOHL_DIGEST_TEXT];
  memset(letters, 'a', sizeof letters);
  static const char *const expected[] = {"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                                         "7707d6ae4e027c70eea2a935c2296f21"};
  for (int kind = 0; kind < 2; kind++) {
    kohl_digest digest;
    kohl_digest_begin(&digest, (kohl_digest_kind)kind);
    for (int i = 0; i < 1000; i++) kohl_digest_add(&digest, letters, sizeof letters);
    kohl_digest_end(&digest, text);
    ck_assert_str_eq(text, expected[kind]);
  }
}
END_TEST

START_TEST(every_length_and_cut) {
  unsigned char data[LONGEST];
  uint32_t state = 7;
  for (size_t i = 0; i < LONGEST; i++) data[i] = (unsigned char)((state = state * 1664525u + 1013904223u) >> 24);
  for (int kind = 0; kind < 2; kind++) {
    for (size_t length = 0; length <= LONGEST; length++) {
      kohl_digest digest;
      char whole[KOHL_DIGEST_TEXT], bytewise[KOHL_DIGEST_TEXT], cut[KOHL_DIGEST_TEXT];
      digest_of((kohl_digest_kind)kind, data, length, whole);
      kohl_digest_begin(&digest, (kohl_digest_kind)kind);
      for (size_t i = 0; i < length; i++) kohl_digest_add(&digest, data + i, 1);
      kohl_digest_end(&digest, bytewise);
      ck_assert_str_eq(whole, bytewise);
      for (size_t at = length > 130 ? length - 130 : 0; at <= length; at++) {
        kohl_digest_begin(&digest, (kohl_digest_kind)kind);
        kohl_digest_add(&digest, data, at);
        kohl_digest_add(&digest, NULL, 0);
        kohl_digest_add(&digest, data + at, length - at);
        kohl_digest_end(&digest, cut);
        ck_assert_str_eq(whole, cut);
      }
    }
  }
}
END_TEST

START_TEST(every_flipped_bit_is_seen) {
  unsigned char data[100] = {2, 7, 1, 8};
  for (int kind = 0; kind < 2; kind++) {
    char right[KOHL_DIGEST_TEXT], wrong[KOHL_DIGEST_TEXT];
    digest_of((kohl_digest_kind)kind, data, sizeof data, right);
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
      data[bit / 8] ^= (unsigned char)(1u << bit % 8);
      digest_of((kohl_digest_kind)kind, data, sizeof data, wrong);
      ck_assert_str_ne(right, wrong);
      data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
  }
}
END_TEST

START_TEST(stated_digests) {
  kohl_digest_kind kind;
  const char *hex;
  ck_assert(kohl_digest_parse("sha256:dcbb9e9d", &kind, &hex));
  ck_assert_int_eq(kind, KOHL_DIGEST_SHA256);
  ck_assert_str_eq(hex, "dcbb9e9d");
  ck_assert(kohl_digest_parse("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &kind, &hex));
  ck_assert(kohl_digest_parse("md5:d41d8cd98f00b204e9800998ecf8427e", &kind, &hex));
  ck_assert_int_eq(kind, KOHL_DIGEST_MD5);
  static const char *const bad[] = {"",
                                    "md5",
                                    "md5:",
                                    "sha256:",
                                    "sha256:dcbb9e9",
                                    "sha256:dcbb9e9d0",
                                    "sha256:DCBB9E9D",
                                    "sha256:dcbb9e9g",
                                    "sha1:dcbb9e9d",
                                    "dcbb9e9d",
                                    "md5:d41d8cd9",
                                    "md5:d41d8cd98f00b204e9800998ecf8427e ",
                                    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
                                    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    ck_assert_msg(!kohl_digest_parse(bad[i], &kind, &hex), "%s", bad[i]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("digest");
  TCase *tests = tcase_create("digest");
  tcase_add_test(tests, published_answers);
  tcase_add_test(tests, a_million_letters);
  tcase_add_test(tests, every_length_and_cut);
  tcase_add_test(tests, every_flipped_bit_is_seen);
  tcase_add_test(tests, stated_digests);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
