#include "data/words.h"

#include "data/gzip.h"

#include <stdlib.h>
#include <string.h>

/* ---- Characters ---- */

/* The code point at `text` and its bytes; 0 bytes: this is no UTF-8. */
static size_t decode(const unsigned char *text, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80             ? 1
                    : (text[0] & 0xe0) == 0xc0 ? 2
                    : (text[0] & 0xf0) == 0xe0 ? 3
                    : (text[0] & 0xf8) == 0xf0 ? 4
                                               : 0;
    *code = length < 2 ? text[0] : text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < least[length] || *code > 0x10ffff || surrogate ? 0 : length;
}

static size_t encode(uint32_t code, char *text) {
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3f));
    text[0] = (char)(lead[length] | code);
    return length;
}

size_t lbk_words_invalid(const char *text) {
    uint32_t code;
    for (size_t at = 0, length; text[at]; at += length)
        if ((length = decode((const unsigned char *)text + at, &code)) == 0)
            return at;
    return SIZE_MAX;
}

typedef struct range {
    uint32_t first, last;
} range;

static bool in_ranges(uint32_t code, const range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

#define IN(code, ranges) in_ranges(code, ranges, sizeof(ranges) / sizeof *(ranges))

/* Unicode's categories Z, and the controls that are white space. */
static const range spaces[] = {{'\t', '\n'},     {'\r', '\r'},     {' ', ' '},       {0xa0, 0xa0},
                               {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
                               {0x205f, 0x205f}, {0x3000, 0x3000}};
/* Cc and Cf up to U+FFFF without those of single scripts, and the replacement character. */
static const range controls[] = {{0x01, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x200b, 0x200f},
                                 {0x202a, 0x202e}, {0x2060, 0x2064}, {0x2066, 0x206f}, {0xfeff, 0xfeff},
                                 {0xfff9, 0xfffb}, {0xfffd, 0xfffd}};
/* All of ASCII that is neither letter, digit nor space, as BERT has it; P of Latin-1, general punctuation, CJK and full-width forms. */
static const range marks[] = {{33, 47},         {58, 64},         {91, 96},         {123, 126},       {0xa1, 0xa1},
                              {0xa7, 0xa7},     {0xab, 0xab},     {0xb6, 0xb7},     {0xbb, 0xbb},     {0xbf, 0xbf},
                              {0x2010, 0x2027}, {0x2030, 0x2043}, {0x2045, 0x2051}, {0x2053, 0x205e}, {0x3001, 0x3003},
                              {0x3008, 0x3011}, {0x3014, 0x301f}, {0x3030, 0x3030}, {0xff01, 0xff03}, {0xff05, 0xff0a},
                              {0xff0c, 0xff0f}, {0xff1a, 0xff1b}, {0xff1f, 0xff20}, {0xff3b, 0xff3d}, {0xff3f, 0xff3f},
                              {0xff5b, 0xff5b}, {0xff5d, 0xff5d}, {0xff5f, 0xff65}};
/* As in BERT's code: the blocks of unified and compatibility ideographs. */
static const range ideographs[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
                                   {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf}, {0x2f800, 0x2fa1f}};

/* Lower case without accents, of U+00C0 to U+017F. */
static const uint16_t folded[] = {
    0x61,  0x61,  0x61,  0x61,  0x61, 0x61, 0xe6,  0x63,  0x65,  0x65,  0x65,  0x65,  0x69, 0x69, 0x69, 0x69,
    0xf0,  0x6e,  0x6f,  0x6f,  0x6f, 0x6f, 0x6f,  0xd7,  0xf8,  0x75,  0x75,  0x75,  0x75, 0x79, 0xfe, 0xdf,
    0x61,  0x61,  0x61,  0x61,  0x61, 0x61, 0xe6,  0x63,  0x65,  0x65,  0x65,  0x65,  0x69, 0x69, 0x69, 0x69,
    0xf0,  0x6e,  0x6f,  0x6f,  0x6f, 0x6f, 0x6f,  0xf7,  0xf8,  0x75,  0x75,  0x75,  0x75, 0x79, 0xfe, 0x79,
    0x61,  0x61,  0x61,  0x61,  0x61, 0x61, 0x63,  0x63,  0x63,  0x63,  0x63,  0x63,  0x63, 0x63, 0x64, 0x64,
    0x111, 0x111, 0x65,  0x65,  0x65, 0x65, 0x65,  0x65,  0x65,  0x65,  0x65,  0x65,  0x67, 0x67, 0x67, 0x67,
    0x67,  0x67,  0x67,  0x67,  0x68, 0x68, 0x127, 0x127, 0x69,  0x69,  0x69,  0x69,  0x69, 0x69, 0x69, 0x69,
    0x69,  0x131, 0x133, 0x133, 0x6a, 0x6a, 0x6b,  0x6b,  0x138, 0x6c,  0x6c,  0x6c,  0x6c, 0x6c, 0x6c, 0x140,
    0x140, 0x142, 0x142, 0x6e,  0x6e, 0x6e, 0x6e,  0x6e,  0x6e,  0x149, 0x14b, 0x14b, 0x6f, 0x6f, 0x6f, 0x6f,
    0x6f,  0x6f,  0x153, 0x153, 0x72, 0x72, 0x72,  0x72,  0x72,  0x72,  0x73,  0x73,  0x73, 0x73, 0x73, 0x73,
    0x73,  0x73,  0x74,  0x74,  0x74, 0x74, 0x167, 0x167, 0x75,  0x75,  0x75,  0x75,  0x75, 0x75, 0x75, 0x75,
    0x75,  0x75,  0x75,  0x75,  0x77, 0x77, 0x79,  0x79,  0x79,  0x7a,  0x7a,  0x7a,  0x7a, 0x7a, 0x7a, 0x17f,
};

/* 0: the character vanishes. */
static uint32_t fold(uint32_t code) {
    if (code >= 'A' && code <= 'Z')
        return code + 'a' - 'A';
    if (code >= 0xc0 && code < 0xc0 + sizeof folded / sizeof *folded)
        return folded[code - 0xc0];
    return code >= 0x300 && code <= 0x36f ? 0 : code;
}

/* ---- Words ---- */

static lbk_status flush(lbk_text *word, lbk_take_word take, void *context) {
    if (!word->length)
        return LBK_OK;
    lbk_status status = take(context, word->data, word->length);
    word->length = 0;
    return status;
}

static lbk_status take_character(uint32_t code, lbk_text *word, lbk_take_word take, void *context) {
    char bytes[4];
    bool alone = IN(code, marks) || IN(code, ideographs);
    if (IN(code, spaces))
        return flush(word, take, context);
    if (!code || IN(code, controls))
        return LBK_OK;
    if (alone)
        LBK_TRY(flush(word, take, context));
    LBK_TRY(lbk_text_append(word, bytes, encode(code, bytes)));
    return alone ? flush(word, take, context) : LBK_OK;
}

lbk_status lbk_words_each(const char *text, bool lower_case, lbk_take_word take, void *context) {
    lbk_text word = {0};
    lbk_status status = LBK_OK;
    uint32_t code;
    while (*text && status == LBK_OK) {
        size_t length = decode((const unsigned char *)text, &code);
        LBK_ENSURE(length);
        status = take_character(lower_case ? fold(code) : code, &word, take, context);
        text += length;
    }
    if (status == LBK_OK)
        status = flush(&word, take, context);
    lbk_text_release(&word);
    return status;
}

/* ---- Vocabularies ---- */

static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
enum { PAD, UNK, CLS, SEP, SPECIAL };

void lbk_vocabulary_release(lbk_vocabulary *v) {
    lbk_dictionary_release(&v->words);
    *v = (lbk_vocabulary){0};
}

static int find(const lbk_vocabulary *v, const char *word) {
    return lbk_dictionary_find(&v->words, word, strlen(word));
}

static lbk_status find_special(lbk_vocabulary *v, const char *path, bool wanted) {
    for (int i = 0; i < (wanted ? SPECIAL : CLS); i++)
        if (find(v, special[i]) < 0)
            return lbk_fail(LBK_ERR_INPUT, "%s: has no line %s", path, special[i]);
    if (find(v, special[PAD]) != 0)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [PAD] must be the first line, which networks take for padding", path,
                        find(v, special[PAD]) + 1);
    v->unknown = find(v, special[UNK]);
    v->begin = find(v, special[CLS]);
    v->end = find(v, special[SEP]);
    return LBK_OK;
}

static lbk_status add_line(lbk_vocabulary *v, const char *path, const char *line, size_t length) {
    int number, count = v->words.count;
    LBK_TRY(lbk_dictionary_add(&v->words, line, length, &number));
    if (number != count)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: \"%s\" stands in line %d already", path, count + 1,
                        v->words.words[number], number + 1);
    return LBK_OK;
}

lbk_status lbk_vocabulary_load(lbk_vocabulary *v, const char *path, bool marked) {
    unsigned char *bytes = NULL;
    size_t length, at = 0;
    LBK_TRY(lbk_gzip_read(path, &bytes, &length));
    lbk_status status = LBK_OK;
    while (at < length && status == LBK_OK) {
        const char *line = (const char *)bytes + at, *end = memchr(line, '\n', length - at);
        size_t all = end ? (size_t)(end - line) : length - at, used = all;
        used -= used && line[used - 1] == '\r';
        status = add_line(v, path, line, used);
        at += all + 1;
    }
    free(bytes);
    return status == LBK_OK ? find_special(v, path, marked) : status;
}

typedef struct counted {
    const char *word;
    uint32_t count;
    int number;
} counted;

static int by_count(const void *a, const void *b) {
    const counted *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : x->number - y->number;
}

lbk_status lbk_vocabulary_build(lbk_vocabulary *v, const lbk_dictionary *counts, int min_count, int max_size) {
    counted *sorted = NULL;
    int number;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc((size_t)counts->count + 1, sizeof *sorted, &sorted));
    for (int i = 0; i < counts->count; i++)
        sorted[i] = (counted){counts->words[i], counts->counts[i], i};
    qsort(sorted, (size_t)counts->count, sizeof *sorted, by_count);
    for (int i = 0; i < SPECIAL; i++)
        LBK_GOTO(lbk_dictionary_add(&v->words, special[i], strlen(special[i]), &number));
    for (int i = 0; i < counts->count && v->words.count < max_size && sorted[i].count >= (uint32_t)min_count; i++)
        LBK_GOTO(lbk_dictionary_add(&v->words, sorted[i].word, strlen(sorted[i].word), &number));
    status = find_special(v, "vocabulary", true);
out:
    free(sorted);
    return status;
}

/* ---- Numbers ---- */

typedef struct encoding {
    const lbk_vocabulary *vocabulary;
    int32_t *numbers;
    int count, most;
} encoding;

static void put(encoding *e, int number) {
    if (e->count < e->most)
        e->numbers[e->count++] = number;
}

/* The longest piece of the vocabulary that `word` begins with; -1: there is none. It ends where a character does. */
static int longest_piece(const lbk_vocabulary *v, char *piece, const char *word, size_t *length) {
    for (; *length; --*length) {
        if ((word[*length] & 0xc0) == 0x80)
            continue;
        memcpy(piece + 2, word, *length);
        int number = piece[0] ? lbk_dictionary_find(&v->words, piece, *length + 2)
                              : lbk_dictionary_find(&v->words, piece + 2, *length);
        if (number >= 0)
            return number;
    }
    return -1;
}

enum { LONGEST_WORD = 100 }; /* characters; a longer word is unknown, as in BERT's WordpieceTokenizer */

static size_t characters(const char *word, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += (word[i] & 0xc0) != 0x80;
    return count;
}

/* Greedily, the longest first; a word with a piece that is not there is unknown as a whole. */
static lbk_status put_pieces(encoding *e, const char *word, size_t length) {
    char piece[2 + 4 * LONGEST_WORD], copy[4 * LONGEST_WORD + 1];
    int first = e->count;
    if (characters(word, length) > LONGEST_WORD) {
        put(e, e->vocabulary->unknown);
        return LBK_OK;
    }
    memcpy(copy, word, length);
    copy[length] = '\0';
    for (size_t at = 0, used; at < length; at += used) {
        piece[0] = piece[1] = at ? '#' : '\0';
        used = length - at;
        int number = longest_piece(e->vocabulary, piece, copy + at, &used);
        if (number < 0) {
            e->count = first;
            put(e, e->vocabulary->unknown);
            return LBK_OK;
        }
        put(e, number);
    }
    return LBK_OK;
}

static lbk_status put_word(void *context, const char *word, size_t length) {
    encoding *e = context;
    if (e->vocabulary->pieces)
        return put_pieces(e, word, length);
    int number = lbk_dictionary_find(&e->vocabulary->words, word, length);
    put(e, number < 0 ? e->vocabulary->unknown : number);
    return LBK_OK;
}

lbk_status lbk_vocabulary_encode(const lbk_vocabulary *v, const char *text, bool marked, int most, int32_t *numbers,
                                 int *count) {
    encoding e = {.vocabulary = v, .numbers = numbers, .most = marked ? most - 1 : most};
    LBK_ENSURE(most >= 3);
    if (marked)
        put(&e, v->begin);
    int before = e.count;
    LBK_TRY(lbk_words_each(text, v->lower_case, put_word, &e));
    if (e.count == before)
        put(&e, v->unknown);
    e.most = most;
    if (marked)
        put(&e, v->end);
    *count = e.count;
    return LBK_OK;
}
