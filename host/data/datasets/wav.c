/* Recordings (data/recordings.h) in folders of files. */
#include "base/file.h"
#include "data/listing.h"
#include "data/recordings.h"
#include "data/rows.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

typedef enum class_source { CLASS_FOLDER, CLASS_NAME } class_source;
static const char *const class_sources[] = {"folder", "name", NULL};

typedef struct wav_params {
    const char *path, *test_names;
    int class_from;
    double test_share, seconds;
} wav_params;

static const lbk_param wav_table[] = {
    LBK_PARAM_PATH(wav_params, path, NULL, "folder of the files", NULL),
    LBK_PARAM_CHOICE(wav_params, class_from, "folder", class_sources,
                     "where the class stands: CLASS/file.wav, or the file's name up to its first '_'", NULL),
    LBK_PARAM_TEXT(
        wav_params, test_names, "",
        "pattern of the names of files for testing, with * ? and [], as in *_[0-4].wav; empty: see test_share", NULL),
    LBK_PARAM_FLOAT(wav_params, test_share, "0", 0, 0.9, NULL,
                    "share of the files that are for testing, class-balanced, the same for every seed", NULL),
    LBK_RECORDINGS_SECONDS(wav_params),
    LBK_PARAM_END};

typedef struct wav_state {
    lbk_rows rows;
    lbk_recordings recordings; /* by row */
    lbk_arena arena;
} wav_state;

/* ---- Folders ---- */

/* While it is opened. */
typedef struct opening {
    const wav_params *params;
    wav_state *state;
    lbk_dictionary names;
    struct {
        const char *path;
        int label;
        bool test;
    } * files;
    size_t count, capacity;
} opening;

static int is_wav_name(const struct dirent *entry) {
    return lbk_listing_not_hidden(entry) && lbk_listing_ends(entry->d_name, ".wav");
}

static lbk_status add_file(opening *o, const char *folder, const char *file, const char *name, size_t length) {
    LBK_TRY(lbk_grow(&o->files, &o->capacity, o->count + 1, sizeof *o->files));
    LBK_TRY(lbk_arena_printf(&o->state->arena, &o->files[o->count].path, "%s/%s", folder, file));
    LBK_TRY(lbk_dictionary_add(&o->names, name, length, &o->files[o->count].label));
    o->files[o->count].test = *o->params->test_names && fnmatch(o->params->test_names, file, 0) == 0;
    o->count++;
    return LBK_OK;
}

/* `name` NULL: the class stands in the names of the files. */
static lbk_status scan_files(opening *o, const char *folder, const char *name) {
    struct dirent **files;
    int count;
    LBK_TRY(lbk_listing(folder, is_wav_name, &files, &count));
    lbk_status status = LBK_OK;
    if (!count)
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: no .wav files", folder));
    for (int i = 0; i < count; i++) {
        const char *file = files[i]->d_name;
        size_t length = name ? strlen(name) : strcspn(file, "_");
        if (!name && (!length || !file[length]))
            LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s/%s: expected a class and a '_' in front of the rest of the name",
                              folder, file));
        LBK_GOTO(add_file(o, folder, file, name ? name : file, length));
    }
out:
    lbk_listing_free(files, count);
    return status;
}

static lbk_status scan_folders(opening *o, const char *root) {
    struct dirent **folders;
    int count;
    LBK_TRY(lbk_listing(root, lbk_listing_not_hidden, &folders, &count));
    lbk_status status = LBK_OK;
    for (int i = 0; i < count && status == LBK_OK; i++) {
        const char *path;
        LBK_GOTO(lbk_arena_printf(&o->state->arena, &path, "%s/%s", root, folders[i]->d_name));
        if (lbk_path_is_folder(path))
            status = scan_files(o, path, folders[i]->d_name);
    }
    if (status == LBK_OK && !o->count)
        status = lbk_fail(LBK_ERR_INPUT, "%s: no class folders", root);
out:
    lbk_listing_free(folders, count);
    return status;
}

static lbk_status scan(opening *o, const char *folder) {
    const wav_params *p = o->params;
    char *path = NULL;
    if (*p->test_names && p->test_share > 0)
        return lbk_fail(LBK_ERR_INPUT, "test_share has no effect: test_names is given; give one or the other");
    if (!*p->test_names && p->test_share == 0)
        return lbk_fail(LBK_ERR_INPUT, "no file is for testing: give test_share or test_names");
    LBK_TRY(lbk_path_join(folder, p->path, &path));
    lbk_status status = p->class_from == CLASS_FOLDER ? scan_folders(o, path) : scan_files(o, path, NULL);
    free(path);
    return status;
}

/* ---- The dataset ---- */

static lbk_status set_rows(opening *o, lbk_source *source) {
    wav_state *state = o->state;
    int *rank = NULL;
    LBK_TRY(lbk_rows_classes(&o->names, &state->arena, source, &rank));
    if (o->count > INT32_MAX)
        return lbk_fail(LBK_ERR_INPUT, "%zu files are too many", o->count);
    LBK_TRY(lbk_rows_alloc(&state->rows, (uint32_t)o->count));
    LBK_TRY(lbk_arena_alloc(&state->arena, o->count * sizeof(char *), &state->recordings.paths));
    for (size_t i = 0; i < o->count; i++) {
        state->recordings.paths[i] = o->files[i].path;
        state->rows.label[i] = rank[o->files[i].label];
        state->rows.test[i] = o->files[i].test;
    }
    if (o->params->test_share > 0)
        LBK_TRY(lbk_rows_split(&state->rows, source->classes, o->params->test_share));
    return lbk_rows_finish(&state->rows, source);
}

static lbk_status open_wav(const void *params, const char *folder, lbk_source *source) {
    opening o = {.params = params};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(1, sizeof *o.state, &o.state));
    source->state = o.state;
    LBK_GOTO(scan(&o, folder));
    LBK_GOTO(set_rows(&o, source));
    LBK_GOTO(lbk_recordings_open(&o.state->recordings, o.params->seconds));
    lbk_recordings_describe(&o.state->recordings, source);
out:
    free(o.files);
    lbk_dictionary_release(&o.names);
    return status;
}

static lbk_status read_wav(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs,
                           int *label) {
    const wav_state *state = source->state;
    uint32_t row = lbk_rows_find(&state->rows, part, index);
    *label = state->rows.label[row];
    return inputs ? lbk_recordings_read(&state->recordings, row, inputs[0].f32) : LBK_OK;
}

static void close_wav(lbk_source *source) {
    wav_state *state = source->state;
    if (state) {
        lbk_rows_release(&state->rows);
        lbk_arena_release(&state->arena);
        free(state);
    }
    memset(source, 0, sizeof *source);
}

const lbk_dataset lbk_dataset_wav = {
    .name = "wav",
    .summary = "recordings in WAV files, the class by folder or by the beginning of the name",
    .origin = "your own files; Free Spoken Digit Dataset: Jackson et al., CC BY-SA 4.0",
    .params = wav_table,
    .params_size = sizeof(wav_params),
    .no_images = true,
    .open = open_wav,
    .read = read_wav,
    .close = close_wav,
};
