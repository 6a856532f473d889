/* Sentences and their classes. They become numbers of words or of word pieces (data/words.h), all as many, the rest padding; the
 * words of a vocabulary that is not given come from training sentences alone. */
#include "base/file.h"
#include "data/gzip.h"
#include "data/listing.h"
#include "data/rows.h"
#include "data/words.h"

#include <stdlib.h>
#include <string.h>

typedef enum token_kind { TOKEN_WORD, TOKEN_PIECE } token_kind;
static const char *const token_names[] = {"words", "pieces", NULL};

typedef struct text_params {
    const char *path, *test_path, *vocabulary;
    double test_share;
    int tokens, length, min_count, max_size;
    bool lower_case, marks;
} text_params;

static const lbk_param text_table[] = {
    LBK_PARAM_PATH(text_params, path, NULL,
                   "a folder of CLASS.txt or CLASS.txt.gz, a sentence a line; or a file of lines class, tab, sentence",
                   NULL),
    LBK_PARAM_PATH(text_params, test_path, "", "the same for testing; empty: see test_share", NULL),
    LBK_PARAM_FLOAT(text_params, test_share, "0", 0, 0.9, NULL,
                    "share of the sentences that are for testing, class-balanced, the same for every seed", NULL),
    LBK_PARAM_CHOICE(text_params, tokens, "words", token_names,
                     "what a number stands for: a word, or a piece of one, the longest first (WordPiece)",
                     "Wu et al. 2016 (arXiv 1609.08144); Devlin et al. 2018"),
    LBK_PARAM_PATH(text_params, vocabulary, "",
                   "file of words or pieces, one a line, as BERT's vocab.txt; empty: the training part's words", NULL),
    LBK_PARAM_INT(text_params, min_count, "2", 1, 1 << 30, NULL,
                  "how often a word must come to be one of the vocabulary that is made", NULL),
    LBK_PARAM_INT(text_params, max_size, "20000", 5, 1 << 24, "words", "most words of the vocabulary that is made",
                  NULL),
    LBK_PARAM_BOOL(text_params, lower_case, "yes", "no capitals and no accents", NULL),
    LBK_PARAM_BOOL(text_params, marks, "yes", "a sentence begins with [CLS] and ends with [SEP]", NULL),
    LBK_PARAM_INT(text_params, length, "64", 3, 4096, "tokens", "of a sample; longer sentences are cut", NULL),
    LBK_PARAM_END};

typedef struct text_state {
    lbk_rows rows;
    lbk_vocabulary vocabulary;
    int length;
    int32_t *numbers; /* all sentences, one behind the other */
    size_t *first;    /* [rows + 1]: where each begins there */
    lbk_arena arena;
} text_state;

typedef struct sentence {
    const char *text, *path;
    uint32_t line;
    int label; /* number of its name; -1: nobody knows it */
    bool test;
} sentence;

/* While it is opened. */
typedef struct opening {
    const text_params *params;
    sentence *sentences;
    size_t count, capacity;
    lbk_dictionary names;
    lbk_arena arena; /* the files' texts */
    text_state *state;
    lbk_source *source;
} opening;

/* ---- Files ---- */

static lbk_status find_label(opening *o, const sentence *s, const char *name, size_t length, int *out) {
    *out = -1;
    if (!s->test)
        return length ? lbk_dictionary_add(&o->names, name, length, out) : LBK_OK;
    *out = lbk_dictionary_find(&o->names, name, length);
    if (*out < 0)
        return lbk_fail(LBK_ERR_INPUT, "%s:%u: no training sentence is of the class \"%.*s\"", s->path, s->line,
                        (int)(length < 60 ? length : 60), name);
    return LBK_OK;
}

/* One line, without its end; `name` NULL: the line begins with it. Empty ones are passed over. */
static lbk_status add_line(opening *o, sentence s, const char *name) {
    size_t wrong = lbk_words_invalid(s.text), length = name ? strlen(name) : 0;
    if (wrong != SIZE_MAX)
        return lbk_fail(LBK_ERR_INPUT, "%s:%u: byte %zu of the line is no UTF-8", s.path, s.line, wrong + 1);
    if (!s.text[strspn(s.text, " \t\r")])
        return LBK_OK;
    if (!name) {
        const char *tab = strchr(s.text, '\t');
        if (!tab)
            return lbk_fail(LBK_ERR_INPUT, "%s:%u: expected a class, a tab and a sentence", s.path, s.line);
        name = s.text;
        length = (size_t)(tab - name);
        s.text = tab + 1;
    }
    LBK_TRY(find_label(o, &s, name, length, &s.label));
    LBK_TRY(lbk_grow(&o->sentences, &o->capacity, o->count + 1, sizeof *o->sentences));
    o->sentences[o->count++] = s;
    return LBK_OK;
}

static lbk_status add_lines(opening *o, char *text, size_t length, sentence s, const char *name) {
    for (char *end = text + length, *next; text < end; text = next) {
        char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop)
            stop = end;
        next = stop + 1;
        *stop = '\0';
        s.line++;
        if (strlen(text) != (size_t)(stop - text))
            return lbk_fail(LBK_ERR_INPUT, "%s:%u: a byte 0: this is no text", s.path, s.line);
        s.text = text;
        LBK_TRY(add_line(o, s, name));
    }
    return LBK_OK;
}

static lbk_status read_file(opening *o, const char *path, const char *name, bool test) {
    unsigned char *bytes = NULL;
    size_t length;
    char *text = NULL;
    sentence s = {.test = test};
    LBK_TRY(lbk_arena_strdup(&o->arena, path, &s.path));
    LBK_TRY(lbk_gzip_read(path, &bytes, &length));
    lbk_status status = lbk_arena_alloc(&o->arena, length + 1, &text);
    if (status == LBK_OK)
        memcpy(text, bytes, length);
    free(bytes);
    return status == LBK_OK ? add_lines(o, text, length, s, name) : status;
}

static int is_text_name(const struct dirent *entry) {
    return lbk_listing_not_hidden(entry) &&
           (lbk_listing_ends(entry->d_name, ".txt") || lbk_listing_ends(entry->d_name, ".txt.gz"));
}

/* "neg.txt.gz" holds the class "neg". */
static lbk_status read_class(opening *o, const char *folder, const char *file, bool test) {
    const char *path, *name;
    size_t ending = lbk_listing_ends(file, ".gz") ? strlen(".txt.gz") : strlen(".txt");
    LBK_TRY(lbk_arena_printf(&o->arena, &path, "%s/%s", folder, file));
    LBK_TRY(lbk_arena_printf(&o->arena, &name, "%.*s", (int)(strlen(file) - ending), file));
    return read_file(o, path, name, test);
}

static lbk_status read_path(opening *o, const char *path, bool test) {
    struct dirent **names;
    int count;
    lbk_status status = LBK_OK;
    if (!lbk_path_is_folder(path))
        return read_file(o, path, NULL, test);
    LBK_TRY(lbk_listing(path, is_text_name, &names, &count));
    if (!count)
        status = lbk_fail(LBK_ERR_INPUT, "%s: no .txt or .txt.gz files", path);
    for (int i = 0; i < count && status == LBK_OK; i++)
        status = read_class(o, path, names[i]->d_name, test);
    lbk_listing_free(names, count);
    return status;
}

static lbk_status read_files(opening *o, const char *folder) {
    const text_params *p = o->params;
    char *path = NULL, *test = NULL;
    lbk_status status = LBK_OK;
    if (*p->test_path && p->test_share > 0)
        return lbk_fail(LBK_ERR_INPUT, "test_share has no effect: test_path is given; give one or the other");
    if (!*p->test_path && p->test_share == 0)
        return lbk_fail(LBK_ERR_INPUT, "no sentence is for testing: give test_share or test_path");
    LBK_GOTO(lbk_path_join(folder, p->path, &path));
    LBK_GOTO(read_path(o, path, false));
    if (*p->test_path) {
        LBK_GOTO(lbk_path_join(folder, p->test_path, &test));
        LBK_GOTO(read_path(o, test, true));
    }
out:
    free(path);
    free(test);
    return status;
}

/* ---- Numbers ---- */

static lbk_status set_rows(opening *o) {
    lbk_rows *rows = &o->state->rows;
    int *rank = NULL;
    LBK_TRY(lbk_rows_classes(&o->names, &o->state->arena, o->source, &rank));
    if (o->count > INT32_MAX)
        return lbk_fail(LBK_ERR_INPUT, "%zu sentences are too many", o->count);
    LBK_TRY(lbk_rows_alloc(rows, (uint32_t)o->count));
    for (size_t i = 0; i < o->count; i++) {
        const sentence *s = &o->sentences[i];
        rows->label[i] = s->label < 0 ? -1 : rank[s->label];
        rows->test[i] = s->test;
    }
    if (o->params->test_share > 0)
        LBK_TRY(lbk_rows_split(rows, o->source->classes, o->params->test_share));
    return lbk_rows_finish(rows, o->source);
}

static lbk_status count_word(void *context, const char *word, size_t length) {
    int number;
    return lbk_dictionary_add(context, word, length, &number);
}

static lbk_status build_vocabulary(opening *o) {
    const text_params *p = o->params;
    const lbk_rows *rows = &o->state->rows;
    lbk_dictionary counts = {0};
    lbk_status status = LBK_OK;
    for (uint32_t i = 0; i < rows->train_count; i++)
        LBK_GOTO(lbk_words_each(o->sentences[rows->train_order[i]].text, p->lower_case, count_word, &counts));
    status = lbk_vocabulary_build(&o->state->vocabulary, &counts, p->min_count, p->max_size);
out:
    lbk_dictionary_release(&counts);
    return status;
}

static lbk_status set_vocabulary(opening *o, const char *folder) {
    const text_params *p = o->params;
    lbk_vocabulary *vocabulary = &o->state->vocabulary;
    char *path = NULL;
    vocabulary->lower_case = p->lower_case;
    vocabulary->pieces = p->tokens == TOKEN_PIECE;
    if (!*p->vocabulary && vocabulary->pieces)
        return lbk_fail(LBK_ERR_INPUT, "tokens = pieces needs a file: give vocabulary");
    if (!*p->vocabulary)
        return build_vocabulary(o);
    LBK_TRY(lbk_path_join(folder, p->vocabulary, &path));
    lbk_status status = lbk_vocabulary_load(vocabulary, path, p->marks);
    free(path);
    return status;
}

static lbk_status encode_all(opening *o) {
    text_state *state = o->state;
    size_t capacity = 0, used = 0, length = (size_t)o->params->length;
    LBK_TRY(lbk_calloc(o->count + 1, sizeof *state->first, &state->first));
    for (size_t i = 0; i < o->count; i++) {
        int count = 0;
        LBK_TRY(lbk_grow(&state->numbers, &capacity, used + length, sizeof *state->numbers));
        LBK_TRY(lbk_vocabulary_encode(&state->vocabulary, o->sentences[i].text, o->params->marks, o->params->length,
                                      state->numbers + used, &count));
        used += (size_t)count;
        state->first[i + 1] = used;
    }
    return LBK_OK;
}

/* ---- The dataset ---- */

enum { TOKENS, MASK, TYPES, LENGTHS, INPUTS };

static void describe(opening *o) {
    static const char *const names[INPUTS] = {"tokens", "mask", "types", "lengths"};
    lbk_source *source = o->source;
    for (int i = 0; i < INPUTS; i++)
        source->inputs[i] = (lbk_sample_input){names[i], {LBK_I32, lbk_shape_1(i == LENGTHS ? 1 : o->params->length)}};
    source->input_count = INPUTS;
    source->sizes[0] = (lbk_size){"vocabulary", o->state->vocabulary.words.count};
    source->sizes[1] = (lbk_size){"length", o->params->length};
    source->size_count = 2;
    o->state->length = o->params->length;
}

static lbk_status open_text(const void *params, const char *folder, lbk_source *source) {
    opening o = {.params = params, .source = source};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(1, sizeof *o.state, &o.state));
    source->state = o.state;
    LBK_GOTO(read_files(&o, folder));
    LBK_GOTO(set_rows(&o));
    LBK_GOTO(set_vocabulary(&o, folder));
    LBK_GOTO(encode_all(&o));
    describe(&o);
out:
    free(o.sentences);
    lbk_dictionary_release(&o.names);
    lbk_arena_release(&o.arena);
    return status;
}

static lbk_status read_text(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs,
                            int *label) {
    const text_state *state = source->state;
    uint32_t row = lbk_rows_find(&state->rows, part, index);
    size_t first = state->first[row], count = state->first[row + 1] - first, length = (size_t)state->length;
    *label = state->rows.label[row];
    if (!inputs)
        return LBK_OK;
    memset(inputs[TOKENS].i32, 0, length * sizeof(int32_t));
    memcpy(inputs[TOKENS].i32, state->numbers + first, count * sizeof(int32_t));
    for (size_t i = 0; i < length; i++)
        inputs[MASK].i32[i] = i < count;
    memset(inputs[TYPES].i32, 0, length * sizeof(int32_t));
    *inputs[LENGTHS].i32 = (int32_t)count;
    return LBK_OK;
}

static void close_text(lbk_source *source) {
    text_state *state = source->state;
    if (state) {
        lbk_rows_release(&state->rows);
        lbk_vocabulary_release(&state->vocabulary);
        free(state->numbers);
        free(state->first);
        lbk_arena_release(&state->arena);
        free(state);
    }
    memset(source, 0, sizeof *source);
}

/* The words, one a line. */
static lbk_status keep_text(const lbk_source *source, lbk_text *out) {
    const text_state *state = source->state;
    for (int i = 0; i < state->vocabulary.words.count; i++)
        LBK_TRY(lbk_text_printf(out, "%s\n", state->vocabulary.words.words[i]));
    return LBK_OK;
}

const lbk_dataset lbk_dataset_text = {
    .name = "text",
    .summary = "sentences and their classes: a file a class, or lines of class and sentence",
    .origin = "your own files",
    .params = text_table,
    .params_size = sizeof(text_params),
    .no_images = true,
    .keep_key = "vocabulary",
    .keep_file = "vocabulary.txt",
    .open = open_text,
    .read = read_text,
    .keep = keep_text,
    .close = close_text,
};
