#include "base/rng.h"
#include "support/op_runner.h"

#include <string.h>

op_case op_case_of(const lbk_op *op, const lbk_op_example *example) {
    op_case c = {.op = op,
                 .params = example->params,
                 .input_count = example->input_count,
                 .low = example->low,
                 .high = example->high,
                 .integer_below = example->integer_below};
    memcpy(c.input, example->input, sizeof c.input);
    return c;
}

/* Sizes around vector widths, tiles and primes, small enough for a float64 reference. */
static int64_t size_draw(lbk_rng *rng) {
    static const int sizes[] = {1,  2,  3,  4,  5,  7,  8,  9,  10, 13, 15, 16,
                                17, 24, 31, 32, 33, 48, 61, 64, 65, 67, 96, 100};
    return sizes[lbk_rng_below(rng, sizeof sizes / sizeof *sizes)];
}

op_case op_case_vary(const op_case *original, uint64_t seed) {
    op_case c = *original;
    int64_t from[LBK_MAX_INPUTS * LBK_MAX_RANK], to[LBK_MAX_INPUTS * LBK_MAX_RANK];
    int count = 0;
    lbk_rng rng;
    lbk_rng_init(&rng, seed, LBK_RNG_TEST, 1, 0);
    for (int i = 0; i < c.input_count; i++)
        for (int d = 0; d < c.input[i].rank; d++) {
            int64_t *size = &c.input[i].dim[d];
            int known = 0;
            while (known < count && from[known] != *size)
                known++;
            if (known == count) {
                from[count] = *size;
                to[count++] = *size > 1 && lbk_rng_below(&rng, 3) > 0 ? size_draw(&rng) : *size;
            }
            *size = to[known];
        }
    /* Labels were below the number of classes, which may have shrunk. */
    for (int k = 0; k < count; k++)
        if (from[k] == original->integer_below)
            c.integer_below = (int)to[k];
    return c;
}

#define MOST_ELEMENTS (1 << 22)

static bool is_small(const lbk_tensor_desc *desc) {
    return desc->shape.rank < 0 || lbk_shape_count(&desc->shape) <= MOST_ELEMENTS;
}

static lbk_status case_infer(const op_case *c, lbk_arena *arena, bool *small) {
    lbk_infer infer = {.input_count = c->input_count};
    lbk_tensor_desc inputs[LBK_MAX_INPUTS];
    void *params = NULL;
    *small = true;
    if (c->op->params_size > 0)
        LBK_TRY(lbk_arena_alloc(arena, c->op->params_size, &params));
    LBK_TRY(lbk_op_params_parse(c->op, c->params, arena, params));
    for (int i = 0; i < c->input_count; i++) {
        inputs[i] = (lbk_tensor_desc){lbk_op_input_dtype(c->op, i), c->input[i]};
        *small = *small && is_small(&inputs[i]);
    }
    infer.params = params;
    infer.input = inputs;
    LBK_TRY(lbk_op_infer(c->op, &infer));
    for (int i = 0; i < infer.output_count; i++)
        *small = *small && is_small(&infer.output[i]);
    return LBK_OK;
}

bool op_case_valid(const op_case *c) {
    lbk_arena arena = {0};
    bool small;
    lbk_status status = case_infer(c, &arena, &small);
    lbk_arena_release(&arena);
    return status == LBK_OK && small;
}
