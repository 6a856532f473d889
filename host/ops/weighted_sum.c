/* weighted_sum: the total loss, sum_i w_i L_i, with weights that are read when the kernel runs. */
#include "ops/support.h"

static lbk_status weighted_sum_infer(lbk_infer *infer) {
    if (infer->input_count % 2 != 0)
        return lbk_fail(LBK_ERR_INPUT, "%d inputs, expected pairs of a loss and its weight", infer->input_count);
    for (int i = 0; i < infer->input_count; i++)
        LBK_TRY(lbk_infer_shape(infer, i, i % 2 == 0 ? "each loss" : "each weight", lbk_shape_1(1)));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    return LBK_OK;
}

static void weighted_sum_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, shapes->input_count, cost);
}

static void weighted_sum_reference(const lbk_reference *r) {
    for (int i = 0; i < r->input_count; i += 2)
        r->out[0][0] += r->in[i][0] * r->in[i + 1][0];
}

/* dL_i = w_i dy; with dy the constant 1 it is the value w_i itself and costs no node. */
static lbk_status weighted_sum_differentiate(lbk_gradient *g) {
    for (int i = 0; i < g->input_count; i += 2) {
        const lbk_value inputs[] = {g->input[i + 1], g->output_grad[0]};
        if (g->wanted[i + 1])
            return lbk_fail(LBK_ERR_UNSUPPORTED, "no derivative with respect to a weight is defined");
        if (!g->wanted[i])
            continue;
        if (g->output_grad[0] == LBK_ONE)
            g->input_grad[i] = g->input[i + 1];
        else
            LBK_TRY(lbk_gradient_emit(g, "scale_by", NULL, 2, inputs, &g->input_grad[i]));
    }
    return LBK_OK;
}

/* The kernel has four pairs; missing ones repeat the first and are not read. */
static lbk_status weighted_sum_emit(lbk_emit *e) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/weighted_sum", "weighted_sum", &call));
    for (int i = 0; i < LBK_MAX_INPUTS; i++)
        lbk_call_input(call, i < e->input_count ? i : i % 2);
    lbk_call_output(call, 0);
    lbk_call_int(call, e->input_count / 2);
    lbk_call_range_1d(call, 1, 1);
    return LBK_OK;
}

static const lbk_variant weighted_sum_variants[] = {{LBK_CLASS_GENERIC, "single", weighted_sum_emit}, {.emit = NULL}};

static const lbk_op_example weighted_sum_examples[] = {
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 6},
    {.params = "",
     .input = {{1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}},
     .input_count = 8},
};

static const lbk_op weighted_sum_op = {
    .name = "weighted_sum",
    .summary = "sum of up to four scalar losses times run-time weights",
    .formula = "y = sum_i L_i * w_i",
    .inputs = "L1[1] w1[1] L2[1]? w2[1]? L3[1]? w3[1]? L4[1]? w4[1]?",
    .outputs = "y[1]",
    .min_inputs = 2,
    .max_inputs = 8,
    .scalars = 1u << 1 | 1u << 3 | 1u << 5 | 1u << 7,
    .infer = weighted_sum_infer,
    .cost = weighted_sum_cost,
    .differentiate = weighted_sum_differentiate,
    .reference = weighted_sum_reference,
    .variants = weighted_sum_variants,
    .examples = weighted_sum_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_weighted_sum[] = {&weighted_sum_op, NULL};
