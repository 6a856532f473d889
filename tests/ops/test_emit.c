/* Descriptions of kernel calls, and the choice among variants. */
#include "ops/emit.h"

#include <criterion/criterion.h>
#include <string.h>

static int mode; /* what bad_emit() does wrong */

static lbk_status no_emit(lbk_emit *e) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "cpu/none", "none", &call)); /* must not survive the decline */
    return lbk_emit_decline(e);
}

static lbk_status bad_emit(lbk_emit *e) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/none", "none", &call));
    lbk_call_range_1d(call, 100, mode == 1 ? 2048 : 64);
    lbk_call_input(call, mode == 2 ? 1 : 0);
    lbk_call_output(call, mode == 3 ? 1 : 0);
    lbk_call_int(call, mode == 4 ? (int64_t)1 << 31 : 1);
    if (mode == 5)
        lbk_call_scratch(call, 0);
    for (int i = 0; mode == 6 && i < LBK_MAX_ARGS; i++)
        lbk_call_float(call, 1);
    for (int i = 0; mode == 7 && i < 5; i++)
        lbk_emit_scratch(e, 4);
    return LBK_OK;
}

static const lbk_variant variants[] = {
    {LBK_CLASS_CPU, "picky", no_emit}, {LBK_CLASS_GENERIC, "plain", bad_emit}, {.emit = NULL}};
static const lbk_variant picky[] = {{LBK_CLASS_CPU, "picky", no_emit}, {.emit = NULL}};
static const lbk_op op = {.name = "none", .variants = variants}, picky_op = {.name = "fussy", .variants = picky};
static const lbk_caps caps = {.cls = LBK_CLASS_CPU, .max_group = 1024, .max_item = {1024, 1024, 64}};
static const lbk_tensor_desc one = {LBK_F32, {1, {1}}};

static lbk_emit emit_for(const lbk_op *which) {
    return (lbk_emit){.caps = &caps, .op = which, .input_count = 1, .output_count = 1, .input = &one, .output = &one};
}

Test(emit, falls_back_to_generic) {
    lbk_emit e = emit_for(&op);
    mode = 0;
    cr_assert(lbk_emit_node(&e) == LBK_OK, "%s", lbk_error_message());
    cr_expect_str_eq(e.variant, "generic/plain");
    cr_expect(e.call_count == 1 && e.calls[0].arg_count == 3);
    cr_expect(e.calls[0].global[0] == 128 && e.calls[0].local[0] == 64 && e.calls[0].dims == 1);
    lbk_emit_release(&e);
}

Test(emit, nothing_fits) {
    lbk_emit e = emit_for(&picky_op);
    cr_expect(lbk_emit_node(&e) == LBK_ERR_UNSUPPORTED);
    cr_expect(strstr(lbk_error_message(), "fussy") != NULL);
    lbk_emit_release(&e);
}

Test(emit, mistakes_are_found) {
    for (mode = 1; mode <= 7; mode++) {
        lbk_emit e = emit_for(&op);
        cr_expect(lbk_emit_node(&e) == LBK_ERR_INTERNAL, "mistake %d passed", mode);
        lbk_emit_release(&e);
    }
}

Test(emit, options) {
    lbk_emit e = emit_for(&op);
    lbk_call *call;
    char text[300];
    cr_assert(lbk_emit_kernel(&e, "generic/none", "none", &call) == LBK_OK);
    cr_expect(lbk_call_option(call, "-DA=%d", 1) == LBK_OK && lbk_call_option(call, "-DB") == LBK_OK);
    cr_expect_str_eq(call->options, "-DA=1 -DB");
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    cr_expect(lbk_call_option(call, "%s", text) == LBK_ERR_INTERNAL);
    cr_expect_str_eq(call->options, "-DA=1 -DB");
    text[sizeof call->options - 11] = '\0'; /* fits exactly */
    cr_expect(lbk_call_option(call, "%s", text) == LBK_OK);
    cr_expect_eq(strlen(call->options), sizeof call->options - 1);
    lbk_emit_release(&e);
}

Test(emit, local_size_respects_the_device) {
    lbk_caps small = {.cls = LBK_CLASS_GPU, .max_group = 96, .max_item = {512, 1, 1}};
    lbk_emit e = {.caps = &small};
    cr_expect_eq(lbk_emit_local(&e), 64);
    small.max_item[0] = 1;
    cr_expect_eq(lbk_emit_local(&e), 1);
}
