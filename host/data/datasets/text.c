/* Sentences (data/sentences.h) and their classes. */
#include "base/file.h"
#include "data/gzip.h"
#include "data/listing.h"
#include "data/sentences.h"

#include <stdlib.h>
#include <string.h>

typedef struct text_params {
    lbk_sentences_params sentences;
    const char *path, *test_path;
    double test_share;
} text_params;

static const lbk_param text_table[] = {
    LBK_PARAM_PATH(text_params, path, NULL,
                   "a folder of CLASS.txt or CLASS.txt.gz, a sentence a line; or a file of lines class, tab, sentence",
                   NULL),
    LBK_PARAM_PATH(text_params, test_path, "", "the same for testing; empty: see test_share", NULL),
    LBK_PARAM_FLOAT(text_params, test_share, "0", 0, 0.9, NULL,
                    "share of the sentences that are for testing, class-balanced, the same for every seed", NULL),
    LBK_SENTENCES_ROWS, LBK_PARAM_END};

typedef struct text_state {
    lbk_rows rows;
    lbk_sentences sentences;
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

/* ---- Rows ---- */

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

static lbk_status set_sentences(opening *o, const char *folder) {
    const char **texts = NULL;
    LBK_TRY(lbk_arena_alloc(&o->arena, o->count * sizeof *texts, &texts));
    for (size_t i = 0; i < o->count; i++)
        texts[i] = o->sentences[i].text;
    return lbk_sentences_open(&o->state->sentences, &o->params->sentences, folder, &o->state->rows, texts);
}

/* ---- The dataset ---- */

static lbk_status open_text(const void *params, const char *folder, lbk_source *source) {
    opening o = {.params = params, .source = source};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(1, sizeof *o.state, &o.state));
    source->state = o.state;
    LBK_GOTO(read_files(&o, folder));
    LBK_GOTO(set_rows(&o));
    LBK_GOTO(set_sentences(&o, folder));
    lbk_sentences_describe(&o.state->sentences, source);
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
    *label = state->rows.label[row];
    if (inputs)
        lbk_sentences_read(&state->sentences, row, inputs);
    return LBK_OK;
}

static void close_text(lbk_source *source) {
    text_state *state = source->state;
    if (state) {
        lbk_rows_release(&state->rows);
        lbk_sentences_release(&state->sentences);
        lbk_arena_release(&state->arena);
        free(state);
    }
    memset(source, 0, sizeof *source);
}

static lbk_status keep_text(const lbk_source *source, lbk_text *out) {
    const text_state *state = source->state;
    return lbk_sentences_keep(&state->sentences, out);
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
