/* embedding: rows of a table, picked by integers; embedding_bag: their sum or mean over each bag of ids. An id that the table
 * does not have gives NaN, so that it shows; nothing outside the table is read. */
#include "ops/embedding.h"

#include <math.h>

#define TABLE_ROWS(S)                                                                                                  \
    LBK_PARAM_INT(S, vocabulary, NULL, 1, 1 << 30, "ids", "rows of the table: ids are 0 to vocabulary - 1", NULL),     \
        LBK_PARAM_INT(S, out, NULL, 1, 1 << 24, "units", "numbers per id", NULL),                                      \
        LBK_PARAM_INT(S, padding_idx, "-1", -1, (1 << 30) - 1, NULL, "id that stands for nothing; -1: none", NULL),    \
        LBK_PARAM_FLOAT(S, deviation, "1", 0, 1e6, NULL, "standard deviation of the initial numbers, around 0",        \
                        "PyTorch's default")
static const char *const modes[] = {"sum", "mean", NULL};
static const lbk_param embedding_table[] = {TABLE_ROWS(lbk_embedding_params), LBK_PARAM_END};
static const lbk_param bag_table[] = {
    TABLE_ROWS(lbk_embedding_params),
    LBK_PARAM_CHOICE(lbk_embedding_params, mode, "mean", modes, "what becomes of a bag's rows", NULL), LBK_PARAM_END};

enum { IDS, WEIGHT, SCALE }; /* inputs */

const char *const lbk_embedding_files[] = {"generic/embedding", "cpu/embedding", "gpu/embedding"};

static lbk_status padding_check(const lbk_embedding_params *p) {
    if (p->padding_idx >= p->vocabulary)
        return lbk_fail(LBK_ERR_INPUT, "padding_idx=%d is no id of vocabulary=%d", p->padding_idx, p->vocabulary);
    return LBK_OK;
}

static lbk_status embedding_infer(lbk_infer *infer) {
    const lbk_embedding_params *p = infer->params;
    lbk_shape y = infer->input[IDS].shape;
    LBK_TRY(padding_check(p));
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", lbk_shape_2(p->vocabulary, p->out)));
    if (y.rank == LBK_MAX_RANK)
        return lbk_fail(LBK_ERR_INPUT, "ids have %d dimensions, the result can have no more", y.rank);
    y.dim[y.rank++] = p->out;
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static lbk_status bag_infer(lbk_infer *infer) {
    const lbk_embedding_params *p = infer->params;
    LBK_TRY(padding_check(p));
    LBK_TRY(lbk_infer_rank(infer, IDS, "ids", 2));
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", lbk_shape_2(p->vocabulary, p->out)));
    if (lbk_infer_has(infer, SCALE))
        LBK_TRY(lbk_infer_shape(infer, SCALE, "scale", infer->input[IDS].shape));
    if (lbk_infer_has(infer, SCALE) && p->mode != LBK_BAG_SUM)
        return lbk_fail(LBK_ERR_INPUT, "a scale per id needs mode=sum");
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(infer->input[IDS].shape.dim[0], p->out));
    return LBK_OK;
}

/* Of the table only the rows named are read. */
static void embedding_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_embedding_params *p = shapes->params;
    double ids = (double)lbk_ops_count(&shapes->input[IDS]);
    cost->flops = 2 * (ids * p->out - (double)lbk_ops_count(&shapes->output[0]));
    cost->bytes = ids * (4.0 + 4.0 * p->out) + (double)lbk_tensor_bytes(&shapes->output[0]);
    if (lbk_infer_has(shapes, SCALE))
        cost->bytes += 4 * ids;
}

static void embedding_reference(const lbk_reference *r) {
    const lbk_embedding_params *p = r->params;
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++) {
        double id = r->in[IDS][i / p->out];
        r->out[0][i] = id >= 0 && id < p->vocabulary ? r->in[WEIGHT][(int64_t)id * p->out + i % p->out] : (double)NAN;
    }
}

static void bag_reference(const lbk_reference *r) {
    const lbk_embedding_params *p = r->params;
    int64_t bags = r->input[IDS].shape.dim[0], terms = r->input[IDS].shape.dim[1];
    for (int64_t n = 0; n < bags; n++) {
        double *y = r->out[0] + n * p->out, used = 0;
        for (int64_t t = n * terms; t < (n + 1) * terms; t++) {
            double id = r->in[IDS][t], scale = r->input_count > SCALE ? r->in[SCALE][t] : 1;
            bool known = id >= 0 && id < p->vocabulary, padding = p->padding_idx >= 0 && id == p->padding_idx;
            used += !padding;
            for (int64_t d = 0; d < p->out && !padding; d++)
                y[d] += known ? scale * r->in[WEIGHT][(int64_t)id * p->out + d] : (double)NAN;
        }
        for (int64_t d = 0; d < p->out && p->mode == LBK_BAG_MEAN && used > 0; d++)
            y[d] /= used;
    }
}

static lbk_status embedding_differentiate(lbk_gradient *g) {
    const lbk_embedding_params *p = g->params;
    const lbk_embedding_backward_params params = {.vocabulary = p->vocabulary, .padding_idx = p->padding_idx};
    const lbk_value inputs[] = {g->output_grad[0], g->input[IDS]};
    return lbk_gradient_emit(g, "embedding_backward", &params, 2, inputs, &g->input_grad[WEIGHT]);
}

static lbk_status bag_differentiate(lbk_gradient *g) {
    const lbk_embedding_params *p = g->params;
    bool scaled = g->input_count > SCALE;
    const lbk_embedding_backward_params params = {
        .vocabulary = p->vocabulary, .padding_idx = p->padding_idx, .mode = p->mode};
    const lbk_value inputs[] = {g->output_grad[0], g->input[IDS], scaled ? g->input[SCALE] : LBK_NONE};
    const lbk_gather_params gather = {.padding_idx = p->padding_idx};
    const lbk_value gather_inputs[] = {g->output_grad[0], g->input[IDS], g->input[WEIGHT]};
    if (g->wanted[WEIGHT])
        LBK_TRY(
            lbk_gradient_emit(g, "embedding_bag_backward", &params, scaled ? 3 : 2, inputs, &g->input_grad[WEIGHT]));
    if (scaled && g->wanted[SCALE])
        LBK_TRY(lbk_gradient_emit(g, "gather_dot", &gather, 3, gather_inputs, &g->input_grad[SCALE]));
    return LBK_OK;
}

static lbk_status embedding_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    const lbk_embedding_params *p = params;
    (void)input;
    LBK_TRY(padding_check(p));
    list->count = 1;
    list->item[0] = (lbk_weight){.suffix = "weight",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = WEIGHT,
                                 .shape = lbk_shape_2(p->vocabulary, p->out),
                                 .init = LBK_INIT_NORMAL,
                                 .deviation = p->deviation,
                                 .zero_row = p->padding_idx + 1};
    return LBK_OK;
}

/* Bags of `terms` ids. */
static lbk_status emit_bags(lbk_emit *e, lbk_class cls, int64_t terms, int padding_idx) {
    const lbk_embedding_params *p = e->params;
    int64_t bags = lbk_ops_count(&e->input[IDS]) / terms;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, lbk_embedding_files[cls], "embedding", &call));
    lbk_call_input(call, IDS);
    lbk_call_input(call, WEIGHT);
    lbk_call_input(call, lbk_emit_has(e, SCALE) ? SCALE : WEIGHT); /* WEIGHT: not read */
    lbk_call_output(call, 0);
    lbk_call_int(call, lbk_emit_has(e, SCALE));
    lbk_call_int(call, p->mode == LBK_BAG_MEAN);
    lbk_call_int(call, padding_idx);
    lbk_call_int(call, p->vocabulary);
    lbk_call_int(call, terms);
    if (cls == LBK_CLASS_CPU)
        return lbk_rows_call(call, e, cls, bags, p->out);
    lbk_call_int(call, bags);
    lbk_call_int(call, p->out);
    lbk_call_range_1d(call, (size_t)(bags * p->out), lbk_emit_local(e));
    return LBK_OK;
}

/* Bags of one id, in which nothing is padding. */
static lbk_status embedding_emit(lbk_emit *e, lbk_class cls) {
    return emit_bags(e, cls, 1, -1);
}

static lbk_status bag_emit(lbk_emit *e, lbk_class cls) {
    const lbk_embedding_params *p = e->params;
    return emit_bags(e, cls, e->input[IDS].shape.dim[1], p->padding_idx);
}

LBK_VARIANTS_CPU_GENERIC(embedding, "vector", "elementwise")
LBK_VARIANTS_CPU_GENERIC(bag, "vector", "elementwise")

static const lbk_op_example embedding_examples[] = {
    {.params = "vocabulary=13 out=8", .input = {{2, {3, 5}}, {2, {13, 8}}}, .input_count = 2, .integer_below = 13},
    {.params = "vocabulary=1 out=1", .input = {{1, {1}}, {2, {1, 1}}}, .input_count = 2, .integer_below = 1},
    {.params = "vocabulary=300 out=67 padding_idx=299",
     .input = {{2, {31, 7}}, {2, {300, 67}}},
     .input_count = 2,
     .integer_below = 299},
};

static const lbk_op_example bag_examples[] = {
    {.params = "vocabulary=13 out=8 padding_idx=2",
     .input = {{2, {7, 5}}, {2, {13, 8}}},
     .input_count = 2,
     .integer_below = 13},
    {.params = "vocabulary=2 out=1 padding_idx=0",
     .input = {{2, {5, 1}}, {2, {2, 1}}},
     .input_count = 2,
     .integer_below = 2},
    {.params = "vocabulary=300 out=67 mode=sum padding_idx=7",
     .input = {{2, {31, 19}}, {2, {300, 67}}, {2, {31, 19}}},
     .input_count = 3,
     .integer_below = 300},
};

static const lbk_op embedding_op = {
    .name = "embedding",
    .summary = "rows of a table picked by ids; NaN for an id it does not have",
    .formula = "y[...,d] = weight[ids[...],d]; the row padding_idx is not trained",
    .inputs = "ids[...]:i32 weight[V,D]",
    .outputs = "y[...,D]",
    .params = embedding_table,
    .params_size = sizeof(lbk_embedding_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << IDS,
    .layer = true,
    .infer = embedding_infer,
    .cost = embedding_cost,
    .differentiate = embedding_differentiate,
    .reference = embedding_reference,
    .variants = embedding_variants,
    .examples = embedding_examples,
    .example_count = sizeof embedding_examples / sizeof *embedding_examples,
    .weights = embedding_weights,
};

static const lbk_op bag_op = {
    .name = "embedding_bag",
    .summary = "sum or mean of a table's rows over each bag of ids; NaN for a bag with an id it does not have",
    .formula = "y[n,d] = sum_t scale[n,t] * weight[ids[n,t],d], or the mean, over t with ids[n,t] != padding_idx",
    .inputs = "ids[N,T]:i32 weight[V,D] scale[N,T]?",
    .outputs = "y[N,D]",
    .params = bag_table,
    .params_size = sizeof(lbk_embedding_params),
    .min_inputs = 2,
    .max_inputs = 3,
    .integers = 1u << IDS,
    .layer = true,
    .infer = bag_infer,
    .cost = embedding_cost,
    .differentiate = bag_differentiate,
    .reference = bag_reference,
    .variants = bag_variants,
    .examples = bag_examples,
    .example_count = sizeof bag_examples / sizeof *bag_examples,
    .weights = embedding_weights,
};

const lbk_op *const lbk_ops_embedding[] = {&embedding_op, &bag_op, NULL};
