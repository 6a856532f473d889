#include "tensor/tensor.h"

#include <criterion/criterion.h>
#include <string.h>

Test(tensor, dtypes) {
    cr_expect_eq(lbk_dtype_size(LBK_F32), 4);
    cr_expect_eq(lbk_dtype_size(LBK_I32), 4);
    cr_expect_eq(lbk_dtype_size(LBK_I64), 8);
    cr_expect_eq(lbk_dtype_size(LBK_F16), 2);
    cr_expect_eq(lbk_dtype_size(LBK_BF16), 2);
    cr_expect_str_eq(lbk_dtype_name(LBK_F32), "F32");
    cr_expect_str_eq(lbk_dtype_name(LBK_F16), "F16");
    cr_expect_str_eq(lbk_dtype_name(LBK_BF16), "BF16");
    cr_expect_str_eq(lbk_dtype_name(LBK_I32), "I32");
    cr_expect_str_eq(lbk_dtype_name(LBK_I64), "I64");
}

Test(tensor, shapes) {
    char text[LBK_SHAPE_TEXT];
    lbk_shape scalar = lbk_shape_of(0, NULL), four = lbk_shape_4(128, 32, 31, 16);
    cr_expect_eq(lbk_shape_count(&scalar), 1);
    cr_expect_eq(lbk_shape_last(&scalar), 1);
    cr_expect_str_eq(lbk_shape_print(&scalar, text), "scalar");
    cr_expect_eq(lbk_shape_count(&four), 128 * 32 * 31 * 16);
    cr_expect_eq(lbk_shape_last(&four), 16);
    cr_expect_str_eq(lbk_shape_print(&four, text), "128x32x31x16");
    lbk_shape empty = lbk_shape_2(0, 5), one = lbk_shape_1(7);
    cr_expect_eq(lbk_shape_count(&empty), 0);
    cr_expect_str_eq(lbk_shape_print(&one, text), "7");
    cr_expect_eq(lbk_tensor_bytes(&(lbk_tensor_desc){LBK_F32, four}), (size_t)4 * 128 * 32 * 31 * 16);
    cr_expect_eq(lbk_tensor_bytes(&(lbk_tensor_desc){LBK_I64, one}), 56);
}

Test(tensor, equal_looks_at_used_dimensions_only) {
    lbk_shape a = {2, {3, 4, 99}}, b = {2, {3, 4, 7}}, c = {2, {4, 3}}, d = {3, {3, 4, 99}};
    cr_expect(lbk_shape_equal(&a, &b));
    cr_expect(!lbk_shape_equal(&a, &c));
    cr_expect(!lbk_shape_equal(&a, &d));
}

Test(tensor, longest_print_stays_inside) {
    char text[LBK_SHAPE_TEXT + 1];
    int64_t dims[LBK_MAX_RANK];
    text[LBK_SHAPE_TEXT] = '!';
    for (int i = 0; i < LBK_MAX_RANK; i++)
        dims[i] = INT64_MIN;
    lbk_shape shape = lbk_shape_of(LBK_MAX_RANK, dims);
    lbk_shape_print(&shape, text);
    cr_expect_eq(strlen(text), LBK_SHAPE_TEXT - 1);
    cr_expect_eq(text[LBK_SHAPE_TEXT], '!');
}

enum { O = 5, I = 3, H = 2, W = 4 };

Test(tensor, convolution_weights_by_index) {
    int32_t device[H][W][I][O], file[O][I][H][W], back[H][W][I][O];
    lbk_shape shape = lbk_shape_4(H, W, I, O), expected = lbk_shape_4(O, I, H, W);
    for (int h = 0; h < H; h++)
        for (int w = 0; w < W; w++)
            for (int i = 0; i < I; i++)
                for (int o = 0; o < O; o++)
                    device[h][w][i][o] = 1000 * h + 100 * w + 10 * i + o;
    lbk_shape in_file = lbk_layout_file_shape(LBK_LAYOUT_OIHW, &shape);
    cr_assert(lbk_shape_equal(&in_file, &expected));
    lbk_layout_to_file(LBK_LAYOUT_OIHW, &shape, device, file);
    for (int o = 0; o < O; o++)
        for (int i = 0; i < I; i++)
            for (int h = 0; h < H; h++)
                for (int w = 0; w < W; w++)
                    cr_assert_eq(file[o][i][h][w], 1000 * h + 100 * w + 10 * i + o);
    lbk_layout_to_device(LBK_LAYOUT_OIHW, &shape, file, back);
    cr_assert_eq(memcmp(device, back, sizeof back), 0);
}

Test(tensor, convolution_weights_of_sequences) {
    int32_t device[W][I][O], file[O][I][W], back[W][I][O];
    lbk_shape shape = lbk_shape_of(3, (int64_t[]){W, I, O}), expected = lbk_shape_of(3, (int64_t[]){O, I, W});
    for (int w = 0; w < W; w++)
        for (int i = 0; i < I; i++)
            for (int o = 0; o < O; o++)
                device[w][i][o] = 100 * w + 10 * i + o;
    lbk_shape in_file = lbk_layout_file_shape(LBK_LAYOUT_OIHW, &shape);
    cr_assert(lbk_shape_equal(&in_file, &expected));
    lbk_layout_to_file(LBK_LAYOUT_OIHW, &shape, device, file);
    for (int o = 0; o < O; o++)
        for (int i = 0; i < I; i++)
            for (int w = 0; w < W; w++)
                cr_assert_eq(file[o][i][w], 100 * w + 10 * i + o);
    lbk_layout_to_device(LBK_LAYOUT_OIHW, &shape, file, back);
    cr_assert_eq(memcmp(device, back, sizeof back), 0);
}

Test(tensor, dense_weights_by_index) {
    float device[I][O], file[O][I], back[I][O];
    lbk_shape shape = lbk_shape_2(I, O), expected = lbk_shape_2(O, I);
    for (int i = 0; i < I; i++)
        for (int o = 0; o < O; o++)
            device[i][o] = (float)(10 * i + o);
    lbk_shape in_file = lbk_layout_file_shape(LBK_LAYOUT_OI, &shape);
    cr_assert(lbk_shape_equal(&in_file, &expected));
    lbk_layout_to_file(LBK_LAYOUT_OI, &shape, device, file);
    for (int o = 0; o < O; o++)
        for (int i = 0; i < I; i++)
            cr_assert_eq(file[o][i], (float)(10 * i + o));
    lbk_layout_to_device(LBK_LAYOUT_OI, &shape, file, back);
    cr_assert_eq(memcmp(device, back, sizeof back), 0);
}

Test(tensor, same_layout_copies) {
    int32_t from[6] = {1, 2, 3, 4, 5, 6}, to[6] = {0}, back[6] = {0};
    lbk_shape shape = lbk_shape_2(2, 3), in_file = lbk_layout_file_shape(LBK_LAYOUT_SAME, &shape);
    cr_assert(lbk_shape_equal(&in_file, &shape));
    lbk_layout_to_file(LBK_LAYOUT_SAME, &shape, from, to);
    lbk_layout_to_device(LBK_LAYOUT_SAME, &shape, to, back);
    cr_assert_arr_eq(to, from, sizeof from);
    cr_assert_arr_eq(back, from, sizeof from);
}
