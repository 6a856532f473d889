/* matmul: the product of two matrices, either transposed at will; similarity matrices of distillation methods. */
#include "ops/gemm.h"

typedef struct matmul_params {
    bool trans_a, trans_b;
    double alpha;
} matmul_params;

static const lbk_param matmul_table[] = {
    LBK_PARAM_BOOL(matmul_params, trans_a, "no", "use a transposed", NULL),
    LBK_PARAM_BOOL(matmul_params, trans_b, "no", "use b transposed", NULL),
    LBK_PARAM_FLOAT(matmul_params, alpha, "1", -1e30, 1e30, NULL, "factor of the product", NULL), LBK_PARAM_END};

enum { A, B }; /* inputs */

static lbk_status matmul_infer(lbk_infer *infer) {
    const matmul_params *p = infer->params;
    const lbk_shape *a = &infer->input[A].shape, *b = &infer->input[B].shape;
    LBK_TRY(lbk_infer_rank(infer, A, "a", 2));
    LBK_TRY(lbk_infer_rank(infer, B, "b", 2));
    if (a->dim[!p->trans_a] != b->dim[p->trans_b]) {
        char text[2][LBK_SHAPE_TEXT];
        return lbk_fail(LBK_ERR_INPUT, "a (%s%s) and b (%s%s) do not fit", lbk_shape_print(a, text[0]),
                        p->trans_a ? ", transposed" : "", lbk_shape_print(b, text[1]),
                        p->trans_b ? ", transposed" : "");
    }
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(a->dim[p->trans_a], b->dim[!p->trans_b]));
    return LBK_OK;
}

static int64_t depth(const matmul_params *p, const lbk_tensor_desc *input) {
    return input[A].shape.dim[!p->trans_a];
}

static void matmul_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = 2.0 * (double)lbk_ops_count(&shapes->output[0]) * (double)depth(shapes->params, shapes->input);
}

static void matmul_reference(const lbk_reference *r) {
    const matmul_params *p = r->params;
    int64_t m = r->output[0].shape.dim[0], n = r->output[0].shape.dim[1], k = depth(p, r->input);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += r->in[A][p->trans_a ? l * m + i : i * k + l] * r->in[B][p->trans_b ? j * k + l : l * n + j];
            r->out[0][i * n + j] = p->alpha * sum;
        }
}

static lbk_status emit_product(lbk_gradient *g, lbk_value a, bool trans_a, lbk_value b, bool trans_b, lbk_value *out) {
    matmul_params params = {trans_a, trans_b, ((const matmul_params *)g->params)->alpha};
    return lbk_gradient_emit(g, "matmul", &params, 2, (lbk_value[]){a, b}, out);
}

/* C = op(A) op(B): d op(A) = dC op(B)^T, d op(B) = op(A)^T dC; transposed where the operand was. */
static lbk_status matmul_differentiate(lbk_gradient *g) {
    const matmul_params *p = g->params;
    lbk_value a = g->input[A], b = g->input[B], dc = g->output_grad[0];
    if (g->wanted[A])
        LBK_TRY(p->trans_a ? emit_product(g, b, p->trans_b, dc, true, &g->input_grad[A])
                           : emit_product(g, dc, false, b, !p->trans_b, &g->input_grad[A]));
    if (g->wanted[B])
        LBK_TRY(p->trans_b ? emit_product(g, dc, true, a, p->trans_a, &g->input_grad[B])
                           : emit_product(g, a, !p->trans_a, dc, false, &g->input_grad[B]));
    return LBK_OK;
}

static lbk_status matmul_emit(lbk_emit *e, lbk_gemm_way way) {
    const matmul_params *p = e->params;
    lbk_gemm g = lbk_gemm_of(e->output[0].shape.dim[0], e->output[0].shape.dim[1], depth(p, e->input), p->trans_a,
                             p->trans_b, lbk_gemm_output(0), lbk_gemm_input(A), lbk_gemm_input(B));
    g.alpha = p->alpha;
    return lbk_gemm_emit(e, way, &g);
}

LBK_GEMM_VARIANTS(matmul)

#define CASE(text, a0, a1, b0, b1)                                                                                     \
    { .params = text, .input = {{2, {a0, a1}}, {2, {b0, b1}}}, .input_count = 2 }
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
};

static const lbk_op matmul_op = {
    .name = "matmul",
    .summary = "product of two matrices",
    .formula = "c = alpha * op(a) * op(b)",
    .inputs = "a[M,K] b[K,N]",
    .outputs = "c[M,N]",
    .params = matmul_table,
    .params_size = sizeof(matmul_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = matmul_infer,
    .cost = matmul_cost,
    .differentiate = matmul_differentiate,
    .reference = matmul_reference,
    .variants = matmul_variants,
    .examples = matmul_examples,
    .example_count = sizeof matmul_examples / sizeof *matmul_examples,
};

const lbk_op *const lbk_ops_matmul[] = {&matmul_op, NULL};
