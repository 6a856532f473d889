/* concat: tensors one after the other along an axis, as torch.cat; of images usually the channels, the last axis. */
#include "ops/slice.h"

static const lbk_param concat_table[] = {LBK_PARAM_INT(lbk_concat_params, axis, "-1", -LBK_MAX_RANK, LBK_MAX_RANK - 1,
                                                       NULL, "dimension that grows; negative: counted from the end",
                                                       NULL),
                                         LBK_PARAM_END};

static lbk_status concat_infer(lbk_infer *infer) {
    const lbk_concat_params *p = infer->params;
    lbk_shape y = infer->input[0].shape;
    int d;
    LBK_TRY(lbk_ops_axis_find(&y, "input 0", p->axis, &d));
    for (int i = 1; i < infer->input_count; i++) {
        lbk_shape fits = infer->input[i].shape;
        char text[2][LBK_SHAPE_TEXT];
        if (fits.rank == y.rank)
            fits.dim[d] = infer->input[0].shape.dim[d];
        if (!lbk_shape_equal(&fits, &infer->input[0].shape))
            return lbk_fail(LBK_ERR_INPUT, "input %d (%s) differs from input 0 (%s) not only in dimension %d", i,
                            lbk_shape_print(&infer->input[i].shape, text[0]),
                            lbk_shape_print(&infer->input[0].shape, text[1]), d);
        y.dim[d] += infer->input[i].shape.dim[d];
    }
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static void concat_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void concat_reference(const lbk_reference *r) {
    int axis = ((const lbk_concat_params *)r->params)->axis;
    int64_t total = lbk_ops_run(&r->output[0].shape, axis), start = 0;
    for (int i = 0; i < r->input_count; i++) {
        int64_t run = lbk_ops_run(&r->input[i].shape, axis);
        for (int64_t k = 0; k < lbk_ops_count(&r->input[i]); k++)
            r->out[0][k / run * total + start + k % run] = r->in[i][k];
        start += run;
    }
}

static lbk_status concat_differentiate(lbk_gradient *g) {
    const lbk_concat_params *p = g->params;
    lbk_slice_params params = {.axis = {1, {p->axis}}, .start = {1, {0}}, .count = {1, {0}}};
    for (int i = 0; i < g->input_count; i++) {
        const lbk_shape *x = &g->input_desc[i].shape;
        params.count.items[0] = (int)x->dim[lbk_ops_axis(p->axis, x->rank)];
        if (g->wanted[i])
            LBK_TRY(lbk_gradient_emit(g, "slice", &params, 1, &g->output_grad[0], &g->input_grad[i]));
        params.start.items[0] += params.count.items[0];
    }
    return LBK_OK;
}

/* A launch per input. */
static lbk_status concat_emit(lbk_emit *e, lbk_class cls) {
    int axis = ((const lbk_concat_params *)e->params)->axis;
    int64_t total = lbk_ops_run(&e->output[0].shape, axis), start = 0;
    for (int i = 0; i < e->input_count; i++) {
        int64_t run = lbk_ops_run(&e->input[i].shape, axis);
        lbk_copy copy = {.y_start = start};
        lbk_copy_add(&copy, lbk_ops_count(&e->input[i]) / run, run, total);
        lbk_copy_add(&copy, run, 1, 1);
        LBK_TRY(lbk_copy_emit(e, cls, i, 0, &copy));
        start += run;
    }
    return LBK_OK;
}

LBK_COPY_VARIANTS(concat)

static const lbk_op_example concat_examples[] = {
    {.params = "", .input = {{4, {2, 9, 7, 64}}, {4, {2, 9, 7, 32}}, {4, {2, 9, 7, 12}}}, .input_count = 3},
    {.params = "axis=1", .input = {{3, {3, 1, 21}}, {3, {3, 9, 21}}}, .input_count = 2},
    {.params = "axis=0", .input = {{2, {5, 1021}}, {2, {8, 1021}}}, .input_count = 2},
    {.params = "axis=-2",
     .input = {{2, {1, 3}}, {2, {2, 3}}, {2, {3, 3}}, {2, {4, 3}}, {2, {5, 3}}, {2, {6, 3}}, {2, {7, 3}}, {2, {8, 3}}},
     .input_count = 8},
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
};

static const lbk_op concat_op = {
    .name = "concat",
    .summary = "tensors one after the other along an axis",
    .formula = "y[..., start_k + i, ...] = x_k[..., i, ...], start_k the sizes before x_k",
    .inputs = "x0[...] x1[...] ... x7[...]?",
    .outputs = "y[...]",
    .params = concat_table,
    .params_size = sizeof(lbk_concat_params),
    .min_inputs = 2,
    .max_inputs = LBK_MAX_INPUTS,
    .layer = true,
    .infer = concat_infer,
    .cost = concat_cost,
    .differentiate = concat_differentiate,
    .reference = concat_reference,
    .variants = concat_variants,
    .examples = concat_examples,
    .example_count = sizeof concat_examples / sizeof *concat_examples,
};

const lbk_op *const lbk_ops_concat[] = {&concat_op, NULL};
