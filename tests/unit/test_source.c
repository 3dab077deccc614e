/* Lists of samples: CSV files of every bad kind, folders, and the lists written again. */
#include <check.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/split.h"
#include "tests/unit/meter.h"

static kohl_context *context;
static char folder[64];
static char warnings[65536];

static void gather(kohl_log_level level, const char *text, void *user) {
  (void)user;
  if (level != KOHL_LOG_WARNING) return;
  strncat(warnings, text, sizeof warnings - strlen(warnings) - 2);
  strcat(warnings, "\n");
}

static void setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 3;
  options.log = gather;
  ck_assert_int_eq(kohl_context_create(&options, &context), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_source_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  warnings[0] = 0;
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
  kohl_context_destroy(context);
}

static const char *in_folder(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void store(const char *name, const char *bytes, size_t length) {
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
  fclose(file);
}

/* Two may be held at a time. */
static const char *path_of(const kohl_samples *samples, size_t i) {
  static char buffers[2][KOHL_SAMPLE_PATH];
  static int which;
  return kohl_sample_path(samples, i, buffers[which = !which]);
}

static void make_folder(const char *name) { ck_assert_int_eq(mkdir(in_folder(name), 0777), 0); }

static void store_png(const char *name, uint8_t grey) {
  png_image image = {.version = PNG_IMAGE_VERSION, .width = 3, .height = 2, .format = PNG_FORMAT_GRAY};
  uint8_t pixels[6];
  memset(pixels, grey, sizeof pixels);
  ck_assert_int_ne(png_image_write_to_file(&image, in_folder(name), 0, pixels, 3, NULL), 0);
}

/* What a CSV in memory gives: its samples as "path:label:split;...", or its error without the name. */
static const char *csv_read(const char *bytes, size_t length, const kohl_source_options *options) {
  static char text[4096];
  char *copy = malloc(length ? length : 1); /* its own memory, so that a byte too far is seen */
  memcpy(copy, bytes, length);
  kohl_csv *csv;
  kohl_samples samples;
  ck_assert_int_eq(kohl_csv_open_memory(context, "t.csv", copy, length, &csv), KOHL_OK);
  if (kohl_samples_from_csv(context, csv, NULL, options, &samples) == KOHL_OK) {
    size_t used = 0;
    for (size_t i = 0; i < samples.count; i++) {
      const kohl_sample *s = &samples.sample[i];
      used += (size_t)snprintf(text + used, sizeof text - used, "%s:%s:%s;", path_of(&samples, i),
                               samples.classes[s->label], kohl_split_name((kohl_split)s->split));
    }
    for (size_t i = 1; i < samples.class_count && !options; i++) {
      ck_assert_int_lt(strcmp(samples.classes[i - 1], samples.classes[i]), 0);
    }
  } else {
    ck_assert_int_eq(strncmp(kohl_context_error(context), "t.csv: ", 7), 0);
    snprintf(text, sizeof text, "%s", kohl_context_error(context) + 7);
  }
  kohl_samples_free(context, &samples);
  kohl_csv_close(context, csv);
  free(copy);
  return text;
}
#define CSV(literal) csv_read(literal, sizeof literal - 1, NULL)

START_TEST(csv_that_is_good) {
  ck_assert_str_eq(CSV("path,label\na.jpg,x\n"), "a.jpg:x:unset;");
  ck_assert_str_eq(CSV("\n\r\npath,label\na.jpg,x\n"), "a.jpg:x:unset;");
  ck_assert_str_eq(CSV("path,label\na.jpg,x"), "a.jpg:x:unset;");
  ck_assert_str_eq(CSV("\xef\xbb\xbfpath,label\r\na.jpg,x\r\n"), "a.jpg:x:unset;");
  ck_assert_str_eq(CSV("Class,n,FILE\nz,1,a\ny,2,b\nz,3,c\n"), "a:z:unset;b:y:unset;c:z:unset;");
  ck_assert_str_eq(CSV("image,category\n\"a,\"\"b\"\".jpg\",\"x\ny\"\n\n\r\nc,x\n"),
                   "a,\"b\".jpg:x\ny:unset;c:x:unset;");
  ck_assert_str_eq(CSV("path,label,split\na,x,train\nb,x,val\nc,x,Valid\nd,x,validation\ne,x,test\n"),
                   "a:x:train;b:x:validation;c:x:validation;d:x:validation;e:x:test;");
  ck_assert_str_eq(CSV("path,label,upstream_split\na,x,test\n"), "a:x:test;");
  ck_assert_str_eq(CSV("path,label,a_split,split\na,x,?,test\n"), "a:x:test;");
  ck_assert_str_eq(CSV("path,label\n\xc3\xa9.png,\xf0\x9f\x98\x80\n"), "\xc3\xa9.png:\xf0\x9f\x98\x80:unset;");
  kohl_source_options fold = {.split_column = "fold"};
  static const char text[] = "path,label,split,fold\na,x,bad,test\n";
  ck_assert_str_eq(csv_read(text, sizeof text - 1, &fold), "a:x:test;");
}
END_TEST

START_TEST(csv_that_is_bad) {
  ck_assert_str_eq(CSV(""), "empty file, expected a header row");
  ck_assert_str_eq(CSV("path,label\n"), "no pictures in it");
  ck_assert_str_eq(CSV("name,label\na,x\n"), "line 1: no column named path, file, filename or image");
  ck_assert_str_eq(CSV("path,name\na,x\n"), "line 1: no column named label, class or category");
  ck_assert_str_eq(CSV("path,path,label\na,b,x\n"), "line 1: two columns named 'path'");
  ck_assert_str_eq(CSV("path,label\na,x\nb\n"), "line 3: 1 fields, expected 2 as in the header");
  ck_assert_str_eq(CSV("path,label\na,x,y\n"), "line 2: 3 fields, expected 2 as in the header");
  ck_assert_str_eq(CSV("path,label\na,\n"), "line 2: the label is empty");
  ck_assert_str_eq(CSV("path,label\n,x\n"), "line 2: the path is empty");
  ck_assert_str_eq(CSV("path,label\na,x\n\"b,x\n"), "line 3: a quote is opened and never closed");
  ck_assert_str_eq(CSV("path,label\na\"b,x\n"), "line 2: a quote inside a field that is not quoted");
  ck_assert_str_eq(CSV("path,label\n\"a\"b,x\n"), "line 2: text behind a closing quote");
  ck_assert_str_eq(CSV("path,label\na,x\rb,x\r"), "line 2: a carriage return that no line feed follows");
  ck_assert_str_eq(CSV("path,label\n\"a\nb\",x\nc\0d,x\n"), "line 4: a NUL byte; is the file UTF-16? Expected UTF-8");
  ck_assert_str_eq(CSV("path,label\n\"c\0d\",x\n"), "line 2: a NUL byte; is the file UTF-16? Expected UTF-8");
  ck_assert_str_eq(CSV("path,label\na,\xe9t\xe9\n"), "line 2: text that is not UTF-8");
  ck_assert_str_eq(CSV("path,label\na,\xc3\n"), "line 2: text that is not UTF-8");
  ck_assert_str_eq(CSV("path,label,split\na,x,train\nb,x,dev\n"),
                   "line 3: split 'dev', expected train, val, valid, validation or test");
  ck_assert_str_eq(CSV("path,label,a_split,b_split\na,x,train,test\n"),
                   "line 1: columns 'a_split' and 'b_split' both end in _split, expected one to be asked for");
  kohl_source_options fold = {.split_column = "fold"};
  ck_assert_str_eq(csv_read("path,label\na,x\n", 15, &fold), "line 1: no column named 'fold'");
  static const char *const known[] = {"y", "x"};
  kohl_source_options given = {.classes = known, .class_count = 2};
  ck_assert_str_eq(csv_read("path,label\na,x\nb,z\n", 19, &given), "line 3: class 'z', expected one of: y, x");
}
END_TEST

START_TEST(csv_with_a_long_line) {
  size_t length = 3 << 20;
  char *text = malloc(length);
  memset(text, 'a', length);
  memcpy(text, "path,label\n", 11);
  ck_assert_str_eq(csv_read(text, length, NULL), "line 2: a record of more than 1048576 bytes");
  memset(text + 11, ',', length - 11);
  ck_assert_str_eq(csv_read(text, length, NULL), "line 2: a record of more than 1048576 bytes");
  text[11] = '"';
  memset(text + 12, '\n', length - 12);
  ck_assert_ptr_nonnull(strstr(csv_read(text, length, NULL), "a record of more than 1048576 bytes"));
  free(text);
}
END_TEST

START_TEST(utf8) {
  static const char *const good[] = {
      "", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
  static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc1\xbf",         "\xc2",     "\xe0\x9f\xbf",
                                    "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80", "\xe2\x82"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) ck_assert(kohl_utf8_valid(good[i], strlen(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert(!kohl_utf8_valid(bad[i], strlen(bad[i])));
}
END_TEST

/* Rows enough that the reader's window ends at every place of a row, CRLF and quotes among them. */
START_TEST(csv_over_the_window) {
  FILE *file = fopen(in_folder("big.csv"), "wb");
  fputs("path,label\r\n", file);
  for (int i = 0; i < 40000; i++) fprintf(file, "\"p,%d\",c%d\r\n%s", i, i % 10, i % 3 ? "" : "\r\n");
  fclose(file);
  kohl_samples samples;
  ck_assert_msg(kohl_samples_open(context, in_folder("big.csv"), NULL, &samples) == KOHL_OK, "%s",
                kohl_context_error(context));
  ck_assert_uint_eq(samples.count, 40000);
  ck_assert_uint_eq(samples.class_count, 10);
  for (int i = 0; i < 40000; i++) {
    char want[128];
    snprintf(want, sizeof want, "%s/p,%d", folder, i);
    ck_assert_str_eq(path_of(&samples, i), want);
    ck_assert_int_eq(samples.sample[i].label, i % 10);
  }
  kohl_samples_free(context, &samples);
}
END_TEST

static void open_fails(const char *name, const char *why) {
  kohl_samples samples;
  ck_assert_int_eq(kohl_samples_open(context, in_folder(name), NULL, &samples), KOHL_BAD_INPUT);
  ck_assert_msg(strstr(kohl_context_error(context), why) != NULL, "'%s'", kohl_context_error(context));
  ck_assert_uint_eq(samples.count, 0);
  kohl_samples_free(context, &samples);
}

START_TEST(folder_per_class) {
  make_folder("set");
  open_fails("set", "no folders in it, expected one per class, or a labels.csv");
  make_folder("set/b");
  open_fails("set", "set/b: no .jpg, .jpeg or .png file in the folder of this class");
  make_folder("set/b/deep");
  make_folder("set/a");
  make_folder("set/.hidden");
  make_folder("set/Z");
  store_png("set/b/2.PNG", 1);
  store_png("set/b/deep/1.jpeg", 1);
  store_png("set/b/10.png", 1);
  store_png("set/a/x.JPG", 1);
  store_png("set/Z/y.png", 1);
  store_png("set/a/.y.png", 1);
  store("set/a/notes.txt", "x", 1);
  store("set/readme", "x", 1);
  make_folder("set/a/folder.jpg");
  ck_assert_int_eq(mkfifo(in_folder("set/a/fifo.png"), 0666), 0);
  ck_assert_int_eq(symlink("loop.jpg", in_folder("set/a/loop.jpg")), 0);
  ck_assert_int_eq(symlink("..", in_folder("set/a/up")), 0);
  store("set/a/\xff.png", "x", 1);
  kohl_samples samples;
  ck_assert_msg(kohl_samples_open(context, in_folder("set/"), NULL, &samples) == KOHL_OK, "%s",
                kohl_context_error(context));
  static const char *const want[] = {"set/Z/y.png", "set/a/x.JPG", "set/b/10.png", "set/b/2.PNG", "set/b/deep/1.jpeg"};
  static const int labels[] = {0, 1, 2, 2, 2};
  ck_assert_uint_eq(samples.class_count, 3);
  ck_assert_str_eq(samples.classes[0], "Z");
  ck_assert_str_eq(samples.classes[2], "b");
  ck_assert_uint_eq(samples.count, 5);
  for (size_t i = 0; i < 5; i++) {
    ck_assert_str_eq(path_of(&samples, i), in_folder(want[i]));
    ck_assert_int_eq(samples.sample[i].label, labels[i]);
  }
  ck_assert_uint_eq(samples.other_files, 7); /* notes.txt, readme, up, folder.jpg, fifo.png, loop.jpg, \xff.png */
  ck_assert_ptr_nonnull(strstr(warnings, "folder.jpg: a folder"));
  ck_assert_ptr_nonnull(strstr(warnings, "fifo.png: a FIFO"));
  ck_assert_ptr_nonnull(strstr(warnings, "loop.jpg: Too many levels"));
  ck_assert_ptr_nonnull(strstr(warnings, "\xff.png: the name is not UTF-8"));
  kohl_samples_free(context, &samples);

  static const char *const known[] = {"b", "a", "c"};
  kohl_source_options given = {.classes = known, .class_count = 3};
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), &given, &samples), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(context), "class folder 'Z', expected one of: b, a, c"));
  ck_assert_int_eq(unlink(in_folder("set/Z/y.png")), 0);
  ck_assert_int_eq(rmdir(in_folder("set/Z")), 0);
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), &given, &samples), KOHL_OK);
  ck_assert_int_eq(samples.sample[0].label, 1);
  ck_assert_int_eq(samples.sample[1].label, 0);
  kohl_samples_free(context, &samples);
}
END_TEST

START_TEST(columns_beyond_the_path) {
  static const char text[] =
      "path,label,weight,group,medium,label\n"
      "/d/a.jpg,x;y,0.5,g1,stone,z\n/d/b.jpg,y,2e-1,g2,\"wood, oak\",\n/e/c.jpg,;z;;z,3,g1,,x\n";
  static const char *const wanted[] = {"Medium"};
  kohl_source_options options = {.several_labels = true, .columns = wanted, .column_count = 1};
  kohl_csv *csv;
  kohl_samples s, t;
  ck_assert_int_eq(kohl_csv_open_memory(context, "t.csv", text, sizeof text - 1, &csv), KOHL_OK);
  ck_assert_msg(kohl_samples_from_csv(context, csv, NULL, &options, &s) == KOHL_OK, "%s", kohl_context_error(context));
  kohl_csv_close(context, csv);
  static const int labels[3][3] = {{0, 1, 2}, {1, 0, 0}, {2, 0, 0}};
  static const size_t counts[3] = {3, 1, 2};
  static const float weights[3] = {0.5f, 0.2f, 3.0f};
  static const char *const groups[3] = {"g1", "g2", "g1"}, *const media[3] = {"stone", "wood, oak", ""};
  char path[128];
  snprintf(path, sizeof path, "%s/out.csv", folder);
  ck_assert_int_eq(kohl_samples_write_csv(context, &s, KOHL_SPLIT_UNSET, NULL, path), KOHL_OK);
  options.column_count = 0;
  ck_assert_msg(kohl_samples_open(context, path, &options, &t) == KOHL_OK, "%s", kohl_context_error(context));
  for (size_t i = 0; i < 6; i++) {
    const kohl_samples *list = i < 3 ? &s : &t;
    size_t n, k = i % 3;
    const int *label = kohl_sample_labels(list, k, &n);
    ck_assert_uint_eq(n, counts[k]);
    for (size_t l = 0; l < n; l++) ck_assert_int_eq(label[l], labels[k][l]);
    ck_assert_int_eq(list->sample[k].label, label[0]);
    ck_assert_float_eq(kohl_sample_weight(list, k), weights[k]);
    ck_assert_str_eq(kohl_sample_group(list, k), groups[k]);
    if (i < 3) ck_assert_str_eq(kohl_sample_value(list, k, 0), media[k]);
    if (i >= 3) ck_assert_ptr_null(kohl_sample_value(list, k, 0));
  }
  ck_assert_uint_eq(s.groups.count, 2);
  ck_assert_uint_eq(s.folders.count, 2);
  ck_assert_str_eq(kohl_sample_name(&s, 2, (char[KOHL_SAMPLE_PATH]){0}), "c.jpg");
  kohl_samples_free(context, &s);
  kohl_samples_free(context, &t);
}
END_TEST

START_TEST(columns_that_are_bad) {
  static const char *const weights[] = {"-1", "nan", "inf", "", "1.5x", "1e99", "0x10", "1,5", "--1", ".", "1e"};
  for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
    char text[128], want[128];
    snprintf(text, sizeof text, "path,label,weight\na,x,1\nb,x,\"%s\"\n", weights[i]);
    snprintf(want, sizeof want, "line 3: weight '%s', expected a finite number of 0 or more", weights[i]);
    ck_assert_str_eq(csv_read(text, strlen(text), NULL), want);
  }
  ck_assert_str_eq(CSV("path,label,weight\na,x,00.0\nb,x,+4.\n"), "a:x:unset;b:x:unset;");
  static const char *const known[] = {"y", "x"};
  kohl_source_options several = {.classes = known, .class_count = 2, .several_labels = true};
  ck_assert_str_eq(csv_read("path,label\na,x;z\n", 17, &several), "line 2: class 'z', expected one of: y, x");
  ck_assert_str_eq(csv_read("path,label\na,;;\n", 16, &several), "line 2: the label is empty");
  static const char *const columns[] = {"medium"};
  kohl_source_options asked = {.columns = columns, .column_count = 1};
  ck_assert_str_eq(csv_read("path,label\na,x\n", 15, &asked), "line 1: no column named 'medium'");
  char longest[6000];
  size_t n = (size_t)snprintf(longest, sizeof longest, "path,label\n");
  memset(longest + n, 'p', 5000);
  strcpy(longest + n + 5000, ",x\n");
  const char *error = csv_read(longest, strlen(longest), NULL);
  ck_assert_msg(strncmp(error, "line 2: ", 8) == 0 && strstr(error, "a path of 5000 bytes"), "%s", error);
}
END_TEST

/* What a list read as standard input is read gives, in the form of csv_read. */
static const char *list_read(const char *text, size_t length) {
  static char out[512];
  kohl_csv *csv;
  kohl_samples s;
  ck_assert_int_eq(kohl_csv_open_memory(context, "t", text, length, &csv), KOHL_OK);
  size_t used = 0;
  if (kohl_samples_from_list(context, csv, NULL, &s) != KOHL_OK) {
    snprintf(out, sizeof out, "%s", kohl_context_error(context));
  } else {
    for (size_t i = 0; i < s.count; i++) {
      used += (size_t)snprintf(out + used, sizeof out - used, "%s:%s;", path_of(&s, i), s.classes[s.sample[i].label]);
    }
  }
  kohl_samples_free(context, &s);
  kohl_csv_close(context, csv);
  return out;
}
#define LIST(literal) list_read(literal, sizeof literal - 1)

START_TEST(lists_of_standard_input) {
  ck_assert_str_eq(LIST("a/1.jpg\nx/b/2,\"q\".jpg\r\n\n/c/3.png"), "a/1.jpg:a;x/b/2,\"q\".jpg:b;/c/3.png:c;");
  ck_assert_str_eq(LIST("\xef\xbb\xbflabel,\"Path\"\r\nx,1.jpg\r\n"), "1.jpg:x;");
  ck_assert_str_eq(LIST("a//1.jpg\n"), "t: line 1: 'a//1.jpg', expected CLASS/FILE: the folder names the class");
  ck_assert_str_eq(LIST("a/1.jpg\n2.jpg\n"), "t: line 2: '2.jpg', expected CLASS/FILE: the folder names the class");
  ck_assert_str_eq(LIST("../1.jpg\n"), "t: line 1: '../1.jpg', expected CLASS/FILE: the folder names the class");
  ck_assert_str_eq(LIST(""), "t: no pictures in it");
  ck_assert_str_eq(LIST("a/\0.jpg\n"), "t: line 1: a NUL byte; is the file UTF-16? Expected UTF-8");
}
END_TEST

/* An allocator that knows what is in use. */
typedef struct {
  size_t live, peak;
} gauge;

static void *gauge_allocate(size_t bytes, void *user) {
  gauge *g = user;
  size_t room = (bytes + 63) / 64 * 64;
  size_t *memory = aligned_alloc(64, room + 64);
  if (!memory) return NULL;
  *memory = room;
  g->live += room;
  if (g->live > g->peak) g->peak = g->live;
  return memory + 8;
}

static void gauge_release(void *memory, void *user) {
  if (!memory) return;
  size_t *begin = (size_t *)memory - 8;
  ((gauge *)user)->live -= *begin;
  free(begin);
}

/* The promise: 64 bytes a picture at the most, while the list is made too. */
START_TEST(memory_of_a_list) {
  enum { MOST = 140000 };
  char *text = malloc((size_t)MOST * 80);
  gauge g = {0, 0};
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){gauge_allocate, gauge_release, &g};
  options.threads = 1;
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  for (size_t count = 100000; count <= MOST; count += 4444) { /* some of them just above a growth of the array */
    size_t used = (size_t)sprintf(text, "path,label\n");
    for (size_t i = 0; i < count; i++) {
      used += (size_t)sprintf(text + used, "/srv/collections/museum/photographs/c%02zu/IMG_%06zu.jpeg,c%zu\n", i % 23,
                              i, i % 23);
    }
    kohl_csv *csv;
    kohl_samples s;
    ck_assert_int_eq(kohl_csv_open_memory(ctx, "t", text, used, &csv), KOHL_OK);
    size_t before = g.peak = g.live;
    ck_assert_int_eq(kohl_samples_from_csv(ctx, csv, NULL, NULL, &s), KOHL_OK);
    ck_assert_msg(g.peak - before <= 64 * count, "%zu pictures: %.1f bytes each, expected at most 64", count,
                  (double)(g.peak - before) / (double)count);
    ck_assert_msg(g.live - before <= 42 * count, "%zu pictures: %.1f bytes each kept, expected at most 42", count,
                  (double)(g.live - before) / (double)count); /* 20 of a name, 16, a quarter of that, its texts */
    ck_assert_str_eq(kohl_sample_path(&s, 24, (char[KOHL_SAMPLE_PATH]){0}),
                     "/srv/collections/museum/photographs/c01/IMG_000024.jpeg");
    kohl_samples_free(ctx, &s);
    kohl_csv_close(ctx, csv);
  }
  kohl_context_destroy(ctx);
  free(text);
}
END_TEST

START_TEST(folder_with_labels_csv) {
  static const char text[] = "file,class,upstream_split\nq/1.png,x,train\nq/2.png,y,test\n";
  store("labels.csv", text, sizeof text - 1);
  kohl_samples samples;
  ck_assert_int_eq(kohl_samples_open(context, folder, NULL, &samples), KOHL_OK);
  ck_assert_str_eq(path_of(&samples, 0), in_folder("q/1.png"));
  ck_assert_int_eq(samples.sample[1].split, KOHL_SPLIT_TEST);
  kohl_samples_free(context, &samples);
  open_fails("nothing", "cannot be opened: No such file or directory");
}
END_TEST

static size_t count_of(const kohl_samples *s, int label, kohl_split split) {
  size_t count = 0;
  for (size_t i = 0; i < s->count; i++) count += s->sample[i].label == label && s->sample[i].split == split;
  return count;
}

START_TEST(written_lists_are_read_again) {
  make_folder("set");
  make_folder("set/a, \"b\"");
  make_folder("set/c");
  store_png("set/a, \"b\"/1\n2.png", 1);
  store_png("set/a, \"b\"/2.png", 1);
  store_png("set/c/3.png", 1);
  kohl_samples s, t;
  ck_assert_int_eq(kohl_samples_open(context, in_folder("set"), NULL, &s), KOHL_OK);
  for (size_t i = 0; i < 3; i++) s.sample[i].split = i ? KOHL_SPLIT_TRAIN : KOHL_SPLIT_TEST;
  char path[128];
  snprintf(path, sizeof path, "%s/out.csv", folder);
  for (kohl_split split = KOHL_SPLIT_UNSET; split <= KOHL_SPLIT_TRAIN; split++) {
    ck_assert_int_eq(kohl_samples_write_csv(context, &s, split, NULL, path), KOHL_OK);
    ck_assert_int_eq(kohl_samples_open(context, path, NULL, &t), KOHL_OK);
    size_t from = split == KOHL_SPLIT_TRAIN;
    ck_assert_uint_eq(t.count, 3 - from);
    for (size_t i = 0; i < t.count; i++) {
      ck_assert_str_eq(path_of(&t, i), path_of(&s, i + from));
      ck_assert_str_eq(t.classes[t.sample[i].label], s.classes[s.sample[i + from].label]);
      ck_assert_uint_eq(t.sample[i].split, split == KOHL_SPLIT_UNSET ? s.sample[i].split : KOHL_SPLIT_UNSET);
    }
    kohl_samples_free(context, &t);
  }
  ck_assert_int_eq(kohl_samples_write_csv(context, &s, KOHL_SPLIT_UNSET, NULL, in_folder("no/where.csv")), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_samples_write_csv(context, &s, KOHL_SPLIT_UNSET, NULL, "/dev/full"), KOHL_NO_RESOURCE);
  kohl_samples_free(context, &s);
}
END_TEST

/* A folder listed, split, written and read again. */
static kohl_status everything(kohl_context *ctx, const char *set, const char *csv) {
  kohl_samples s, t = {0};
  kohl_status status = kohl_samples_open(ctx, set, NULL, &s);
  if (status == KOHL_OK) status = kohl_samples_split(ctx, &s, 1, 0.3, 0.1);
  if (status == KOHL_OK) status = kohl_samples_write_csv(ctx, &s, KOHL_SPLIT_UNSET, NULL, csv);
  if (status == KOHL_OK) status = kohl_samples_open(ctx, csv, NULL, &t);
  kohl_samples_free(ctx, &s);
  kohl_samples_free(ctx, &t);
  return status;
}

START_TEST(every_refused_allocation) {
  make_folder("set");
  make_folder("set/a");
  make_folder("set/b");
  store_png("set/a/1.png", 1);
  store_png("set/a/2.png", 2);
  store_png("set/b/3.png", 3);
  char set[128], csv[128];
  snprintf(set, sizeof set, "%s/set", folder);
  snprintf(csv, sizeof csv, "%s/out.csv", folder);
  meter m = {1000000, 0};
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  options.threads = 1;
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  long before = m.live, n = 0;
  kohl_status status;
  do {
    m.left = n++;
    status = everything(ctx, set, csv);
    ck_assert_int_eq(m.live, before);
    ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "allocation %ld: %s", n, kohl_context_error(ctx));
    if (status != KOHL_OK) ck_assert_str_ne(kohl_context_error(ctx), "");
  } while (status != KOHL_OK);
  ck_assert_int_gt(n, 30);
  m.left = 1000000;
  kohl_context_destroy(ctx);
}
END_TEST

/* Counts that the folders' README states. */
START_TEST(real_lists) {
  if (access("../shared/data/hieroglyphs", R_OK) != 0) {
    printf("skipped: ../shared/data is absent\n");
    return;
  }
  kohl_samples s;
  ck_assert_int_eq(kohl_samples_open(context, "../shared/data/egyptian_artifacts", NULL, &s), KOHL_OK);
  ck_assert_uint_eq(s.count, 2108);
  ck_assert_uint_eq(s.class_count, 5);
  ck_assert_str_eq(s.classes[3], "Statuary");
  ck_assert_uint_eq(
      count_of(&s, 3, KOHL_SPLIT_TRAIN) + count_of(&s, 3, KOHL_SPLIT_VALIDATION) + count_of(&s, 3, KOHL_SPLIT_TEST),
      867);
  kohl_samples_free(context, &s);
  ck_assert_int_eq(kohl_samples_open(context, "../shared/data/hieroglyphs", NULL, &s), KOHL_OK);
  ck_assert_uint_eq(s.count, 4210);
  ck_assert_uint_eq(s.class_count, 172);
  kohl_samples_free(context, &s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("source");
  TCase *tests = tcase_create("source");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, csv_that_is_good);
  tcase_add_test(tests, csv_that_is_bad);
  tcase_add_test(tests, csv_with_a_long_line);
  tcase_add_test(tests, utf8);
  tcase_add_test(tests, csv_over_the_window);
  tcase_add_test(tests, folder_per_class);
  tcase_add_test(tests, columns_beyond_the_path);
  tcase_add_test(tests, columns_that_are_bad);
  tcase_add_test(tests, lists_of_standard_input);
  tcase_add_test(tests, memory_of_a_list);
  tcase_add_test(tests, folder_with_labels_csv);
  tcase_add_test(tests, written_lists_are_read_again);
  tcase_add_test(tests, every_refused_allocation);
  tcase_add_test(tests, real_lists);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
