/* Every op of the registry, on every device present, with every class of kernels the device can be made to run: all
 * examples, and at least 50 cases of random sizes, against the float64 references.
 *
 * Seed: $LIMBECK_TEST_SEED, else a fixed one; it is printed. */
#include "support/op_runner.h"
#include "support/quick_build.h"
#include "support/sanitized.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIATIONS LBK_ROUNDS(3, 1) /* tried per example */

static uint64_t test_seed(void) {
    const char *text = getenv("LIMBECK_TEST_SEED");
    return text != NULL ? strtoull(text, NULL, 10) : 20150309; /* the day of Hinton et al.'s paper */
}

static bool check(lbk_device *device, const op_case *c, uint64_t seed) {
    op_result result;
    lbk_status status = op_runner_run(device, c, seed, &result);
    cr_expect(status == LBK_OK, "%s (%s): %s", c->op->name, c->params, lbk_error_message());
    if (status == LBK_OK)
        cr_expect(result.passed, "%s (%s) on %s by %s, seed %llu: %s", c->op->name, c->params, device->label,
                  result.variant, (unsigned long long)seed, result.message);
    return status == LBK_OK && result.passed;
}

static int variants_of(const lbk_op *op, lbk_class cls) {
    int count = 0;
    for (const lbk_variant *v = op->variants; v != NULL && v->emit != NULL; v++)
        count += v->cls == cls;
    return count;
}

/* What the tuner may choose in place of the first variant. CLBlast's products have a test of their own
 * (tests/graph/test_tune.c), since its kernels take long to compile. */
static int rivals_check(lbk_device *device, const op_case *original, uint64_t seed) {
    const lbk_variant *rivals[LBK_MAX_RIVALS];
    int count, checked = 0;
    if (variants_of(original->op, device->info.caps.cls) < 2)
        return 0;
    cr_assert(op_runner_rivals(device, original, rivals, &count) == LBK_OK, "%s", lbk_error_message());
    for (int i = 1; i < count; i++) {
        char name[48];
        op_case c = *original;
        snprintf(name, sizeof name, "%s/%s", lbk_class_name(rivals[i]->cls), rivals[i]->name);
        c.variant = name;
        if (strcmp(rivals[i]->name, "clblast") == 0)
            continue;
        check(device, &c, seed);
        checked++;
    }
    return checked;
}

/* Ends at the first failure: the rest would say the same. */
static int variations_check(lbk_device *device, const op_case *original, uint64_t seed) {
    int run = 0;
    for (int k = 0; k < VARIATIONS; k++) {
        op_case c = op_case_vary(original, seed + (uint64_t)k);
        if (memcmp(c.input, original->input, sizeof c.input) == 0 || !op_case_valid(&c))
            continue;
        run++;
        if (!check(device, &c, seed + (uint64_t)k))
            break;
        rivals_check(device, &c, seed + (uint64_t)k);
    }
    return run;
}

static void device_check(lbk_device *device, const char *cls) {
    uint64_t seed = test_seed();
    int examples = 0, random = 0, rivals = 0;
    for (const lbk_op *const *op = lbk_op_all(); *op != NULL; op++)
        for (int i = 0; i < (*op)->example_count; i++) {
            op_case c = op_case_of(*op, &(*op)->examples[i]);
            examples++;
            rivals += rivals_check(device, &c, seed);
            if (check(device, &c, seed))
                random += variations_check(device, &c, seed + 1000 * (uint64_t)examples);
        }
    cr_log_info("%s as %s: %d examples, %d random cases, %d of the examples in further variants, seed %llu\n",
                device->info.name, cls, examples, random, rivals, (unsigned long long)seed);
    cr_expect(rivals > 0 || strcmp(cls, "cpu") != 0, "nothing for the tuner to choose from");
    cr_expect(random >= 50, "only %d random cases", random);
}

/* Kernels of class cpu are whole vectors: on a device that calls itself scalar they compile for minutes. */
static bool can_run(const lbk_device_info *info, const char *cls) {
    return strcmp(cls, "cpu") != 0 || info->caps.vector_width > 1;
}

/* Products by matrix units, emulated; cases of one line of `op`, parameters and arithmetic share their programs, whose compiling is what
 * takes time: each has other operands across the lines of a tile, or other reads. ops_tool gpu --units=1 and so on runs all examples. */
static const struct {
    lbk_arithmetic arithmetic;
    const char *op, *params;
    lbk_shape input[2];
} unit_cases[] = {
    {LBK_ARITHMETIC_FLOAT16, "dense", "out=36 bias=no", {{2, {20, 40}}, {2, {40, 36}}}},
    {LBK_ARITHMETIC_FLOAT16, "dense", "out=64 bias=no", {{2, {130, 96}}, {2, {96, 64}}}},
    {LBK_ARITHMETIC_BFLOAT16,
     "dense",
     "out=260 bias=no relu=yes",
     {{2, {257, 36}}, {2, {36, 260}}}}, /* the 128 x 128 tile, of 2 units */
    {LBK_ARITHMETIC_BFLOAT16, "matmul", "trans_b=yes", {{3, {2, 19, 21}}, {3, {2, 35, 21}}}},
    {LBK_ARITHMETIC_BFLOAT16, "matmul", "trans_b=yes", {{2, {65, 64}}, {2, {64, 64}}}},
    {LBK_ARITHMETIC_TF32, "dense_backward_weights", "", {{2, {700, 68}}, {2, {700, 40}}}},
    {LBK_ARITHMETIC_TF32, "dense_backward_weights", "", {{2, {33, 12}}, {2, {33, 64}}}},
    {LBK_ARITHMETIC_TF32, "conv2d", "out=37 kernel=3 padding=1 bias=no", {{4, {2, 5, 6, 3}}, {4, {3, 3, 3, 37}}}},
    {LBK_ARITHMETIC_BFLOAT16,
     "conv2d",
     "out=80 kernel=2,3 stride=2 groups=2 bias=no",
     {{4, {2, 9, 8, 24}}, {4, {2, 3, 12, 80}}}},
    {LBK_ARITHMETIC_FLOAT16, "conv2d_backward_data", "extent=9,8 stride=2", {{4, {2, 4, 3, 20}}, {4, {3, 3, 36, 20}}}},
    {LBK_ARITHMETIC_FLOAT16,
     "conv2d_backward_weights",
     "extent=3 padding=1",
     {{4, {8, 9, 10, 12}}, {4, {8, 9, 10, 40}}}},
    {LBK_ARITHMETIC_FLOAT16, "conv2d_backward_weights", "extent=3 stride=2", {{4, {2, 9, 8, 4}}, {4, {2, 4, 3, 64}}}},
    {LBK_ARITHMETIC_TF32, "conv2d_backward_weights", "extent=3 stride=2", {{4, {3, 9, 8, 5}}, {4, {3, 4, 3, 35}}}},
};

static void units_check(lbk_device *device, const char *cls) {
    uint64_t seed = test_seed();
    size_t count = sizeof unit_cases / sizeof *unit_cases;
    for (size_t i = 0; i < count; i += LBK_ROUNDS(1, 4)) {
        op_case c = {.op = lbk_op_find(unit_cases[i].op),
                     .params = unit_cases[i].params,
                     .input = {unit_cases[i].input[0], unit_cases[i].input[1]},
                     .input_count = 2,
                     .arithmetic = unit_cases[i].arithmetic,
                     .variant = "gpu/matrix-units"};
        check(device, &c, seed + i);
    }
    cr_log_info("%s as %s: %zu products by matrix units, seed %llu\n", device->info.name, cls, count,
                (unsigned long long)seed);
}

static void class_check(const char *cls, void (*device_check)(lbk_device *, const char *)) {
    lbk_device_list list;
    cr_assert(lbk_device_list_init(&list) == LBK_OK, "%s", lbk_error_message());
    if (list.count == 0)
        cr_skip_test("no OpenCL device");
    for (size_t i = 0; i < list.count; i++) {
        lbk_device_spec spec = {.info = (int)i};
        lbk_open_options options = {.cls = cls, .emulate_units = true};
        lbk_device *device = NULL;
        if (!can_run(&list.items[i], cls))
            continue;
        cr_assert(lbk_device_open(&list, &spec, &options, 1, &device) == LBK_OK, "%s", lbk_error_message());
        device_check(device, cls);
        lbk_device_close(device);
    }
    lbk_device_list_release(&list);
}

Test(ops, class_generic) {
    class_check("generic", device_check);
}

Test(ops, class_cpu) {
    class_check("cpu", device_check);
}

Test(ops, class_gpu) {
    class_check("gpu", device_check);
}

Test(ops, matrix_units) {
    build_quickly();
    class_check("gpu", units_check);
}
