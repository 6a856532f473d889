/* Convolutions: output shapes, the whole message where shapes do not fit, and what they own in a model. */
#include "ops/helpers/shapes.h"

#include <criterion/criterion.h>
#include <stdalign.h>

Test(conv, shapes) {
    static const shapes accepted[] = {
        {"conv2d", "out=8 kernel=3 stride=2 padding=1", {{4, {2, 9, 10, 6}}, {4, {3, 3, 6, 8}}}, "2x5x5x8"},
        {"conv2d", "out=8 kernel=3,5 dilation=2,1 groups=2", {{4, {2, 9, 10, 6}}, {4, {3, 5, 3, 8}}}, "2x5x6x8"},
        {"conv1d", "out=8 kernel=3 dilation=4 padding=4", {{3, {2, 9, 6}}, {3, {3, 6, 8}}}, "2x9x8"},
        {"conv2d_backward_data", "extent=9,10 stride=2 padding=1", {{4, {2, 5, 5, 8}}, {4, {3, 3, 6, 8}}}, "2x9x10x6"},
        {"conv1d_backward_data", "extent=9 groups=2", {{3, {2, 7, 8}}, {3, {3, 3, 8}}}, "2x9x6"},
        {"conv2d_backward_weights", "extent=3 padding=1", {{4, {2, 9, 9, 6}}, {4, {2, 9, 9, 8}}}, "3x3x6x8"},
        {"conv1d_backward_weights", "extent=3 groups=2", {{3, {2, 9, 6}}, {3, {2, 7, 8}}}, "3x3x8"},
        {"conv_transpose2d", "out=8 kernel=4 stride=2 padding=1", {{4, {2, 5, 7, 6}}, {4, {4, 4, 8, 6}}}, "2x10x14x8"},
        {"conv_transpose1d", "out=8 kernel=3 stride=4 output_padding=3", {{3, {2, 5, 6}}, {3, {3, 8, 6}}}, "2x22x8"},
    };
    static const shapes refused[] = {
        {"conv2d", "out=8", {{3, {2, 9, 6}}, {4, {1, 1, 6, 8}}}, "x has 3 dimensions (2x9x6), expected 4"},
        {"conv1d", "out=8", {{3, {2, 9, 6}}, {4, {1, 1, 6, 8}}}, "weight has 4 dimensions (1x1x6x8), expected 3"},
        {"conv2d",
         "out=8 kernel=3",
         {{4, {2, 9, 9, 6}}, {4, {3, 3, 5, 8}}},
         "weight has shape 3x3x5x8, expected 3x3x6x8"},
        {"conv1d",
         "out=8 groups=4",
         {{3, {2, 9, 6}}, {3, {1, 1, 8}}},
         "groups=4 divides not both input channels (6) and output channels (8)"},
        {"conv2d",
         "out=8 kernel=5,1 dilation=3",
         {{4, {2, 9, 9, 6}}, {4, {5, 1, 6, 8}}},
         "a kernel of 5, dilation 3, does not fit into 9 + 2 x 0"},
        {"conv2d_backward_data",
         "extent=9 stride=2",
         {{4, {2, 5, 4, 8}}, {4, {3, 3, 6, 8}}},
         "x (2x9x9x6) gives an output of 4 in dimension 1, y has shape 2x5x4x8"},
        {"conv1d_backward_weights",
         "extent=3",
         {{3, {2, 9, 6}}, {3, {3, 7, 8}}},
         "x (2x9x6) and y (3x7x8) have different numbers of samples"},
        {"conv_transpose2d",
         "out=8 kernel=2 stride=2,1 output_padding=1",
         {{4, {2, 5, 7, 6}}, {4, {2, 2, 8, 6}}},
         "output_padding=1 must be below the stride, 1"},
        {"conv_transpose1d",
         "out=8 kernel=3 padding=4",
         {{3, {2, 5, 6}}, {3, {3, 8, 6}}},
         "padding=4 leaves nothing of the output of 7"},
        {"conv_transpose1d", "out=8", {{3, {2, 5, 6}}, {3, {1, 6, 8}}}, "weight has shape 1x6x8, expected 1x8x6"},
        {"conv2d", "out=8", {{4, {2, 9, 9, 6}}, {4, {1, 1, 6, 8}}, {1, {6}}}, "bias has shape 6, expected 8"},
        {"conv2d",
         "out=8",
         {{4, {2, 9, 9, 6}}, {4, {1, 1, 6, 8}}, {-1, {0}}, {1, {8}}},
         "scale and shift come together"},
    };
    ACCEPTED(accepted);
    REFUSED(refused);
}

/* The weight of op in a file, for x with 12 channels, as text; its bias is checked in passing. */
static void weight_check(const char *name, const char *text, int rank, const char *file, int64_t fan_in) {
    const lbk_op *op = lbk_op_find(name);
    lbk_tensor_desc x = {LBK_F32, {rank, {2, 9, 9, 9}}};
    lbk_weight_list list;
    lbk_arena arena = {0};
    alignas(16) char params[256];
    char found[LBK_SHAPE_TEXT];
    x.shape.dim[rank - 1] = 12;
    cr_assert(op->params_size <= sizeof params);
    cr_assert(lbk_op_params_parse(op, text, &arena, params) == LBK_OK, "%s", lbk_error_message());
    cr_assert(op->weights(params, &x, &list) == LBK_OK, "%s", lbk_error_message());
    lbk_shape in_file = lbk_layout_file_shape(list.item[0].layout, &list.item[0].shape);
    cr_expect_str_eq(lbk_shape_print(&in_file, found), file, "%s: %s", name, found);
    cr_expect_eq(list.item[0].fan_in, fan_in);
    cr_expect(list.count == 2 && lbk_shape_count(&list.item[1].shape) == 8 && list.item[1].fan_in == fan_in);
    lbk_arena_release(&arena);
}

/* As PyTorch's nn.Conv1d, Conv2d, ConvTranspose1d and ConvTranspose2d (12 -> 8 channels, 4 groups) have them. */
Test(conv, weights_in_files) {
    weight_check("conv2d", "out=8 kernel=3,5 groups=4", 4, "8x3x3x5", 45);
    weight_check("conv1d", "out=8 kernel=5 groups=4", 3, "8x3x5", 15);
    weight_check("conv_transpose2d", "out=8 kernel=3,5 groups=4", 4, "12x2x3x5", 30);
    weight_check("conv_transpose1d", "out=8 kernel=5 groups=4", 3, "12x2x5", 10);
}

Test(conv, weights_refused) {
    const lbk_op *op = lbk_op_find("conv_transpose1d");
    lbk_tensor_desc x = {LBK_F32, {3, {2, 9, 12}}};
    lbk_weight_list list;
    lbk_arena arena = {0};
    alignas(16) char params[256];
    cr_assert(lbk_op_params_parse(op, "out=8 groups=3", &arena, params) == LBK_OK);
    cr_expect(op->weights(params, &x, &list) == LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "x needs 3 dimensions, and out=8 a multiple of groups=3");
    lbk_arena_release(&arena);
}
