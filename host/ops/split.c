/* split: a tensor cut into parts along an axis, as torch.split; the inverse of concat. Model files read part k as "name:k".
 * Several slices give the same, but the derivative of this is one concat instead of a sum of padded parts. */
#include "ops/slice.h"

typedef struct split_params {
    int axis;
    lbk_ints sizes;
} split_params;

static const lbk_param split_table[] = {
    LBK_PARAM_INT(split_params, axis, "-1", -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL,
                  "dimension that is cut; negative: counted from the end", NULL),
    LBK_PARAM_INTS(split_params, sizes, NULL, 1, 1 << 30, "elements", "of the parts along the axis, in order", NULL),
    LBK_PARAM_END};

static lbk_status split_infer(lbk_infer *infer) {
    const split_params *p = infer->params;
    const lbk_shape *x = &infer->input[0].shape;
    lbk_shape y = *x;
    int64_t sum = 0;
    int d;
    LBK_TRY(lbk_ops_axis_find(x, "x", p->axis, &d));
    if (p->sizes.count < 1 || p->sizes.count > LBK_MAX_OUTPUTS)
        return lbk_fail(LBK_ERR_INPUT, "%d sizes, expected 1 to %d", p->sizes.count, LBK_MAX_OUTPUTS);
    for (int k = 0; k < p->sizes.count; k++) {
        y.dim[d] = p->sizes.items[k];
        sum += y.dim[d];
        lbk_infer_output(infer, LBK_F32, y);
    }
    if (sum != x->dim[d]) {
        char text[LBK_SHAPE_TEXT];
        return lbk_fail(LBK_ERR_INPUT, "sizes add up to %lld, dimension %d of x (%s) has %lld", (long long)sum, d,
                        lbk_shape_print(x, text), (long long)x->dim[d]);
    }
    return LBK_OK;
}

static void split_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void split_reference(const lbk_reference *r) {
    const split_params *p = r->params;
    int64_t total = lbk_ops_run(&r->input[0].shape, p->axis), start = 0;
    for (int k = 0; k < r->output_count; k++) {
        int64_t run = lbk_ops_run(&r->output[k].shape, p->axis);
        for (int64_t i = 0; i < lbk_ops_count(&r->output[k]); i++)
            r->out[k][i] = r->in[0][i / run * total + start + i % run];
        start += run;
    }
}

/* Some parts have no gradient: those that have one, each inside of zeros, are summed. */
static lbk_status sum_parts(lbk_gradient *g, const split_params *p) {
    lbk_pad_params pad = {.axis = {1, {p->axis}}, .before = {1, {0}}, .after = {1, {0}}};
    int start = 0, total = (int)g->input_desc[0].shape.dim[lbk_ops_axis(p->axis, g->input_desc[0].shape.rank)];
    for (int k = 0; k < g->output_count; k++) {
        lbk_value part[2] = {g->input_grad[0], LBK_NONE};
        pad.before.items[0] = start;
        start += p->sizes.items[k];
        pad.after.items[0] = total - start;
        if (g->output_grad[k] == LBK_NONE)
            continue;
        LBK_TRY(lbk_gradient_emit(g, "pad", &pad, 1, &g->output_grad[k], &part[1]));
        if (part[0] == LBK_NONE)
            g->input_grad[0] = part[1];
        else
            LBK_TRY(lbk_gradient_emit(g, "add", NULL, 2, part, &g->input_grad[0]));
    }
    return LBK_OK;
}

static lbk_status split_differentiate(lbk_gradient *g) {
    const split_params *p = g->params;
    for (int k = 0; k < g->output_count; k++)
        if (g->output_grad[k] == LBK_NONE)
            return sum_parts(g, p);
    if (g->output_count == 1) {
        g->input_grad[0] = g->output_grad[0];
        return LBK_OK;
    }
    lbk_concat_params params = {p->axis};
    return lbk_gradient_emit(g, "concat", &params, g->output_count, g->output_grad, &g->input_grad[0]);
}

/* A launch per part. */
static lbk_status split_emit(lbk_emit *e, lbk_class cls) {
    const split_params *p = e->params;
    int64_t total = lbk_ops_run(&e->input[0].shape, p->axis), start = 0;
    if (e->output_count == 1)
        return LBK_OK; /* an alias */
    for (int k = 0; k < e->output_count; k++) {
        int64_t run = lbk_ops_run(&e->output[k].shape, p->axis);
        lbk_copy copy = {.x_start = start};
        lbk_copy_add(&copy, lbk_ops_count(&e->output[k]) / run, total, run);
        lbk_copy_add(&copy, run, 1, 1);
        LBK_TRY(lbk_copy_emit(e, cls, 0, k, &copy));
        start += run;
    }
    return LBK_OK;
}

LBK_COPY_VARIANTS(split)

static const lbk_op_example split_examples[] = {
    {.params = "sizes=32,12,20", .input = {{4, {2, 9, 7, 64}}}, .input_count = 1},
    {.params = "axis=1 sizes=1,8", .input = {{3, {3, 9, 21}}}, .input_count = 1},
    {.params = "axis=0 sizes=5,8", .input = {{2, {13, 1021}}}, .input_count = 1},
    {.params = "axis=-2 sizes=1,2,3,4,5,6", .input = {{2, {21, 3}}}, .input_count = 1},
    {.params = "sizes=1", .input = {{1, {1}}}, .input_count = 1},
};

static const lbk_op split_op = {
    .name = "split",
    .summary = "a tensor cut into parts along an axis",
    .formula = "y_k[..., i, ...] = x[..., start_k + i, ...], start_k the sizes before y_k",
    .inputs = "x[...]",
    .outputs = "y0[...] y1[...] ... y5[...]",
    .params = split_table,
    .params_size = sizeof(split_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .layer = true,
    .infer = split_infer,
    .cost = split_cost,
    .differentiate = split_differentiate,
    .reference = split_reference,
    .variants = split_variants,
    .examples = split_examples,
    .example_count = sizeof split_examples / sizeof *split_examples,
};

const lbk_op *const lbk_ops_split[] = {&split_op, NULL};
