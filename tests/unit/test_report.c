/* The report of a run: what the page says of made folders, of missing parts and of hostile names.  That the page is
 * well-formed is tests/oracle/report.py's question. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "tests/unit/meter.h"
#include "train/report/cairo_library.h"
#include "train/report/canvas.h"
#include "train/report/page.h"
#include "train/report/report.h"
#include "train/report/sections.h"

enum { TEXT = 512, PAGE = 8 << 20 };

static char root[] = "/tmp/kohl_report_XXXXXX";
static kohl_context *ctx;
static meter memory;
static char *page;

#define ok(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))
#define says(text) ck_assert_msg(strstr(page, text) != NULL, "no '%s' in the page", text)
#define says_not(text) ck_assert_msg(strstr(page, text) == NULL, "'%s' is in the page", text)

static void open_context(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.allocator.allocate = meter_allocate;
  options.allocator.release = meter_release;
  options.allocator.user = &memory;
  memory.left = 1L << 40;
  memory.live = 0;
  strcpy(root + strlen(root) - 6, "XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  page = NULL;
}

static void close_context(void) {
  char command[TEXT];
  free(page);
  kohl_context_destroy(ctx);
  ck_assert_int_eq(memory.live, 0);
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *name) {
  static char path[TEXT];
  snprintf(path, sizeof path, "%s/%s", root, name);
  return path;
}

static void put(const char *name, const char *text) {
  FILE *file = fopen(path_of(name), "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static void load(const char *name) {
  FILE *file = fopen(path_of(name), "r");
  ck_assert_msg(file != NULL, "%s is missing", name);
  free(page);
  page = calloc(1, PAGE);
  ck_assert_uint_lt(fread(page, 1, PAGE - 1, file), PAGE - 1);
  fclose(file);
}

static kohl_status make(const char *cairo) {
  kohl_report_options options = {.run = root, .title = "Tested", .cairo = cairo};
  return kohl_report_write(ctx, &options);
}

static bool drawing(void) {
  kohl_cairo_library library;
  char why[256];
  return kohl_cairo_library_open(KOHL_CAIRO, &library, why, sizeof why);
}

static const char curves[] =
    "epoch,step,lr,loss,accuracy,val_loss,val_accuracy,val_balanced_accuracy,seconds\n"
    "1,10,0.1,2,0.5,2.5,0.25,0.2,1.5\n2,20,0.1,1,0.75,1.5,0.75,0.7,1.5\n"
    "3,30,0.01,0.5,0.875,1.75,0.5,0.6,1.5\n";
static const char predictions[] =
    "file,true,predicted,p_cat,p_dog\na.png,cat,cat,0.75,0.25\nb.png,cat,dog,0.1,0.9\n"
    "c.png,dog,dog,0.2,0.8\nd.png,dog,dog,0.45,0.55\n";

START_TEST(a_whole_run) {
  put("metrics.csv", curves);
  put("predictions.csv", predictions);
  put("recipe.yaml", "best: \"val_loss\"\n");
  put("labels.txt", "cat\ndog\n");
  put("train.csv", "path,label\nx.png,cat\ny.png,dog\nz.png,dog\n");
  put("validation.csv", "path,label\n");
  put("test.csv", "path,label\na.png,cat\nb.png,cat\nc.png,dog\nd.png,dog\n");
  ok(make(NULL));
  load("report.html");
  says("<h1>Tested</h1>");
  says("Measured on 4 pictures: the run's test part.");
  says("<dd>75.0 %<small>95 % interval 30.1 to 95.4 %"); /* Wilson, 3 of 4: (0.3006, 0.9544) */
  says("epoch 2 was kept");                              /* the lowest val_loss */
  says("<th scope=\"row\">cat</th><td>1.0000</td><td>0.5000</td><td>0.6667</td><td>2</td><td>1</td>");
  says("<th scope=\"row\">cat</th><td>1</td><td>0</td><td>2</td><td>33.3 %</td><td>1.500</td>");
  says("<th scope=\"row\">cat</th><td class=\"word\">dog</td><td>1</td><td>50.0 %</td>");
  says("cannot be read");
  says("<div><dt>time</dt><dd>4.5 s");
  /* the least gap is d.png's, before a.png's */
  const char *doubtful = strstr(page, "Most doubtful");
  ck_assert_ptr_nonnull(doubtful);
  ck_assert(strstr(doubtful, "title=\"d.png\"") < strstr(doubtful, "title=\"a.png\""));
  if (!drawing()) return;
  static const char *const figures[] = {"loss", "accuracy", "learning_rate", "confusion", "classes", "reliability"};
  for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
    char name[64];
    snprintf(name, sizeof name, "figures/%s.svg", figures[i]);
    ck_assert_msg(access(path_of(name), F_OK) == 0, "%s is missing", name);
    snprintf(name, sizeof name, "figures/%s.png", figures[i]);
    ck_assert_msg(access(path_of(name), F_OK) == 0, "%s is missing", name);
  }
  says(
      "aria-label=\"Confusion matrix of 2 classes, 4 pictures, 75.0 % right. Most often cat was taken for dog: 1 "
      "times.");
}
END_TEST

START_TEST(without_cairo_there_are_tables) {
  put("metrics.csv", curves);
  put("predictions.csv", predictions);
  ok(make("libcairo_that_is_not_there.so.2"));
  load("report.html");
  says("figures need libcairo2 (libcairo_that_is_not_there.so.2), which this machine lacks");
  says_not("<svg");
  says("<caption>metrics.csv</caption>");
  says("Rows are true classes");
  ck_assert_int_ne(access(path_of("figures"), F_OK), 0);
  /* a library that is not Cairo */
  ok(make("libm.so.6"));
  load("report.html");
  says("libm.so.6 has no cairo_");
}
END_TEST

START_TEST(what_is_missing_is_named) {
  put("recipe.yaml", "a: <b>\n");
  ok(make(NULL));
  load("report.html");
  says("There is no predictions.csv");
  says("metrics.csv is missing");
  says("labels.txt and the lists of pictures are missing");
  says("run.json is missing");
  says("a: &lt;b&gt;");
  says_not("<svg");
  put("metrics.csv", "epoch,loss,accuracy\n1,0.5,0.75\n");
  ok(make(NULL));
  load("report.html");
  says("This run has no validation part");
  says("training accuracy");
  says("<dd>75.0 %");
  put("metrics.csv", "epoch,loss\n"); /* a header only */
  ok(make(NULL));
  load("report.html");
  says("metrics.csv is missing or has no epoch yet");
}
END_TEST

START_TEST(cells_without_numbers) {
  put("metrics.csv",
      "epoch,phase,lr,loss,val_loss,val_accuracy,more\n1,head,1e-3,nan,,nan,x\n2,head,1e-5,inf,-inf,0.5,\n"
      "3,\"all & \"\"more\"\"\",1e-5,1e300,2,0.5,7\n");
  ok(make(NULL));
  load("report.html");
  says("<th scope=\"row\">2 (kept)</th>"); /* the first of the largest val_accuracy that there is */
  says("<td>all &amp; &quot;more&quot;</td>");
  says("<th scope=\"col\">more</th>");
  says_not("nan");
  says_not("inf ");
  put("run.json", "{\"best_epoch\": 3}");
  ok(make(NULL));
  load("report.html");
  says("<th scope=\"row\">3 (kept)</th>");
  put("metrics.csv", "epoch,loss,val_accuracy,lr\n1,nan,nan,0\n");
  ok(make(NULL));
  load("report.html");
  says("epoch 1 was kept");
}
END_TEST

START_TEST(many_classes) {
  kohl_text csv = {.ctx = ctx};
  kohl_text_add(&csv, "file,true,predicted");
  for (int c = 0; c < 59; c++) kohl_text_add(&csv, ",p_class %d", c);
  for (int i = 0; i < 118; i++) { /* of each class one right, one taken for the class before */
    int truth = i / 2, said = i % 2 ? truth : (truth + 58) % 59;
    kohl_text_add(&csv, "\n%d.png,class %d,class %d", i, truth, said);
    for (int c = 0; c < 59; c++) kohl_text_add(&csv, c == said ? ",0.5" : ",0.008");
  }
  kohl_text_add(&csv, "\n");
  ok(csv.status);
  put("predictions.csv", csv.text);
  put("metrics.csv", curves);
  kohl_text_free(&csv);
  ok(make(NULL));
  load("report.html");
  says("Of 59 classes the 40 that take part in most mistakes are shown.");
  says("<th scope=\"row\">class 58</th><td>0.5000</td><td>0.5000</td><td>0.5000</td><td>2</td><td>2</td>");
  says("Of 59 wrong answers the 24");
  says("none of its lists");
  if (drawing()) ck_assert_int_eq(access(path_of("figures/classes_2.svg"), F_OK), 0);
}
END_TEST

START_TEST(names_do_nothing) {
  put("predictions.csv",
      "file,true,predicted,\"p_<script>\",\"p_\"\"'&\"\n"
      "\"<img src=x onerror=\"\"y\"\">'.png\",<script>,<script>,1,0\nb,<script>,\"\"\"'&\",0.25,0.75\n");
  put("metrics.csv", curves);
  put("labels.txt", "\xff<b>\n");
  put("run.json",
      "{\"machine\": \"<i>\", \"data\": {\"path\": \"a'b <c>\", \"bad\": 2}, \"n\": [1, [2, null]], \"z\": true}");
  ok(make(NULL));
  load("report.html");
  says_not("<script");
  says_not("<img src=x");
  says_not("<i>");
  says("&lt;img src=x onerror=&quot;y&quot;&gt;&#39;.png");
  says("<th scope=\"row\">&lt;script&gt;</th>");
  says("\xef\xbf\xbd&lt;b&gt;");
  says("--data &#39;a&#39;\\&#39;&#39;b &lt;c&gt;&#39; --out");
  says("<th scope=\"row\">n</th><td class=\"word\">1, 2</td>");
  says("pictures that could not be read</th><td class=\"word\">2</td>");
  says("<th scope=\"row\">z</th><td class=\"word\">yes</td>");
}
END_TEST

START_TEST(text_is_escaped) {
  static const struct {
    const char *text, *html;
  } cases[] = {{"", ""},
               {"plain", "plain"},
               {"<a href=\"x\">'&", "&lt;a href=&quot;x&quot;&gt;&#39;&amp;"},
               {"a\x01\x7f\nb\tc", "a\xef\xbf\xbd\xef\xbf\xbd\nb\tc"},
               {"\xff\xc3\xa9\xc3", "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd"},
               {"\xc2\x85", "\xef\xbf\xbd"}, /* NEL, a control character of two bytes */
               {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kohl_text text = {.ctx = ctx};
    char *clean;
    kohl_page_text(&text, cases[i].text);
    ok(text.status);
    ck_assert_str_eq(text.text ? text.text : "", cases[i].html);
    kohl_text_free(&text);
    ok(kohl_page_clean(ctx, cases[i].text, strlen(cases[i].text), &clean));
    for (const char *at = clean; *at; at++) ck_assert(*at >= 0x20 || *at < 0);
    kohl_free(ctx, clean);
  }
  kohl_text data = {.ctx = ctx};
  for (size_t n = 0; n < 4; n++) kohl_page_data(&data, "a/b", "foo", n);
  ck_assert_str_eq(data.text, "data:a/b;base64,data:a/b;base64,Zg==data:a/b;base64,Zm8=data:a/b;base64,Zm9v");
  kohl_text_free(&data);
}
END_TEST

START_TEST(wrong_files_are_named) {
  kohl_report_options options = {.run = "/nowhere/at/all"};
  ck_assert_int_eq(kohl_report_write(ctx, &options), KOHL_USAGE);
  ck_assert_str_eq(kohl_context_error(ctx), "/nowhere/at/all: is no folder, expected the folder of a run");
  ck_assert_int_eq(make(NULL), KOHL_USAGE); /* an empty folder */
  put("metrics.csv", curves);
  options = (kohl_report_options){.run = root, .predictions = "/nowhere.csv"};
  ck_assert_int_eq(kohl_report_write(ctx, &options), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "/nowhere.csv"));
  options = (kohl_report_options){.run = root, .output = "/nowhere/at/all.html"};
  ck_assert_int_ne(kohl_report_write(ctx, &options), KOHL_OK);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "/nowhere/at/all.html"));
  static const char *const wrong[][3] = {{"metrics.csv", "a,b\n1\n", "metrics.csv"},
                                         {"run.json", "{\"a\": }", "run.json: byte 6"},
                                         {"train.csv", "path\nx\n", "train.csv: no column 'label'"},
                                         {"predictions.csv", "file,true\n", "predictions.csv"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    put("metrics.csv", curves);
    put(wrong[i][0], wrong[i][1]);
    ck_assert_int_eq(make(NULL), KOHL_BAD_INPUT);
    ck_assert_msg(strstr(kohl_context_error(ctx), wrong[i][2]) != NULL, "%s", kohl_context_error(ctx));
    unlink(path_of(wrong[i][0]));
  }
  ck_assert_int_ne(access(path_of("report.html"), F_OK), 0);
}
END_TEST

/* Every request for memory refused, from the first on until none is: no crash, no leak, and no page that is not whole.
 */
START_TEST(memory_may_be_refused) {
  put("metrics.csv", curves);
  put("predictions.csv", predictions);
  put("run.json", "{\"a\": [1, 2], \"b\": {\"c\": \"\\u0041\"}}");
  put("labels.txt", "cat\ndog\n");
  put("train.csv", "path,label\nx.png,cat;dog\n");
  kohl_status status = KOHL_NO_RESOURCE;
  long before = memory.live, n = 0;
  for (; status != KOHL_OK; n++) {
    memory.left = n;
    status = make(NULL);
    memory.left = 1L << 40;
    ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "request %ld: %s", n, kohl_context_error(ctx));
    ck_assert_msg(memory.live == before, "request %ld: %ld blocks are left", n, (long)memory.live - before);
    ck_assert_int_eq(access(path_of("report.html"), F_OK) == 0, status == KOHL_OK);
  }
  ck_assert_int_gt(n, 50);
}
END_TEST

START_TEST(ticks_are_round) {
  double out[8];
  ck_assert_int_eq(kohl_ticks(0, 1, 6, out), 6);
  ck_assert_double_eq_tol(out[5], 1, 1e-12);
  ck_assert_int_eq(kohl_ticks(0.13, 0.87, 5, out), 4);
  ck_assert_double_eq_tol(out[0], 0.2, 1e-12);
  ck_assert_int_eq(kohl_ticks(0, 0, 5, out), 0);
  ck_assert_int_eq(kohl_ticks(0, 1e300 * 1e300, 5, out), 0);
  for (double high = 1e-9; high < 1e9; high *= 1.7) {
    int count = kohl_ticks(0, high, 8, out);
    ck_assert(count >= 2 && count <= 8 && out[count - 1] <= high * (1 + 1e-9));
  }
  char text[32];
  kohl_report_duration(0.047, text, sizeof text);
  ck_assert_str_eq(text, "0.047 s");
  kohl_report_duration(185, text, sizeof text);
  ck_assert_str_eq(text, "3 min 05 s");
  kohl_report_duration(4321.5, text, sizeof text);
  ck_assert_str_eq(text, "1 h 12 min");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("report");
  TCase *tests = tcase_create("report");
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, a_whole_run);
  tcase_add_test(tests, without_cairo_there_are_tables);
  tcase_add_test(tests, what_is_missing_is_named);
  tcase_add_test(tests, cells_without_numbers);
  tcase_add_test(tests, many_classes);
  tcase_add_test(tests, names_do_nothing);
  tcase_add_test(tests, text_is_escaped);
  tcase_add_test(tests, wrong_files_are_named);
  tcase_add_test(tests, memory_may_be_refused);
  tcase_add_test(tests, ticks_are_round);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
