/* Label rules: what is read, what is refused and how it is said, what texts match, who wins. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/rules_parts.h"

static kohl_context *context;

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
}

static void teardown(void) { kohl_context_destroy(context); }

static kohl_rules *parse(const char *text) {
  kohl_rules *rules;
  ck_assert_msg(kohl_rules_parse(context, "r", text, strlen(text), &rules) == KOHL_OK, "%s",
                kohl_context_error(context));
  return rules;
}

/* "class why field hits word rival" of an item with two texts. */
static const char *label(kohl_rules *rules, const char *first, const char *second) {
  static const char *const whys[KOHL_RULES_WHYS] = {"none", "excluded", "most", "longer", "first"};
  static char text[256];
  const char *texts[] = {first, second};
  kohl_rules_result r;
  ck_assert_int_eq(kohl_rules_label(context, rules, texts, &r), KOHL_OK);
  snprintf(text, sizeof text, "%s %s %d %d %s %s", r.label < 0 ? "-" : kohl_rules_class(rules, (size_t)r.label),
           whys[r.why], r.field, r.hits, r.word ? r.word : "-",
           r.rival < 0 ? "-" : kohl_rules_class(rules, (size_t)r.rival));
  return text;
}

static const char rules_text[] =
    "fields: [object_name, title]\n"
    "exclude: [facsimile, plaster cast]\n"
    "classes:\n"
    "  scarab: {synonyms: [scarab, Scarabs, heart scarab], exclude: [seal impression]}\n"
    "  ring:\n"
    "    synonyms: [ring, rings]\n"
    "    exclude: ring stand\n"
    "  jar: [jar, canopic]\n"
    "  box: [canopic chest, lid, jar]\n"
    "  \xc3\xa9toile: ['\xc3\x89toile', Stra\xc3\x9f"
    "e, \xe1\xb8\xa5tp]\n";

START_TEST(words_and_phrases) {
  kohl_rules *r = parse(rules_text);
  ck_assert_uint_eq(kohl_rules_fields(r), 2);
  ck_assert_str_eq(kohl_rules_field(r, 1), "title");
  ck_assert_uint_eq(kohl_rules_classes(r), 5);
  ck_assert_str_eq(label(r, "Scarab", ""), "scarab most 0 1 scarab -");
  ck_assert_str_eq(label(r, "SCARABS of the king", ""), "scarab most 0 1 scarabs -");
  ck_assert_str_eq(label(r, "scarabaeus, earring", "a 'ring'."), "ring most 1 1 ring -");
  ck_assert_str_eq(label(r, "Heart-Scarab", ""), "scarab most 0 2 heart scarab -");
  ck_assert_str_eq(label(r, "heart, scarab", ""), "scarab most 0 1 scarab -");
  ck_assert_str_eq(label(r, "heart (scarab)", ""), "scarab most 0 1 scarab -");
  ck_assert_str_eq(label(r, "heart's scarab", NULL), "scarab most 0 1 scarab -");
  ck_assert_str_eq(label(r, "", ""), "- none -1 0 - -");
  ck_assert_str_eq(label(r, NULL, NULL), "- none -1 0 - -");
  ck_assert_str_eq(label(r, "--- ... ---", "x"), "- none -1 0 - -");
  ck_assert_str_eq(label(r, "E\xcc\x81TOILE", ""), "\xc3\xa9toile most 0 1 etoile -");
  ck_assert_str_eq(label(r, "STRASSE", ""), "\xc3\xa9toile most 0 1 strasse -");
  ck_assert_str_eq(label(r, "Htp", ""), "\xc3\xa9toile most 0 1 htp -");
  kohl_rules_free(context, r);
}
END_TEST

START_TEST(who_wins) {
  kohl_rules *r = parse(rules_text);
  ck_assert_str_eq(label(r, "ring", "scarab, scarabs"), "ring most 0 1 ring -");             /* the first field */
  ck_assert_str_eq(label(r, "scarab, scarabs, ring", ""), "scarab most 0 2 scarabs -");      /* most */
  ck_assert_str_eq(label(r, "ring ring ring, scarab", ""), "scarab longer 0 1 scarab ring"); /* each once */
  ck_assert_str_eq(label(r, "ring, scarab", ""), "scarab longer 0 1 scarab ring");           /* the longer word */
  ck_assert_str_eq(label(r, "canopic chest", ""), "box longer 0 1 canopic chest jar");       /* inside another */
  ck_assert_str_eq(label(r, "jar", ""), "jar first 0 1 jar box");                            /* of two classes */
  ck_assert_str_eq(label(r, "jar, lid", ""), "box most 0 2 jar -");
  ck_assert_str_eq(label(r, "rings, scarab, lid", ""), "scarab longer 0 1 scarab ring");
  kohl_rules_free(context, r);
}
END_TEST

START_TEST(exclusions) {
  kohl_rules *r = parse(rules_text);
  ck_assert_str_eq(label(r, "Facsimile", "ring"), "- excluded -1 0 facsimile -");
  ck_assert_str_eq(label(r, "ring", "plaster casts"), "ring most 0 1 ring -");
  ck_assert_str_eq(label(r, "ring", "a plaster\tcast"), "- excluded -1 0 plaster cast -");
  ck_assert_str_eq(label(r, "ring stand", "ring"), "- none -1 0 - -");
  ck_assert_str_eq(label(r, "scarab", "seal impression"), "- none -1 0 - -"); /* in any field */
  ck_assert_str_eq(label(r, "scarab", "seal impression, ring"), "ring most 1 1 ring -");
  ck_assert_str_eq(label(r, "scarab", ""), "scarab most 0 1 scarab -"); /* of one item, not of the next */
  kohl_rules_free(context, r);
}
END_TEST

START_TEST(folding) {
  static const struct {
    const char *from, *to;
  } cases[] = {
      {"", ""},
      {"  A  b\t-c_d'e ", "a b c d e"},
      {"a, b;c/d (e)", "a\nb\nc\nd\ne"},
      {"a - b", "a b"},
      {"a \xe2\x80\x93 b", "a\nb"}, /* a dash */
      {"a\xc2\xa0"
       "b\xe2\x80\xaf"
       "c\xe2\x80\x99s",
       "a b c s"},                                              /* blanks and an apostrophe of Unicode */
      {"\xc3\x80\xc3\x9f\xc5\x92\xc3\x9e\xc5\x81", "assoethl"}, /* A grave, sharp s, OE, thorn, L stroke */
      {"\xc3\xb1 \xc3\xb7 \xc3\x97 \xc4\xb1", "n\ni"},          /* n tilde, signs, dotless i */
      {"\xe1\xb8\xaa\xe1\xb8\xa5\xe1\xb9\xaf\xe1\xb8\x8f\xe1\xba\x96", "hhtdh"},
      {"\xce\x91\xce\xb1 \xd0\x90", "\xce\x91\xce\xb1 \xd0\x90"}, /* Greek and Cyrillic as they are */
      {"so\xc2\xad"
       "ft u\xcc\x88",
       "soft u"},
      {"\xea\x9c\xa3"
       "b\xc2\xb5",
       "\xea\x9c\xa3"
       "b\xc2\xb5"}, /* the Egyptological alef is a letter */
      {"\xff"
       "a\x80\xc3",
       "\xff"
       "a\x80\xc3"}, /* malformed bytes are letters */
      {"\xe1\xb8", "\xe1\xb8"},
      {"\xf0\x9f\x98\x80 x", "\xf0\x9f\x98\x80 x"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t length = strlen(cases[i].from);
    char *out = malloc(length + 1); /* no more than the text and its zero */
    ck_assert_uint_eq(kohl_rules_fold(cases[i].from, out), strlen(cases[i].to));
    ck_assert_str_eq(out, cases[i].to);
    free(out);
  }
}
END_TEST

static const char *refused(const char *text, size_t bytes) {
  kohl_rules *rules;
  ck_assert_int_eq(kohl_rules_parse(context, "r.yaml", text, bytes, &rules), KOHL_BAD_INPUT);
  ck_assert_ptr_null(rules);
  ck_assert_int_eq(strncmp(kohl_context_error(context), "r.yaml:", 7), 0);
  return kohl_context_error(context) + 7;
}
#define REFUSED(text) refused(text, strlen(text))

START_TEST(what_is_refused) {
  static const char *const top = "expected a mapping with the keys fields, exclude and classes";
  char want[256];
  snprintf(want, sizeof want, "1: field 'rules': an empty file, %s", top);
  ck_assert_str_eq(REFUSED(""), want);
  snprintf(want, sizeof want, "1: field 'rules': text 'abc', %s", top);
  ck_assert_str_eq(REFUSED("abc"), want);
  ck_assert_str_eq(REFUSED("- a"), "1: field 'rules': a list, expected a mapping");
  ck_assert_str_eq(REFUSED("classes: {a: [b]}\n"),
                   "2: field 'rules': no columns, expected at least 1 in the list fields");
  ck_assert_str_eq(REFUSED("fields: [t]\n"), "2: field 'rules': no classes, expected at least 1");
  ck_assert_str_eq(REFUSED("fields: [t]\nclass: {}\n"),
                   "2: field 'rules': unknown key 'class', expected fields, exclude or classes");
  ck_assert_str_eq(REFUSED("fields: [t]\nfields: [u]\n"),
                   "2: field 'rules': given again: 'fields', expected each key once");
  ck_assert_str_eq(REFUSED("fields: [t, t]\n"), "1: field 'fields': given again: 't', expected each column once");
  ck_assert_str_eq(REFUSED("fields: {a: b}\n"), "1: field 'fields': a mapping, expected texts");
  ck_assert_str_eq(REFUSED("fields: [[a]]\n"), "1: field 'fields': a list in a list, expected texts");
  ck_assert_str_eq(REFUSED("fields:\n"), "1: field 'fields': an empty text, expected a word");
  ck_assert_str_eq(REFUSED("exclude: ['']\n"), "1: field 'exclude': an empty text, expected a word");
  ck_assert_str_eq(REFUSED("exclude: [\"a\\0b\"]\n"), "1: field 'exclude': a text with a zero byte");
  ck_assert_str_eq(REFUSED("classes: [a]\n"), "1: field 'classes': a list, expected a mapping");
  ck_assert_str_eq(REFUSED("classes: a\n"),
                   "1: field 'classes': text 'a', expected a mapping from the names of classes");
  ck_assert_str_eq(REFUSED("classes:\n  a: b\n"),
                   "2: field 'classes.a': text 'b', expected a list of synonyms, or a mapping with the key synonyms");
  ck_assert_str_eq(REFUSED("classes:\n  a: []\n"), "2: field 'classes.a': no synonyms, expected at least 1");
  ck_assert_str_eq(REFUSED("classes:\n  a: {exclude: [b]}\n"),
                   "2: field 'classes.a': no synonyms, expected at least 1");
  ck_assert_str_eq(REFUSED("classes:\n  a: {words: [b]}\n"),
                   "2: field 'classes.a': unknown key 'words', expected synonyms or exclude");
  ck_assert_str_eq(REFUSED("classes:\n  a: [b]\n  a: [c]\n"),
                   "3: field 'classes': given again: 'a', expected each class once");
  ck_assert_str_eq(REFUSED("classes:\n  a:\n    synonyms:\n    - b\n    - '!'\n"),
                   "5: field 'classes.a.synonyms': no letter or digit in '!', expected a word");
  ck_assert_str_eq(REFUSED("classes:\n  a: ['b, c']\n"),
                   "2: field 'classes.a.synonyms': punctuation in 'b, c', expected words with blanks between them");
  ck_assert_str_eq(REFUSED("classes:\n  a: [b, B]\n"),
                   "2: field 'classes.a.synonyms': given again 'B', expected each "
                   "phrase once, upper and lower case alike");
  ck_assert_str_eq(
      REFUSED("classes:\n  a: {synonyms: [b], exclude: [b]}\n"),
      "2: field 'classes.a.exclude': a synonym and an exclusion of one class 'b', expected each phrase once, "
      "upper and lower case alike");
  ck_assert_str_eq(REFUSED("classes:\n  a: [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17]\n"),
                   "2: field 'classes.a.synonyms': too many words in '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17', "
                   "expected at most 16");
  ck_assert_str_eq(REFUSED("fields: &x [t]\n"), "1: field 'fields': an anchor or tag, expected a value");
  ck_assert_str_eq(REFUSED("fields: !!seq [t]\n"), "1: field 'fields': an anchor or tag, expected a value");
  ck_assert_str_eq(REFUSED("fields: *x\n"), "1: field 'fields': an alias, expected a value");
  ck_assert_str_eq(REFUSED("fields: [t]\nclasses: {a: [b]}\n---\na\n"),
                   "3: field 'rules': a second document, expected one");
  ck_assert_int_eq(strncmp(REFUSED("fields: [t\n"), "2: not YAML: ", 13), 0);
  ck_assert_int_eq(strncmp(REFUSED("classes:\n  {[a]: b}\n"), "2: field 'classes': ", 20), 0);
  char fields[400] = "fields: [x";
  for (int i = 0; i < 16; i++) snprintf(fields + strlen(fields), 16, ", f%d", i);
  ck_assert_str_eq(REFUSED(strcat(fields, "]")), "1: field 'fields': one column too many 'f15', expected at most 16");
}
END_TEST

/* Many classes: the table of phrases grows, and every class is found by its own word. */
START_TEST(many_classes) {
  enum { N = 3000 };
  char *text = malloc(N * 64), word[64], want[64];
  size_t used = (size_t)sprintf(text, "fields: [t, u]\nclasses:\n");
  for (int i = 0; i < N; i++)
    used += (size_t)sprintf(text + used, "  c%d: [word%d, 'all of them', \"x y z %d\"]\n", i, i, i);
  kohl_rules *r = parse(text);
  for (int i = 0; i < N; i += 7) {
    snprintf(word, sizeof word, "some Word%d here", i);
    snprintf(want, sizeof want, "c%d most 1 1 word%d -", i, i);
    ck_assert_str_eq(label(r, "nothing", word), want);
    snprintf(word, sizeof word, "X-Y-Z-%d", i);
    snprintf(want, sizeof want, "c%d most 0 1 x y z %d -", i, i);
    ck_assert_str_eq(label(r, word, NULL), want);
  }
  ck_assert_str_eq(label(r, "all of them", NULL), "c0 first 0 1 all of them c1");
  kohl_rules_free(context, r);
  free(text);
}
END_TEST

START_TEST(the_rules_of_experiment_a) {
  kohl_rules *r;
  ck_assert_msg(kohl_rules_read(context, "recipes/egyptian_rules.yaml", &r) == KOHL_OK, "%s",
                kohl_context_error(context));
  ck_assert_uint_eq(kohl_rules_classes(r), 23);
  ck_assert_str_eq(label(r, "Funerary Equipment", "Shawabty of Ditamenpaankh"), "shabti most 1 1 shawabty -");
  ck_assert_str_eq(label(r, "Statuette, cat", "Statuette of a Cat"), "figurine most 0 1 statuette -");
  ck_assert_str_eq(label(r, "Facsimile, Rekhmire (TT 100)", "Bakers"), "- excluded -1 0 facsimile -");
  ck_assert_str_eq(label(r, "Costume and Accessories", "Amulet of a Papyrus Column"), "amulet most 1 1 amulet -");
  kohl_rules_free(context, r);
  ck_assert_int_eq(kohl_rules_read(context, "recipes/nothing.yaml", &r), KOHL_BAD_INPUT);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rules");
  TCase *tests = tcase_create("rules");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, words_and_phrases);
  tcase_add_test(tests, who_wins);
  tcase_add_test(tests, exclusions);
  tcase_add_test(tests, folding);
  tcase_add_test(tests, what_is_refused);
  tcase_add_test(tests, many_classes);
  tcase_add_test(tests, the_rules_of_experiment_a);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
