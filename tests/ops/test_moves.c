/* Ops that move data: shapes and refusals, how a copy is simplified, and the rules that the gradient check cannot see. */
#include "ops/copy.h"
#include "ops/helpers/fake_gradient.h"
#include "ops/helpers/shapes.h"

#include <criterion/criterion.h>

Test(moves, reshape) {
    static const shapes accepted[] = {
        {"reshape", "shape=0,-1", {{3, {2, 3, 4}}}, "2x12"},
        {"reshape", "shape=-1", {{3, {2, 3, 4}}}, "24"},
        {"reshape", "shape=4,0,2", {{3, {2, 3, 4}}}, "4x3x2"},
        {"reshape", "shape=0,0,4,1,1,1", {{3, {2, 3, 4}}}, "2x3x4x1x1x1"},
        {"reshape", "shape=24,-1", {{3, {2, 3, 4}}}, "24x1"},
    };
    static const shapes refused[] = {
        {"reshape", "shape=-1,3,-1", {{2, {4, 6}}}, "shape leaves dimensions 0 and 2 open, expected one -1 at most"},
        {"reshape", "shape=0,7", {{2, {4, 6}}}, "x (4x6) does not fit the shape 4x7"},
        {"reshape", "shape=0,3", {{2, {4, 6}}}, "x (4x6) does not fit the shape 4x3"},
        {"reshape", "shape=0,-1,5", {{2, {4, 6}}}, "x (4x6) does not fit the shape 4x-1x5"},
        {"reshape", "shape=0,6,0", {{2, {4, 6}}}, "shape keeps dimension 2, which x (4x6) lacks"},
        {"reshape", "shape=", {{2, {4, 6}}}, "shape has 0 dimensions, expected 1 to 6"},
        {"reshape", "shape=1,1,1,1,1,4,6", {{2, {4, 6}}}, "shape has 7 dimensions, expected 1 to 6"},
        {"reshape",
         "shape=1073741824,1073741824,1073741824,1073741824,1073741824",
         {{2, {4, 6}}},
         "x (4x6) does not fit the shape 1073741824x1073741824x1073741824x1073741824x1073741824"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(moves, permute) {
    static const shapes accepted[] = {
        {"permute", "order=0,3,1,2", {{4, {2, 3, 4, 5}}}, "2x5x3x4"},
        {"permute", "order=-1,0", {{2, {2, 3}}}, "3x2"},
    };
    static const shapes refused[] = {
        {"permute", "order=0,1", {{3, {2, 3, 4}}}, "order has 2 dimensions, x (2x3x4) has 3"},
        {"permute", "order=0,1,3", {{3, {2, 3, 4}}}, "x (2x3x4) has no axis 3, expected -3 to 2"},
        {"permute", "order=0,2,-1", {{3, {2, 3, 4}}}, "order names dimension 2 twice"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(moves, slice) {
    static const shapes accepted[] = {
        {"slice", "axis=1 start=1", {{2, {2, 7}}}, "2x6"},
        {"slice", "axis=-1 start=-2", {{2, {2, 7}}}, "2x2"},
        {"slice", "axis=1 start=1 step=3", {{2, {2, 7}}}, "2x2"},
        {"slice", "axis=1 start=6 step=100", {{2, {2, 7}}}, "2x1"},
        {"slice", "axis=1,0 start=2,1 count=4,0", {{2, {2, 7}}}, "1x4"},
    };
    static const shapes refused[] = {
        {"slice", "axis=2", {{2, {2, 7}}}, "x (2x7) has no axis 2, expected -2 to 1"},
        {"slice", "axis=1,-1", {{2, {2, 7}}}, "axis names dimension 1 twice"},
        {"slice", "axis=0,1 start=1", {{2, {2, 7}}}, "start has 1 items for 2 axes"},
        {"slice", "axis=1 start=7", {{2, {2, 7}}}, "start=7 lies outside of dimension 1 of x (2x7)"},
        {"slice", "axis=1 start=-8", {{2, {2, 7}}}, "start=-8 lies outside of dimension 1 of x (2x7)"},
        {"slice",
         "axis=1 start=2 count=3 step=3",
         {{2, {2, 7}}},
         "count=3 from 2 reaches out of dimension 1 of x (2x7): 2 fit"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(moves, pad) {
    static const shapes accepted[] = {
        {"pad", "axis=1 before=2 after=1", {{2, {2, 7}}}, "2x10"},
        {"pad", "axis=-1,0 before=0,3 step=2,1", {{2, {2, 7}}}, "5x13"},
        {"pad2d", "rows=1,2 columns=3", {{4, {1, 4, 4, 2}}}, "1x7x10x2"},
        {"pad2d_backward", "rows=1,2 columns=3", {{4, {1, 7, 10, 2}}}, "1x4x4x2"},
    };
    static const shapes refused[] = {
        {"pad", "axis=0,1 after=1", {{2, {2, 7}}}, "after has 1 items for 2 axes"},
        {"pad", "axis=3 after=1", {{2, {2, 7}}}, "x (2x7) has no axis 3, expected -2 to 1"},
        {"pad2d", "rows=1", {{3, {4, 4, 2}}}, "x has 3 dimensions (4x4x2), expected 4"},
        {"pad2d", "rows=1,4", {{4, {1, 4, 4, 2}}}, "1 and 4 rows cannot be mirrored in 4"},
        {"pad2d_backward", "columns=5", {{4, {1, 7, 10, 2}}}, "dy has 10 columns, expected more than 5 + 5"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(moves, concat_and_split) {
    static const shapes accepted[] = {
        {"concat", "", {{2, {2, 7}}, {2, {2, 1}}, {2, {2, 3}}}, "2x11"},
        {"concat", "axis=-2", {{2, {2, 7}}, {2, {5, 7}}}, "7x7"},
        {"split", "sizes=1,4,2", {{2, {2, 7}}}, "2x1 2x4 2x2"},
        {"split", "axis=0 sizes=2", {{2, {2, 7}}}, "2x7"},
    };
    static const shapes refused[] = {
        {"concat",
         "axis=1",
         {{2, {2, 7}}, {2, {3, 7}}},
         "input 1 (3x7) differs from input 0 (2x7) not only in dimension 1"},
        {"concat",
         "",
         {{2, {2, 7}}, {3, {2, 7, 1}}},
         "input 1 (2x7x1) differs from input 0 (2x7) not only in dimension 1"},
        {"concat", "axis=2", {{2, {2, 7}}, {2, {2, 7}}}, "input 0 (2x7) has no axis 2, expected -2 to 1"},
        {"split", "sizes=3,3", {{2, {2, 7}}}, "sizes add up to 6, dimension 1 of x (2x7) has 7"},
        {"split", "sizes=1,1,1,1,1,1,1", {{2, {2, 7}}}, "7 sizes, expected 1 to 6"},
        {"split", "axis=-3 sizes=2", {{2, {2, 7}}}, "x (2x7) has no axis -3, expected -2 to 1"},
        {"channel_shuffle", "groups=3", {{2, {2, 7}}}, "groups=3 does not divide the 7 channels of x"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

Test(moves, images) {
    static const shapes accepted[] = {
        {"resize2d", "scale=2,3", {{4, {1, 4, 5, 2}}}, "1x8x15x2"},
        {"resize2d", "size=7", {{4, {1, 4, 5, 2}}}, "1x7x7x2"},
        {"adaptive_avg_pool2d", "size=2,9", {{4, {1, 4, 5, 2}}}, "1x2x9x2"},
        {"max_pool2d", "kernel=3 stride=2", {{4, {1, 6, 7, 2}}}, "1x2x3x2 1x2x3x2"},
        {"max_pool2d", "kernel=3 stride=2 ceil_mode=yes", {{4, {1, 6, 7, 2}}}, "1x3x3x2 1x3x3x2"},
        /* A third window would begin in the padding behind the image. */
        {"avg_pool2d", "kernel=2 padding=1 ceil_mode=yes", {{4, {1, 3, 3, 2}}}, "1x2x2x2"},
    };
    static const char choose[] = "expected either size or scale, both numbers above 0";
    static const shapes refused[] = {
        {"resize2d", "", {{4, {1, 4, 5, 2}}}, choose},
        {"resize2d", "size=3 scale=2", {{4, {1, 4, 5, 2}}}, choose},
        {"resize2d", "size=3,0", {{4, {1, 4, 5, 2}}}, choose},
        {"resize2d", "scale=2,0 size=3", {{4, {1, 4, 5, 2}}}, choose},
        {"resize2d", "size=3", {{2, {4, 5}}}, "x has 2 dimensions (4x5), expected 4"},
        {"resize2d", "size=3 align_corners=yes", {{4, {1, 4, 5, 2}}}, "align_corners has no effect on mode nearest"},
        {"resize2d", "scale=1,1024", {{4, {1, 4, 17, 1}}}, "17408 pixels in a row, at most 16384 are possible"},
        {"adaptive_avg_pool2d", "size=2", {{2, {4, 5}}}, "x has 2 dimensions (4x5), expected 4"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

/* Axes that run on in both tensors are one, those of one index none. */
Test(moves, copies_are_simplified) {
    lbk_copy copy = {.rank = 0};
    lbk_copy_add(&copy, 5, 120, 240);
    lbk_copy_add(&copy, 1, 77, 99);
    lbk_copy_add(&copy, 4, 30, 30);
    lbk_copy_add(&copy, 6, 5, 5);
    lbk_copy_add(&copy, 5, 1, 1);
    cr_assert_eq(copy.rank, 2);
    cr_expect(copy.axis[0].size == 5 && copy.axis[0].from == 120 && copy.axis[0].to == 240);
    cr_expect(copy.axis[1].size == 120 && copy.axis[1].from == 1 && copy.axis[1].to == 1);
    cr_expect(!lbk_copy_is_still(&copy));
    copy = (lbk_copy){.rank = 0};
    lbk_copy_add(&copy, 3, 4, 4);
    lbk_copy_add(&copy, 4, 1, 1);
    cr_expect(lbk_copy_is_still(&copy));
    copy.x_start = 12;
    cr_expect(!lbk_copy_is_still(&copy));
}

/* With a gradient of every part the derivative is one concat, otherwise a sum of padded parts. */
Test(moves, split_differentiates_by_concat) {
    static const lbk_tensor_desc x = {LBK_F32, {2, {2, 7}}};
    static char values[256];
    lbk_arena arena = {0};
    const lbk_op *op = lbk_op_find("split");
    cr_assert_eq(lbk_op_params_parse(op, "sizes=1,4,2", &arena, values), LBK_OK, "%s", lbk_error_message());
    lbk_gradient g = {.params = values, .input_count = 1, .output_count = 3, .input_desc = &x};
    g.wanted[0] = true;
    g.input_grad[0] = LBK_NONE;
    for (int k = 0; k < 3; k++)
        g.output_grad[k] = 70 + k;
    fake_node_count = 0;
    cr_assert_eq(op->differentiate(&g), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(fake_node_count, 1);
    cr_expect_str_eq(fake_nodes[0].op, "concat");
    cr_expect(fake_nodes[0].input_count == 3 && fake_nodes[0].input[2] == 72);
    g.output_grad[1] = LBK_NONE;
    g.input_grad[0] = LBK_NONE;
    fake_node_count = 0;
    cr_assert_eq(op->differentiate(&g), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(fake_node_count, 3);
    cr_expect_str_eq(fake_nodes[0].op, "pad");
    cr_expect_str_eq(fake_nodes[1].op, "pad");
    cr_expect_str_eq(fake_nodes[2].op, "add");
    cr_expect_eq(g.input_grad[0], FAKE_OUTPUT(2, 0));
    lbk_arena_release(&arena);
}
