/* matmul: the product of two matrices, or of a batch of pairs of them, either transposed at will. As in torch.matmul a
 * batch of a may meet one b; then, and where products are summed, the batch becomes rows of one larger product. */
#include "ops/gemm.h"

typedef struct matmul_params {
    bool trans_a, trans_b, sum;
    double alpha;
} matmul_params;

static const lbk_param matmul_table[] = {
    LBK_PARAM_BOOL(matmul_params, trans_a, "no", "use the matrices of a transposed", NULL),
    LBK_PARAM_BOOL(matmul_params, trans_b, "no", "use the matrices of b transposed", NULL),
    LBK_PARAM_BOOL(matmul_params, sum, "no", "add up the products of the batch; for trans_a=yes, trans_b=no only",
                   NULL),
    LBK_PARAM_FLOAT(matmul_params, alpha, "1", -1e30, 1e30, NULL, "factor of the product", NULL), LBK_PARAM_END};

enum { A, B }; /* inputs */

/* One b for all of a. */
static bool is_shared(const matmul_params *p, const lbk_tensor_desc *input) {
    return input[A].shape.rank > 2 && input[B].shape.rank == 2 && !p->sum;
}

static int64_t rows_of(const lbk_shape *shape) {
    return shape->dim[shape->rank - 2];
}

/* The products as they are computed: A[batch,m,k] B[batch,k,n] C[batch,m,n], where not transposed. */
typedef struct sizes {
    int64_t batch, m, n, k;
} sizes;

static sizes sizes_of(const matmul_params *p, const lbk_tensor_desc *input) {
    const lbk_shape *a = &input[A].shape, *b = &input[B].shape;
    sizes s = {.batch = lbk_ops_rows(a) / rows_of(a),
               .m = p->trans_a ? lbk_shape_last(a) : rows_of(a),
               .n = p->trans_b ? rows_of(b) : lbk_shape_last(b),
               .k = p->trans_a ? rows_of(a) : lbk_shape_last(a)};
    int64_t *merged = p->sum ? &s.k : is_shared(p, input) ? &s.m : NULL;
    if (merged) {
        *merged *= s.batch;
        s.batch = 1;
    }
    return s;
}

static bool leading_fit(const lbk_infer *infer) {
    const lbk_shape *a = &infer->input[A].shape, *b = &infer->input[B].shape;
    bool equal = a->rank == b->rank;
    for (int i = 0; equal && i < a->rank - 2; i++)
        equal = a->dim[i] == b->dim[i];
    return equal || is_shared(infer->params, infer->input);
}

static lbk_status matmul_infer(lbk_infer *infer) {
    const matmul_params *p = infer->params;
    const lbk_shape *a = &infer->input[A].shape, *b = &infer->input[B].shape;
    if (a->rank < 2 || b->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "a has %d dimensions and b %d, expected at least 2", a->rank, b->rank);
    int64_t inner_a = p->trans_a ? rows_of(a) : lbk_shape_last(a);
    int64_t inner_b = p->trans_b ? lbk_shape_last(b) : rows_of(b);
    if (inner_a != inner_b || !leading_fit(infer)) {
        char text[2][LBK_SHAPE_TEXT];
        return lbk_fail(LBK_ERR_INPUT, "a (%s%s) and b (%s%s) do not fit", lbk_shape_print(a, text[0]),
                        p->trans_a ? ", transposed" : "", lbk_shape_print(b, text[1]),
                        p->trans_b ? ", transposed" : "");
    }
    if (p->sum && (!p->trans_a || p->trans_b))
        return lbk_fail(LBK_ERR_INPUT, "sum=yes is for trans_a=yes and trans_b=no");
    if (p->trans_a && is_shared(p, infer->input))
        return lbk_fail(LBK_ERR_INPUT, "one b for a batch of a is for trans_a=no");
    lbk_shape c = p->sum ? lbk_shape_2(0, 0) : *a;
    c.dim[c.rank - 2] = p->trans_a ? lbk_shape_last(a) : rows_of(a);
    c.dim[c.rank - 1] = p->trans_b ? rows_of(b) : lbk_shape_last(b);
    lbk_infer_output(infer, LBK_F32, c);
    return LBK_OK;
}

static void matmul_cost(const lbk_infer *shapes, lbk_cost *cost) {
    sizes s = sizes_of(shapes->params, shapes->input);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = 2.0 * (double)s.batch * (double)s.m * (double)s.n * (double)s.k;
}

static void matmul_reference(const lbk_reference *r) {
    const matmul_params *p = r->params;
    const sizes s = sizes_of(p, r->input);
    const double *a = r->in[A], *b = r->in[B];
    for (int64_t i = 0; i < s.batch * s.m * s.n; i++) {
        int64_t batch = i / s.n / s.m, m = i / s.n % s.m, n = i % s.n;
        double sum = 0;
        for (int64_t k = 0; k < s.k; k++)
            sum += a[batch * s.m * s.k + (p->trans_a ? k * s.m + m : m * s.k + k)] *
                   b[batch * s.k * s.n + (p->trans_b ? n * s.k + k : k * s.n + n)];
        r->out[0][i] = p->alpha * sum;
    }
}

static lbk_status emit_product(lbk_gradient *g, lbk_value a, bool trans_a, lbk_value b, bool trans_b, bool sum,
                               lbk_value *out) {
    matmul_params params = {trans_a, trans_b, sum, ((const matmul_params *)g->params)->alpha};
    return lbk_gradient_emit(g, "matmul", &params, 2, (lbk_value[]){a, b}, out);
}

/* C = op(A) op(B): d op(A) = dC op(B)^T, d op(B) = op(A)^T dC; transposed where the operand was. One b for all of a gets
 * the sum over them. With sum=yes, dC is the one matrix for all of the batch. */
static lbk_status matmul_differentiate(lbk_gradient *g) {
    const matmul_params *p = g->params;
    bool shared = is_shared(p, g->input_desc);
    lbk_value a = g->input[A], b = g->input[B], dc = g->output_grad[0];
    if (g->wanted[A])
        LBK_TRY(p->trans_a ? emit_product(g, b, p->trans_b, dc, true, false, &g->input_grad[A])
                           : emit_product(g, dc, false, b, !p->trans_b, false, &g->input_grad[A]));
    if (g->wanted[B])
        LBK_TRY(p->trans_b ? emit_product(g, dc, true, a, p->trans_a, shared, &g->input_grad[B])
                           : emit_product(g, a, !p->trans_a, dc, false, shared, &g->input_grad[B]));
    return LBK_OK;
}

static lbk_status matmul_emit(lbk_emit *e, lbk_gemm_way way) {
    const matmul_params *p = e->params;
    sizes s = sizes_of(p, e->input);
    lbk_gemm g =
        lbk_gemm_of(s.m, s.n, s.k, p->trans_a, p->trans_b, lbk_gemm_output(0), lbk_gemm_input(A), lbk_gemm_input(B));
    g.batch = s.batch;
    g.alpha = p->alpha;
    return lbk_gemm_emit(e, way, &g);
}

LBK_GEMM_VARIANTS(matmul)

#define CASE(text, a0, a1, b0, b1)                                                                                     \
    { .params = text, .input = {{2, {a0, a1}}, {2, {b0, b1}}}, .input_count = 2 }
#define BATCH(text, ...)                                                                                               \
    { .params = text, .input = {__VA_ARGS__}, .input_count = 2 }
static const lbk_op_example matmul_examples[] = {
    CASE("", 7, 5, 5, 9),
    CASE("trans_b=yes alpha=0.5", 64, 40, 64, 40),
    CASE("trans_a=yes", 33, 17, 33, 20),
    CASE("trans_a=yes trans_b=yes alpha=-2", 31, 18, 50, 31),
    CASE("", 1, 1, 1, 1),
    CASE("", 200, 150, 150, 130),
    CASE("trans_b=yes", 129, 300, 129, 300),
    CASE("trans_a=yes", 301, 70, 301, 99),
    CASE("trans_a=yes trans_b=yes", 270, 121, 66, 270),
    BATCH("", {3, {2, 20, 300}}, {3, {2, 300, 40}}),
    BATCH("trans_b=yes alpha=0.25", {4, {2, 3, 33, 24}}, {4, {2, 3, 40, 24}}),
    BATCH("trans_a=yes", {3, {2, 301, 61}}, {3, {2, 301, 99}}),
    BATCH("trans_a=yes trans_b=yes", {3, {4, 17, 1}}, {3, {4, 8, 17}}),
    BATCH("", {3, {2, 130, 150}}, {3, {2, 150, 67}}),
    BATCH("alpha=3", {4, {2, 3, 5, 20}}, {2, {20, 13}}),
    BATCH("trans_b=yes", {3, {3, 10, 48}}, {2, {31, 48}}),
    BATCH("trans_a=yes sum=yes alpha=0.5", {3, {3, 10, 48}}, {3, {3, 10, 31}}),
};

static const lbk_op matmul_op = {
    .name = "matmul",
    .summary = "product of two matrices, or of each pair of a batch",
    .formula = "c = alpha * op(a) * op(b)",
    .inputs = "a[...,M,K] b[...,K,N] (or one b[K,N] for all of a)",
    .outputs = "c[...,M,N] (sum=yes: c[M,N])",
    .params = matmul_table,
    .params_size = sizeof(matmul_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 2,
    .layer = true,
    .infer = matmul_infer,
    .cost = matmul_cost,
    .differentiate = matmul_differentiate,
    .reference = matmul_reference,
    .variants = matmul_variants,
    .examples = matmul_examples,
    .example_count = sizeof matmul_examples / sizeof *matmul_examples,
};

const lbk_op *const lbk_ops_matmul[] = {&matmul_op, NULL};
