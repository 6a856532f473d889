#include "support/op_runner.h"

#include "base/clock.h"
#include "base/rng.h"
#include "ops/round.h"
#include "tensor/half.h"

#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 1024             /* bytes on each side of a tensor, at least */
#define GUARD_BITS 0x7FC0DEADu /* a quiet NaN, and an unlikely integer */
#define MAX_SCRATCH 4

/* One tensor on the host and on the device. */
typedef struct slot {
    bool used;
    size_t bytes, guard;   /* guard: before and, at least, behind */
    cl_mem parent, view;   /* view: the tensor's own bytes */
    double *expected;      /* reference's numbers; NULL for scratch */
    uint32_t *start, *got; /* bits before and after the run */
} slot;

typedef struct runner {
    lbk_device *device;
    const op_case *c;
    lbk_arena arena;
    void *params;
    lbk_tensor_desc inputs[LBK_MAX_INPUTS];
    lbk_infer infer;
    lbk_emit emit;
    slot in[LBK_MAX_INPUTS], out[LBK_MAX_OUTPUTS], scratch[MAX_SCRATCH];
    cl_kernel *kernels;
    op_result *result;
} runner;

static void paint(void *memory, size_t bytes) {
    static const uint32_t bits = GUARD_BITS;
    for (size_t i = 0; i < bytes; i += 4)
        memcpy((char *)memory + i, &bits, bytes - i < 4 ? bytes - i : 4);
}

static lbk_status slot_create(runner *r, slot *s, size_t bytes) {
    size_t align = r->device->info.caps.align_bytes;
    s->used = true;
    s->bytes = bytes;
    s->guard = align > GUARD ? align : GUARD;
    LBK_TRY(lbk_arena_alloc(&r->arena, bytes, &s->start));
    LBK_TRY(lbk_arena_alloc(&r->arena, bytes, &s->got));
    paint(s->start, bytes);
    LBK_TRY(lbk_buffer_create(r->device, bytes + 2 * s->guard, &s->parent));
    return lbk_buffer_view(s->parent, s->guard, bytes, &s->view);
}

/* Guards and contents as before the run. */
static lbk_status slot_fill(runner *r, slot *s) {
    size_t total = s->bytes + 2 * s->guard;
    char *all;
    LBK_TRY(lbk_calloc(total, 1, &all));
    paint(all, total);
    memcpy(all + s->guard, s->start, s->bytes);
    lbk_status status = lbk_buffer_write(r->device, s->parent, 0, all, total);
    free(all);
    return status;
}

/* Reads the contents back; *intact is false when a guard was written to. */
static lbk_status slot_read(runner *r, slot *s, bool *intact) {
    size_t total = s->bytes + 2 * s->guard;
    char *all, *painted;
    LBK_TRY(lbk_calloc(2 * total, 1, &all));
    painted = all + total;
    lbk_status status = lbk_buffer_read(r->device, s->parent, 0, all, total);
    memcpy(s->got, all + s->guard, s->bytes);
    paint(painted, total);
    memcpy(painted + s->guard, s->got, s->bytes);
    *intact = memcmp(all, painted, total) == 0;
    free(all);
    return status;
}

static double number_at(const void *bits, lbk_dtype dtype, size_t i) {
    const char *at = (const char *)bits + i * lbk_dtype_size(dtype);
    float real;
    int32_t whole;
    uint16_t half;
    memcpy(&half, at, sizeof half);
    if (dtype == LBK_F16 || dtype == LBK_BF16)
        return lbk_half_to_float(dtype, half);
    memcpy(&real, at, sizeof real);
    memcpy(&whole, at, sizeof whole);
    return dtype == LBK_I32 ? whole : real;
}

/* The numbers of input i, as exact floats. */
static lbk_status input_draw(runner *r, int i, uint64_t seed) {
    const op_case *c = r->c;
    slot *s = &r->in[i];
    lbk_rng rng;
    lbk_rng_init(&rng, seed, LBK_RNG_TEST, 0, (uint64_t)i);
    LBK_TRY(slot_create(r, s, lbk_tensor_bytes(&r->inputs[i])));
    lbk_dtype dtype = r->inputs[i].dtype;
    size_t count = (size_t)lbk_shape_count(&r->inputs[i].shape), size = lbk_dtype_size(dtype);
    LBK_TRY(lbk_arena_alloc(&r->arena, count * sizeof *s->expected, &s->expected));
    bool own = c->low_of[i] != 0 || c->high_of[i] != 0, common = c->low != 0 || c->high != 0;
    double low = own ? c->low_of[i] : common ? c->low : -1, high = own ? c->high_of[i] : common ? c->high : 1;
    for (size_t k = 0; k < count; k++) {
        int whole = c->integer_from;
        float real = low == high ? (float)low : (float)(low + (high - low) * lbk_rng_uniform(&rng));
        if (c->given[i])
            real = c->given[i][k % c->given_count];
        if (c->integer_below > c->integer_from)
            whole += (int)lbk_rng_below(&rng, (uint32_t)(c->integer_below - c->integer_from));
        if (c->some_nan && lbk_rng_below(&rng, 8) == 0)
            real = NAN;
        uint16_t half = size == 2 ? lbk_half_from_float(dtype, real) : 0;
        memcpy((char *)s->start + k * size,
               dtype == LBK_I32 ? (void *)&whole
               : size == 2      ? (void *)&half
                                : (void *)&real,
               size);
        s->expected[k] = number_at(s->start, dtype, k);
        if (c->op->multiplied >> i & 1u)
            s->expected[k] = lbk_round_number(c->arithmetic, (float)s->expected[k]);
    }
    return LBK_OK;
}

static lbk_status case_prepare(runner *r, uint64_t seed) {
    const lbk_op *op = r->c->op;
    if (op->params_size > 0)
        LBK_TRY(lbk_arena_alloc(&r->arena, op->params_size, &r->params));
    LBK_TRY(lbk_op_params_parse(op, r->c->params, &r->arena, r->params));
    for (int i = 0; i < r->c->input_count; i++)
        r->inputs[i] = (lbk_tensor_desc){lbk_op_input_dtype(op, i), r->c->input[i]};
    r->infer = (lbk_infer){.params = r->params, .input_count = r->c->input_count, .input = r->inputs};
    LBK_TRY(lbk_op_infer(op, &r->infer));
    for (int i = 0; i < r->c->input_count; i++)
        if (r->inputs[i].shape.rank >= 0)
            LBK_TRY(input_draw(r, i, seed));
    for (int i = 0; i < r->infer.output_count; i++) {
        LBK_TRY(slot_create(r, &r->out[i], lbk_tensor_bytes(&r->infer.output[i])));
        size_t count = (size_t)lbk_shape_count(&r->infer.output[i].shape);
        LBK_TRY(lbk_arena_alloc(&r->arena, count * sizeof(double), &r->out[i].expected));
    }
    return LBK_OK;
}

static void reference_run(runner *r) {
    double *in[LBK_MAX_INPUTS], *out[LBK_MAX_OUTPUTS];
    for (int i = 0; i < r->c->input_count; i++)
        in[i] = r->in[i].used ? r->in[i].expected : NULL;
    for (int i = 0; i < r->infer.output_count; i++)
        out[i] = r->out[i].expected;
    lbk_reference reference = {
        r->c->op, r->params, r->c->input_count, r->infer.output_count, r->inputs, r->infer.output, in, out};
    r->c->op->reference(&reference);
}

static lbk_status kernel_arg(runner *r, cl_kernel kernel, cl_uint at, const lbk_arg *arg) {
    cl_int number = arg->index;
    switch (arg->kind) {
    case LBK_ARG_INPUT:
        return LBK_CL(clSetKernelArg(kernel, at, sizeof(cl_mem), &r->in[arg->index].view));
    case LBK_ARG_OUTPUT:
        return LBK_CL(clSetKernelArg(kernel, at, sizeof(cl_mem), &r->out[arg->index].view));
    case LBK_ARG_SCRATCH:
        return LBK_CL(clSetKernelArg(kernel, at, sizeof(cl_mem), &r->scratch[arg->index].view));
    case LBK_ARG_INT:
        return LBK_CL(clSetKernelArg(kernel, at, sizeof number, &number));
    case LBK_ARG_FLOAT:
        return LBK_CL(clSetKernelArg(kernel, at, sizeof arg->number, &arg->number));
    case LBK_ARG_LOCAL:
        return LBK_CL(clSetKernelArg(kernel, at, (size_t)arg->index, NULL));
    }
    return lbk_fail(LBK_ERR_INTERNAL, "argument kind %d", (int)arg->kind);
}

static void emit_describe(runner *r) {
    r->emit = (lbk_emit){.caps = &r->device->info.caps,
                         .op = r->c->op,
                         .params = r->params,
                         .input_count = r->c->input_count,
                         .output_count = r->infer.output_count,
                         .input = r->inputs,
                         .output = r->infer.output,
                         .arithmetic = r->c->arithmetic,
                         .only = r->c->variant};
}

static lbk_status calls_prepare(runner *r) {
    emit_describe(r);
    LBK_TRY(lbk_emit_node(&r->emit));
    snprintf(r->result->variant, sizeof r->result->variant, "%s", r->emit.variant);
    for (int i = 0; i < r->emit.scratch_count; i++)
        LBK_TRY(slot_create(r, &r->scratch[i], (r->emit.scratch_bytes[i] + 3) / 4 * 4));
    LBK_TRY(lbk_arena_alloc(&r->arena, (r->emit.call_count + 1) * sizeof *r->kernels, &r->kernels));
    for (size_t i = 0; i < r->emit.call_count; i++) {
        const lbk_call *call = &r->emit.calls[i];
        if (call->kind != LBK_CALL_KERNEL)
            continue;
        LBK_TRY(lbk_kernel_create(r->device, call->file, call->name, call->options, &r->kernels[i]));
        for (int a = 0; a < call->arg_count; a++)
            LBK_TRY(lbk_context(kernel_arg(r, r->kernels[i], (cl_uint)a, &call->arg[a]), "%s/%s argument %d",
                                call->file, call->name, a));
    }
    return LBK_OK;
}

static cl_mem gemm_buffer(runner *r, const lbk_arg *arg) {
    slot *table = arg->kind == LBK_ARG_INPUT ? r->in : arg->kind == LBK_ARG_OUTPUT ? r->out : r->scratch;
    return table[arg->index].view;
}

static lbk_status gemm_enqueue(runner *r, const lbk_call *c) {
    CLBlastStatusCode code =
        CLBlastSgemm(CLBlastLayoutRowMajor, c->trans_a ? CLBlastTransposeYes : CLBlastTransposeNo,
                     c->trans_b ? CLBlastTransposeYes : CLBlastTransposeNo, (size_t)c->m, (size_t)c->n, (size_t)c->k,
                     c->alpha, gemm_buffer(r, &c->arg[1]), 0, (size_t)c->lda, gemm_buffer(r, &c->arg[2]), 0,
                     (size_t)c->ldb, c->beta, gemm_buffer(r, &c->arg[0]), 0, (size_t)c->ldc, &r->device->queue, NULL);
    return code == CLBlastSuccess ? LBK_OK : lbk_fail(LBK_ERR_DEVICE, "CLBlastSgemm: %d", (int)code);
}

static lbk_status calls_enqueue(runner *r) {
    for (size_t i = 0; i < r->emit.call_count; i++) {
        const lbk_call *call = &r->emit.calls[i];
        if (call->kind == LBK_CALL_CLBLAST_GEMM)
            LBK_TRY(gemm_enqueue(r, call));
        else
            LBK_TRY(lbk_context(LBK_CL(clEnqueueNDRangeKernel(r->device->queue, r->kernels[i], (cl_uint)call->dims,
                                                              NULL, call->global, call->local, 0, NULL, NULL)),
                                "%s/%s", call->file, call->name));
    }
    return LBK_CL(clFinish(r->device->queue));
}

static void complain(runner *r, const char *what, int index, const char *fmt, ...) LBK_PRINTF(4, 5);
static void complain(runner *r, const char *what, int index, const char *fmt, ...) {
    char detail[200];
    if (!r->result->passed)
        return; /* the first finding is the one to read */
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    r->result->passed = false;
    snprintf(r->result->message, sizeof r->result->message, "%s %d: %s", what, index, detail);
}

/* Runs once from fresh memory and reads everything back. */
static lbk_status run_once(runner *r) {
    slot *const groups[] = {r->in, r->out, r->scratch};
    static const char *const names[] = {"input", "output", "scratch"};
    const int counts[] = {LBK_MAX_INPUTS, LBK_MAX_OUTPUTS, MAX_SCRATCH};
    for (int g = 0; g < 3; g++)
        for (int i = 0; i < counts[g]; i++)
            if (groups[g][i].used)
                LBK_TRY(slot_fill(r, &groups[g][i]));
    LBK_TRY(calls_enqueue(r));
    for (int g = 0; g < 3; g++)
        for (int i = 0; i < counts[g]; i++) {
            bool intact = true;
            if (groups[g][i].used)
                LBK_TRY(slot_read(r, &groups[g][i], &intact));
            if (!intact)
                complain(r, names[g], i, "memory next to it was written to");
        }
    return LBK_OK;
}

static double largest(const double *numbers, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = isfinite(numbers[i]) ? fmax(most, fabs(numbers[i])) : most;
    return most;
}

/* A NaN must have been computed: that of the guards says that nobody wrote. A half of one says so nowhere; that of every
 * other element is a number. */
static bool is_same_limit(double expected, double got, const slot *s, lbk_dtype dtype, size_t i) {
    return isnan(expected) ? isnan(got) && (lbk_dtype_size(dtype) < 4 || s->got[i] != GUARD_BITS) : got == expected;
}

static void compare(runner *r, const char *what, int index, const slot *s, const lbk_tensor_desc *desc, double scale) {
    size_t count = (size_t)lbk_shape_count(&desc->shape);
    double bound = 2e-5 * largest(s->expected, count) + 1e-7 * fmax(1, scale);
    for (size_t i = 0; i < count; i++) {
        double got = number_at(s->got, desc->dtype, i), error = fabs(got - s->expected[i]);
        double allowed = desc->dtype == LBK_F32 ? bound : 0; /* rounding to a half is exact, of equal numbers */
        if (!isfinite((float)s->expected[i]) && is_same_limit((float)s->expected[i], got, s, desc->dtype, i))
            continue;
        if (r->c->each && desc->dtype == LBK_F32)
            allowed = bound = 2e-5 * fabs(s->expected[i]) + 1e-6;
        if (desc->dtype == LBK_F32 && error / bound > r->result->worst)
            r->result->worst = error / bound;
        if (!(error <= allowed))
            complain(r, what, index, "element %zu of %zu is %.9g, expected %.9g, error %.3g, allowed %.3g", i, count,
                     got, s->expected[i], error, allowed);
    }
}

/* A node without calls stands for its input: the plan makes output 0 an alias. */
static void alias_resolve(runner *r) {
    if (r->emit.call_count > 0)
        return;
    if (r->c->op->alias == 0)
        complain(r, "output", 0, "no calls, and the op may not alias an input");
    else
        memcpy(r->out[0].got, r->in[r->c->op->alias - 1].got, r->out[0].bytes);
}

static void judge(runner *r, double scale) {
    alias_resolve(r);
    for (int i = 0; i < r->infer.output_count; i++)
        compare(r, "output", i, &r->out[i], &r->infer.output[i], scale);
    for (int i = 0; i < r->c->input_count; i++) {
        if (r->c->op->updates >> i & 1)
            compare(r, "updated input", i, &r->in[i], &r->inputs[i], scale);
        else if (r->in[i].used && memcmp(r->in[i].start, r->in[i].got, r->in[i].bytes) != 0)
            complain(r, "input", i, "was written to");
    }
}

/* The second run must give the bits of the first. */
static lbk_status repeat(runner *r) {
    uint32_t *first[LBK_MAX_OUTPUTS];
    for (int i = 0; i < r->infer.output_count; i++) {
        LBK_TRY(lbk_arena_alloc(&r->arena, r->out[i].bytes, &first[i]));
        memcpy(first[i], r->out[i].got, r->out[i].bytes);
    }
    LBK_TRY(run_once(r));
    alias_resolve(r);
    for (int i = 0; i < r->infer.output_count; i++)
        if (memcmp(first[i], r->out[i].got, r->out[i].bytes) != 0)
            complain(r, "output", i, "differs between two runs on the same inputs");
    return LBK_OK;
}

static void slots_release(runner *r, slot *slots, int count) {
    for (int i = 0; i < count; i++) {
        if (slots[i].view != NULL)
            clReleaseMemObject(slots[i].view);
        lbk_buffer_destroy(r->device, &slots[i].parent);
    }
}

static void runner_release(runner *r) {
    for (size_t i = 0; r->kernels != NULL && i < r->emit.call_count; i++)
        if (r->kernels[i] != NULL)
            clReleaseKernel(r->kernels[i]);
    slots_release(r, r->in, LBK_MAX_INPUTS);
    slots_release(r, r->out, LBK_MAX_OUTPUTS);
    slots_release(r, r->scratch, MAX_SCRATCH);
    lbk_emit_release(&r->emit);
    lbk_arena_release(&r->arena);
}

lbk_status op_runner_run(lbk_device *device, const op_case *c, uint64_t seed, op_result *result) {
    runner r = {.device = device, .c = c, .result = result};
    lbk_status status;
    double scale = 0;
    *result = (op_result){.passed = true};
    LBK_GOTO(case_prepare(&r, seed));
    for (int i = 0; i < c->input_count; i++)
        if (r.in[i].used && r.inputs[i].dtype == LBK_F32)
            scale = fmax(scale, largest(r.in[i].expected, (size_t)lbk_shape_count(&r.inputs[i].shape)));
    reference_run(&r);
    LBK_GOTO(calls_prepare(&r));
    LBK_GOTO(run_once(&r));
    judge(&r, scale);
    LBK_GOTO(repeat(&r));
out:
    runner_release(&r);
    return status;
}

lbk_status op_runner_rivals(lbk_device *device, const op_case *c, const lbk_variant *rivals[LBK_MAX_RIVALS],
                            int *count) {
    runner r = {.device = device, .c = c};
    *count = 0;
    lbk_status status = case_prepare(&r, 1);
    if (status == LBK_OK) {
        emit_describe(&r);
        status = lbk_emit_rivals(&r.emit, rivals, count);
    }
    runner_release(&r);
    return status;
}

lbk_status op_runner_time(lbk_device *device, const op_case *c, int repeats, op_result *result) {
    runner r = {.device = device, .c = c, .result = result};
    lbk_status status;
    lbk_cost cost;
    *result = (op_result){.passed = true, .seconds = INFINITY};
    LBK_GOTO(case_prepare(&r, 1));
    LBK_GOTO(calls_prepare(&r));
    LBK_GOTO(run_once(&r));
    for (int i = 0; i < repeats; i++) {
        uint64_t start = lbk_clock_ns();
        LBK_GOTO(calls_enqueue(&r));
        result->seconds = fmin(result->seconds, lbk_clock_since(start));
    }
    c->op->cost(&r.infer, &cost);
    result->bytes = cost.bytes;
out:
    runner_release(&r);
    return status;
}
