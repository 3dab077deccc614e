/* Folding of texts for comparison: words in small letters without marks. */
#include <string.h>

#include "datasets/rules_parts.h"

/* What a character is to the words. */
typedef enum { LETTER, JOINS, BREAKS, NOTHING } kind;

/* U+00C0 to U+017F, then U+1E00 to U+1EFF; 2: two letters, of pair_of. */
static const char latin[] =
    "aaaaaa2ceeeeiiiidnooooo ouuuuy22aaaaaa2ceeeeiiiidnooooo ouuuuy2y"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii22jjkkklllllll"
    "lllnnnnnnnnnoooooo22rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static const char latin_additional[] =
    "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm"
    "mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv"
    "wwwwwwwwwwxxxxyyzzzzzzhtwyasss2daaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee"
    "eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyyllvvyy";

static const char *pair_of(uint32_t c) {
  switch (c) {
    case 0xc6:
    case 0xe6: return "ae";
    case 0x152:
    case 0x153: return "oe";
    case 0x132:
    case 0x133: return "ij";
    case 0xde:
    case 0xfe: return "th";
    default: return "ss"; /* U+00DF, U+1E9E */
  }
}

/* The character at *text, which moves on.  Malformed: the byte alone, as a number of no character. */
static uint32_t next_character(const unsigned char **text) {
  const unsigned char *s = *text;
  unsigned more = *s < 0xc2 ? 0 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : *s < 0xf5 ? 3 : 0;
  uint32_t c = more ? *s & (0x3fu >> more) : *s;
  for (unsigned i = 1; i <= more; i++) {
    if ((s[i] & 0xc0) != 0x80) more = 0; /* a zero ends it as well */
    c = c << 6 | (s[i] & 0x3f);
    if (more == 0) break;
  }
  *text = s + 1 + more;
  return more || *s < 0x80 ? c : 0x110000u + *s;
}

static kind kind_of(uint32_t c) {
  if (c < 0x80) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter ? LETTER : c == ' ' || (c >= '\t' && c <= '\r') || c == '-' || c == '\'' || c == '_' ? JOINS : BREAKS;
  }
  if (c < 0xc0) {
    if (c == 0xad) return NOTHING;
    return c == 0xa0 ? JOINS : c == 0xaa || c == 0xb5 || c == 0xba ? LETTER : BREAKS;
  }
  if (c == 0xd7 || c == 0xf7) return BREAKS;
  if ((c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200d) || c == 0xfeff) return NOTHING;
  if (c == 0x2bc || (c >= 0x2000 && c <= 0x2011) || c == 0x2019 || c == 0x202f || c == 0x3000) return JOINS;
  return (c >= 0x2012 && c <= 0x206f) || (c >= 0x3001 && c <= 0x3003) ? BREAKS : LETTER;
}

/* Writes a letter: folded, or the bytes it came as. */
static char *put_letter(uint32_t c, const unsigned char *from, size_t bytes, char *out) {
  char small = 0;
  if (c < 0x80) small = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (c >= 0xc0 && c < 0x180) small = latin[c - 0xc0];
  if (c >= 0x1e00 && c < 0x1f00) small = latin_additional[c - 0x1e00];
  if (small == '2' && c >= 0x80) {
    memcpy(out, pair_of(c), 2);
    return out + 2;
  }
  if (small == 0) {
    memcpy(out, from, bytes);
    return out + bytes;
  }
  *out = small;
  return out + 1;
}

size_t kohl_rules_fold(const char *text, char *out) {
  const unsigned char *at = (const unsigned char *)text;
  char *end = out;
  kind between = NOTHING; /* what has come since the last letter */
  while (*at) {
    const unsigned char *from = at;
    uint32_t c = next_character(&at);
    kind k = kind_of(c);
    if (k == NOTHING) continue;
    if (k != LETTER) {
      if (between != BREAKS) between = k;
      continue;
    }
    if (between != NOTHING && end > out) *end++ = between == JOINS ? ' ' : '\n';
    between = NOTHING;
    end = put_letter(c, from, (size_t)(at - from), end);
  }
  *end = 0;
  return (size_t)(end - out);
}
