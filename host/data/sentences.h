/* Sentences as inputs of a sample: numbers of words or of word pieces (data/words.h), all as many, the rest padding. The words of a
 * vocabulary that is not given come from training sentences alone. text and table share this. */
#ifndef LBK_DATA_SENTENCES_H
#define LBK_DATA_SENTENCES_H

#include "data/rows.h"
#include "data/words.h"

/* The first field of the dataset's own. */
typedef struct lbk_sentences_params {
    const char *vocabulary;
    int tokens, length, min_count, max_size;
    bool lower_case, marks;
} lbk_sentences_params;
extern const char *const lbk_sentences_tokens[];

/* Rows of the dataset's table. */
#define LBK_SENTENCES_ROWS                                                                                             \
    LBK_PARAM_CHOICE(lbk_sentences_params, tokens, "words", lbk_sentences_tokens,                                      \
                     "what a number stands for: a word, or a piece of one, the longest first (WordPiece)",             \
                     "Wu et al. 2016 (arXiv 1609.08144); Devlin et al. 2018"),                                         \
        LBK_PARAM_PATH(lbk_sentences_params, vocabulary, "",                                                           \
                       "file of words or pieces, one a line, as BERT's vocab.txt; empty: the training part's words",   \
                       NULL),                                                                                          \
        LBK_PARAM_INT(lbk_sentences_params, min_count, "2", 1, 1 << 30, NULL,                                          \
                      "how often a word must come to be one of the vocabulary that is made", NULL),                    \
        LBK_PARAM_INT(lbk_sentences_params, max_size, "20000", 5, 1 << 24, "words",                                    \
                      "most words of the vocabulary that is made", NULL),                                              \
        LBK_PARAM_BOOL(lbk_sentences_params, lower_case, "yes", "no capitals and no accents", NULL),                   \
        LBK_PARAM_BOOL(lbk_sentences_params, marks, "yes", "a sentence begins with [CLS] and ends with [SEP]", NULL),  \
        LBK_PARAM_INT(lbk_sentences_params, length, "64", 3, 4096, "tokens", "of a sample; longer sentences are cut",  \
                      NULL)

/* Zero-initialise, open, release. */
typedef struct lbk_sentences {
    lbk_vocabulary vocabulary;
    int length;
    int32_t *numbers; /* all sentences, one behind the other */
    size_t *first;    /* [rows + 1]: where each begins there */
} lbk_sentences;

/* texts[rows->count], UTF-8; not kept. `folder`: where a relative path of `vocabulary` starts. */
lbk_status lbk_sentences_open(lbk_sentences *s, const lbk_sentences_params *params, const char *folder,
                              const lbk_rows *rows, const char *const *texts);
void lbk_sentences_release(lbk_sentences *s); /* harmless on a zeroed one */

#define LBK_SENTENCES_INPUTS 4
/* Adds the inputs tokens, mask, types [length] and lengths [1], and the sizes vocabulary and length. Of a vocabulary that is there
 * already, for categories, the larger counts: one size serves both. */
void lbk_sentences_describe(const lbk_sentences *s, lbk_source *source);
/* Those inputs of a row. */
void lbk_sentences_read(const lbk_sentences *s, uint32_t row, const lbk_numbers *inputs);
/* The words, one a line (lbk_dataset.keep). */
lbk_status lbk_sentences_keep(const lbk_sentences *s, lbk_text *out);

#endif
