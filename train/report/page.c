/* Pieces of HTML. */
#include "train/report/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void kohl_page_raw(kohl_text *page, const void *bytes, size_t n) {
  size_t need;
  if (page->status != KOHL_OK || n == 0) return;
  if (!kohl_add_size(page->length, n, &need) || !kohl_add_size(need, 1, &need)) {
    page->status = kohl_fail(page->ctx, KOHL_NO_RESOURCE, "page: more bytes than memory has");
    return;
  }
  page->status = kohl_grow(page->ctx, &page->text, &page->capacity, need, 1, "page");
  if (page->status != KOHL_OK) return;
  memcpy(page->text + page->length, bytes, n);
  page->length += n;
  page->text[page->length] = 0;
}

static void add(kohl_text *page, const char *text) { kohl_page_raw(page, text, strlen(text)); }

/* How HTML writes the character at text, of n bytes (0: malformed); NULL: as it is. */
static const char *entity(const char *text, size_t n) {
  unsigned char byte = (unsigned char)*text;
  switch (byte) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    case '\n':
    case '\t': return NULL;
    default: break;
  }
  bool control = byte < 0x20 || byte == 0x7f || (byte == 0xc2 && n == 2 && (unsigned char)text[1] < 0xa0);
  return control || n == 0 ? replacement : NULL;
}

void kohl_page_text(kohl_text *page, const char *text) {
  size_t length = strlen(text), plain = 0;
  for (size_t at = 0, n; at < length; at += n ? n : 1) {
    n = kohl_utf8_character(text + at, length - at);
    const char *instead = entity(text + at, n);
    if (!instead) continue;
    kohl_page_raw(page, text + plain, at - plain);
    add(page, instead);
    plain = at + (n ? n : 1);
  }
  kohl_page_raw(page, text + plain, length - plain);
}

kohl_status kohl_page_clean(kohl_context *ctx, const char *text, size_t length, char **out) {
  kohl_text clean = {.ctx = ctx};
  for (size_t at = 0, n; at < length; at += n ? n : 1) {
    n = kohl_utf8_character(text + at, length - at);
    bool control = (unsigned char)text[at] < 0x20 || text[at] == 0x7f;
    kohl_page_raw(&clean, n == 0 || control ? replacement : text + at, n == 0 || control ? 3 : n);
  }
  *out = clean.text;
  if (clean.status == KOHL_OK && !clean.text) return kohl_strdup(ctx, "", out);
  if (clean.status != KOHL_OK) {
    kohl_text_free(&clean);
    *out = NULL;
  }
  return clean.status;
}

void kohl_page_data(kohl_text *page, const char *mime, const void *bytes, size_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *src = bytes;
  kohl_text_add(page, "data:%s;base64,", mime);
  for (size_t i = 0; i < n; i += 3) {
    size_t left = n - i;
    unsigned three = (unsigned)src[i] << 16 | (left > 1 ? (unsigned)src[i + 1] << 8 : 0) | (left > 2 ? src[i + 2] : 0);
    char four[4] = {digits[three >> 18], digits[three >> 12 & 63], left > 1 ? digits[three >> 6 & 63] : '=',
                    left > 2 ? digits[three & 63] : '='};
    kohl_page_raw(page, four, sizeof four);
  }
}

/* Cells are short; the 512th byte cuts what a file holds beyond reason. */
void kohl_page_cell(kohl_text *page, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  add(page, "<td>");
  kohl_page_text(page, text);
  add(page, "</td>");
}

void kohl_page_row_head(kohl_text *page, const char *text) {
  add(page, "<tr><th scope=\"row\">");
  kohl_page_text(page, text);
  add(page, "</th>");
}

void kohl_page_table(kohl_text *page, const char *caption, const char *heads) {
  add(page, "<div class=\"wide\"><table>\n<caption>");
  kohl_page_text(page, caption);
  add(page, "</caption>\n<thead><tr>");
  while (*heads) {
    size_t length = strcspn(heads, "|");
    bool number = *heads == '>';
    add(page, number ? "<th scope=\"col\">" : "<th scope=\"col\" class=\"word\">");
    kohl_page_raw(page, heads + number, length - number); /* ours, not foreign */
    add(page, "</th>");
    heads += length + (heads[length] == '|');
  }
  add(page, "</tr></thead>\n<tbody>\n");
}

void kohl_page_table_end(kohl_text *page) { add(page, "</tbody></table></div>\n"); }

void kohl_page_fold(kohl_text *page, const char *summary) {
  add(page, "<details><summary>");
  kohl_page_text(page, summary);
  add(page, "</summary>\n");
}

void kohl_page_fold_end(kohl_text *page) { add(page, "</details>\n"); }

void kohl_page_section(kohl_text *page, const char *id, const char *heading) {
  kohl_text_add(page, "<section id=\"%s\">\n<h2>", id);
  kohl_page_text(page, heading);
  add(page, "</h2>\n");
}

void kohl_page_missing(kohl_text *page, const char *text) {
  add(page, "<p class=\"missing\">");
  kohl_page_text(page, text);
  add(page, "</p>\n");
}

/* Dark on white, the system's own fonts, one column; figures shrink to the page.  Paper gets black text, no links of
 * its own, and nothing cut in two that can be kept whole. */
static const char style[] =
    ":root{color-scheme:light}\n"
    "body{margin:0 auto;padding:2rem 1.5rem 4rem;max-width:64rem;background:#fff;color:#222;"
    "font:1rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif}\n"
    "h1{font-size:2rem;line-height:1.2;margin:0 0 .3rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.35rem;margin:3rem 0 .6rem;padding-bottom:.25rem;border-bottom:2px solid #0072b2}\n"
    "h3{font-size:1.05rem;margin:1.8rem 0 .5rem}\n"
    "p{margin:.5rem 0;max-width:46rem}\n"
    "nav{margin:1.2rem 0 0;font-size:.9rem}nav a{margin-right:1.1rem;white-space:nowrap}\n"
    "a{color:#005a8e}\n"
    ".of{color:#595959;margin:0}\n"
    ".missing{border-left:4px solid #d55e00;padding:.3rem .8rem;background:#fdf4ee}\n"
    "dl.head{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1rem;margin:1.5rem 0}\n"
    "dl.head div{border:1px solid #ccc;border-top:4px solid #0072b2;border-radius:3px;padding:.7rem .9rem}\n"
    "dl.head dt{font-size:.85rem;color:#595959}\n"
    "dl.head dd{margin:0;font-size:1.65rem;font-weight:650;line-height:1.3;font-variant-numeric:tabular-nums}\n"
    "dl.head dd small{display:block;font-size:.8rem;font-weight:400;color:#595959;line-height:1.35}\n"
    "figure{margin:1rem 0}figure>svg{display:block;max-width:100%;height:auto}\n"
    "figcaption{font-size:.9rem;color:#444;max-width:46rem;margin:.3rem 0}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:0 1.5rem}\n"
    ".pair>:nth-child(3){grid-column:1/-1}\n"
    "details{margin:.4rem 0}summary{cursor:pointer;font-size:.9rem;color:#005a8e}\n"
    ".wide{overflow-x:auto;max-height:36rem}\n"
    "table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;margin:.4rem 0}\n"
    "caption{text-align:left;color:#444;padding:.2rem 0}\n"
    "th,td{padding:.22rem .7rem;text-align:right;border-bottom:1px solid #ddd;vertical-align:top}\n"
    "th{font-weight:600}thead th{border-bottom:2px solid #888;vertical-align:bottom}\n"
    "th.word,tbody th,td.word{text-align:left;overflow-wrap:anywhere}tbody th{font-weight:400;min-width:7rem}\n"
    "tfoot th,tfoot td{font-weight:600;border-top:2px solid #888}\n"
    "pre{background:#f6f6f6;border:1px solid #ddd;border-radius:3px;padding:.8rem 1rem;overflow-x:auto;"
    "font-size:.85rem;line-height:1.45}\n"
    "ul.thumbs{list-style:none;margin:.8rem 0;padding:0;display:grid;"
    "grid-template-columns:repeat(auto-fill,minmax(8.6rem,1fr));gap:1rem .8rem}\n"
    ".thumbs li{font-size:.8rem;line-height:1.35;overflow-wrap:anywhere}\n"
    ".thumbs img,.thumbs .gone{display:flex;width:96px;height:96px;box-sizing:border-box;border:1px solid #ccc;"
    "margin-bottom:.3rem;align-items:center;justify-content:center;text-align:center;color:#595959;font-size:.72rem;"
    "line-height:1.2;overflow:hidden}\n"
    ".thumbs .gone{border-style:dashed}\n"
    ".no{white-space:nowrap}.thumbs b{font-weight:600}.thumbs .file{color:#595959;font-size:.72rem}\n"
    "@media print{@page{margin:16mm 14mm}body{padding:0;max-width:none;font-size:10pt;color:#000}nav{display:none}"
    "h2{break-after:avoid;margin-top:1.6rem}figure,.thumbs li,tr,dl.head{break-inside:avoid}"
    ".wide{overflow:visible;max-height:none}tfoot{display:table-row-group}dl.head{grid-template-columns:repeat(5,1fr);"
    "gap:.5rem}dl.head dd{font-size:1.3rem}ul.thumbs{grid-template-columns:repeat(6,1fr)}.thumbs img,.thumbs "
    ".gone{width:80px;height:80px}#recipe "
    "details::details-content{content-visibility:visible;height:auto}pre{white-space:pre-"
    "wrap}.pair{grid-template-columns:1fr 1fr}"
    "summary{color:#000}a{color:inherit;text-decoration:none}*{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}\n";

/* The policy forbids what the page does not need, should a browser ever see an element that is not ours. */
void kohl_page_begin(kohl_text *page, const char *title) {
  add(page,
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
  kohl_page_text(page, title);
  add(page, "</title>\n<style>\n");
  add(page, style);
  add(page, "</style>\n</head>\n<body>\n");
}

void kohl_page_end(kohl_text *page) { add(page, "</body>\n</html>\n"); }
