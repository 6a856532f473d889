/* Recordings in WAV files of 16-bit numbers and one channel, all of one sample rate. A sample is the waveform, -1 to 1: so many seconds
 * from the beginning, zeros behind a shorter one. Files are read when they are asked for. */
#include "base/file.h"
#include "data/listing.h"
#include "data/rows.h"

#include <fnmatch.h>
#include <math.h>
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
    LBK_PARAM_FLOAT(wav_params, seconds, "1", 0.01, 60, "seconds", "length of a sample", NULL),
    LBK_PARAM_END};

typedef struct wav_state {
    lbk_rows rows;
    const char **paths; /* [rows] */
    int rate, samples;
    lbk_arena arena;
} wav_state;

/* ---- One file ---- */

typedef struct recording {
    const char *path;
    char *bytes;
    const unsigned char *numbers; /* in `bytes`: little-endian pairs */
    size_t count;
    uint32_t rate;
} recording;

static uint32_t little(const unsigned char *bytes, int count) {
    uint32_t value = 0;
    for (int i = count; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* What the chunk "fmt " says; its extensible form has the format's number in front of an identifier. */
static lbk_status read_format(recording *r, const unsigned char *chunk, uint32_t length) {
    uint32_t kind = length >= 16 ? little(chunk, 2) : 0;
    if (kind == 0xfffe && length >= 26)
        kind = little(chunk + 24, 2);
    if (length < 16 || kind != 1 || little(chunk + 14, 2) != 16)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: format %u of %u bits, expected plain numbers (1) of 16 bits",
                        r->path, (size_t)((const char *)chunk - r->bytes), kind,
                        length >= 16 ? little(chunk + 14, 2) : 0);
    if (little(chunk + 2, 2) != 1)
        return lbk_fail(LBK_ERR_INPUT, "%s: %u channels, expected one", r->path, little(chunk + 2, 2));
    r->rate = little(chunk + 4, 4);
    return r->rate >= 1 && r->rate <= 1 << 20
               ? LBK_OK
               : lbk_fail(LBK_ERR_INPUT, "%s: %u samples a second, expected 1 to %d", r->path, r->rate, 1 << 20);
}

/* RIFF: a name and a length in front of each chunk, which takes an even number of bytes. */
static lbk_status read_chunks(recording *r, size_t length) {
    const unsigned char *bytes = (const unsigned char *)r->bytes;
    if (length < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        return lbk_fail(LBK_ERR_INPUT, "%s: no WAV file: it does not begin with RIFF and WAVE", r->path);
    for (size_t at = 12; at + 8 <= length;) {
        uint32_t size = little(bytes + at + 4, 4);
        const unsigned char *chunk = bytes + at + 8;
        if (size > length - at - 8)
            return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: a chunk of %u bytes, but the file ends after %zu", r->path,
                            at, size, length - at - 8);
        if (memcmp(bytes + at, "fmt ", 4) == 0)
            LBK_TRY(read_format(r, chunk, size));
        if (memcmp(bytes + at, "data", 4) == 0 && r->rate) {
            r->numbers = chunk;
            r->count = size / 2;
            return LBK_OK;
        }
        at += 8 + (size_t)size + size % 2;
    }
    return lbk_fail(LBK_ERR_INPUT, "%s: has no %s chunk", r->path, r->rate ? "data" : "fmt");
}

/* free(r->bytes) in every case. */
static lbk_status recording_read(const char *path, recording *r) {
    size_t length;
    *r = (recording){.path = path};
    LBK_TRY(lbk_file_read(path, &r->bytes, &length));
    return read_chunks(r, length);
}

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
    LBK_TRY(lbk_arena_alloc(&state->arena, o->count * sizeof *state->paths, &state->paths));
    for (size_t i = 0; i < o->count; i++) {
        state->paths[i] = o->files[i].path;
        state->rows.label[i] = rank[o->files[i].label];
        state->rows.test[i] = o->files[i].test;
    }
    if (o->params->test_share > 0)
        LBK_TRY(lbk_rows_split(&state->rows, source->classes, o->params->test_share));
    return lbk_rows_finish(&state->rows, source);
}

/* The first file says the sample rate. */
static lbk_status describe(opening *o, lbk_source *source) {
    wav_state *state = o->state;
    recording first;
    lbk_status status = recording_read(state->paths[0], &first);
    free(first.bytes);
    LBK_TRY(status);
    double samples = round(o->params->seconds * first.rate);
    if (samples < 1 || samples > 1 << 24)
        return lbk_fail(LBK_ERR_INPUT, "%s: %g seconds of %u samples each are %g samples, expected 1 to %d", first.path,
                        o->params->seconds, first.rate, samples, 1 << 24);
    state->rate = (int)first.rate;
    state->samples = (int)samples;
    source->inputs[0] = (lbk_sample_input){"waveform", {LBK_F32, lbk_shape_1(state->samples)}};
    source->input_count = 1;
    source->sizes[0] = (lbk_size){"samples", state->samples};
    source->sizes[1] = (lbk_size){"sample_rate", state->rate};
    source->size_count = 2;
    return LBK_OK;
}

static lbk_status open_wav(const void *params, const char *folder, lbk_source *source) {
    opening o = {.params = params};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(1, sizeof *o.state, &o.state));
    source->state = o.state;
    LBK_GOTO(scan(&o, folder));
    LBK_GOTO(set_rows(&o, source));
    status = describe(&o, source);
out:
    free(o.files);
    lbk_dictionary_release(&o.names);
    return status;
}

static void fill(const wav_state *state, const recording *r, float *waveform) {
    size_t samples = (size_t)state->samples, used = r->count < samples ? r->count : samples;
    for (size_t i = 0; i < used; i++)
        waveform[i] = (float)(int16_t)little(r->numbers + 2 * i, 2) / 32768.0f;
    memset(waveform + used, 0, (samples - used) * sizeof *waveform);
}

static lbk_status read_wav(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs,
                           int *label) {
    const wav_state *state = source->state;
    uint32_t row = lbk_rows_find(&state->rows, part, index);
    *label = state->rows.label[row];
    if (!inputs)
        return LBK_OK;
    recording r;
    lbk_status status = recording_read(state->paths[row], &r);
    if (status == LBK_OK && r.rate != (uint32_t)state->rate)
        status = lbk_fail(LBK_ERR_INPUT, "%s: %u samples a second, but %s has %d; resample it", r.path, r.rate,
                          state->paths[0], state->rate);
    if (status == LBK_OK)
        fill(state, &r, inputs[0].f32);
    free(r.bytes);
    return status;
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
