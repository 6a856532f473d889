/* Text into words, and words into numbers.
 *
 * Words are those of BERT's BasicTokenizer (Devlin et al. 2018, google-research/bert, tokenization.py): control characters vanish,
 * words end at white space, every punctuation mark and every Chinese character is a word of its own; in lower case, which also takes
 * the accents off. Letters with accents are known up to U+017F (Latin-1 and Latin Extended-A), and separate accents, U+0300 to U+036F;
 * letters of other scripts stay as they are. */
#ifndef LBK_DATA_WORDS_H
#define LBK_DATA_WORDS_H

#include "data/dictionary.h"

#include <stdbool.h>

/* Where the first byte that is no UTF-8 stands; SIZE_MAX: all is. `text` ends with 0. */
size_t lbk_words_invalid(const char *text);

/* Gets the words of a text, one after the other; `word` does not end with 0. */
typedef lbk_status (*lbk_take_word)(void *context, const char *word, size_t length);
/* `text` is UTF-8 and ends with 0. */
lbk_status lbk_words_each(const char *text, bool lower_case, lbk_take_word take, void *context);

/* What a network reads instead of words. [PAD] is number 0. */
typedef struct lbk_vocabulary {
    lbk_dictionary words;
    int unknown, begin, end; /* [UNK], [CLS], [SEP] */
    bool lower_case;
    bool pieces; /* WordPiece: a word is cut into the longest pieces that are there, those behind the first with "##" */
} lbk_vocabulary;

void lbk_vocabulary_release(lbk_vocabulary *vocabulary);
/* A file with one word a line, the first one number 0. It has [PAD] there, [UNK], and, if `marks`, [CLS] and [SEP]. Errors name file and
 * line. */
lbk_status lbk_vocabulary_load(lbk_vocabulary *vocabulary, const char *path, bool marks);
/* Of words and how often each came: the marks, then the words that came at least min_count times, most frequent first (of equals the one
 * that came first), max_size in all. */
lbk_status lbk_vocabulary_build(lbk_vocabulary *vocabulary, const lbk_dictionary *counts, int min_count, int max_size);

/* The numbers of a text, at least one and at most `most` >= 3, [CLS] and [SEP] about them if `marks`; what is beyond is cut off. */
lbk_status lbk_vocabulary_encode(const lbk_vocabulary *vocabulary, const char *text, bool marks, int most,
                                 int32_t *numbers, int *count);

#endif
