/* Tables: a text file with a row a sample and named columns, of which one is the class, the others numbers or categories, and, of samples
 * of several modalities, a sentence and the name of a recording.
 *
 * All that is learned of the columns comes from training rows alone: a number's mean and deviation, by which it is standardised, and
 * the categories, which are numbered as they come. Number 0 of each column is for whatever they do not have, an empty field too. One
 * vocabulary holds the categories of all columns, those of each column behind those of the columns before. An empty number is
 * the mean. */
#include "base/file.h"
#include "data/csv.h"
#include "data/recordings.h"
#include "data/sentences.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct table_params {
    lbk_sentences_params sentences;
    const char *path, *label, *split, *text, *audio;
    lbk_words categorical, ignore;
    int separator;
    double test_share, seconds;
} table_params;

static const char *const separators[] = {"comma", "semicolon", "tab", NULL};

static const lbk_param table_table[] = {
    LBK_PARAM_PATH(table_params, path, NULL, "the file, plain or .gz; its first row names the columns", NULL),
    LBK_PARAM_TEXT(table_params, label, "label",
                   "column of the classes; of an empty field in a training row nobody knows the class", NULL),
    LBK_PARAM_WORDS(table_params, categorical, "", "columns of categories; all that no key names are numbers", NULL),
    LBK_PARAM_WORDS(table_params, ignore, "", "columns that are not used", NULL),
    LBK_PARAM_TEXT(table_params, split, "", "column that says train or test of each row; empty: see test_share", NULL),
    LBK_PARAM_FLOAT(table_params, test_share, "0", 0, 0.9, NULL,
                    "share of the rows that are for testing, class-balanced, the same for every seed", NULL),
    LBK_PARAM_CHOICE(table_params, separator, "comma", separators, "what stands between two fields", NULL),
    LBK_PARAM_TEXT(table_params, text, "", "column of sentences; the keys from tokens to length are for them", NULL),
    LBK_SENTENCES_ROWS,
    LBK_PARAM_TEXT(table_params, audio, "",
                   "column of recordings: WAV files, their names relative to the table's folder", NULL),
    LBK_RECORDINGS_SECONDS(table_params),
    LBK_PARAM_END};

typedef enum column_kind {
    COLUMN_NUMBER,
    COLUMN_CATEGORY,
    COLUMN_LABEL,
    COLUMN_SPLIT,
    COLUMN_TEXT,
    COLUMN_AUDIO,
    COLUMN_IGNORED
} column_kind;

typedef struct column {
    column_kind kind;
    double mean, deviation;    /* COLUMN_NUMBER */
    lbk_dictionary categories; /* COLUMN_CATEGORY: number i here is 1 + i there, behind `first` */
    int first;
} column;

typedef struct table_state {
    lbk_rows rows;
    int fields,
        columns; /* in a sample: at least 1, though the table may have none of one kind; 0 where it has neither */
    int32_t *categories; /* [rows][fields] */
    float *numbers;      /* [rows][columns] */
    bool text, audio;    /* a sample has it */
    lbk_sentences sentences;
    lbk_recordings recordings;
    lbk_arena arena;
} table_state;

/* While it is opened. Rows of the file: 0 has the names, 1 is row 0 of `rows`. */
typedef struct opening {
    const table_params *params;
    lbk_csv csv;
    column *columns; /* [csv.columns] */
    int label, split, text, audio;
    table_state *state;
    lbk_source *source;
} opening;

static lbk_status cell_fail(const opening *o, uint32_t row, int column, const char *expected) {
    return lbk_fail(LBK_ERR_INPUT, "%s:%u: column \"%s\" is \"%.60s\", expected %s", o->csv.path, o->csv.lines[row + 1],
                    lbk_csv_cell(&o->csv, 0, column), lbk_csv_cell(&o->csv, row + 1, column), expected);
}

/* ---- Columns ---- */

static lbk_status find_column(const opening *o, const char *key, const char *name, int *out) {
    for (*out = 0; *out < o->csv.columns; ++*out)
        if (strcmp(lbk_csv_cell(&o->csv, 0, *out), name) == 0)
            return LBK_OK;
    const char *near = lbk_nearest(name, o->csv.cells, (size_t)o->csv.columns);
    return lbk_fail(LBK_ERR_INPUT, "%s:%u: %s: there is no column \"%s\"%s%s%s", o->csv.path, o->csv.lines[0], key,
                    name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static lbk_status set_kind(opening *o, const char *key, const char *name, column_kind kind, int *out) {
    LBK_TRY(find_column(o, key, name, out));
    if (o->columns[*out].kind != COLUMN_NUMBER)
        return lbk_fail(LBK_ERR_INPUT, "%s:%u: %s: column \"%s\" is named by another key already", o->csv.path,
                        o->csv.lines[0], key, name);
    o->columns[*out].kind = kind;
    return LBK_OK;
}

static lbk_status set_kinds(opening *o) {
    const table_params *p = o->params;
    int at;
    for (int c = 0; c < o->csv.columns; c++) {
        LBK_TRY(find_column(o, "columns", lbk_csv_cell(&o->csv, 0, c), &at));
        if (at != c)
            return lbk_fail(LBK_ERR_INPUT, "%s:%u: two columns are called \"%s\"", o->csv.path, o->csv.lines[0],
                            lbk_csv_cell(&o->csv, 0, c));
    }
    LBK_TRY(set_kind(o, "label", p->label, COLUMN_LABEL, &o->label));
    if (*p->split)
        LBK_TRY(set_kind(o, "split", p->split, COLUMN_SPLIT, &o->split));
    if ((o->state->text = *p->text))
        LBK_TRY(set_kind(o, "text", p->text, COLUMN_TEXT, &o->text));
    if ((o->state->audio = *p->audio))
        LBK_TRY(set_kind(o, "audio", p->audio, COLUMN_AUDIO, &o->audio));
    for (int i = 0; i < p->categorical.count; i++)
        LBK_TRY(set_kind(o, "categorical", p->categorical.items[i], COLUMN_CATEGORY, &at));
    for (int i = 0; i < p->ignore.count; i++)
        LBK_TRY(set_kind(o, "ignore", p->ignore.items[i], COLUMN_IGNORED, &at));
    return LBK_OK;
}

/* ---- Classes and parts ---- */

static lbk_status read_labels(opening *o) {
    lbk_rows *rows = &o->state->rows;
    lbk_dictionary names = {0};
    int *rank = NULL;
    lbk_status status = LBK_OK;
    for (uint32_t i = 0; i < rows->count; i++) {
        const char *cell = lbk_csv_cell(&o->csv, i + 1, o->label);
        rows->label[i] = -1;
        if (*cell)
            LBK_GOTO(lbk_dictionary_add(&names, cell, strlen(cell), &rows->label[i]));
    }
    LBK_GOTO(lbk_context(lbk_rows_classes(&names, &o->state->arena, o->source, &rank), "%s: column \"%s\"", o->csv.path,
                         o->params->label));
    for (uint32_t i = 0; i < rows->count; i++)
        if (rows->label[i] >= 0)
            rows->label[i] = rank[rows->label[i]];
out:
    lbk_dictionary_release(&names);
    return status;
}

static lbk_status read_split(opening *o) {
    lbk_rows *rows = &o->state->rows;
    for (uint32_t i = 0; i < rows->count; i++) {
        const char *cell = lbk_csv_cell(&o->csv, i + 1, o->split);
        rows->test[i] = strcmp(cell, "test") == 0;
        if (!rows->test[i] && strcmp(cell, "train") != 0)
            return cell_fail(o, i, o->split, "train or test");
        if (rows->test[i] && rows->label[i] < 0)
            return cell_fail(o, i, o->label, "a class: the row is for testing");
    }
    return LBK_OK;
}

static lbk_status choose_parts(opening *o) {
    bool share = o->params->test_share > 0;
    if (*o->params->split && share)
        return lbk_fail(LBK_ERR_INPUT, "test_share has no effect: split names a column; give one or the other");
    if (!*o->params->split && !share)
        return lbk_fail(LBK_ERR_INPUT, "no row is for testing: give test_share, or split, a column of train and test");
    if (share)
        LBK_TRY(lbk_rows_split(&o->state->rows, o->source->classes, o->params->test_share));
    else
        LBK_TRY(read_split(o));
    return lbk_rows_finish(&o->state->rows, o->source);
}

/* ---- Numbers and categories ---- */

static lbk_status parse_number(const opening *o, uint32_t row, int c, double *out) {
    const char *cell = lbk_csv_cell(&o->csv, row + 1, c);
    *out = NAN;
    if (*cell && !lbk_parse_float(cell, out))
        return cell_fail(o, row, c,
                         "a number; a column of something else belongs into categorical, text, audio or ignore");
    return LBK_OK;
}

/* Over the training rows that have one; a column without variance is divided by 1. */
static lbk_status measure(const opening *o, int c) {
    const lbk_rows *rows = &o->state->rows;
    column *column = &o->columns[c];
    double sum = 0, square = 0, value;
    uint32_t count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < rows->train_count; i++) {
            LBK_TRY(parse_number(o, rows->train_order[i], c, &value));
            if (isnan(value))
                continue;
            count += pass == 0;
            sum += pass == 0 ? value : 0;
            square += pass == 0 ? 0 : (value - sum / count) * (value - sum / count);
        }
    column->mean = count ? sum / count : 0;
    column->deviation = count && square > 0 ? sqrt(square / count) : 1;
    return LBK_OK;
}

static lbk_status collect(const opening *o, int c) {
    const lbk_rows *rows = &o->state->rows;
    int number;
    for (uint32_t i = 0; i < rows->train_count; i++) {
        const char *cell = lbk_csv_cell(&o->csv, rows->train_order[i] + 1, c);
        if (*cell)
            LBK_TRY(lbk_dictionary_add(&o->columns[c].categories, cell, strlen(cell), &number));
    }
    return LBK_OK;
}

/* What the columns hold, and with it a sample's sizes. */
static lbk_status learn(opening *o) {
    table_state *state = o->state;
    int vocabulary = 0;
    for (int c = 0; c < o->csv.columns; c++) {
        column *column = &o->columns[c];
        if (column->kind == COLUMN_NUMBER) {
            LBK_TRY(measure(o, c));
            state->columns++;
        } else if (column->kind == COLUMN_CATEGORY) {
            LBK_TRY(collect(o, c));
            column->first = vocabulary;
            vocabulary += 1 + column->categories.count;
            state->fields++;
        }
    }
    if (!state->columns && !state->fields)
        return LBK_OK;
    state->columns += !state->columns;
    state->fields += !state->fields;
    lbk_source *source = o->source;
    source->inputs[0] = (lbk_sample_input){"categories", {LBK_I32, lbk_shape_1(state->fields)}};
    source->inputs[1] = (lbk_sample_input){"numbers", {LBK_F32, lbk_shape_1(state->columns)}};
    source->input_count = 2;
    source->sizes[0] = (lbk_size){"vocabulary", vocabulary ? vocabulary : 1};
    source->sizes[1] = (lbk_size){"fields", state->fields};
    source->sizes[2] = (lbk_size){"columns", state->columns};
    source->size_count = 3;
    return LBK_OK;
}

static lbk_status fill_row(const opening *o, uint32_t row) {
    const table_state *state = o->state;
    int32_t *categories = state->categories + (size_t)row * (size_t)state->fields;
    float *numbers = state->numbers + (size_t)row * (size_t)state->columns;
    for (int c = 0; c < o->csv.columns; c++) {
        const column *column = &o->columns[c];
        const char *cell = lbk_csv_cell(&o->csv, row + 1, c);
        double value;
        if (column->kind == COLUMN_CATEGORY) {
            *categories++ = column->first + 1 + lbk_dictionary_find(&column->categories, cell, strlen(cell));
        } else if (column->kind == COLUMN_NUMBER) {
            LBK_TRY(parse_number(o, row, c, &value));
            *numbers++ = isnan(value) ? 0.0f : (float)((value - column->mean) / column->deviation);
        }
    }
    return LBK_OK;
}

static lbk_status fill_rows(opening *o) {
    table_state *state = o->state;
    LBK_TRY(lbk_calloc(state->rows.count, (size_t)state->fields * sizeof(int32_t) + 1, &state->categories));
    LBK_TRY(lbk_calloc(state->rows.count, (size_t)state->columns * sizeof(float) + 1, &state->numbers));
    for (uint32_t i = 0; i < state->rows.count; i++)
        LBK_TRY(fill_row(o, i));
    return LBK_OK;
}

/* ---- Other modalities ---- */

static lbk_status open_sentences(opening *o, const char *folder) {
    table_state *state = o->state;
    const char **texts = NULL;
    LBK_TRY(lbk_arena_alloc(&o->csv.arena, state->rows.count * sizeof *texts, &texts));
    for (uint32_t i = 0; i < state->rows.count; i++) {
        texts[i] = lbk_csv_cell(&o->csv, i + 1, o->text);
        if (lbk_words_invalid(texts[i]) != SIZE_MAX)
            return cell_fail(o, i, o->text, "UTF-8");
    }
    LBK_TRY(lbk_sentences_open(&state->sentences, &o->params->sentences, folder, &state->rows, texts));
    lbk_sentences_describe(&state->sentences, o->source);
    return LBK_OK;
}

static lbk_status find_recordings(opening *o, const char *folder) {
    table_state *state = o->state;
    lbk_recordings *recordings = &state->recordings;
    LBK_TRY(lbk_arena_alloc(&state->arena, state->rows.count * sizeof *recordings->paths, &recordings->paths));
    for (uint32_t i = 0; i < state->rows.count; i++) {
        const char *cell = lbk_csv_cell(&o->csv, i + 1, o->audio);
        char *path = NULL;
        if (!*cell)
            return cell_fail(o, i, o->audio, "the name of a file");
        LBK_TRY(lbk_path_join(folder, cell, &path));
        lbk_status status = lbk_arena_strdup(&state->arena, path, &recordings->paths[i]);
        free(path);
        LBK_TRY(status);
    }
    return LBK_OK;
}

/* `folder`: the table's. */
static lbk_status open_recordings(opening *o, const char *folder) {
    LBK_TRY(find_recordings(o, folder));
    LBK_TRY(lbk_recordings_open(&o->state->recordings, o->params->seconds));
    lbk_recordings_describe(&o->state->recordings, o->source);
    return LBK_OK;
}

/* ---- The dataset ---- */

/* `folder`: where the vocabulary's path starts. */
static lbk_status fill(opening *o, const char *folder) {
    table_state *state = o->state;
    char *path = NULL;
    if (o->csv.rows < 2)
        return lbk_fail(LBK_ERR_INPUT, "%s: has no row behind the names of the columns", o->csv.path);
    LBK_TRY(lbk_arena_alloc(&state->arena, (size_t)o->csv.columns * sizeof *o->columns, &o->columns));
    LBK_TRY(set_kinds(o));
    LBK_TRY(lbk_rows_alloc(&state->rows, o->csv.rows - 1));
    LBK_TRY(read_labels(o));
    LBK_TRY(choose_parts(o));
    LBK_TRY(learn(o));
    LBK_TRY(fill_rows(o));
    if (state->text)
        LBK_TRY(open_sentences(o, folder));
    if (state->audio) {
        LBK_TRY(lbk_path_folder(o->csv.path, &path));
        lbk_status status = open_recordings(o, path);
        free(path);
        LBK_TRY(status);
    }
    return o->source->input_count
               ? LBK_OK
               : lbk_fail(LBK_ERR_INPUT, "%s:%u: no column is left to learn from", o->csv.path, o->csv.lines[0]);
}

static lbk_status open_table(const void *params, const char *folder, lbk_source *source) {
    static const char separator[] = {',', ';', '\t'};
    opening o = {.params = params, .source = source};
    char *path = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(1, sizeof *o.state, &o.state));
    source->state = o.state;
    LBK_GOTO(lbk_path_join(folder, o.params->path, &path));
    LBK_GOTO(lbk_csv_read(path, separator[o.params->separator], &o.csv));
    status = fill(&o, folder);
out:
    for (int c = 0; o.columns && c < o.csv.columns; c++)
        lbk_dictionary_release(&o.columns[c].categories);
    lbk_csv_release(&o.csv);
    free(path);
    return status;
}

static lbk_status read_table(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs,
                             int *label) {
    const table_state *state = source->state;
    size_t row = lbk_rows_find(&state->rows, part, index), fields = (size_t)state->fields,
           columns = (size_t)state->columns;
    *label = state->rows.label[row];
    if (!inputs)
        return LBK_OK;
    if (fields) {
        memcpy(inputs++->i32, state->categories + row * fields, fields * sizeof(int32_t));
        memcpy(inputs++->f32, state->numbers + row * columns, columns * sizeof(float));
    }
    if (state->text) {
        lbk_sentences_read(&state->sentences, (uint32_t)row, inputs);
        inputs += LBK_SENTENCES_INPUTS;
    }
    return state->audio ? lbk_recordings_read(&state->recordings, (uint32_t)row, inputs->f32) : LBK_OK;
}

static void close_table(lbk_source *source) {
    table_state *state = source->state;
    if (state) {
        lbk_rows_release(&state->rows);
        free(state->categories);
        free(state->numbers);
        lbk_sentences_release(&state->sentences);
        lbk_arena_release(&state->arena);
        free(state);
    }
    memset(source, 0, sizeof *source);
}

static lbk_status keep_table(const lbk_source *source, lbk_text *out) {
    const table_state *state = source->state;
    return lbk_sentences_keep(&state->sentences, out);
}

const lbk_dataset lbk_dataset_table = {
    .name = "table",
    .summary = "rows of a CSV file: numbers, categories, sentences, recordings, and a column of classes",
    .origin = "your own file; breast_cancer.csv: Wolberg, Mangasarian, Street, UCI, CC BY 4.0",
    .params = table_table,
    .params_size = sizeof(table_params),
    .no_images = true,
    .keep_key = "vocabulary",
    .keep_file = "vocabulary.txt",
    .keep_with = "text",
    .open = open_table,
    .read = read_table,
    .keep = keep_table,
    .close = close_table,
};
