/* Element-wise ops beyond random numbers: NaN, infinities and far arguments, on all three classes of the first device; broadcasting
 * that must be refused or must not be merged away. */
#include "support/op_runner.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define PIECEWISE(name, ...) #name,
#define SMOOTH(name, ...) #name,
#define LINEAR(name, ...) #name,
static const char *const unary_ops[] = {
#include "ops/unary.def"
};
#undef PIECEWISE
#undef SMOOTH
#undef LINEAR

#define COMPOSED(name, ...) #name,
#define SLOPED(name, ...) #name,
#define COMPARED(name, ...) #name,
static const char *const binary_ops[] = {
#include "ops/binary.def"
    "add"};
#undef COMPOSED
#undef SLOPED
#undef COMPARED

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void check_case(lbk_device *device, const op_case *c) {
    op_result result;
    lbk_status status = op_runner_run(device, c, 5, &result);
    cr_expect(status == LBK_OK, "%s: %s", c->op->name, lbk_error_message());
    cr_expect(status != LBK_OK || result.passed, "%s by %s: %s", c->op->name, result.variant, result.message);
}

static void for_each_class(void (*check)(lbk_device *device)) {
    static const char *const classes[] = {"generic", "cpu", "gpu"};
    lbk_device_list list;
    lbk_device_spec spec = {.info = 0};
    cr_assert(lbk_device_list_init(&list) == LBK_OK, "%s", lbk_error_message());
    if (list.count == 0)
        cr_skip_test("no OpenCL device");
    for (int k = 0; k < 3; k++) {
        lbk_open_options options = {.cls = classes[k]};
        lbk_device *device = NULL;
        cr_assert(lbk_device_open(&list, &spec, &options, 1, &device) == LBK_OK, "%s", lbk_error_message());
        check(device);
        lbk_device_close(device);
    }
    lbk_device_list_release(&list);
}

/* 37 elements: whole vectors and a rest. exp(89) is infinite in float, exp(-100) nearly nothing. */
static void check_unary(lbk_device *device) {
    static const float given[] = {NAN,   -100, 100,   -20, 20,   -1e-4f, 1e-4f, 0,   -6,  6,    -3,    3,  -9,
                                  -2.5f, 17,   0.25f, -80, 80.5, -1,     1,     NAN, -50, 50.5, 1e-3f, 42, -0.7f};
    for (size_t i = 0; i < COUNT(unary_ops); i++) {
        op_case c = {.op = lbk_op_find(unary_ops[i]),
                     .params = "",
                     .input = {lbk_shape_1(37)},
                     .input_count = 1,
                     .given = {given},
                     .given_count = COUNT(given),
                     .each = true};
        check_case(device, &c);
    }
}

Test(pointwise, nan_and_far_arguments) {
    for_each_class(check_unary);
}

/* The derivative must not meet inf * 0 far out. */
static void check_backward(lbk_device *device) {
    static const char *const ops[] = {"silu", "gelu", "softplus", "hard_swish"};
    static const float dy[] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, x[] = {-100, 100, -30, 30, -12, 12, -8.5f, 8.5f, 0};
    for (size_t i = 0; i < COUNT(ops); i++)
        for (int tanh_form = 0; tanh_form < (strcmp(ops[i], "gelu") == 0 ? 2 : 1); tanh_form++) {
            char name[32];
            snprintf(name, sizeof name, "%s_backward", ops[i]);
            op_case c = {.op = lbk_op_find(name),
                         .params = tanh_form ? "approximate=tanh" : "",
                         .input = {lbk_shape_1(21), lbk_shape_1(21)},
                         .input_count = 2,
                         .given = {dy, x},
                         .given_count = COUNT(x),
                         .each = true};
            check_case(device, &c);
        }
}

Test(pointwise, derivatives_far_out) {
    for_each_class(check_backward);
}

static void check_binary(lbk_device *device) {
    static const float a[] = {NAN, 1, 2, -3, 0.5f, INFINITY, 0, -0.25f, 7, 2},
                       b[] = {1, NAN, 2, 5, -4, 1, 3, 0.5f, -7, 3};
    for (size_t i = 0; i < COUNT(binary_ops); i++) {
        op_case c = {.op = lbk_op_find(binary_ops[i]),
                     .params = "",
                     .input = {lbk_shape_1(37), lbk_shape_1(37)},
                     .input_count = 2,
                     .given = {a, b},
                     .given_count = COUNT(a),
                     .each = true};
        check_case(device, &c);
    }
}

Test(pointwise, nan_of_either_operand) {
    for_each_class(check_binary);
}

static lbk_status infer(const char *op, const char *params, const lbk_shape *shapes, int count, lbk_shape *out) {
    lbk_tensor_desc inputs[LBK_MAX_INPUTS];
    lbk_arena arena = {0};
    void *values = NULL;
    cr_assert(lbk_arena_alloc(&arena, lbk_op_find(op)->params_size + 1, &values) == LBK_OK);
    cr_assert(lbk_op_params_parse(lbk_op_find(op), params, &arena, values) == LBK_OK, "%s", lbk_error_message());
    for (int i = 0; i < count; i++)
        inputs[i] = (lbk_tensor_desc){LBK_F32, shapes[i]};
    lbk_infer infer = {.params = values, .input_count = count, .input = inputs};
    lbk_status status = lbk_op_infer(lbk_op_find(op), &infer);
    *out = infer.output[0].shape;
    lbk_arena_release(&arena);
    return status;
}

Test(pointwise, shapes_that_go_together) {
    const struct {
        lbk_shape a, b, out;
    } rows[] = {
        {{4, {2, 3, 4, 5}}, {1, {5}}, {4, {2, 3, 4, 5}}},
        {{4, {2, 3, 4, 5}}, {4, {2, 1, 1, 5}}, {4, {2, 3, 4, 5}}},
        {{1, {1}}, {2, {2, 3}}, {2, {2, 3}}},
        {{2, {2, 1}}, {3, {7, 1, 3}}, {3, {7, 2, 3}}},
        {{0, {0}}, {1, {4}}, {1, {4}}},
        {{0, {0}}, {0, {0}}, {0, {0}}},
    };
    for (size_t k = 0; k < COUNT(binary_ops); k++)
        for (size_t i = 0; i < COUNT(rows); i++)
            for (int swapped = 0; swapped < 2; swapped++) {
                lbk_shape out, shapes[] = {swapped ? rows[i].b : rows[i].a, swapped ? rows[i].a : rows[i].b};
                cr_expect(infer(binary_ops[k], "", shapes, 2, &out) == LBK_OK, "%s", lbk_error_message());
                cr_expect(lbk_shape_equal(&out, &rows[i].out), "%s, row %zu", binary_ops[k], i);
            }
}

static void refused(const char *op, const char *params, const lbk_shape *shapes, int count, const char *part) {
    lbk_shape out;
    lbk_error_clear();
    cr_expect(infer(op, params, shapes, count, &out) == LBK_ERR_INPUT, "%s \"%s\" was accepted", op, params);
    cr_expect(strstr(lbk_error_message(), part), "\"%s\" does not say \"%s\"", lbk_error_message(), part);
}

Test(pointwise, shapes_that_do_not) {
    const lbk_shape image = {4, {2, 3, 4, 5}}, four = {1, {4}}, pooled = {2, {2, 5}};
    for (size_t k = 0; k < COUNT(binary_ops); k++) {
        refused(binary_ops[k], "", (lbk_shape[]){image, four}, 2, "2x3x4x5 and 4");
        refused(binary_ops[k], "", (lbk_shape[]){pooled, image}, 2, "2x5 and 2x3x4x5");
    }
    refused("add", "", (lbk_shape[]){image, image, {1, {5}}}, 3, "5, expected 2x3x4x5");
    refused("maximum_backward_a", "", (lbk_shape[]){{1, {5}}, image, {1, {5}}}, 3, "dy");
    refused("sum_to", "shape=3,5", &image, 1, "3x5");
    refused("sum_to", "shape=2,1,4,1", &image, 1, "no neighbours");
    refused("sum_to", "shape=1,1,2,3,4,5", &(lbk_shape){4, {2, 3, 4, 5}}, 1, "1x1x2x3x4x5");
    refused("expand", "shape=2,3,4,6", &(lbk_shape){1, {5}}, 1, "2x3x4x6");
    refused("expand", "shape=1,1,1,1,1,1,1", &(lbk_shape){1, {1}}, 1, "7 dimensions");
    refused("prelu", "num_parameters=4", (lbk_shape[]){image, four}, 2, "num_parameters");
    refused("prelu", "num_parameters=5", (lbk_shape[]){image, four}, 2, "weight");
    refused("gelu_backward", "", (lbk_shape[]){image, four}, 2, "x has shape 4");
    refused("tanh_backward", "", (lbk_shape[]){image, four}, 2, "y has shape 4");
}
