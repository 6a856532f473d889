/* Cases that no random draw from a range brings: unlabelled rows, means far from zero, and the first device's three classes
 * are tried for each. */
#include "support/op_runner.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const char *const classes[] = {"generic", "cpu", "gpu"};

static void check_classes(const op_case *c) {
    lbk_device_list list;
    lbk_device_spec spec = {.info = 0};
    cr_assert(lbk_device_list_init(&list) == LBK_OK, "%s", lbk_error_message());
    if (list.count == 0)
        cr_skip_test("no OpenCL device");
    for (int k = 0; k < 3; k++) {
        lbk_open_options options = {.cls = classes[k]};
        lbk_device *device = NULL;
        op_result result;
        cr_assert(lbk_device_open(&list, &spec, &options, 1, &device) == LBK_OK, "%s", lbk_error_message());
        lbk_status status = op_runner_run(device, c, 5, &result);
        cr_expect(status == LBK_OK, "%s", lbk_error_message());
        cr_expect(status != LBK_OK || result.passed, "%s by %s: %s", c->op->name, result.variant, result.message);
        lbk_device_close(device);
    }
    lbk_device_list_release(&list);
}

/* Half of the labels are negative. */
static void check_unlabelled(const char *op, int inputs) {
    op_case c = {.op = lbk_op_find(op),
                 .params = "",
                 .input = {lbk_shape_2(37, 10), lbk_shape_1(37)},
                 .input_count = inputs,
                 .low = 0.5,
                 .high = 4,
                 .integer_from = -10,
                 .integer_below = 10};
    if (inputs == 6) {
        c.input[1] = lbk_shape_2(37, 10);
        c.input[2] = lbk_shape_1(37);
        c.input[3] = c.input[4] = c.input[5] = lbk_shape_1(1);
    }
    check_classes(&c);
}

Test(special, unlabelled_rows) {
    check_unlabelled("cross_entropy", 2);
    check_unlabelled("distill_loss", 6);
    check_unlabelled("classify_stats", 2);
}

/* Large products have tiles of their own, which no example is large enough for. */
Test(special, large_product) {
    op_case c = {.op = lbk_op_find("matmul"),
                 .params = "",
                 .input = {lbk_shape_2(389, 517), lbk_shape_2(517, 500)},
                 .input_count = 2,
                 .low = -1,
                 .high = 1};
    check_classes(&c);
}

Test(special, no_label_at_all) {
    op_case c = {.op = lbk_op_find("cross_entropy"),
                 .params = "",
                 .input = {lbk_shape_2(5, 20), lbk_shape_1(5)},
                 .input_count = 2,
                 .integer_from = -2,
                 .integer_below = -1};
    check_classes(&c);
}

/* NaN is the largest, and again the first of equals counts; k reaches beyond the NaNs. */
Test(special, maxima_of_equals_and_of_nan) {
    static const struct {
        const char *op, *params;
        lbk_shape x;
    } cases[] = {{"max", "", {2, {9, 300}}},
                 {"argmax", "axis=0", {2, {3000, 21}}},
                 {"max", "axis=1", {3, {2, 40, 37}}},
                 {"top_k", "k=150", {2, {5, 300}}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_case c = {.op = lbk_op_find(cases[i].op),
                     .params = cases[i].params,
                     .input = {cases[i].x},
                     .input_count = 1,
                     .low = 0.5,
                     .high = 0.5};
        check_classes(&c);
        c.some_nan = true;
        check_classes(&c);
        c.high = 1.5;
        check_classes(&c);
    }
}

/* Exponentials of which no float holds one, and rows of minus infinity, whose sum is 0. */
Test(special, logsumexp_far_out) {
    static const char *const ops[] = {"logsumexp", "log_softmax", "softmax"};
    for (int i = 0; i < 3; i++) {
        op_case c = {.op = lbk_op_find(ops[i]),
                     .params = "",
                     .input = {lbk_shape_2(9, 37)},
                     .input_count = 1,
                     .low = -3000,
                     .high = 3000};
        check_classes(&c);
    }
    op_case none = {.op = lbk_op_find("logsumexp"),
                    .params = "",
                    .input = {lbk_shape_2(9, 37)},
                    .input_count = 1,
                    .low = -INFINITY,
                    .high = -INFINITY};
    check_classes(&none);
}

/* An id that the table does not have shows as NaN where it is read, and adds to no row. */
Test(special, unknown_ids) {
    static const struct {
        const char *op, *params;
        lbk_shape input[3];
        int inputs;
    } cases[] = {
        {"embedding", "vocabulary=11 out=21 padding_idx=3", {{2, {6, 7}}, {2, {11, 21}}}, 2},
        {"embedding_bag", "vocabulary=11 out=21", {{2, {13, 2}}, {2, {11, 21}}}, 2},
        {"embedding_bag",
         "vocabulary=11 out=21 mode=sum padding_idx=3",
         {{2, {13, 2}}, {2, {11, 21}}, {2, {13, 2}}},
         3},
        {"embedding_backward", "vocabulary=11 padding_idx=3", {{3, {6, 7, 21}}, {2, {6, 7}}}, 2},
        {"embedding_bag_backward", "vocabulary=11", {{2, {13, 21}}, {2, {13, 2}}}, 2},
        {"gather_dot", "padding_idx=3", {{2, {13, 21}}, {2, {13, 2}}, {2, {11, 21}}}, 3},
        {"bank_update", "", {{2, {11, 21}}, {1, {13}}, {2, {13, 21}}}, 3},
        {"one_hot", "classes=11", {{2, {13, 2}}}, 1},
        {"gather", "keepdims=no", {{2, {13, 11}}, {1, {13}}}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_case c = {.op = lbk_op_find(cases[i].op),
                     .params = cases[i].params,
                     .input_count = cases[i].inputs,
                     .integer_from = -2,
                     .integer_below = 13};
        memcpy(c.input, cases[i].input, sizeof cases[i].input);
        check_classes(&c);
    }
}

/* Two rows get two thousand terms each, the others none; that both runs give the same bits is the runner's business. */
Test(special, embedding_of_few_ids) {
    op_case c = {.op = lbk_op_find("embedding_backward"),
                 .params = "vocabulary=700",
                 .input = {{3, {8, 512, 64}}, {2, {8, 512}}},
                 .input_count = 2,
                 .integer_from = 17,
                 .integer_below = 19};
    check_classes(&c);
}

/* Everything is equal: the first of equals counts. */
Test(special, ties) {
    op_case pool = {.op = lbk_op_find("max_pool2d"),
                    .params = "kernel=3 stride=2 padding=1",
                    .input = {lbk_shape_4(2, 9, 6, 5)},
                    .input_count = 1,
                    .low = 0.5,
                    .high = 0.5};
    op_case stats = {.op = lbk_op_find("classify_stats"),
                     .params = "",
                     .input = {lbk_shape_2(9, 7), lbk_shape_1(9)},
                     .input_count = 2,
                     .low = 0.5,
                     .high = 0.5,
                     .integer_below = 7};
    check_classes(&pool);
    check_classes(&stats);
}

/* E[x^2] - E[x]^2 in float would be off by several percent here. */
Test(special, batch_norm_far_from_zero) {
    op_case c = {.op = lbk_op_find("batch_norm"),
                 .params = "",
                 .input = {lbk_shape_2(16384, 24), lbk_shape_1(24), lbk_shape_1(24), lbk_shape_1(24), lbk_shape_1(24)},
                 .input_count = 5,
                 .low_of = {990},
                 .high_of = {1010}};
    check_classes(&c);
}

/* The mean's own rounding would show in layer_norm's rows, E[x^2] - E[x]^2 in all three. */
Test(special, norms_far_from_zero) {
    op_case layer = {.op = lbk_op_find("layer_norm"),
                     .params = "",
                     .input = {lbk_shape_2(37, 771), lbk_shape_1(771), lbk_shape_1(771)},
                     .input_count = 3,
                     .low_of = {99.99},
                     .high_of = {100.01}};
    op_case group = {.op = lbk_op_find("group_norm"),
                     .params = "groups=4",
                     .input = {lbk_shape_4(3, 61, 59, 24), lbk_shape_1(24), lbk_shape_1(24)},
                     .input_count = 3,
                     .low_of = {99},
                     .high_of = {101}};
    op_case instance = {.op = lbk_op_find("instance_norm"),
                        .params = "",
                        .input = {lbk_shape_4(2, 127, 127, 5)},
                        .input_count = 1,
                        .low = 99,
                        .high = 101};
    check_classes(&layer);
    check_classes(&group);
    check_classes(&instance);
}

/* A million terms, and a hundred thousand in each of a few columns. */
Test(special, sums_do_not_drift) {
    static const struct {
        const char *op, *params;
        lbk_shape x;
    } cases[] = {{"mean", "", {2, {1024, 1031}}},
                 {"sum", "axes=0", {2, {131101, 7}}},
                 {"sum", "axes=-1", {2, {3, 200003}}},
                 {"l2_normalize", "axis=0", {2, {100003, 9}}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_case c = {.op = lbk_op_find(cases[i].op),
                     .params = cases[i].params,
                     .input = {cases[i].x},
                     .input_count = 1,
                     .low = 0.5,
                     .high = 1.5};
        check_classes(&c);
    }
}

/* A hundred thousand rows: sums must not drift. */
Test(special, batch_norm_many_rows) {
    op_case c = {.op = lbk_op_find("batch_norm_backward"),
                 .params = "relu=yes",
                 .input = {lbk_shape_2(131072, 16), lbk_shape_2(131072, 16), lbk_shape_1(16), lbk_shape_1(16),
                           lbk_shape_1(16), lbk_shape_1(16)},
                 .input_count = 6,
                 .low = 0.05,
                 .high = 2};
    check_classes(&c);
}

/* Negative labels, an ignored one, weights, and so many rows that they share one count. */
Test(special, cross_entropy_of_few_labels) {
    op_case c = {.op = lbk_op_find("cross_entropy"),
                 .params = "ignore_index=4 label_smoothing=0.1",
                 .input = {{3, {7, 200, 11}}, {2, {7, 200}}, {1, {11}}},
                 .input_count = 3,
                 .low = 0.1,
                 .high = 5,
                 .integer_from = -3,
                 .integer_below = 11};
    check_classes(&c);
    c.input[0] = lbk_shape_2(9, 37);
    c.input[1] = lbk_shape_1(9);
    c.input[2] = lbk_shape_1(37);
    check_classes(&c);
    c.integer_below = -1; /* no label at all */
    check_classes(&c);
}

/* Equal tensors: every difference is 0. Zero rows: 1e-12 stands for their squares. */
Test(special, losses_of_equals) {
    static const char *const ops[] = {"mse_loss", "l1_loss", "smooth_l1_loss", "cosine_loss"};
    for (int i = 0; i < 4; i++)
        for (int zero = 0; zero < 2; zero++) {
            op_case c = {.op = lbk_op_find(ops[i]),
                         .params = "",
                         .input = {lbk_shape_2(3, 37), lbk_shape_2(3, 37)},
                         .input_count = 2,
                         .low_of = {zero ? 1e-30 : 0.5, zero ? 1e-30 : 0.5},
                         .high_of = {zero ? 1e-30 : 0.5, zero ? 1e-30 : 0.5}};
            check_classes(&c);
        }
}

/* Rows that point apart, and rows of both signs. */
Test(special, cosine_of_opposites) {
    op_case c = {.op = lbk_op_find("cosine_loss"),
                 .params = "reduction=sum",
                 .input = {lbk_shape_2(9, 37), lbk_shape_2(9, 37)},
                 .input_count = 2,
                 .low_of = {-2, 1},
                 .high_of = {-1, 2}};
    check_classes(&c);
    c.low_of[0] = c.low_of[1] = -2;
    c.high_of[0] = c.high_of[1] = 2;
    check_classes(&c);
}

/* Lengths below 0, of 0, and beyond the last step; more steps than a work-group of samples. */
Test(special, lengths_of_any_size) {
    static const struct {
        const char *op, *params;
        lbk_shape input[LBK_MAX_INPUTS];
        int inputs;
    } cases[] = {
        {"lstm", "hidden=5", {{3, {11, 6, 4}}, {1, {11}}, {2, {4, 20}}, {2, {5, 20}}, {1, {20}}, {1, {20}}}, 6},
        {"gru",
         "hidden=20 reverse=yes",
         {{3, {11, 6, 4}}, {1, {11}}, {2, {4, 60}}, {2, {20, 60}}, {1, {60}}, {1, {60}}},
         6},
        {"lstm_backward",
         "reverse=yes",
         {{3, {11, 6, 20}}, {3, {11, 6, 80}}, {3, {11, 6, 20}}, {2, {20, 80}}, {1, {11}}},
         5},
        {"gru_backward", "", {{3, {11, 6, 5}}, {3, {11, 6, 20}}, {3, {11, 6, 5}}, {2, {5, 15}}, {1, {11}}}, 5},
        {"last_step", "", {{3, {11, 6, 5}}, {1, {11}}}, 2},
        {"last_step_backward", "steps=6", {{2, {11, 5}}, {1, {11}}}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_case c = {.op = lbk_op_find(cases[i].op),
                     .params = cases[i].params,
                     .input_count = cases[i].inputs,
                     .integer_from = -2,
                     .integer_below = 9};
        memcpy(c.input, cases[i].input, sizeof c.input);
        check_classes(&c);
    }
}

/* Whoever sees no key has zeros, and gives none. */
Test(special, attention_without_keys) {
    op_case forward = {.op = lbk_op_find("attention"),
                       .params = "heads=2",
                       .input = {{3, {2, 35, 14}}, {3, {2, 40, 14}}, {3, {2, 40, 14}}, {2, {2, 40}}},
                       .input_count = 4,
                       .integer_below = 1};
    op_case backward = {.op = lbk_op_find("self_attention_backward"),
                        .params = "heads=2",
                        .input = {{3, {2, 35, 14}}, {3, {2, 35, 14}}, {3, {2, 2, 35}}, {3, {2, 35, 42}}, {2, {2, 35}}},
                        .input_count = 5,
                        .integer_below = 1};
    check_classes(&forward);
    check_classes(&backward);
}

/* Scores up to 144, whose exponentials no float holds. */
Test(special, attention_with_large_scores) {
    op_case c = {.op = lbk_op_find("attention"),
                 .params = "heads=1 scale=1",
                 .input = {{3, {2, 40, 1}}, {3, {2, 70, 1}}, {3, {2, 70, 1}}},
                 .input_count = 3,
                 .low = -12,
                 .high = 12};
    check_classes(&c);
}
