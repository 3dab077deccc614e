/* Rules at work: phrases in a hash table, looked up for every run of words of a text. */
#include "datasets/rules.h"

#include <string.h>

#include "datasets/rules_parts.h"
#include "kernels/core/alloc.h"

static const uint64_t HASH_START = UINT64_C(14695981039346656037);

/* FNV-1a, one byte at a time, so that a run of words is hashed by going on from the shorter one. */
static uint64_t hash_byte(uint64_t h, char c) { return (h ^ (unsigned char)c) * UINT64_C(1099511628211); }

static uint64_t hash_of(const char *text, size_t bytes) {
  uint64_t h = HASH_START;
  for (size_t i = 0; i < bytes; i++) h = hash_byte(h, text[i]);
  return h;
}

void kohl_rules_free(kohl_context *ctx, kohl_rules *rules) {
  if (!rules) return;
  kohl_free(ctx, rules->pool);
  kohl_free(ctx, rules->class);
  kohl_free(ctx, rules->phrase);
  kohl_free(ctx, rules->use);
  kohl_free(ctx, rules->slot);
  kohl_free(ctx, rules->folded);
  kohl_free(ctx, rules->hit);
  kohl_free(ctx, rules->tally);
  kohl_free(ctx, rules);
}

size_t kohl_rules_fields(const kohl_rules *rules) { return rules->fields; }
const char *kohl_rules_field(const kohl_rules *rules, size_t i) { return rules->pool + rules->field[i]; }
size_t kohl_rules_classes(const kohl_rules *rules) { return rules->classes; }
const char *kohl_rules_class(const kohl_rules *rules, size_t i) { return rules->pool + rules->class[i]; }

kohl_status kohl_rules_keep(kohl_context *ctx, kohl_rules *rules, const char *text, size_t bytes, uint32_t *at) {
  kohl_status status =
      kohl_grow(ctx, &rules->pool, &rules->pool_capacity, rules->pool_bytes + bytes + 1, 1, "label rules");
  if (status != KOHL_OK) return status;
  *at = (uint32_t)rules->pool_bytes; /* folded texts are no longer than the file */
  memcpy(rules->pool + *at, text, bytes);
  rules->pool[*at + bytes] = 0;
  rules->pool_bytes += bytes + 1;
  return KOHL_OK;
}

/* The phrase, or the free slot where it belongs. */
static size_t find_slot(const kohl_rules *rules, uint64_t hash, const char *text, size_t bytes) {
  size_t at = (size_t)(hash ^ hash >> 32) & (rules->slots - 1);
  for (; rules->slot[at]; at = (at + 1) & (rules->slots - 1)) {
    const kohl_rules_phrase *p = &rules->phrase[rules->slot[at] - 1];
    if (p->hash == hash && p->bytes == bytes && memcmp(rules->pool + p->text, text, bytes) == 0) break;
  }
  return at;
}

static kohl_status grow_slots(kohl_context *ctx, kohl_rules *rules) {
  if (rules->slots > 2 * (rules->phrases + 1)) return KOHL_OK;
  size_t slots = rules->slots ? 2 * rules->slots : 64;
  uint32_t *slot;
  kohl_status status = kohl_alloc(ctx, slots, sizeof *slot, "label rules", &slot);
  if (status != KOHL_OK) return status;
  kohl_free(ctx, rules->slot);
  rules->slot = slot;
  rules->slots = slots;
  for (size_t i = 0; i < rules->phrases; i++) {
    const kohl_rules_phrase *p = &rules->phrase[i];
    slot[find_slot(rules, p->hash, rules->pool + p->text, p->bytes)] = (uint32_t)i + 1;
  }
  return KOHL_OK;
}

static kohl_status add_phrase(kohl_context *ctx, kohl_rules *rules, size_t at, uint64_t hash, const char *folded,
                              size_t bytes) {
  kohl_status status =
      kohl_grow(ctx, &rules->phrase, &rules->phrase_capacity, rules->phrases + 1, sizeof *rules->phrase, "label rules");
  kohl_rules_phrase p = {.hash = hash, .bytes = (uint32_t)bytes};
  if (status == KOHL_OK) status = kohl_rules_keep(ctx, rules, folded, bytes, &p.text);
  if (status != KOHL_OK) return status;
  size_t words = 1;
  for (size_t i = 0; i < bytes; i++) {
    p.characters += ((unsigned char)folded[i] & 0xc0) != 0x80;
    words += folded[i] == ' ';
  }
  if (words > rules->longest) rules->longest = words;
  rules->phrase[rules->phrases++] = p;
  rules->slot[at] = (uint32_t)rules->phrases;
  return KOHL_OK;
}

kohl_status kohl_rules_add(kohl_context *ctx, kohl_rules *rules, int class, bool exclude, const char *folded,
                           size_t bytes, const char **other) {
  *other = NULL;
  uint64_t hash = hash_of(folded, bytes);
  kohl_status status = grow_slots(ctx, rules);
  if (status != KOHL_OK) return status;
  size_t at = find_slot(rules, hash, folded, bytes);
  if (!rules->slot[at]) status = add_phrase(ctx, rules, at, hash, folded, bytes);
  if (status == KOHL_OK) {
    status = kohl_grow(ctx, &rules->use, &rules->use_capacity, rules->uses + 1, sizeof *rules->use, "label rules");
  }
  if (status != KOHL_OK) return status;
  kohl_rules_phrase *p = &rules->phrase[rules->slot[at] - 1];
  for (uint32_t u = p->use; u; u = rules->use[u - 1].next) {
    const kohl_rules_use *use = &rules->use[u - 1];
    if (use->class != class) continue;
    *other = use->exclude == exclude ? "given again" : "a synonym and an exclusion of one class";
    return KOHL_OK;
  }
  rules->use[rules->uses++] = (kohl_rules_use){class, exclude, p->use};
  p->use = (uint32_t)rules->uses;
  return KOHL_OK;
}

/* Appends each phrase that stands in the folded text, once. */
static kohl_status scan(kohl_context *ctx, kohl_rules *rules, size_t bytes, int field, size_t *hits) {
  const char *text = rules->folded;
  uint64_t now = ++rules->scans;
  for (size_t begin = 0; begin < bytes; begin++) {
    if (begin > 0 && text[begin - 1] != ' ' && text[begin - 1] != '\n') continue;
    uint64_t h = HASH_START;
    size_t words = 0;
    for (size_t end = begin; end < bytes && text[end] != '\n' && words < rules->longest;) {
      h = hash_byte(h, text[end++]);
      if (end < bytes && text[end] != ' ' && text[end] != '\n') continue;
      words++;
      uint32_t found = rules->slot[find_slot(rules, h, text + begin, end - begin)];
      if (!found || rules->phrase[found - 1].seen == now) continue;
      rules->phrase[found - 1].seen = now;
      kohl_status status =
          kohl_grow(ctx, &rules->hit, &rules->hit_capacity, *hits + 1, sizeof *rules->hit, "label rules");
      if (status != KOHL_OK) return status;
      rules->hit[(*hits)++] = (kohl_rules_hit){found - 1, field};
    }
  }
  return KOHL_OK;
}

/* Marks the classes that are excluded in this item; false when all are. */
static bool exclude(kohl_rules *rules, size_t hits, uint64_t item, kohl_rules_result *out) {
  for (size_t i = 0; i < hits; i++) {
    const kohl_rules_phrase *p = &rules->phrase[rules->hit[i].phrase];
    for (uint32_t u = p->use; u; u = rules->use[u - 1].next) {
      const kohl_rules_use *use = &rules->use[u - 1];
      if (!use->exclude) continue;
      if (use->class < 0) {
        out->why = KOHL_RULES_EXCLUDED;
        out->word = rules->pool + p->text;
        return false;
      }
      rules->tally[use->class].excluded = item;
    }
  }
  return true;
}

/* Whether class a goes before b: 2 by hits, 1 by its longest word, 0 by the order, else negative in the same way. */
static int compare(const kohl_rules *rules, int a, int b) {
  const kohl_rules_tally *x = &rules->tally[a], *y = &rules->tally[b];
  if (x->hits != y->hits) return x->hits > y->hits ? 2 : -2;
  uint32_t m = rules->phrase[x->phrase].characters, n = rules->phrase[y->phrase].characters;
  if (m != n) return m > n ? 1 : -1;
  return a < b ? 0 : -3;
}

/* Counts the synonyms that the hits first to last of one field are. */
static void count_hits(kohl_rules *rules, size_t first, size_t last, uint64_t item, uint64_t now) {
  for (size_t i = first; i < last; i++) {
    uint32_t phrase = rules->hit[i].phrase;
    for (uint32_t u = rules->phrase[phrase].use; u; u = rules->use[u - 1].next) {
      const kohl_rules_use *use = &rules->use[u - 1];
      if (use->exclude || rules->tally[use->class].excluded == item) continue;
      kohl_rules_tally *t = &rules->tally[use->class];
      if (t->scan != now) *t = (kohl_rules_tally){.scan = now, .excluded = t->excluded, .phrase = phrase};
      if (rules->phrase[phrase].characters > rules->phrase[t->phrase].characters) t->phrase = phrase;
      t->hits++;
    }
  }
}

/* The best class of one field, and the best of the others. */
static void choose(kohl_rules *rules, size_t first, size_t last, uint64_t item, kohl_rules_result *out) {
  uint64_t now = ++rules->scans;
  int best = -1, second = -1;
  count_hits(rules, first, last, item, now);
  for (size_t i = first; i < last; i++) {
    for (uint32_t u = rules->phrase[rules->hit[i].phrase].use; u; u = rules->use[u - 1].next) {
      int class = rules->use[u - 1].class;
      if (rules->use[u - 1].exclude || rules->tally[class].scan != now || class == best) continue;
      if (best < 0 || compare(rules, class, best) >= 0) {
        second = best;
        best = class;
      } else if (second < 0 || compare(rules, class, second) >= 0) {
        second = class;
      }
    }
  }
  if (best < 0) return;
  int how = second < 0 ? 2 : compare(rules, best, second);
  *out = (kohl_rules_result){.why = how == 2   ? KOHL_RULES_MOST
                                    : how == 1 ? KOHL_RULES_LONGER
                                               : KOHL_RULES_FIRST,
                             .label = best,
                             .field = rules->hit[first].field,
                             .rival = how == 2 ? -1 : second,
                             .hits = (int)rules->tally[best].hits,
                             .word = rules->pool + rules->phrase[rules->tally[best].phrase].text};
}

kohl_status kohl_rules_label(kohl_context *ctx, kohl_rules *rules, const char *const *texts, kohl_rules_result *out) {
  size_t hits = 0;
  *out = (kohl_rules_result){.why = KOHL_RULES_NO_MATCH, .label = -1, .field = -1, .rival = -1};
  for (size_t f = 0; f < rules->fields; f++) {
    if (!texts[f]) continue;
    kohl_status status =
        kohl_grow(ctx, &rules->folded, &rules->folded_capacity, strlen(texts[f]) + 1, 1, "label rules");
    if (status == KOHL_OK) status = scan(ctx, rules, kohl_rules_fold(texts[f], rules->folded), (int)f, &hits);
    if (status != KOHL_OK) return status;
  }
  uint64_t item = rules->scans;
  if (!exclude(rules, hits, item, out)) return KOHL_OK;
  for (size_t first = 0, last; first < hits && out->label < 0; first = last) {
    for (last = first; last < hits && rules->hit[last].field == rules->hit[first].field;) last++;
    choose(rules, first, last, item, out);
  }
  return KOHL_OK;
}
