/* gather_dot: dot products of each vector of a batch with rows of a bank that an index picks, without a copy of those rows: the
 * scores against a memory bank of contrastive losses (Tian et al., "Contrastive representation distillation", 2020), and the
 * derivative of embedding_bag with respect to its scales. Its own derivatives are embedding_bag and embedding_bag_backward. */
#include "ops/embedding.h"

#include <math.h>

static const lbk_param gather_table[] = {
    LBK_PARAM_INT(lbk_gather_params, padding_idx, "-1", -1, (1 << 30) - 1, NULL, "index that scores 0; -1: none", NULL),
    LBK_PARAM_END};

enum { V, INDEX, BANK }; /* inputs */
enum { GROUP = 128, TEAM = 16 };

static lbk_status gather_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, V, "v", 2));
    LBK_TRY(lbk_infer_rank(infer, INDEX, "index", 2));
    LBK_TRY(lbk_infer_rank(infer, BANK, "bank", 2));
    const lbk_shape *index = &infer->input[INDEX].shape, *bank = &infer->input[BANK].shape;
    LBK_TRY(lbk_infer_shape(infer, V, "v", lbk_shape_2(index->dim[0], bank->dim[1])));
    lbk_infer_output(infer, LBK_F32, *index);
    return LBK_OK;
}

/* Of the bank only the rows named are read. */
static void gather_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = 2 * (double)(lbk_ops_count(&shapes->output[0]) * shapes->input[V].shape.dim[1]);
    cost->bytes += 2 * cost->flops - (double)lbk_tensor_bytes(&shapes->input[BANK]);
}

static void gather_reference(const lbk_reference *r) {
    int padding = ((const lbk_gather_params *)r->params)->padding_idx;
    int64_t width = r->input[V].shape.dim[1], terms = r->input[INDEX].shape.dim[1], rows = r->input[BANK].shape.dim[0];
    for (int64_t t = 0; t < lbk_ops_count(&r->input[INDEX]); t++) {
        int64_t row = (int64_t)r->in[INDEX][t];
        if (padding >= 0 && row == padding)
            continue;
        for (int64_t d = 0; d < width; d++)
            r->out[0][t] +=
                row >= 0 && row < rows ? r->in[V][t / terms * width + d] * r->in[BANK][row * width + d] : (double)NAN;
    }
}

static lbk_status gather_differentiate(lbk_gradient *g) {
    const lbk_shape *bank = &g->input_desc[BANK].shape;
    int rows = (int)bank->dim[0], padding = ((const lbk_gather_params *)g->params)->padding_idx;
    const lbk_embedding_params forward = {
        .vocabulary = rows, .out = (int)bank->dim[1], .padding_idx = padding, .mode = LBK_BAG_SUM};
    const lbk_embedding_backward_params backward = {.vocabulary = rows, .padding_idx = padding, .mode = LBK_BAG_SUM};
    const lbk_value for_v[] = {g->input[INDEX], g->input[BANK], g->output_grad[0]};
    const lbk_value for_bank[] = {g->input[V], g->input[INDEX], g->output_grad[0]};
    if (g->wanted[V])
        LBK_TRY(lbk_gradient_emit(g, "embedding_bag", &forward, 3, for_v, &g->input_grad[V]));
    if (g->wanted[BANK])
        LBK_TRY(lbk_gradient_emit(g, "embedding_bag_backward", &backward, 3, for_bank, &g->input_grad[BANK]));
    return LBK_OK;
}

static lbk_status gather_emit(lbk_emit *e, lbk_class cls) {
    int64_t positions = lbk_ops_count(&e->input[INDEX]), width = e->input[V].shape.dim[1];
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, lbk_embedding_files[cls], "gather_dot", &call));
    for (int i = V; i <= BANK; i++)
        lbk_call_input(call, i);
    lbk_call_output(call, 0);
    lbk_call_int(call, e->input[BANK].shape.dim[0]);
    lbk_call_int(call, ((const lbk_gather_params *)e->params)->padding_idx);
    lbk_call_int(call, e->input[INDEX].shape.dim[1]);
    if (cls != LBK_CLASS_GPU)
        return lbk_rows_call(call, e, cls, positions, width);
    size_t group = lbk_emit_group(e, GROUP);
    lbk_call_int(call, positions);
    lbk_call_int(call, width);
    lbk_call_range_1d(call, (size_t)positions * TEAM, group);
    return lbk_call_option(call, "-DGROUP=%zu -DTEAM=%d", group, TEAM);
}

LBK_VARIANTS_BY_CLASS(gather, "vector", "team", "row")

static const lbk_op_example gather_examples[] = {
    {.params = "padding_idx=2",
     .input = {{2, {7, 8}}, {2, {7, 5}}, {2, {13, 8}}},
     .input_count = 3,
     .integer_below = 13},
    {.params = "", .input = {{2, {1, 1}}, {2, {1, 1}}, {2, {2, 1}}}, .input_count = 3, .integer_below = 2},
    {.params = "", .input = {{2, {31, 131}}, {2, {31, 19}}, {2, {300, 131}}}, .input_count = 3, .integer_below = 300},
};

static const lbk_op gather_op = {
    .name = "gather_dot",
    .summary = "dot products with rows of a bank picked by an index; NaN for one that the bank does not have",
    .formula = "y[b,j] = sum_d v[b,d] bank[index[b,j],d], 0 for padding_idx",
    .inputs = "v[B,D] index[B,J]:i32 bank[N,D]",
    .outputs = "y[B,J]",
    .params = gather_table,
    .params_size = sizeof(lbk_gather_params),
    .min_inputs = 3,
    .max_inputs = 3,
    .integers = 1u << INDEX,
    .infer = gather_infer,
    .cost = gather_cost,
    .differentiate = gather_differentiate,
    .reference = gather_reference,
    .variants = gather_variants,
    .examples = gather_examples,
    .example_count = sizeof gather_examples / sizeof *gather_examples,
};

const lbk_op *const lbk_ops_gather_dot[] = {&gather_op, NULL};
