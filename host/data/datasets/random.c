/* Samples that no file holds and that are no images: random numbers for the inputs of any network, for timing it or trying it
 * before its data is there. Inputs have the names and meanings of the dataset `text`. The same for every seed of an experiment. */
#include "base/rng.h"
#include "data/dataset.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct random_params {
    lbk_words inputs;
    int vocabulary, classes, train, test;
} random_params;

static const lbk_param random_table[] = {
    LBK_PARAM_WORDS(random_params, inputs, NULL,
                    "NAME:SIZES or NAME:SIZES:TYPE each, of f32 or i32: tokens:128:i32 mask:128:i32, or frames:32x80",
                    NULL),
    LBK_PARAM_INT(
        random_params, vocabulary, "1000", 2, INT_MAX, NULL,
        "integers are below it; but those of mask and lengths, which agree on how long a sample is, and types, "
        "which are 0",
        NULL),
    LBK_PARAM_INT(random_params, classes, "10", 2, 1 << 20, NULL, "classes, of equal share", NULL),
    LBK_PARAM_INT(random_params, train, "1024", 1, 1 << 24, "samples", "training samples", NULL),
    LBK_PARAM_INT(random_params, test, "256", 1, 1 << 24, "samples", "test samples", NULL),
    LBK_PARAM_END,
};

enum { SEED = 1 };

typedef struct random_state {
    int vocabulary, classes;
    uint32_t longest; /* places of a sample of full length; 0: all samples are full */
    lbk_arena arena;
} random_state;

/* "32x80" up to `end`. */
static bool parse_sizes(const char *text, const char *end, lbk_shape *out) {
    for (out->rank = 0; out->rank < LBK_MAX_RANK - 1; text++) {
        char *stop;
        long long size = strtoll(text, &stop, 10);
        if (stop == text || size < 1 || size > INT_MAX)
            return false;
        out->dim[out->rank++] = size;
        if (stop == end)
            return true;
        if (*stop != 'x')
            return false;
        text = stop;
    }
    return false;
}

static lbk_status parse_input(random_state *state, const char *text, lbk_sample_input *out) {
    const char *sizes = strchr(text, ':'), *type = sizes ? strchr(sizes + 1, ':') : NULL;
    const char *end = type ? type : text + strlen(text);
    out->desc.dtype = type && strcmp(type, ":i32") == 0 ? LBK_I32 : LBK_F32;
    if (!sizes || sizes == text || (type && out->desc.dtype == LBK_F32 && strcmp(type, ":f32") != 0) ||
        !parse_sizes(sizes + 1, end, &out->desc.shape))
        return lbk_fail(LBK_ERR_INPUT,
                        "inputs: expected NAME:SIZES or NAME:SIZES:TYPE, like tokens:128:i32, found \"%s\"", text);
    return lbk_arena_printf(&state->arena, &out->name, "%.*s", (int)(sizes - text), text);
}

static bool is_named(const lbk_sample_input *input, const char *name) {
    return input->desc.dtype == LBK_I32 && strcmp(input->name, name) == 0;
}

/* Samples differ in length where an input says so; the longest fills the largest of the others. */
static void find_longest(const lbk_source *source, random_state *state) {
    bool varies = false;
    int64_t longest = 0;
    for (int i = 0; i < source->input_count; i++) {
        const lbk_sample_input *input = &source->inputs[i];
        int64_t count = lbk_shape_count(&input->desc.shape);
        varies = varies || is_named(input, "mask") || is_named(input, "lengths");
        if (input->desc.dtype == LBK_I32 && count > longest)
            longest = count;
    }
    state->longest = varies ? (uint32_t)longest : 0;
}

static lbk_status open_random(const void *params, const char *folder, lbk_source *source) {
    const random_params *p = params;
    random_state *state;
    (void)folder;
    if (p->inputs.count < 1 || p->inputs.count > LBK_SAMPLE_INPUTS)
        return lbk_fail(LBK_ERR_INPUT, "inputs: expected 1 to %d, found %d", LBK_SAMPLE_INPUTS, p->inputs.count);
    LBK_TRY(lbk_calloc(1, sizeof *state, &state));
    *source = (lbk_source){.classes = p->classes,
                           .train_count = (uint32_t)p->train,
                           .test_count = (uint32_t)p->test,
                           .sizes = {{"vocabulary", p->vocabulary}},
                           .size_count = 1,
                           .state = state};
    *state = (random_state){.vocabulary = p->vocabulary, .classes = p->classes};
    for (int i = 0; i < p->inputs.count; i++)
        LBK_TRY(parse_input(state, p->inputs.items[i], &source->inputs[source->input_count++]));
    find_longest(source, state);
    return LBK_OK;
}

static void fill_integers(const random_state *state, const lbk_sample_input *input, uint32_t length, lbk_rng *rng,
                          int32_t *out) {
    size_t count = (size_t)lbk_shape_count(&input->desc.shape);
    for (size_t i = 0; i < count; i++) {
        bool inside = !state->longest || i < length;
        out[i] = is_named(input, "lengths")            ? (int32_t)length
                 : is_named(input, "mask")             ? inside
                 : is_named(input, "types") || !inside ? 0
                                                       : (int32_t)lbk_rng_below(rng, (uint32_t)state->vocabulary);
    }
}

static lbk_status read_random(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs,
                              int *label) {
    const random_state *state = source->state;
    lbk_rng rng;
    *label = (int)(index % (uint32_t)state->classes);
    if (!inputs)
        return LBK_OK;
    lbk_rng_init(&rng, SEED, LBK_RNG_SYNTHETIC, (uint32_t)part, index);
    uint32_t half = state->longest / 2,
             length = state->longest ? half + 1 + lbk_rng_below(&rng, state->longest - half) : 0;
    for (int k = 0; k < source->input_count; k++) {
        const lbk_sample_input *input = &source->inputs[k];
        if (input->desc.dtype == LBK_I32) {
            fill_integers(state, input, length, &rng, inputs[k].i32);
            continue;
        }
        size_t count = (size_t)lbk_shape_count(&input->desc.shape);
        for (size_t i = 0; i < count; i++)
            inputs[k].f32[i] = 2 * lbk_rng_uniform(&rng) - 1;
    }
    return LBK_OK;
}

static void close_random(lbk_source *source) {
    random_state *state = source->state;
    if (state)
        lbk_arena_release(&state->arena);
    free(state);
    memset(source, 0, sizeof *source);
}

const lbk_dataset lbk_dataset_random = {
    .name = "random",
    .summary = "random numbers for named inputs: text, tables, audio, for timing, or to try a network",
    .origin = "made by the program",
    .params = random_table,
    .params_size = sizeof(random_params),
    .no_images = true,
    .open = open_random,
    .read = read_random,
    .close = close_random,
};
