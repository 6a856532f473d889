/* The dataset `text`, and the words below it. Several cases are those of google-research/bert, tokenization_test.py. */
#include "base/file.h"
#include "data/helpers/box.h"
#include "data/words.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(text, .init = box_make, .fini = box_remove);

static void write_text(const char *name, const char *text) {
    box_write(name, text, strlen(text));
}

static lbk_status join(void *context, const char *word, size_t length) {
    lbk_text *all = context;
    return lbk_text_printf(all, "%s%.*s", all->length ? "|" : "", (int)length, word);
}

Test(text, words_are_those_of_bert) {
    static const struct {
        const char *text;
        bool lower_case;
        const char *words;
    } cases[] = {
        {" \tHeLLo!how  \n Are yoU?  ", true, "hello|!|how|are|you|?"},
        {" \tHeLLo!how  \n Are yoU?  ", false, "HeLLo|!|how|Are|yoU|?"},
        {"H\xc3\xa9llo", true, "hello"},
        {"H\xc3\xa9llo", false, "H\xc3\xa9llo"},
        {"ah\xe5\x8d\x9a\xe6\x8e\xa8zz", true, "ah|\xe5\x8d\x9a|\xe6\x8e\xa8|zz"},
        {"He\xcc\x81LLO", true, "hello"},
        {"a\x01"
         "b\xc2\xad"
         "c\xef\xbf\xbd"
         "d\x7f",
         true, "abcd"},
        {"a\xc2\xa0"
         "b\xe3\x80\x80"
         "c\xe2\x80\xa8"
         "d",
         true, "a|b|c|d"},
        {"don't @ 3.5$ [PAD]", true, "don|'|t|@|3|.|5|$|[|pad|]"},
        {"\xc3\x85ngstr\xc3\xb6m \xc5\xbb\xc3\xb3\xc5\x82w \xc3\x9e\xc3\xa6 \xc3\x9f", true,
         "angstrom|zo\xc5\x82w|\xc3\xbe\xc3\xa6|\xc3\x9f"},
        {"\xc2\xbfque\xe2\x80\x94no\xe2\x80\xa6\xc3\x97", true, "\xc2\xbf|que|\xe2\x80\x94|no|\xe2\x80\xa6|\xc3\x97"},
        {"\xf0\x9f\x98\x80", true, "\xf0\x9f\x98\x80"},
        {" \xcc\x81 ", true, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lbk_text all = {0};
        cr_assert_eq(lbk_text_printf(&all, "%s", ""), LBK_OK);
        cr_assert_eq(lbk_words_invalid(cases[i].text), SIZE_MAX, "%zu", i);
        cr_assert_eq(lbk_words_each(cases[i].text, cases[i].lower_case, join, &all), LBK_OK);
        cr_assert_str_eq(all.data, cases[i].words, "%zu: %s", i, all.data);
        lbk_text_release(&all);
    }
}

Test(text, what_is_no_utf_8_is_found) {
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {{"ab\xff", 2},        {"\x80", 0},
                 {"a\xc3", 1},         {"a\xc3(", 1},
                 {"\xc0\x80", 0},      {"\xe0\x80\xaf", 0},
                 {"x\xed\xa0\x80", 1}, {"\xf4\x90\x80\x80", 0},
                 {"\xf8\x88\x80", 0},  {"\xe2\x82\xac", SIZE_MAX},
                 {"", SIZE_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(lbk_words_invalid(cases[i].text), cases[i].at, "%zu", i);
}

static const char pieces[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nwant\n##want\n##ed\nwa\nun\nrunn\n##ing\n,\n##\xc3\xa9\n";

Test(text, pieces_are_the_longest_first) {
    static const struct {
        const char *text;
        bool marks;
        int most, count;
        int32_t numbers[8];
    } cases[] = {
        {"", false, 8, 1, {1}},
        {"unwanted running", false, 8, 5, {8, 5, 6, 9, 10}},
        {"unwantedX running", false, 8, 3, {1, 9, 10}},
        {"wanted,WANTED", false, 8, 4, {4, 6, 11, 1}},
        {"unwanted running", true, 8, 7, {2, 8, 5, 6, 9, 10, 3}},
        {"unwanted running", true, 5, 5, {2, 8, 5, 6, 3}},
        {"unwanted running", true, 3, 3, {2, 8, 3}},
        {"wa", false, 8, 1, {7}},
        {"want\xc3\xa9", false, 8, 2, {4, 12}},
        {"want\xc3\xa8", false, 8, 1, {1}},
    };
    lbk_vocabulary v = {.pieces = true};
    char path[300];
    write_text("vocab.txt", pieces);
    snprintf(path, sizeof path, "%s/vocab.txt", box_path());
    cr_assert_eq(lbk_vocabulary_load(&v, path, true), LBK_OK, "%s", lbk_error_message());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t numbers[8] = {0};
        int count;
        cr_assert_eq(lbk_vocabulary_encode(&v, cases[i].text, cases[i].marks, cases[i].most, numbers, &count), LBK_OK);
        cr_assert_eq(count, cases[i].count, "%zu: %d", i, count);
        for (int k = 0; k < cases[i].count; k++)
            cr_assert_eq(numbers[k], cases[i].numbers[k], "%zu: %d", i, numbers[k]);
    }
    lbk_vocabulary_release(&v);
}

/* A word of more than 100 characters is unknown, whatever its pieces; 100 are cut. */
Test(text, very_long_words_are_unknown) {
    lbk_vocabulary v = {.pieces = true};
    char path[300], word[102] = "wa";
    int32_t numbers[128];
    int count;
    write_text("vocab.txt", "[PAD]\n[UNK]\nwa\n##n\n");
    snprintf(path, sizeof path, "%s/vocab.txt", box_path());
    cr_assert_eq(lbk_vocabulary_load(&v, path, false), LBK_OK, "%s", lbk_error_message());
    memset(word + 2, 'n', 99);
    cr_assert_eq(lbk_vocabulary_encode(&v, word, false, 128, numbers, &count), LBK_OK);
    cr_assert(count == 1 && numbers[0] == 1);
    word[100] = '\0';
    cr_assert_eq(lbk_vocabulary_encode(&v, word, false, 128, numbers, &count), LBK_OK);
    cr_assert(count == 99 && numbers[0] == 2 && numbers[98] == 3);
    lbk_vocabulary_release(&v);
}

#define HEAD "[data]\ndataset = text\n"

static void expect_sample(const box_data *box, lbk_part part, uint32_t index, int label, const int32_t *tokens,
                          int count) {
    enum { LENGTH = 6 };
    int32_t have[LENGTH], mask[LENGTH], types[LENGTH], length;
    lbk_numbers inputs[] = {{.i32 = have}, {.i32 = mask}, {.i32 = types}, {.i32 = &length}};
    int found;
    cr_assert_eq(box->data.dataset->read(&box->data.source, part, index, inputs, &found), LBK_OK);
    cr_assert_eq(found, label, "%u: %d", index, found);
    cr_assert_eq(length, count, "%u: %d", index, length);
    for (int i = 0; i < LENGTH; i++) {
        cr_assert_eq(have[i], i < count ? tokens[i] : 0, "%u: %d: %d", index, i, have[i]);
        cr_assert_eq(mask[i], i < count);
        cr_assert_eq(types[i], 0);
    }
}

/* "good" and "film" come three times, "bad" and "a" twice, in this order; "dull" once; "test" is no word of training. */
Test(text, vocabulary_and_samples_come_from_files_of_classes) {
    static const char words[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nfilm\ngood\na\nbad\n";
    box_data box;
    lbk_text kept = {0};
    const char *name;
    write_text("f/neg.txt", "a bad film\n\nbad dull film\n");
    box_write_gzip("f/pos.txt.gz", "Good film\r\na GOOD good", 22);
    write_text("f/readme.md", "no class\n");
    write_text("t.tsv", "pos\tfilm test film good a bad bad\nneg\tbad\n");
    box_open_ok(&box, HEAD "path = f\ntest_path = t.tsv\nlength = 6\n", 1);
    const lbk_source *s = &box.data.source;
    cr_assert(s->classes == 2 && s->train_count == 4 && s->test_count == 2 && s->input_count == 4);
    cr_assert_str_eq(s->class_names[1], "pos");
    cr_assert(s->sizes[0].value == 8 && s->sizes[1].value == 6);
    expect_sample(&box, LBK_PART_TRAIN, 0, 0, (int32_t[]){2, 6, 7, 4, 3}, 5);
    expect_sample(&box, LBK_PART_TRAIN, 1, 0, (int32_t[]){2, 7, 1, 4, 3}, 5);
    expect_sample(&box, LBK_PART_TRAIN, 2, 1, (int32_t[]){2, 5, 4, 3}, 4);
    expect_sample(&box, LBK_PART_TRAIN, 3, 1, (int32_t[]){2, 6, 5, 5, 3}, 5);
    expect_sample(&box, LBK_PART_TEST, 0, 1, (int32_t[]){2, 4, 1, 4, 5, 3}, 6);
    expect_sample(&box, LBK_PART_TEST, 1, 0, (int32_t[]){2, 7, 3}, 3);
    cr_assert_eq(lbk_data_keep(&box.data, &name, &kept), LBK_OK);
    cr_assert_str_eq(name, "vocabulary.txt");
    cr_assert_str_eq(kept.data, words);
    box_close(&box);
    /* What was kept makes the same numbers, also of other training sentences. */
    write_text("vocabulary.txt", kept.data);
    lbk_text_release(&kept);
    write_text("f/neg.txt", "dull dull\n");
    box_open_ok(&box, HEAD "path = f\ntest_path = t.tsv\nlength = 6\nvocabulary = vocabulary.txt\n", 1);
    expect_sample(&box, LBK_PART_TRAIN, 0, 0, (int32_t[]){2, 1, 1, 3}, 4);
    expect_sample(&box, LBK_PART_TEST, 0, 1, (int32_t[]){2, 4, 1, 4, 5, 3}, 6);
    cr_assert_eq(lbk_data_keep(&box.data, &name, &kept), LBK_OK);
    cr_assert_null(name);
    box_close(&box);
}

Test(text, settings_of_words_act) {
    static const struct {
        const char *keys;
        int vocabulary;
    } cases[] = {{"", 6}, {"min_count = 1\n", 8}, {"min_count = 1\nmax_size = 7\n", 7}, {"lower_case = yes\n", 6}};
    write_text("t.tsv", "x\tOne two two\ny\tone Two\n\tone\n");
    write_text("u.tsv", "y\tone\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        box_data box;
        char text[300];
        snprintf(text, sizeof text, "%spath = t.tsv\ntest_path = u.tsv\n%s%s", HEAD,
                 i == 3 ? "" : "lower_case = no\nmarks = no\n", cases[i].keys);
        box_open_ok(&box, text, 1);
        cr_assert(box.data.source.train_count == 3 && box.data.known_count == 2);
        cr_assert_eq(box.data.source.sizes[0].value, cases[i].vocabulary, "%zu: %d", i, box.data.source.sizes[0].value);
        box_close(&box);
    }
}

Test(text, mistakes_are_named_with_file_and_line) {
    static const struct {
        const char *text, *keys, *message;
    } cases[] = {
        {"a\tx\nb\ty\n", "", "dataset text: no sentence is for testing: give test_share or test_path"},
        {"a\tx\nb\ty\n", "test_share = 0.1\ntest_path = t.tsv\n",
         "dataset text: test_share has no effect: test_path is given; give one or the other"},
        {"a\tx\n\nb y\n", "test_share = 0.1\n", "dataset text: @/t.tsv:3: expected a class, a tab and a sentence"},
        {"a\tx\nb\t\xff\n", "test_share = 0.1\n", "dataset text: @/t.tsv:2: byte 3 of the line is no UTF-8"},
        {"a\tx\na\ty\n", "test_share = 0.1\n", "dataset text: 1 class, expected at least two"},
        {"a\tx\nb\ty\n", "test_path = other.tsv\n",
         "dataset text: @/other.tsv:2: no training sentence is of the class \"c\""},
        {"a\tx\nb\ty\n", "test_share = 0.1\ntokens = pieces\n",
         "dataset text: tokens = pieces needs a file: give vocabulary"},
        {"a\tx\nb\ty\n", "test_share = 0.1\nvocabulary = v1.txt\n", "dataset text: @/v1.txt: has no line [UNK]"},
        {"a\tx\nb\ty\n", "test_share = 0.1\nvocabulary = v2.txt\n", "dataset text: @/v2.txt: has no line [CLS]"},
        {"a\tx\nb\ty\n", "test_share = 0.1\nvocabulary = v2.txt\nmarks = no\n",
         "dataset text: @/v2.txt:2: [PAD] must be the first line, which networks take for padding"},
        {"a\tx\nb\ty\n", "test_share = 0.1\nvocabulary = v3.txt\n",
         "dataset text: @/v3.txt:3: \"[UNK]\" stands in line 2 already"},
        {"a\tx\nb\ty\n", "test_share = 0.1\naugment = flip\n",
         "@/x.ini:5: [data] augment: is for images; samples of the dataset text are none"},
    };
    write_text("other.tsv", "a\tx\nc\ty\n");
    write_text("v1.txt", "[PAD]\n[CLS]\n[SEP]\n");
    write_text("v2.txt", "[UNK]\n[PAD]\n");
    write_text("v3.txt", "[PAD]\n[UNK]\n[UNK]\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        write_text("t.tsv", cases[i].text);
        snprintf(text, sizeof text, "%spath = t.tsv\n%s", HEAD, cases[i].keys);
        box_expect_error(text, LBK_ERR_INPUT, cases[i].message);
    }
    box_write("t.tsv", "a\tx\0y\n", 6);
    box_expect_error(HEAD "path = t.tsv\ntest_share = 0.1\n", LBK_ERR_INPUT,
                     "dataset text: @/t.tsv:1: a byte 0: this is no text");
    write_text("e/readme.md", "");
    box_expect_error(HEAD "path = e\ntest_share = 0.1\n", LBK_ERR_INPUT, "dataset text: @/e: no .txt or .txt.gz files");
}
