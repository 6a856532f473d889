#include "data/sentences.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_WORD, TOKEN_PIECE };
const char *const lbk_sentences_tokens[] = {"words", "pieces", NULL};

static lbk_status count_word(void *context, const char *word, size_t length) {
    int number;
    return lbk_dictionary_add(context, word, length, &number);
}

static lbk_status build_vocabulary(lbk_vocabulary *vocabulary, const lbk_sentences_params *p, const lbk_rows *rows,
                                   const char *const *texts) {
    lbk_dictionary counts = {0};
    lbk_status status = LBK_OK;
    for (uint32_t i = 0; i < rows->train_count; i++)
        LBK_GOTO(lbk_words_each(texts[rows->train_order[i]], p->lower_case, count_word, &counts));
    status = lbk_vocabulary_build(vocabulary, &counts, p->min_count, p->max_size);
out:
    lbk_dictionary_release(&counts);
    return status;
}

static lbk_status set_vocabulary(lbk_sentences *s, const lbk_sentences_params *p, const char *folder,
                                 const lbk_rows *rows, const char *const *texts) {
    lbk_vocabulary *vocabulary = &s->vocabulary;
    char *path = NULL;
    vocabulary->lower_case = p->lower_case;
    vocabulary->pieces = p->tokens == TOKEN_PIECE;
    if (!*p->vocabulary && vocabulary->pieces)
        return lbk_fail(LBK_ERR_INPUT, "tokens = pieces needs a file: give vocabulary");
    if (!*p->vocabulary)
        return build_vocabulary(vocabulary, p, rows, texts);
    LBK_TRY(lbk_path_join(folder, p->vocabulary, &path));
    lbk_status status = lbk_vocabulary_load(vocabulary, path, p->marks);
    free(path);
    return status;
}

lbk_status lbk_sentences_open(lbk_sentences *s, const lbk_sentences_params *p, const char *folder, const lbk_rows *rows,
                              const char *const *texts) {
    size_t capacity = 0, used = 0, length = (size_t)p->length;
    s->length = p->length;
    LBK_TRY(set_vocabulary(s, p, folder, rows, texts));
    LBK_TRY(lbk_calloc((size_t)rows->count + 1, sizeof *s->first, &s->first));
    for (uint32_t i = 0; i < rows->count; i++) {
        int count = 0;
        LBK_TRY(lbk_grow(&s->numbers, &capacity, used + length, sizeof *s->numbers));
        LBK_TRY(lbk_vocabulary_encode(&s->vocabulary, texts[i], p->marks, p->length, s->numbers + used, &count));
        used += (size_t)count;
        s->first[i + 1] = used;
    }
    return LBK_OK;
}

void lbk_sentences_release(lbk_sentences *s) {
    lbk_vocabulary_release(&s->vocabulary);
    free(s->numbers);
    free(s->first);
    *s = (lbk_sentences){.length = 0};
}

enum { TOKENS, MASK, TYPES, LENGTHS };

static void add_size(lbk_source *source, const char *name, int64_t value) {
    int at = 0;
    while (at < source->size_count && strcmp(source->sizes[at].name, name) != 0)
        at++;
    if (at == source->size_count)
        source->sizes[source->size_count++] = (lbk_size){name, value};
    else if (source->sizes[at].value < value)
        source->sizes[at].value = value;
}

void lbk_sentences_describe(const lbk_sentences *s, lbk_source *source) {
    static const char *const names[LBK_SENTENCES_INPUTS] = {"tokens", "mask", "types", "lengths"};
    for (int i = 0; i < LBK_SENTENCES_INPUTS; i++)
        source->inputs[source->input_count++] =
            (lbk_sample_input){names[i], {LBK_I32, lbk_shape_1(i == LENGTHS ? 1 : s->length)}};
    add_size(source, "vocabulary", s->vocabulary.words.count);
    add_size(source, "length", s->length);
}

void lbk_sentences_read(const lbk_sentences *s, uint32_t row, const lbk_numbers *inputs) {
    size_t first = s->first[row], count = s->first[row + 1] - first, length = (size_t)s->length;
    memset(inputs[TOKENS].i32, 0, length * sizeof(int32_t));
    memcpy(inputs[TOKENS].i32, s->numbers + first, count * sizeof(int32_t));
    for (size_t i = 0; i < length; i++)
        inputs[MASK].i32[i] = i < count;
    memset(inputs[TYPES].i32, 0, length * sizeof(int32_t));
    *inputs[LENGTHS].i32 = (int32_t)count;
}

lbk_status lbk_sentences_keep(const lbk_sentences *s, lbk_text *out) {
    for (int i = 0; i < s->vocabulary.words.count; i++)
        LBK_TRY(lbk_text_printf(out, "%s\n", s->vocabulary.words.words[i]));
    return LBK_OK;
}
