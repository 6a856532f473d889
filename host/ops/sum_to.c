/* sum_to: the sum over what broadcasting repeats, which is how a gradient comes back to an operand's shape; reduce_rows: the
 * case of a bias; expand: the way there. Sums have a fixed order: blocks of rows, then the blocks. */
#include "ops/sum_to.h"

#include "ops/broadcast.h"

#define MAX_PASSES 24
#define CPU_ELEMENTS 4096  /* work-items take about as many */
#define CPU_MAX_ROWS 256   /* that one lane sums in a row: bounds the rounding error */
#define CPU_SPAN 1024      /* columns of a work-item */
#define GPU_STRAND_ROWS 32 /* that one work-item sums where there is other work, and at most MAX_RUNS times as many */
#define MAX_RUNS 32
#define ENOUGH_ITEMS 8192 /* generic work-items, gpu work-groups / 8: more do not help */

static const lbk_param shape_table[] = {
    LBK_PARAM_INTS(lbk_shape_params, shape, NULL, 1, 2147483647, NULL, "the output's shape", NULL), LBK_PARAM_END};

static lbk_status shape_of(const lbk_infer *infer, lbk_shape *shape) {
    const lbk_ints *ints = &((const lbk_shape_params *)infer->params)->shape;
    if (ints->count > LBK_MAX_RANK)
        return lbk_fail(LBK_ERR_INPUT, "shape has %d dimensions, at most %d are possible", ints->count, LBK_MAX_RANK);
    shape->rank = ints->count;
    for (int d = 0; d < ints->count; d++)
        shape->dim[d] = ints->items[d];
    return LBK_OK;
}

/* From `small` to `large` by broadcasting. */
static lbk_status check_fit(const lbk_shape *small, const lbk_shape *large) {
    char small_text[LBK_SHAPE_TEXT], large_text[LBK_SHAPE_TEXT];
    if (lbk_broadcast_fits(small, large))
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT, "%s repeated cannot be %s: aligned at the right, dimensions must be equal or 1",
                    lbk_shape_print(small, small_text), lbk_shape_print(large, large_text));
}

static lbk_status sum_infer(lbk_infer *infer) {
    lbk_shape shape;
    LBK_TRY(shape_of(infer, &shape));
    LBK_TRY(check_fit(&shape, &infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static lbk_status rows_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(lbk_shape_last(&infer->input[0].shape)));
    return LBK_OK;
}

static lbk_status expand_infer(lbk_infer *infer) {
    lbk_shape shape;
    LBK_TRY(shape_of(infer, &shape));
    LBK_TRY(check_fit(&infer->input[0].shape, &shape));
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static void sum_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void expand_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void sum_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][lbk_broadcast_index(&r->output[0].shape, &r->input[0].shape, i)] += r->in[0][i];
}

static void expand_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = r->in[0][lbk_broadcast_index(&r->input[0].shape, &r->output[0].shape, i)];
}

static lbk_status sum_differentiate(lbk_gradient *g) {
    const lbk_shape_params params = lbk_shape_params_of(&g->input_desc[0].shape);
    return lbk_gradient_emit(g, "expand", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status expand_differentiate(lbk_gradient *g) {
    const lbk_shape_params params = lbk_shape_params_of(&g->input_desc[0].shape);
    return lbk_gradient_emit(g, "sum_to", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

/* [outer][rows][inner] -> [outer][blocks][inner], each block the sum of `block` rows. */
typedef struct sum_pass {
    int64_t outer, rows, inner, block, blocks;
    int64_t width; /* gpu: columns of a work-group */
} sum_pass;

typedef struct sum_plan {
    int count;
    sum_pass pass[MAX_PASSES];
} sum_plan;

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t clamp_to(int64_t value, int64_t least, int64_t most) {
    return value < least ? least : value > most ? most : value;
}

/* On CPUs: enough blocks for every core to have several. */
static int64_t cpu_block(const lbk_emit *e, const sum_pass *p) {
    int64_t cores = e->caps->compute_units > 0 ? e->caps->compute_units : 1, lanes = lbk_emit_vector_width(e);
    int64_t others = p->outer * divide_up(p->inner, CPU_SPAN), wanted = divide_up(8 * cores, others);
    int64_t per_row = p->inner == 1 ? 4 * lanes : 1; /* `line` sums so many lanes side by side */
    return clamp_to(divide_up(p->rows, wanted), 16 * per_row, CPU_MAX_ROWS * per_row);
}

/* As many columns side by side as there are in a row, up to 64, and more where rows are few; the rest are strands. */
static void gpu_split(const lbk_emit *e, sum_pass *p) {
    int64_t group = (int64_t)lbk_emit_local(e);
    p->width = 1;
    while (p->width < 64 && p->width < group && p->width < p->inner)
        p->width *= 2;
    while (p->width < group && group / p->width / 2 >= p->rows)
        p->width *= 2;
    int64_t strands = group / p->width, tiles = divide_up(p->outer * p->inner, p->width);
    int64_t runs = clamp_to(p->rows * tiles / (strands * GPU_STRAND_ROWS * ENOUGH_ITEMS / 8), 1, MAX_RUNS);
    p->block = strands * GPU_STRAND_ROWS * runs;
}

static void split(const lbk_emit *e, lbk_class cls, sum_pass *p) {
    if (cls == LBK_CLASS_CPU)
        p->block = cpu_block(e, p);
    else if (cls == LBK_CLASS_GPU)
        gpu_split(e, p);
    else
        p->block = clamp_to(p->rows * p->outer * p->inner / ENOUGH_ITEMS, 32, 32 * MAX_RUNS);
    p->blocks = divide_up(p->rows, p->block);
}

/* Passes until the rows of [outer][rows][inner] are one. */
static void plan_rows(sum_plan *plan, const lbk_emit *e, lbk_class cls, int64_t outer, int64_t rows, int64_t inner) {
    do {
        sum_pass *p = &plan->pass[plan->count++];
        *p = (sum_pass){.outer = outer, .rows = rows, .inner = inner};
        split(e, cls, p);
        rows = p->blocks;
    } while (rows > 1);
}

/* One run of summed dimensions after the other, from the last to the first; what is behind it is kept or already summed. */
static void plan_init(sum_plan *plan, const lbk_emit *e, lbk_class cls) {
    const lbk_shape *x = &e->input[0].shape, *y = &e->output[0].shape;
    int64_t outer = lbk_ops_count(&e->input[0]), rows = 1, inner = 1;
    plan->count = 0;
    for (int d = x->rank - 1; d >= -1; d--) {
        int at = d - (x->rank - y->rank);
        bool summed = d >= 0 && (at < 0 || y->dim[at] == 1) && x->dim[d] > 1;
        if (d >= 0 && x->dim[d] == 1)
            continue;
        if (!summed && rows > 1) {
            plan_rows(plan, e, cls, outer, rows, inner);
            rows = 1;
        }
        if (d < 0)
            break;
        outer /= x->dim[d];
        *(summed ? &rows : &inner) *= x->dim[d];
    }
    if (plan->count == 0)
        plan_rows(plan, e, cls, 1, 1, inner);
}

static lbk_status emit_cpu_pass(lbk_emit *e, const sum_pass *p, lbk_call **call) {
    bool line = p->inner == 1;
    int width = lbk_emit_vector_width(e);
    while (!line && width > p->inner)
        width /= 2;
    LBK_TRY(lbk_emit_kernel(e, "cpu/sum_to", line ? "line" : "columns", call));
    return lbk_call_option(*call, "-DVW=%d", width);
}

static void finish_cpu_pass(lbk_call *call, const sum_pass *p) {
    int64_t pairs = p->outer * p->blocks, size = (p->rows < p->block ? p->rows : p->block) * p->inner;
    int64_t each = size < CPU_ELEMENTS ? CPU_ELEMENTS / size : 1;
    lbk_call_int(call, p->rows);
    if (p->inner > 1)
        lbk_call_int(call, p->inner);
    lbk_call_int(call, p->block);
    lbk_call_int(call, p->blocks);
    lbk_call_int(call, pairs);
    lbk_call_int(call, each);
    if (p->inner > 1)
        lbk_call_int(call, CPU_SPAN);
    int64_t spans = p->inner < 2 * CPU_SPAN ? 1 : p->inner / CPU_SPAN;
    lbk_call_range_2d(call, (size_t)divide_up(pairs, each), (size_t)spans, 1, 1);
}

static void finish_generic_pass(lbk_call *call, const lbk_emit *e, const sum_pass *p) {
    const int64_t numbers[] = {p->rows, p->inner, p->block, p->blocks, p->outer * p->blocks * p->inner};
    for (int i = 0; i < 5; i++)
        lbk_call_int(call, numbers[i]);
    lbk_call_range_1d(call, (size_t)numbers[4], lbk_emit_local(e));
}

static void finish_gpu_pass(lbk_call *call, const lbk_emit *e, const sum_pass *p) {
    const int64_t numbers[] = {p->rows, p->inner, p->outer, p->block, p->blocks, p->width};
    size_t group = lbk_emit_local(e);
    for (int i = 0; i < 6; i++)
        lbk_call_int(call, numbers[i]);
    lbk_call_range_1d(call, (size_t)(divide_up(p->outer * p->inner, p->width) * p->blocks) * group, group);
}

/* `from`, `to`: scratch, or -1 for the node's input and output. */
static lbk_status emit_pass(lbk_emit *e, lbk_class cls, const sum_pass *p, int from, int to) {
    bool cpu = cls == LBK_CLASS_CPU && (p->inner == 1 || p->inner >= 4);
    bool gpu = cls == LBK_CLASS_GPU;
    lbk_call *call;
    if (cpu)
        LBK_TRY(emit_cpu_pass(e, p, &call));
    else
        LBK_TRY(lbk_emit_kernel(e, gpu ? "gpu/sum_to" : "generic/sum_to", "sum_rows", &call));
    if (gpu)
        LBK_TRY(lbk_call_option(call, "-DGROUP=%zu", lbk_emit_local(e)));
    if (from < 0)
        lbk_call_input(call, 0);
    else
        lbk_call_scratch(call, from);
    if (to < 0)
        lbk_call_output(call, 0);
    else
        lbk_call_scratch(call, to);
    if (cpu)
        finish_cpu_pass(call, p);
    else if (gpu)
        finish_gpu_pass(call, e, p);
    else
        finish_generic_pass(call, e, p);
    return LBK_OK;
}

/* Passes write to two scratch tensors in turn, the last one to the output. */
static lbk_status sum_emit(lbk_emit *e, lbk_class cls) {
    sum_plan plan;
    size_t bytes[2] = {0, 0};
    int scratch[2] = {-1, -1};
    plan_init(&plan, e, cls);
    for (int i = 0; i + 1 < plan.count; i++) {
        const sum_pass *p = &plan.pass[i];
        size_t needed = (size_t)(p->outer * p->blocks * p->inner) * sizeof(float);
        bytes[i % 2] = needed > bytes[i % 2] ? needed : bytes[i % 2];
    }
    for (int i = 0; i < 2 && bytes[i] > 0; i++)
        scratch[i] = lbk_emit_scratch(e, bytes[i]);
    for (int i = 0; i < plan.count; i++)
        LBK_TRY(emit_pass(e, cls, &plan.pass[i], i == 0 ? -1 : scratch[(i + 1) % 2],
                          i + 1 == plan.count ? -1 : scratch[i % 2]));
    return LBK_OK;
}

static lbk_status expand_emit(lbk_emit *e, lbk_class cls) {
    return lbk_broadcast_emit(e, cls, "value", "-DFUNCTION=value_first");
}

LBK_VARIANTS_BY_CLASS(sum, "vector", "tree", "columns")
LBK_VARIANTS_BY_CLASS(expand, "vector", "float4", "element")

static const lbk_op_example sum_examples[] = {
    {.params = "shape=5", .input = {{4, {2, 7, 3, 5}}}, .input_count = 1},
    {.params = "shape=4,1,1,24", .input = {{4, {4, 7, 9, 24}}}, .input_count = 1},
    {.params = "shape=1", .input = {{2, {13, 1021}}}, .input_count = 1},
    {.params = "shape=61,1", .input = {{3, {1, 61, 307}}}, .input_count = 1},
    {.params = "shape=1,3,1,5,1", .input = {{6, {2, 7, 3, 4, 5, 6}}}, .input_count = 1},
    {.params = "shape=1", .input = {{1, {1}}}, .input_count = 1},
    {.params = "shape=1,2100", .input = {{2, {9, 2100}}}, .input_count = 1},
};

static const lbk_op_example rows_examples[] = {
    {.params = "", .input = {{2, {128, 100}}}, .input_count = 1},
    {.params = "", .input = {{4, {8, 16, 16, 32}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{3, {13, 101, 7}}}, .input_count = 1},
};

static const lbk_op_example expand_examples[] = {
    {.params = "shape=2,7,3,5", .input = {{1, {5}}}, .input_count = 1},
    {.params = "shape=4,7,9,24", .input = {{4, {4, 1, 1, 24}}}, .input_count = 1},
    {.params = "shape=13,1021", .input = {{1, {1}}}, .input_count = 1},
    {.params = "shape=2,7,3,4,5,6", .input = {{5, {1, 3, 1, 5, 1}}}, .input_count = 1},
};

static const lbk_op sum_op = {
    .name = "sum_to",
    .summary = "sum over the dimensions that are missing or 1 in a smaller shape",
    .formula = "y = sum of the elements of x that broadcasting makes of one",
    .inputs = "x[...]",
    .outputs = "y[shape]",
    .params = shape_table,
    .params_size = sizeof(lbk_shape_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = sum_infer,
    .cost = sum_cost,
    .differentiate = sum_differentiate,
    .reference = sum_reference,
    .variants = sum_variants,
    .examples = sum_examples,
    .example_count = sizeof sum_examples / sizeof *sum_examples,
};

static const lbk_op rows_op = {
    .name = "reduce_rows",
    .summary = "sum over all dimensions but the last",
    .formula = "y[c] = sum_r x[r,c]",
    .inputs = "x[...,C]",
    .outputs = "y[C]",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = rows_infer,
    .cost = sum_cost,
    .differentiate = sum_differentiate,
    .reference = sum_reference,
    .variants = sum_variants,
    .examples = rows_examples,
    .example_count = sizeof rows_examples / sizeof *rows_examples,
};

static const lbk_op expand_op = {
    .name = "expand",
    .summary = "repeats a tensor to a larger shape, as broadcasting does",
    .formula = "y = x where x has one element for several of y",
    .inputs = "x[...]",
    .outputs = "y[shape]",
    .params = shape_table,
    .params_size = sizeof(lbk_shape_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = expand_infer,
    .cost = expand_cost,
    .differentiate = expand_differentiate,
    .reference = expand_reference,
    .variants = expand_variants,
    .examples = expand_examples,
    .example_count = sizeof expand_examples / sizeof *expand_examples,
};

const lbk_op *const lbk_ops_sum_to[] = {&sum_op, &rows_op, &expand_op, NULL};
