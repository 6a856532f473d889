/* channel_shuffle: the channels, seen as a table of `groups` rows, are read by columns, so that a grouped convolution behind
 * it sees channels of every group (Zhang et al. 2018, "ShuffleNet", arXiv 1707.01083, figure 1). As
 * torch.nn.ChannelShuffle. */
#include "ops/copy.h"

typedef struct shuffle_params {
    int groups;
} shuffle_params;

static const lbk_param shuffle_table[] = {LBK_PARAM_INT(shuffle_params, groups, NULL, 1, 1 << 20, NULL,
                                                        "groups of channels, a divisor of their number",
                                                        "Zhang et al. 2018 (arXiv 1707.01083)"),
                                          LBK_PARAM_END};

static lbk_status shuffle_infer(lbk_infer *infer) {
    const shuffle_params *p = infer->params;
    int64_t channels = lbk_shape_last(&infer->input[0].shape);
    if (channels % p->groups != 0)
        return lbk_fail(LBK_ERR_INPUT, "groups=%d does not divide the %lld channels of x", p->groups,
                        (long long)channels);
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

/* Axes of y: pixels, place in a group, group. */
static lbk_copy copy_of(const shuffle_params *p, const lbk_shape *x) {
    int64_t c = lbk_shape_last(x), each = c / p->groups;
    lbk_copy copy = {.rank = 0};
    lbk_copy_add(&copy, lbk_ops_rows(x), c, c);
    lbk_copy_add(&copy, each, 1, p->groups);
    lbk_copy_add(&copy, p->groups, each, 1);
    return copy;
}

static void shuffle_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_copy copy = copy_of(shapes->params, &shapes->input[0].shape);
    *cost = (lbk_cost){0, 0};
    if (!lbk_copy_is_still(&copy))
        lbk_cost_elementwise(shapes, 0, cost);
}

static void shuffle_reference(const lbk_reference *r) {
    const shuffle_params *p = r->params;
    int64_t c = lbk_shape_last(&r->input[0].shape), each = c / p->groups;
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i / c * c + i % c % p->groups * each + i % c / p->groups];
}

/* The table turned back. */
static lbk_status shuffle_differentiate(lbk_gradient *g) {
    const shuffle_params *p = g->params;
    shuffle_params params = {(int)lbk_shape_last(&g->input_desc[0].shape) / p->groups};
    return lbk_gradient_emit(g, "channel_shuffle", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status shuffle_emit(lbk_emit *e, lbk_class cls) {
    lbk_copy copy = copy_of(e->params, &e->input[0].shape);
    return lbk_copy_is_still(&copy) ? LBK_OK : lbk_copy_emit(e, cls, 0, 0, &copy);
}

LBK_COPY_VARIANTS(shuffle)

static const lbk_op_example shuffle_examples[] = {
    {.params = "groups=3", .input = {{4, {2, 5, 7, 24}}}, .input_count = 1},
    {.params = "groups=2", .input = {{2, {13, 1022}}}, .input_count = 1},
    {.params = "groups=16", .input = {{3, {2, 9, 304}}}, .input_count = 1},
    {.params = "groups=1", .input = {{4, {2, 1, 1, 1}}}, .input_count = 1},
};

static const lbk_op shuffle_op = {
    .name = "channel_shuffle",
    .summary = "channels interleaved across groups",
    .formula = "y[...,j * groups + i] = x[...,i * C / groups + j]",
    .inputs = "x[...,C]",
    .outputs = "y[...,C]",
    .params = shuffle_table,
    .params_size = sizeof(shuffle_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .layer = true,
    .infer = shuffle_infer,
    .cost = shuffle_cost,
    .differentiate = shuffle_differentiate,
    .reference = shuffle_reference,
    .variants = shuffle_variants,
    .examples = shuffle_examples,
    .example_count = sizeof shuffle_examples / sizeof *shuffle_examples,
};

const lbk_op *const lbk_ops_channel_shuffle[] = {&shuffle_op, NULL};
