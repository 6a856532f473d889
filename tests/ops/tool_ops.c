/* tool_ops CLASS [OP...]: the examples of all (or the named) ops on the first device with kernels of CLASS, one line each;
 * exit status 1 when any fails. With --time instead of checking, times of the examples and of batch normalisation at
 * ResNet sizes; with --units=ARITHMETIC (1, 2, 3: lbk_arithmetic), those that matrix units compute, emulated. For oclgrind and for the eye; test_ops is the test. */
#include "support/op_runner.h"

#include <stdio.h>
#include <string.h>

static bool wanted(const char *name, int count, char **names) {
    bool found = count == 0;
    for (int i = 0; i < count; i++)
        found = found || strcmp(name, names[i]) == 0;
    return found;
}

/* Of --units. */
static lbk_arithmetic arithmetic;

static bool has_units(lbk_device *device, const op_case *c) {
    const lbk_variant *rivals[LBK_MAX_RIVALS];
    int count = 0;
    if (op_runner_rivals(device, c, rivals, &count) != LBK_OK)
        return false;
    while (count > 0 && strcmp(rivals[count - 1]->name, "matrix-units") != 0)
        count--;
    return count > 0;
}

static bool example_run(lbk_device *device, const lbk_op *op, int index) {
    op_case c = op_case_of(op, &op->examples[index]);
    op_result result;
    int64_t elements = 0;
    for (int i = 0; i < c.input_count; i++)
        elements += c.input[i].rank < 0 ? 0 : lbk_shape_count(&c.input[i]);
    if (elements > 5000)
        return true; /* a simulator takes minutes for it */
    c.arithmetic = arithmetic;
    if (arithmetic != LBK_ARITHMETIC_FLOAT32 && !has_units(device, &c))
        return true;
    c.variant = arithmetic != LBK_ARITHMETIC_FLOAT32 ? "gpu/matrix-units" : NULL;
    lbk_status status = op_runner_run(device, &c, 1, &result);
    const char *message = status == LBK_OK ? result.message : lbk_error_message();
    bool passed = status == LBK_OK && result.passed;
    printf("%s %s %d (%s) %s %s\n", passed ? "ok  " : "FAIL", op->name, index, c.params, result.variant, message);
    return passed;
}

static lbk_status norm_time(lbk_device *device, const char *op, const char *params, lbk_shape x, int inputs) {
    op_case c = {.op = lbk_op_find(op), .params = params, .input_count = inputs, .low = 0.1, .high = 2};
    bool backward = strcmp(op, "batch_norm_backward") == 0;
    char text[LBK_SHAPE_TEXT];
    op_result result;
    for (int i = 0; i < inputs; i++) {
        bool big = backward ? i < 2 || i == 6 : i == 0 || i == 5;
        c.input[i] = big ? x : lbk_shape_1(lbk_shape_last(&x));
    }
    LBK_TRY(op_runner_time(device, &c, 30, &result));
    printf("%-20s %-10s %d inputs %-14s %-16s %8.3f ms %7.1f GB/s\n", op, params, inputs, lbk_shape_print(&x, text),
           result.variant, result.seconds * 1e3, result.bytes / result.seconds * 1e-9);
    return LBK_OK;
}

static lbk_status norm_times(lbk_device *device) {
    const lbk_shape shapes[] = {{4, {128, 32, 32, 16}}, {4, {128, 16, 16, 32}}, {4, {128, 8, 8, 64}}};
    for (int i = 0; i < 3; i++) {
        LBK_TRY(norm_time(device, "batch_norm", "", shapes[i], 5));
        LBK_TRY(norm_time(device, "batch_norm", "relu=yes", shapes[i], 5));
        LBK_TRY(norm_time(device, "batch_norm", "relu=yes", shapes[i], 6));
        LBK_TRY(norm_time(device, "batch_norm", "training=no", shapes[i], 5));
        LBK_TRY(norm_time(device, "batch_norm_backward", "", shapes[i], 6));
        LBK_TRY(norm_time(device, "batch_norm_backward", "relu=yes", shapes[i], 6));
        LBK_TRY(norm_time(device, "batch_norm_backward", "relu=yes", shapes[i], 7));
    }
    return LBK_OK;
}

static int run(lbk_device *device, int count, char **names) {
    int failed = 0;
    if (count > 0 && strcmp(names[0], "--time") == 0)
        return norm_times(device) == LBK_OK ? 0 : 1;
    if (count > 0 && strncmp(names[0], "--units=", 8) == 0) {
        arithmetic = (lbk_arithmetic)(names[0][8] - '0');
        count--;
        names++;
    }
    for (const lbk_op *const *op = lbk_op_all(); *op != NULL; op++)
        for (int i = 0; wanted((*op)->name, count, names) && i < (*op)->example_count; i++)
            failed += !example_run(device, *op, i);
    return failed > 0;
}

int main(int argc, char **argv) {
    lbk_device_list list = {0};
    lbk_device *device = NULL;
    lbk_device_spec spec = {.info = 0};
    lbk_open_options options = {.cls = argc > 1 ? argv[1] : "generic", .emulate_units = true};
    int exit_code = 1;
    if (lbk_device_list_init(&list) != LBK_OK || list.count == 0 ||
        lbk_device_open(&list, &spec, &options, 1, &device) != LBK_OK)
        fprintf(stderr, "no device: %s\n", lbk_error_message());
    else
        exit_code = run(device, argc > 2 ? argc - 2 : 0, argv + 2);
    if (exit_code != 0)
        fprintf(stderr, "%s\n", lbk_error_message());
    lbk_device_close(device);
    lbk_device_list_release(&list);
    return exit_code;
}
