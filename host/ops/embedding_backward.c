/* Derivatives of embedding and embedding_bag with respect to the table. (That with respect to the scales is gather_dot.)
 *
 * A row of the table gets the sum of dy over all positions that name it. Without atomics and in a fixed order: positions are
 * sorted by id, so that a row's positions lie side by side; then each row finds its own by bisection and adds them in their
 * order, or writes zeros. Next to writing the table the sort is cheap, though on GPUs it compares all pairs of positions. */
#include "ops/compose.h"
#include "ops/embedding.h"

typedef lbk_embedding_backward_params backward_params;

static const char *const modes[] = {"sum", "mean", NULL};
#define TABLE_ROWS                                                                                                     \
    LBK_PARAM_INT(backward_params, vocabulary, NULL, 1, 1 << 30, "ids", "rows of the table", NULL),                    \
        LBK_PARAM_INT(backward_params, padding_idx, "-1", -1, (1 << 30) - 1, NULL,                                     \
                      "id whose row gets no gradient; -1: none", NULL)
static const lbk_param embedding_table[] = {TABLE_ROWS, LBK_PARAM_END};
static const lbk_param bag_table[] = {
    TABLE_ROWS, LBK_PARAM_CHOICE(backward_params, mode, "mean", modes, "what became of a bag's rows", NULL),
    LBK_PARAM_END};

enum { DY, IDS, SCALE }; /* inputs */

static lbk_status embedding_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    const lbk_shape *ids = &infer->input[IDS].shape;
    lbk_shape dy = *ids;
    if (ids->rank == LBK_MAX_RANK)
        return lbk_fail(LBK_ERR_INPUT, "ids have %d dimensions, dy can have no more", ids->rank);
    dy.dim[dy.rank++] = lbk_shape_last(&infer->input[DY].shape);
    LBK_TRY(lbk_infer_shape(infer, DY, "dy", dy));
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(p->vocabulary, lbk_shape_last(&dy)));
    return LBK_OK;
}

static lbk_status bag_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    const lbk_shape *dy = &infer->input[DY].shape;
    LBK_TRY(lbk_infer_rank(infer, IDS, "ids", 2));
    LBK_TRY(lbk_infer_rank(infer, DY, "dy", 2));
    LBK_TRY(lbk_infer_shape(infer, DY, "dy", lbk_shape_2(infer->input[IDS].shape.dim[0], dy->dim[1])));
    if (lbk_infer_has(infer, SCALE))
        LBK_TRY(lbk_infer_shape(infer, SCALE, "scale", infer->input[IDS].shape));
    if (lbk_infer_has(infer, SCALE) && p->mode != LBK_BAG_SUM)
        return lbk_fail(LBK_ERR_INPUT, "a scale per id needs mode=sum");
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(p->vocabulary, dy->dim[1]));
    return LBK_OK;
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = 2 * (double)(lbk_ops_count(&shapes->input[IDS]) * lbk_shape_last(&shapes->input[DY].shape));
}

static bool is_row(const backward_params *p, double id) {
    return id >= 0 && id < p->vocabulary && (p->padding_idx < 0 || id != p->padding_idx);
}

static void embedding_reference(const lbk_reference *r) {
    int64_t width = lbk_shape_last(&r->input[DY].shape);
    for (int64_t i = 0; i < lbk_ops_count(&r->input[DY]); i++) {
        double id = r->in[IDS][i / width];
        if (is_row(r->params, id))
            r->out[0][(int64_t)id * width + i % width] += r->in[DY][i];
    }
}

/* How many ids of bag n are no padding. */
static double bag_size(const lbk_reference *r, int64_t n) {
    const backward_params *p = r->params;
    int64_t terms = r->input[IDS].shape.dim[1];
    double used = 0;
    for (int64_t t = n * terms; t < (n + 1) * terms; t++)
        used += p->padding_idx < 0 || r->in[IDS][t] != p->padding_idx;
    return used;
}

static void bag_reference(const lbk_reference *r) {
    const backward_params *p = r->params;
    int64_t width = lbk_shape_last(&r->input[DY].shape), terms = r->input[IDS].shape.dim[1];
    for (int64_t t = 0; t < lbk_ops_count(&r->input[IDS]); t++) {
        double scale = r->input_count > SCALE    ? r->in[SCALE][t]
                       : p->mode == LBK_BAG_MEAN ? 1 / bag_size(r, t / terms)
                                                 : 1;
        for (int64_t d = 0; d < width && is_row(p, r->in[IDS][t]); d++)
            r->out[0][(int64_t)r->in[IDS][t] * width + d] += scale * r->in[DY][t / terms * width + d];
    }
}

/* Scratch memory of the sort. */
typedef struct sorted {
    int order, keys; /* positions by id, and their ids; [positions] */
} sorted;

/* Class cpu counts ids, in one work-item. Otherwise a work-item, on GPUs a work-group, per position counts those before it. */
static lbk_status emit_sort(lbk_emit *e, lbk_class cls, sorted *s) {
    const backward_params *p = e->params;
    int64_t positions = lbk_ops_count(&e->input[IDS]);
    size_t group = lbk_emit_group(e, positions);
    lbk_call *call;
    s->order = lbk_emit_scratch(e, (size_t)positions * sizeof(int32_t));
    s->keys = lbk_emit_scratch(e, (size_t)positions * sizeof(int32_t));
    LBK_TRY(lbk_emit_kernel(e, lbk_embedding_files[cls], "embedding_sort", &call));
    lbk_call_input(call, IDS);
    lbk_call_scratch(call, s->order);
    lbk_call_scratch(call, s->keys);
    if (cls == LBK_CLASS_CPU)
        lbk_call_scratch(call, lbk_emit_scratch(e, (size_t)(p->vocabulary + 1) * sizeof(int32_t)));
    lbk_call_int(call, positions);
    lbk_call_int(call, p->vocabulary);
    lbk_call_int(call, p->padding_idx);
    if (cls == LBK_CLASS_CPU) {
        lbk_call_range_1d(call, 1, 1);
        return lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e));
    }
    lbk_call_range_1d(call, (size_t)positions * (cls == LBK_CLASS_GPU ? group : 1), group);
    return cls == LBK_CLASS_GPU ? lbk_call_option(call, "-DGROUP=%zu", group) : LBK_OK;
}

/* 1 / (ids of the bag that are no padding), at every position. */
static lbk_status emit_shares(lbk_emit *e, int *shares) {
    const backward_params *p = e->params;
    const lbk_shape *ids = &e->input[IDS].shape;
    lbk_call *call;
    *shares = lbk_emit_scratch(e, (size_t)lbk_shape_count(ids) * sizeof(float));
    LBK_TRY(lbk_emit_kernel(e, "generic/embedding", "bag_shares", &call));
    lbk_call_input(call, IDS);
    lbk_call_scratch(call, *shares);
    lbk_call_int(call, ids->dim[0]);
    lbk_call_int(call, ids->dim[1]);
    lbk_call_int(call, p->padding_idx);
    lbk_call_range_1d(call, (size_t)ids->dim[0], lbk_emit_local(e));
    return LBK_OK;
}

/* Position i has row i / terms of dy. */
static lbk_status emit_rows(lbk_emit *e, lbk_class cls, int64_t terms) {
    const backward_params *p = e->params;
    int64_t width = lbk_shape_last(&e->input[DY].shape);
    int shares = -1;
    sorted s;
    lbk_call *call;
    LBK_TRY(emit_sort(e, cls, &s));
    if (p->mode == LBK_BAG_MEAN)
        LBK_TRY(emit_shares(e, &shares));
    LBK_TRY(lbk_emit_kernel(e, lbk_embedding_files[cls], "embedding_rows", &call));
    lbk_call_input(call, DY);
    lbk_call_scratch(call, s.order);
    lbk_call_scratch(call, s.keys);
    if (shares >= 0)
        lbk_call_scratch(call, shares);
    else
        lbk_call_input(call, lbk_emit_has(e, SCALE) ? SCALE : DY); /* DY: not read */
    lbk_call_output(call, 0);
    lbk_call_int(call, shares >= 0 || lbk_emit_has(e, SCALE));
    lbk_call_int(call, terms);
    lbk_call_int(call, lbk_ops_count(&e->input[IDS]));
    if (cls != LBK_CLASS_GENERIC)
        return lbk_rows_call(call, e, cls, p->vocabulary, width);
    lbk_call_int(call, p->vocabulary);
    lbk_call_int(call, width);
    lbk_call_range_1d(call, (size_t)p->vocabulary * (size_t)width, lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status embedding_emit(lbk_emit *e, lbk_class cls) {
    return emit_rows(e, cls, 1);
}

static lbk_status bag_emit(lbk_emit *e, lbk_class cls) {
    return emit_rows(e, cls, e->input[IDS].shape.dim[1]);
}

LBK_VARIANTS_BY_CLASS(embedding, "rows", "group", "elementwise")
LBK_VARIANTS_BY_CLASS(bag, "rows", "group", "elementwise")

static lbk_embedding_params forward_params(const lbk_gradient *g, int padding_idx, int mode) {
    const backward_params *p = g->params;
    return (lbk_embedding_params){.vocabulary = p->vocabulary,
                                  .out = (int)lbk_shape_last(&g->input_desc[DY].shape),
                                  .padding_idx = padding_idx,
                                  .mode = mode};
}

/* A row that gets no gradient passes none on: [V,1], 1 for ids that come and are no padding. */
static lbk_value rows_in_use(lbk_compose *c) {
    lbk_shape positions = c->g->input_desc[IDS].shape;
    positions.dim[positions.rank++] = 1;
    lbk_value ones = lbk_compose_text(c, "constant", "value=1", 0, NULL);
    ones = lbk_compose_expand(c, ones, &positions);
    lbk_value counts =
        lbk_compose_apply(c, "embedding_backward", c->g->params, 2, (lbk_value[]){ones, c->g->input[IDS]});
    return lbk_compose_unary(c, "sign", counts);
}

static lbk_status embedding_differentiate(lbk_gradient *g) {
    const backward_params *p = g->params;
    lbk_compose c = {g, LBK_OK};
    const lbk_embedding_params rows = forward_params(g, -1, 0);
    lbk_value table = g->output_grad[0];
    if (p->padding_idx >= 0)
        table = lbk_compose_mul(&c, table, rows_in_use(&c));
    g->input_grad[DY] = lbk_compose_apply(&c, "embedding", &rows, 2, (lbk_value[]){g->input[IDS], table});
    return c.status;
}

static lbk_status bag_differentiate(lbk_gradient *g) {
    const backward_params *p = g->params;
    lbk_compose c = {g, LBK_OK};
    const lbk_embedding_params forward = forward_params(g, p->padding_idx, p->mode);
    const lbk_gather_params gather = {.padding_idx = p->padding_idx};
    bool scaled = g->input_count > SCALE && g->input[SCALE] != LBK_NONE;
    const lbk_value table = g->output_grad[0];
    if (g->wanted[DY])
        g->input_grad[DY] = lbk_compose_apply(&c, "embedding_bag", &forward, scaled ? 3 : 2,
                                              (lbk_value[]){g->input[IDS], table, scaled ? g->input[SCALE] : LBK_NONE});
    if (scaled && g->wanted[SCALE])
        g->input_grad[SCALE] =
            lbk_compose_apply(&c, "gather_dot", &gather, 3, (lbk_value[]){g->input[DY], g->input[IDS], table});
    return c.status;
}

static const lbk_op_example embedding_examples[] = {
    {.params = "vocabulary=13", .input = {{3, {3, 5, 8}}, {2, {3, 5}}}, .input_count = 2, .integer_below = 13},
    {.params = "vocabulary=1", .input = {{2, {1, 1}}, {1, {1}}}, .input_count = 2, .integer_below = 1},
    {.params = "vocabulary=300 padding_idx=2",
     .input = {{3, {31, 7, 67}}, {2, {31, 7}}},
     .input_count = 2,
     .integer_below = 300},
    {.params = "vocabulary=7", .input = {{2, {613, 33}}, {1, {613}}}, .input_count = 2, .integer_below = 3},
};

static const lbk_op_example bag_examples[] = {
    {.params = "vocabulary=13 padding_idx=2",
     .input = {{2, {7, 8}}, {2, {7, 5}}},
     .input_count = 2,
     .integer_below = 13},
    {.params = "vocabulary=2 padding_idx=0", .input = {{2, {5, 1}}, {2, {5, 1}}}, .input_count = 2, .integer_below = 2},
    {.params = "vocabulary=300 mode=sum",
     .input = {{2, {31, 67}}, {2, {31, 19}}, {2, {31, 19}}},
     .input_count = 3,
     .integer_below = 300},
};

static const lbk_op embedding_op = {
    .name = "embedding_backward",
    .summary = "derivative of embedding with respect to the table; the same bits in every run",
    .formula = "dweight[v,d] = sum of dy[p,d] over positions p with ids[p] = v, 0 for padding_idx",
    .inputs = "dy[...,D] ids[...]:i32",
    .outputs = "dweight[V,D]",
    .params = embedding_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << IDS,
    .infer = embedding_infer,
    .cost = backward_cost,
    .differentiate = embedding_differentiate,
    .reference = embedding_reference,
    .variants = embedding_variants,
    .examples = embedding_examples,
    .example_count = sizeof embedding_examples / sizeof *embedding_examples,
};

static const lbk_op bag_op = {
    .name = "embedding_bag_backward",
    .summary = "derivative of embedding_bag with respect to the table; the same bits in every run",
    .formula = "dweight[v,d] = sum of scale[n,t] dy[n,d] over ids[n,t] = v, 0 for padding_idx; mean: scale = 1 / size",
    .inputs = "dy[N,D] ids[N,T]:i32 scale[N,T]?",
    .outputs = "dweight[V,D]",
    .params = bag_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 2,
    .max_inputs = 3,
    .integers = 1u << IDS,
    .infer = bag_infer,
    .cost = backward_cost,
    .differentiate = bag_differentiate,
    .reference = bag_reference,
    .variants = bag_variants,
    .examples = bag_examples,
    .example_count = sizeof bag_examples / sizeof *bag_examples,
};

const lbk_op *const lbk_ops_embedding_backward[] = {&embedding_op, &bag_op, NULL};
