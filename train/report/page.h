/* Text of an HTML page: the only way by which foreign text comes into it is kohl_page_text. */
#ifndef KOHL_TRAIN_REPORT_PAGE_H
#define KOHL_TRAIN_REPORT_PAGE_H

#include "train/runfolder.h"

/* Appends n bytes as they are. */
void kohl_page_raw(kohl_text *page, const void *bytes, size_t n);

/* Appends text so that HTML shows it and does nothing else, inside an element or a quoted attribute: & < > " ' as
 * entities, control characters but line ends and tabs, and bytes that are not UTF-8, as U+FFFD. */
void kohl_page_text(kohl_text *page, const char *text);

/* data:MIME;base64,... of n bytes. */
void kohl_page_data(kohl_text *page, const char *mime, const void *bytes, size_t n);

/* A copy of length bytes in which control characters and bytes that are not UTF-8 are U+FFFD, the caller's until
 * kohl_free. */
kohl_status kohl_page_clean(kohl_context *ctx, const char *text, size_t length, char **out);

/* Text of a cell or a heading, with what printf makes of the rest. */
void kohl_page_cell(kohl_text *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void kohl_page_row_head(kohl_text *page, const char *text);

/* <table> with a caption and the heads of its columns, which '|' parts; a head that begins with '>' is one of numbers.
 * The rows are the caller's, then kohl_page_table_end. */
void kohl_page_table(kohl_text *page, const char *caption, const char *heads);
void kohl_page_table_end(kohl_text *page);

/* A fold with that summary; </details> is written by kohl_page_fold_end. */
void kohl_page_fold(kohl_text *page, const char *summary);
void kohl_page_fold_end(kohl_text *page);

/* <section id> with its heading; </section> is the caller's. */
void kohl_page_section(kohl_text *page, const char *id, const char *heading);

/* A paragraph that says what is missing. */
void kohl_page_missing(kohl_text *page, const char *text);

/* Everything from <!DOCTYPE to <body>; title is foreign text. */
void kohl_page_begin(kohl_text *page, const char *title);
void kohl_page_end(kohl_text *page);

#endif
