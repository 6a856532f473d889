/* The dataset `table`, and the parser below it. */
#include "data/csv.h"
#include "data/helpers/box.h"
#include "support/wav.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

TestSuite(table, .init = box_make, .fini = box_remove);

static void write_text(const char *name, const char *text) {
    box_write(name, text, strlen(text));
}

static void csv_open(lbk_csv *csv, const char *text, char separator) {
    char path[300];
    write_text("t.csv", text);
    snprintf(path, sizeof path, "%s/t.csv", box_path());
    cr_assert_eq(lbk_csv_read(path, separator, csv), LBK_OK, "%s", lbk_error_message());
}

Test(table, fields_are_cut_as_rfc_4180_says) {
    static const struct {
        const char *text;
        char separator;
        int columns;
        uint32_t rows;
        const char *cells[8];
        uint32_t lines[4];
    } cases[] = {
        {"a,b\n1,2\n", ',', 2, 2, {"a", "b", "1", "2"}, {1, 2}},
        {"a,b\r\n1,2", ',', 2, 2, {"a", "b", "1", "2"}, {1, 2}},
        {"a,b\n\n\r\n1,\n", ',', 2, 2, {"a", "b", "1", ""}, {1, 4}},
        {",\n,\n", ',', 2, 2, {"", "", "", ""}, {1, 2}},
        {"\"a,b\",\"c\"\"d\"\n\"x\ny\",\"\"\nz,w\n", ',', 2, 3, {"a,b", "c\"d", "x\ny", "", "z", "w"}, {1, 2, 4}},
        {"a;\"b\"\r\n\"1\";2\r\n", ';', 2, 2, {"a", "b", "1", "2"}, {1, 2}},
        {"a\tb c\n1\t,\n", '\t', 2, 2, {"a", "b c", "1", ","}, {1, 2}},
        {"\xef\xbb\xbfname\nJo\xc3\xa3o\n", ',', 1, 2, {"name", "Jo\xc3\xa3o"}, {1, 2}},
        {"a\"b,c\r\n1,2\r3\n", ',', 2, 2, {"a\"b", "c", "1", "2\r3"}, {1, 2}},
        {"\"\"", ',', 1, 1, {""}, {1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lbk_csv csv;
        csv_open(&csv, cases[i].text, cases[i].separator);
        cr_assert_eq(csv.columns, cases[i].columns, "%zu: %d columns", i, csv.columns);
        cr_assert_eq(csv.rows, cases[i].rows, "%zu: %u rows", i, csv.rows);
        for (uint32_t r = 0; r < csv.rows; r++) {
            cr_assert_eq(csv.lines[r], cases[i].lines[r], "%zu: row %u is line %u", i, r, csv.lines[r]);
            for (int c = 0; c < csv.columns; c++)
                cr_assert_str_eq(lbk_csv_cell(&csv, r, c), cases[i].cells[(int)r * csv.columns + c], "%zu: %u %d", i, r,
                                 c);
        }
        lbk_csv_release(&csv);
    }
}

#define HEAD "[data]\ndataset = table\npath = t.csv\n"
#define SPLIT HEAD "split = part\n"

/* Mean 3 and deviation 2 of x in training rows, whose colours are red and "deep, blue"; the third has no class. */
static const char small[] = "colour,x,constant,class,part,size\n"
                            "red,1,7,b,train,L\n"
                            "\"deep, blue\",5,7,a,train,M\n"
                            "green,9,8,a,test,L\n"
                            ",,7,b,test,S\n"
                            "red,3,7,,train,L\n";

static void read_row(const box_data *box, lbk_part part, uint32_t index, int32_t *categories, float *numbers,
                     int *label) {
    lbk_numbers inputs[] = {{.i32 = categories}, {.f32 = numbers}};
    int alone;
    cr_assert_eq(box->data.dataset->read(&box->data.source, part, index, inputs, label), LBK_OK);
    cr_assert_eq(box->data.dataset->read(&box->data.source, part, index, NULL, &alone), LBK_OK);
    cr_assert_eq(alone, *label);
}

Test(table, columns_are_learned_from_training_rows) {
    static const int labels[] = {1, 0, -1, 0, 1};
    static const int32_t categories[][2] = {{1, 4}, {2, 5}, {1, 4}, {0, 4}, {0, 3}};
    const float deviation = (float)sqrt(8.0 / 3);
    const float numbers[][2] = {{-2 / deviation, 0}, {2 / deviation, 0}, {0, 0}, {6 / deviation, 1}, {0, 0}};
    box_data box;
    write_text("t.csv", small);
    box_open_ok(&box, SPLIT "label = class\ncategorical = colour, size\n", 1);
    const lbk_source *s = &box.data.source;
    cr_assert(s->train_count == 3 && s->test_count == 2 && s->classes == 2 && s->input_count == 2);
    cr_assert_str_eq(s->class_names[0], "a");
    cr_assert_str_eq(s->inputs[0].name, "categories");
    cr_assert_str_eq(s->sizes[0].name, "vocabulary");
    cr_assert(s->sizes[0].value == 6 && s->sizes[1].value == 2 && s->sizes[2].value == 2);
    for (uint32_t i = 0; i < 5; i++) {
        int32_t category[2];
        float number[2];
        int label;
        read_row(&box, i < 3 ? LBK_PART_TRAIN : LBK_PART_TEST, i < 3 ? i : i - 3, category, number, &label);
        cr_assert_eq(label, labels[i], "%u", i);
        for (int k = 0; k < 2; k++) {
            cr_assert_eq(category[k], categories[i][k], "%u: %d", i, category[k]);
            cr_assert_float_eq(number[k], numbers[i][k], 1e-6, "%u: %g", i, (double)number[k]);
        }
    }
    box_close(&box);
}

/* A kind of column that is not there leaves one input of one constant, so that every model for tables fits. */
Test(table, a_table_of_one_kind_has_both_inputs) {
    static const char *const keys[] = {"ignore = colour, size\n", "categorical = colour, size\nignore = x, constant\n"};
    for (int i = 0; i < 2; i++) {
        box_data box;
        int32_t category[2] = {9, 9};
        float number[2] = {9, 9};
        char text[200];
        int label;
        write_text("t.csv", small);
        snprintf(text, sizeof text, "%s%s", SPLIT "label = class\n", keys[i]);
        box_open_ok(&box, text, 1);
        const lbk_source *s = &box.data.source;
        cr_assert_eq(s->sizes[1].value, i == 0 ? 1 : 2);
        cr_assert_eq(s->sizes[2].value, i == 0 ? 2 : 1);
        read_row(&box, LBK_PART_TEST, 0, category, number, &label);
        cr_assert(i == 0 ? category[0] == 0 && number[1] == 1 : category[1] == 4 && number[0] == 0);
        box_close(&box);
    }
}

/* The batch holds the rows the dataset has, in two inputs; no more than that is done to them. */
Test(table, loader_batches_rows) {
    box_data box;
    lbk_loader *loader;
    lbk_batch *batch;
    write_text("t.csv", small);
    box_open_ok(&box, SPLIT "label = class\ncategorical = colour, size\nbatch = 4\n", 1);
    cr_assert_eq(lbk_loader_create(&box.data, LBK_PART_TEST, 0, 0, 1, 2, 2, &loader), LBK_OK);
    cr_assert_eq(lbk_loader_next(loader, &batch), LBK_OK);
    cr_assert_eq(batch->valid, 2);
    for (int i = 0; i < 4; i++) {
        int32_t category[2] = {0, 0};
        float number[2] = {0, 0};
        int label = -1;
        if (i < 2)
            read_row(&box, LBK_PART_TEST, (uint32_t)i, category, number, &label);
        cr_assert_eq(batch->labels[i], label);
        cr_assert_eq(memcmp(batch->inputs[0].i32 + 2 * i, category, sizeof category), 0);
        cr_assert_eq(memcmp(batch->teacher_inputs[1].f32 + 2 * i, number, sizeof number), 0);
    }
    lbk_loader_destroy(loader);
    box_close(&box);
}

static void write_wav(const char *name, int16_t number) {
    unsigned char bytes[WAV_HEADER + 2];
    box_write(name, bytes, wav_make(bytes, 100, &number, 1));
}

#define BOTH                                                                                                           \
    "[data]\ndataset = table\npath = d/t.csv\nsplit = split\ntext = said\naudio = file\nseconds = 0.02\n"              \
    "length = 4\nmin_count = 1\n"

/* Words are those of training rows, files those beside the table; what there is no column of is no input. */
Test(table, rows_have_sentences_and_recordings) {
    static const struct {
        const char *keys;
        int inputs, vocabulary;
    } cases[] = {{"ignore = x, colour\n", 5, 4 + 2},
                 {"categorical = colour\n", 7, 4 + 2},
                 {"categorical = colour, x\nmax_size = 5\n", 7, 6}};
    write_text("d/t.csv", "file,said,x,colour,label,split\nw/a.wav,go "
                          "on,1,c0,b,train\n../b.wav,no,2,c1,a,test\nw/a.wav,go,3,c2,a,train\n");
    write_wav("d/w/a.wav", 16384);
    write_wav("b.wav", -8192);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        box_data box;
        char text[400];
        int32_t category[2], tokens[4], mask[4], types[4], length;
        float number, waveform[2];
        int label;
        lbk_numbers all[] = {{.i32 = category}, {.f32 = &number}, {.i32 = tokens},  {.i32 = mask},
                             {.i32 = types},    {.i32 = &length}, {.f32 = waveform}};
        snprintf(text, sizeof text, "%s%s", BOTH, cases[i].keys);
        box_open_ok(&box, text, 1);
        const lbk_source *s = &box.data.source;
        cr_assert_eq(s->input_count, cases[i].inputs);
        cr_assert_str_eq(s->inputs[s->input_count - 1].name, "waveform");
        for (int k = 0; k < s->size_count; k++)
            cr_assert(strcmp(s->sizes[k].name, "vocabulary") != 0 || s->sizes[k].value == cases[i].vocabulary,
                      "%zu: %d", i, (int)s->sizes[k].value);
        cr_assert_eq(box.data.dataset->read(s, LBK_PART_TEST, 0, all + 7 - s->input_count, &label), LBK_OK, "%s",
                     lbk_error_message());
        cr_assert(label == 0 && waveform[0] == -0.25f && waveform[1] == 0);
        cr_assert(length == 3 && mask[2] == 1 && mask[3] == 0 && tokens[1] == 1,
                  "[CLS], a word nobody trained on, [SEP]");
        cr_assert_eq(box.data.dataset->read(s, LBK_PART_TRAIN, 0, all + 7 - s->input_count, &label), LBK_OK);
        cr_assert(label == 1 && waveform[0] == 0.5f && length == 4 && tokens[1] == 4);
        box_close(&box);
    }
}

Test(table, numbered_classes_are_in_order_of_their_numbers) {
    box_data box;
    write_text("t.csv", "x,label\n1,10\n2,9\n3,10\n4,9\n");
    box_open_ok(&box, HEAD "test_share = 0.5\n", 1);
    cr_assert_str_eq(box.data.source.class_names[0], "9");
    cr_assert(box.data.source.train_count == 2 && box.data.source.test_count == 2);
    box_close(&box);
}

Test(table, mistakes_are_named_with_file_and_line) {
    static const struct {
        const char *text, *keys, *message;
    } cases[] = {
        {"", "", "dataset table: @/t.csv: has no row"},
        {"a,label\n", "", "dataset table: @/t.csv: has no row behind the names of the columns"},
        {"a,label\n1,x,\n", "", "dataset table: @/t.csv:2: 3 fields, the first row has 2"},
        {"a,label\n\"1,x\n2,y\n", "", "dataset table: @/t.csv:2: a quoted field begins here and does not end"},
        {"a,label\n\"1\"0,x\n", "",
         "dataset table: @/t.csv:2: expected a separator or a line's end behind the closing quote"},
        {"a,label\n1,x\n", "", "dataset table: @/t.csv: column \"label\": 1 class, expected at least two"},
        {"a,lable\n1,x\n", "",
         "dataset table: @/t.csv:1: label: there is no column \"label\"; did you mean \"lable\"?"},
        {"a,a,label\n1,2,x\n", "", "dataset table: @/t.csv:1: two columns are called \"a\""},
        {"a,label\n1,x\n2,y\n", "",
         "dataset table: no row is for testing: give test_share, or split, a column of train and test"},
        {"a,label\n1,x\n2,y\n", "test_share = 0.2\nsplit = a\n",
         "dataset table: test_share has no effect: split names a column; give one or the other"},
        {"a,label\n1,x\n2,y\n", "split = a\n",
         "dataset table: @/t.csv:2: column \"a\" is \"1\", expected train or test"},
        {"a,label\ntrain,x\ntest,y\ntest,\n", "split = a\n",
         "dataset table: @/t.csv:4: column \"label\" is \"\", expected a class: the row is for testing"},
        {"a,label\ntrain,x\ntest,y\n", "split = a\n", "dataset table: @/t.csv:1: no column is left to learn from"},
        {"a,label\n1,x\n2,y\n", "split = a\nignore = a\n",
         "dataset table: @/t.csv:1: ignore: column \"a\" is named by another key already"},
        {"a,b,label\n1,2,x\n\n2,two,x\n3,3,y\n4,4,y\n", "test_share = 0.5\n",
         "dataset table: @/t.csv:4: column \"b\" is \"two\", expected a number; a column of something else belongs "
         "into categorical, text, audio or ignore"},
        {"a,t,label\n1,\xff,x\n2,b,y\n3,c,x\n4,d,y\n", "test_share = 0.5\ntext = t\n",
         "dataset table: @/t.csv:2: column \"t\" is \"\xff\", expected UTF-8"},
        {"a,label\n1,x\n2,y\n3,x\n4,y\n", "test_share = 0.5\ntext = a\ntokens = pieces\n",
         "dataset table: tokens = pieces needs a file: give vocabulary"},
        {"a,label\n1,x\n2,y\n3,x\n4,y\n", "test_share = 0.5\ntext = b\n",
         "dataset table: @/t.csv:1: text: there is no column \"b\""},
        {"a,label\n1,x\n2,y\n3,x\n4,y\n", "test_share = 0.5\ntext = a\naudio = a\n",
         "dataset table: @/t.csv:1: audio: column \"a\" is named by another key already"},
        {"a,label\nf.wav,x\n,y\n3,x\n4,y\n", "test_share = 0.5\naudio = a\n",
         "dataset table: @/t.csv:3: column \"a\" is \"\", expected the name of a file"},
        {"a,label\nt.csv,x\n2,y\n3,x\n4,y\n", "test_share = 0.5\naudio = a\n",
         "dataset table: @/t.csv: no WAV file: it does not begin with RIFF and WAVE"},
        {"a,label\n1,x\n2,y\n", "augment = flip\n",
         "@/x.ini:4: [data] augment: is for images; samples of the dataset table are none"},
        {"a,label\n1,x\n2,y\n", "mix = mixup\n",
         "@/x.ini:4: [data] mix: is for images; samples of the dataset table are none"},
        {"a,label\n1,x\n2,y\n", "teacher_view = edges\n",
         "@/x.ini:4: [data] teacher_view: is for images; samples of the dataset table are none"},
        {"a,label\n1,x\n2,y\n", "normalize = no\n",
         "@/x.ini:4: [data] normalize: is for images; samples of the dataset table are none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        write_text("t.csv", cases[i].text);
        snprintf(text, sizeof text, "%s%s", HEAD, cases[i].keys);
        box_expect_error(text, LBK_ERR_INPUT, cases[i].message);
    }
    box_write("t.csv", "a\0b\n", 4);
    box_expect_error(HEAD, LBK_ERR_INPUT, "dataset table: @/t.csv:1: a byte 0: this is no text");
}
