/* The trial of matrix units: exact where they are emulated, quiet and remembered where there are none, and not to be fooled. */
#include "base/file.h"
#include "device/helpers/sandbox.h"
#include "device/matrix_units.h"
#include "support/quick_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enter(void) {
    build_quickly();
    sandbox_enter(0);
}

TestSuite(matrix_units, .init = enter, .fini = sandbox_leave);

static lbk_device *open_emulated(void) {
    return sandbox_open("0.0", &(lbk_open_options){.cls = "gpu", .emulate_units = true});
}

Test(matrix_units, emulation_is_exact) {
    lbk_device *device = open_emulated();
    cr_expect_eq(device->info.caps.matrix_units, LBK_ALL_UNITS);
    for (int a = LBK_ARITHMETIC_TF32; a <= LBK_ARITHMETIC_BFLOAT16; a++)
        OK(lbk_matrix_units_try(device, (lbk_arithmetic)a));
    cr_expect_eq(device->allocated_bytes, 0);
    lbk_device_close(device);
}

/* A kernel that rounds or places its numbers otherwise than it should. */
static void expect_refused(lbk_arithmetic arithmetic, const char *right, const char *wrong) {
    char *source = NULL;
    size_t length = 0;
    lbk_text text = {0};
    OK(lbk_file_read(LIMBECK_SOURCE_DIR "/kernels/gpu/matrix_units.cl", &source, &length));
    const char *at = strstr(source, right);
    cr_assert(at, "the kernel has no \"%s\" any more", right);
    OK(lbk_text_printf(&text, "%.*s%s%s", (int)(at - source), source, wrong, at + strlen(right)));
    OK(lbk_path_make_folder(sandbox_path("kernels/gpu")));
    sandbox_write(sandbox_path("kernels/gpu/matrix_units.cl"), text.data, text.length);
    setenv("LIMBECK_KERNELS", sandbox_path("kernels"), 1);
    lbk_text_release(&text);
    free(source);

    lbk_device *device = open_emulated();
    cr_expect_eq(lbk_matrix_units_try(device, arithmetic), LBK_ERR_DEVICE);
    cr_expect(strstr(lbk_error_message(), ": element "), "%s", lbk_error_message());
    lbk_device_close(device);
}

Test(matrix_units, ties_away_from_zero_are_refused) {
    expect_refused(LBK_ARITHMETIC_TF32, "bits + 0xFFFu + (bits >> 13 & 1u)", "bits + 0x1000u");
}

Test(matrix_units, cut_off_numbers_are_refused) {
    expect_refused(LBK_ARITHMETIC_BFLOAT16, "bits + 0x7FFFu + (bits >> 16 & 1u)", "bits");
}

Test(matrix_units, halves_in_the_wrong_order_are_refused) {
    expect_refused(LBK_ARITHMETIC_FLOAT16, "round_number(v0) | round_number(v1) << 16",
                   "round_number(v1) | round_number(v0) << 16");
}

Test(matrix_units, fragments_from_the_wrong_place_are_refused) {
    expect_refused(LBK_ARITHMETIC_TF32, "+ i * 16 + 8 * (w % 2)", "+ i * 16 + 8 * (w / 2)");
}

static lbk_device *open_gpu(void) {
    return sandbox_open("0.0", &(lbk_open_options){.cls = "gpu"});
}

/* The instruction itself, where there is none: an error like another. */
Test(matrix_units, processors_have_none) {
    lbk_device *device = open_gpu();
    if (device->info.caps.type != CL_DEVICE_TYPE_CPU)
        cr_skip_test("not a processor");
    for (int a = LBK_ARITHMETIC_TF32; a <= LBK_ARITHMETIC_BFLOAT16; a++)
        cr_expect_eq(lbk_matrix_units_try(device, (lbk_arithmetic)a), LBK_ERR_DEVICE);
    cr_expect_eq(device->allocated_bytes, 0);
    cr_expect_str_eq(sandbox_log(), "");
    lbk_device_close(device);
}

/* Whatever the device is, nobody hears of it, and the next process asks the file. */
Test(matrix_units, outcome_is_quiet_and_kept) {
    lbk_device *device = open_gpu();
    const uint32_t bit = 1u << LBK_ARITHMETIC_BFLOAT16;
    cr_expect_eq(device->info.caps.matrix_units, 0, "a trial before anybody asked");
    cr_expect_eq(lbk_matrix_units_known(&device->info), 0);
    lbk_matrix_units_find(device, LBK_ARITHMETIC_FLOAT32);
    cr_expect_eq(sandbox_cache_count(".units"), 0);
    lbk_matrix_units_find(device, LBK_ARITHMETIC_BFLOAT16);
    cr_expect_eq(sandbox_cache_count(".units"), 1);
    cr_expect_str_eq(sandbox_log(), "");
    cr_expect_eq(device->info.caps.matrix_units & ~bit, 0);
    cr_expect_eq(lbk_matrix_units_known(&device->info), device->info.caps.matrix_units);
    lbk_device_close(device);
}

/* The file's answer counts, unless it is none. */
static void expect_outcome(const char *content, uint32_t expected) {
    lbk_device *device = open_gpu();
    char *path = NULL;
    lbk_matrix_units_find(device, LBK_ARITHMETIC_TF32);
    OK(lbk_matrix_units_path(&device->info, LBK_ARITHMETIC_TF32, &path));
    sandbox_write(path, content, strlen(content));
    free(path);
    lbk_device_close(device);
    device = open_gpu();
    lbk_matrix_units_find(device, LBK_ARITHMETIC_TF32);
    cr_expect_eq(device->info.caps.matrix_units, expected, "\"%s\"", content);
    cr_expect_eq(lbk_matrix_units_known(&device->info), expected);
    lbk_device_close(device);
}

Test(matrix_units, kept_outcome_is_believed) {
    expect_outcome("1\n", 1u << LBK_ARITHMETIC_TF32);
    expect_outcome("0\n", 0);
}

Test(matrix_units, damaged_outcome_is_found_anew) {
    lbk_device *device = open_gpu();
    lbk_matrix_units_find(device, LBK_ARITHMETIC_TF32);
    uint32_t found = device->info.caps.matrix_units;
    lbk_device_close(device);
    expect_outcome("1 perhaps", found);
}

Test(matrix_units, forced_by_the_environment) {
    setenv("LIMBECK_MATRIX_UNITS", "emulated", 1);
    lbk_device *device = open_gpu();
    cr_expect_eq(device->info.caps.matrix_units, LBK_ALL_UNITS);
    cr_expect(device->info.caps.emulated_units);
    lbk_device_close(device);
    device = sandbox_open("0.0", &(lbk_open_options){.cls = "generic"});
    cr_expect_eq(device->info.caps.matrix_units, 0, "class generic has no kernels for them");
    lbk_device_close(device);
    setenv("LIMBECK_MATRIX_UNITS", "off", 1);
    device = open_gpu();
    lbk_matrix_units_find(device, LBK_ARITHMETIC_TF32);
    cr_expect_eq(device->info.caps.matrix_units, 0);
    cr_expect_eq(sandbox_cache_count(".units"), 0);
    lbk_device_close(device);
    setenv("LIMBECK_MATRIX_UNITS", "on", 1);
    lbk_device_spec spec = {.info = 0};
    cr_expect_eq(lbk_device_open(sandbox_list(), &spec, NULL, 1, &device), LBK_ERR_INPUT);
}
