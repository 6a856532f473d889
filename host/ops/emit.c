/* Descriptions of kernel launches: building them, and choosing among an op's variants. */
#include "ops/emit.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lbk_status lbk_emit_decline(lbk_emit *e) {
    e->declined = true;
    return LBK_OK;
}

lbk_status lbk_emit_kernel(lbk_emit *e, const char *file, const char *name, lbk_call **call) {
    *call = NULL;
    LBK_TRY(lbk_grow(&e->calls, &e->call_capacity, e->call_count + 1, sizeof *e->calls));
    lbk_call *fresh = &e->calls[e->call_count++];
    memset(fresh, 0, sizeof *fresh);
    fresh->kind = LBK_CALL_KERNEL;
    fresh->file = file;
    fresh->name = name;
    *call = fresh;
    return LBK_OK;
}

lbk_status lbk_call_option(lbk_call *call, const char *fmt, ...) {
    size_t used = strlen(call->options), room = sizeof call->options - used;
    size_t space = used > 0 ? 1 : 0;
    va_list args;
    va_start(args, fmt);
    int length = room > space ? vsnprintf(call->options + used + space, room - space, fmt, args) : -1;
    va_end(args);
    if (length < 0 || (size_t)length >= room - space) {
        call->options[used] = '\0';
        return lbk_fail(LBK_ERR_INTERNAL, "build options of kernel %s/%s exceed %zu characters", call->file, call->name,
                        sizeof call->options - 1);
    }
    if (space > 0)
        call->options[used] = ' ';
    return LBK_OK;
}

/* Setters cannot fail, so that an argument list reads like one. What went wrong is kept in the call and found by
 * call_check(): too many arguments as an arg_count beyond the array, a number that is no int as a NaN in `number`. */
static void call_arg(lbk_call *call, lbk_arg_kind kind, int index, float number) {
    if (call->arg_count < LBK_MAX_ARGS)
        call->arg[call->arg_count] = (lbk_arg){kind, index, number};
    call->arg_count++;
}

void lbk_call_input(lbk_call *call, int input) {
    call_arg(call, LBK_ARG_INPUT, input, 0);
}

void lbk_call_output(lbk_call *call, int output) {
    call_arg(call, LBK_ARG_OUTPUT, output, 0);
}

void lbk_call_scratch(lbk_call *call, int scratch) {
    call_arg(call, LBK_ARG_SCRATCH, scratch, 0);
}

void lbk_call_int(lbk_call *call, int64_t value) {
    bool fits = value >= INT_MIN && value <= INT_MAX;
    call_arg(call, LBK_ARG_INT, fits ? (int)value : 0, fits ? 0 : NAN);
}

void lbk_call_float(lbk_call *call, double value) {
    call_arg(call, LBK_ARG_FLOAT, 0, (float)value);
}

void lbk_call_local_memory(lbk_call *call, size_t bytes) {
    bool fits = bytes <= INT_MAX;
    call_arg(call, LBK_ARG_LOCAL, fits ? (int)bytes : 0, fits ? 0 : NAN);
}

int lbk_emit_scratch(lbk_emit *e, size_t bytes) {
    int index = e->scratch_count++;
    if (index < (int)(sizeof e->scratch_bytes / sizeof *e->scratch_bytes))
        e->scratch_bytes[index] = bytes;
    return index;
}

void lbk_call_range_3d(lbk_call *call, const size_t items[3], const size_t local[3]) {
    call->dims = 3;
    for (int i = 0; i < 3; i++) {
        size_t groups = items[i] == 0 ? 1 : (items[i] + local[i] - 1) / local[i];
        call->global[i] = groups * local[i];
        call->local[i] = local[i];
    }
}

void lbk_call_range_2d(lbk_call *call, size_t items0, size_t items1, size_t local0, size_t local1) {
    lbk_call_range_3d(call, (size_t[3]){items0, items1, 1}, (size_t[3]){local0, local1, 1});
    call->dims = 2;
}

void lbk_call_range_1d(lbk_call *call, size_t items, size_t local) {
    lbk_call_range_3d(call, (size_t[3]){items, 1, 1}, (size_t[3]){local, 1, 1});
    call->dims = 1;
}

/* 256 is where element-wise kernels stop gaining on CPUs and a safe occupancy on GPUs; unknown devices (simulators, FPGA
 * boards) pay per work-item state, so less for them. */
size_t lbk_emit_local(const lbk_emit *e) {
    size_t local = e->caps->cls == LBK_CLASS_GENERIC ? 64 : 256;
    while (local > 1 && (local > e->caps->max_group || local > e->caps->max_item[0]))
        local /= 2;
    return local;
}

static lbk_status call_check_arg(const lbk_emit *e, const lbk_call *call, int i) {
    const lbk_arg *arg = &call->arg[i];
    const char *wrong = NULL;
    if (arg->kind == LBK_ARG_INPUT && !lbk_emit_has(e, arg->index))
        wrong = "names an input that is absent";
    if (arg->kind == LBK_ARG_OUTPUT && arg->index >= e->output_count)
        wrong = "names an output that does not exist";
    if (arg->kind == LBK_ARG_SCRATCH && arg->index >= e->scratch_count)
        wrong = "names scratch memory that was not asked for";
    if ((arg->kind == LBK_ARG_INT || arg->kind == LBK_ARG_LOCAL) && isnan(arg->number))
        wrong = "does not fit an int: this tensor is too large for the kernel's 32-bit indices";
    if (wrong != NULL)
        return lbk_fail(LBK_ERR_INTERNAL, "kernel %s/%s: argument %d %s", call->file, call->name, i, wrong);
    return LBK_OK;
}

static lbk_status call_check(const lbk_emit *e, const lbk_call *call) {
    if (call->arg_count > LBK_MAX_ARGS)
        return lbk_fail(LBK_ERR_INTERNAL, "%s: a call has %d arguments, at most %d are possible", e->op->name,
                        call->arg_count, LBK_MAX_ARGS);
    for (int i = 0; i < call->arg_count; i++)
        LBK_TRY(call_check_arg(e, call, i));
    if (call->kind != LBK_CALL_KERNEL)
        return LBK_OK;
    size_t group = 1;
    for (int i = 0; i < call->dims; i++)
        group *= call->local[i];
    if (call->dims < 1 || group == 0 || group > e->caps->max_group)
        return lbk_fail(LBK_ERR_INTERNAL, "kernel %s/%s: a work-group of %zu work-items, the device takes 1 to %zu",
                        call->file, call->name, group, e->caps->max_group);
    return LBK_OK;
}

static bool is_wanted(const lbk_emit *e, const lbk_variant *variant) {
    size_t length = strlen(lbk_class_name(variant->cls));
    return !e->only || (strncmp(e->only, lbk_class_name(variant->cls), length) == 0 && e->only[length] == '/' &&
                        strcmp(e->only + length + 1, variant->name) == 0);
}

static lbk_status variant_try(lbk_emit *e, const lbk_variant *variant) {
    e->call_count = 0;
    e->scratch_count = 0;
    e->declined = false;
    LBK_TRY(lbk_context(variant->emit(e), "%s (%s/%s)", e->op->name, lbk_class_name(variant->cls), variant->name));
    if (e->declined)
        return LBK_OK;
    LBK_ENSURE(e->scratch_count <= (int)(sizeof e->scratch_bytes / sizeof *e->scratch_bytes));
    for (size_t i = 0; i < e->call_count; i++)
        LBK_TRY(call_check(e, &e->calls[i]));
    snprintf(e->variant, sizeof e->variant, "%s/%s", lbk_class_name(variant->cls), variant->name);
    return LBK_OK;
}

/* Tries the op's variants of class `cls`; *done says whether one took the node. */
static lbk_status class_try(lbk_emit *e, lbk_class cls, bool *done) {
    *done = false;
    for (const lbk_variant *v = e->op->variants; v != NULL && v->emit != NULL && !*done; v++) {
        if (v->cls != cls || !is_wanted(e, v))
            continue;
        LBK_TRY(variant_try(e, v));
        *done = !e->declined;
    }
    return LBK_OK;
}

lbk_status lbk_emit_node(lbk_emit *e) {
    bool done = false;
    LBK_TRY(class_try(e, e->caps->cls, &done));
    if (!done && e->caps->cls != LBK_CLASS_GENERIC)
        LBK_TRY(class_try(e, LBK_CLASS_GENERIC, &done));
    if (!done)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "%s: no kernel takes these shapes on this device", e->op->name);
    return LBK_OK;
}

lbk_status lbk_emit_rivals(const lbk_emit *node, const lbk_variant *rivals[LBK_MAX_RIVALS], int *count) {
    *count = 0;
    for (const lbk_variant *v = node->op->variants; v && v->emit && *count < LBK_MAX_RIVALS; v++) {
        lbk_emit e = *node;
        if (v->cls != e.caps->cls)
            continue;
        lbk_status status = variant_try(&e, v);
        bool takes = status == LBK_OK && !e.declined;
        lbk_emit_release(&e);
        LBK_TRY(status);
        if (takes)
            rivals[(*count)++] = v;
    }
    return LBK_OK;
}

void lbk_emit_release(lbk_emit *e) {
    free(e->calls);
    e->calls = NULL;
    e->call_count = e->call_capacity = 0;
}
