/* Runs one op on one device without a graph or a plan, and judges it by its float64 reference.
 *
 * Every tensor lies between two guards of quiet NaNs of a fixed bit pattern, and outputs and scratch start filled with
 * it: a write outside is found by looking at the guards, a read outside or an element that was not written turns results
 * into NaN. The launches run twice on the same inputs and must give the same bits. */
#ifndef LBK_TESTS_OP_RUNNER_H
#define LBK_TESTS_OP_RUNNER_H

#include "device/program.h"
#include "ops/emit.h"

typedef struct op_case {
    const lbk_op *op;
    const char *params; /* "kernel=3" */
    lbk_shape input[LBK_MAX_INPUTS];
    int input_count;
    double low, high;                                       /* of random float inputs; both 0: [-1, 1] */
    double low_of[LBK_MAX_INPUTS], high_of[LBK_MAX_INPUTS]; /* of one input, where they differ from each other */
    int integer_from, integer_below;                        /* I32 inputs: uniform in [from, below) */
    bool some_nan;                                          /* one in eight numbers of float inputs is NaN */
    const float *given[LBK_MAX_INPUTS]; /* given_count numbers, over and over, in place of random ones */
    size_t given_count;
    bool each; /* elements are held to their own size, not to the largest one's */
    /* Of products: the reference gets inputs 0 and 1, their operands, rounded to it, as matrix units do. Other kernels do not. */
    lbk_arithmetic arithmetic;
    const char *variant; /* "cpu/direct"; NULL: the first that takes the case */
} op_case;

typedef struct op_result {
    bool passed;
    char message[400]; /* why not; names output, element, numbers, bound */
    char variant[48];
    double worst;   /* largest error over its bound, of all outputs and updated inputs */
    double seconds; /* per run of all launches, from op_runner_time() */
    double bytes;   /* the op's cost */
} op_result;

/* The case of an op's example. */
op_case op_case_of(const lbk_op *op, const lbk_op_example *example);
/* The same case with other sizes: each size that occurs becomes another one wherever it occurs, so that shapes which must
 * agree still do. Sizes that the parameters fix make shape inference refuse the case: see op_case_valid(). */
op_case op_case_vary(const op_case *original, uint64_t seed);
/* Whether parameters and shapes are accepted, and no tensor is so large that memory might not do: sizes of several
 * dimensions, or of tensors that are stretched over each other, multiply. */
bool op_case_valid(const op_case *c);

/* LBK_OK with result->passed true or false; a failure status when the case could not be run. An element's error must stay below
 * 2e-5 * (largest magnitude in the output) + 1e-7 * max(1, largest magnitude in the inputs); integers must be equal, and a
 * NaN or an infinity must be one. With c->each the bound is 2e-5 * (magnitude of the element) + 1e-6. */
lbk_status op_runner_run(lbk_device *device, const op_case *c, uint64_t seed, op_result *result);
/* The variants that the tuner may choose from for the case: see lbk_emit_rivals(). */
lbk_status op_runner_rivals(lbk_device *device, const op_case *c, const lbk_variant *rivals[LBK_MAX_RIVALS],
                            int *count);
/* Fills variant, seconds (the fastest of `repeats`) and bytes; checks nothing. */
lbk_status op_runner_time(lbk_device *device, const op_case *c, int repeats, op_result *result);

#endif
