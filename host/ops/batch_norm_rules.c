/* Second derivatives of batch_norm, made of other ops: for penalties on gradients, where speed is not the matter. */
#include "ops/batch_norm.h"
#include "ops/compose.h"

enum { DY, X, WEIGHT, BIAS, MEAN, SPREAD, Y };   /* inputs of batch_norm_backward */
enum { DX, DWEIGHT, DBIAS, DADDEND, GRADIENTS }; /* its outputs */

/* mean = sum x / M and rstd = (var + eps)^(-1/2), var = sum (x - mean)^2 / M:
 * dx = (dmean - drstd rstd^3 (x - mean)) / M. */
lbk_status lbk_norm_statistics_differentiate(lbk_gradient *g, lbk_value dmean, lbk_value drstd, lbk_value *dx) {
    lbk_compose c = {g, LBK_OK};
    const lbk_shape *x = &g->input_desc[0].shape;
    lbk_value mean = g->output[1], rstd = g->output[2];
    lbk_value cube = lbk_compose_mul(&c, lbk_compose_unary(&c, "square", rstd), rstd);
    lbk_value centred = lbk_compose_sub(&c, g->input[0], mean);
    lbk_value spread = lbk_compose_mul(&c, centred, lbk_compose_mul(&c, drstd, cube));
    lbk_value sum = lbk_compose_scale(&c, lbk_compose_sub(&c, dmean, spread), 1 / (double)lbk_ops_rows(x), 0);
    *dx = lbk_compose_expand(&c, sum, x);
    return c.status;
}

/* What the rule's terms are made of. Vectors are [C], the others have x's shape. */
typedef struct terms {
    lbk_compose c;
    bool training;
    double rows;
    lbk_value r, x_hat, centred;   /* rstd; (x - mean) rstd; x - mean */
    lbk_value y, g;                /* of the relu, LBK_NONE without; dy behind it */
    lbk_value in[GRADIENTS];       /* incoming gradients: G of dx, and of dweight, dbias, daddend */
    lbk_value by_g, sum_gx, sum_g; /* batch_norm_backward of G: its dx; sum G x^; sum G */
    lbk_value dx_hat;
} terms;

static lbk_status terms_init(terms *t, lbk_gradient *g) {
    const lbk_norm_backward_params *p = g->params;
    lbk_compose *c = &t->c;
    *t = (terms){.c = {g, LBK_OK}, .training = p->training, .rows = (double)lbk_ops_rows(&g->input_desc[X].shape)};
    t->r = g->input[SPREAD];
    if (!p->training)
        t->r = lbk_compose_unary(c, "rsqrt", lbk_compose_scale(c, t->r, 1, p->eps));
    t->centred = lbk_compose_sub(c, g->input[X], g->input[MEAN]);
    t->x_hat = lbk_compose_mul(c, t->centred, t->r);
    t->y = LBK_NONE;
    t->g = g->input[DY];
    if (p->relu) {
        t->y = g->input_count > Y ? g->input[Y]
                                  : lbk_compose_add(c, lbk_compose_mul(c, t->x_hat, g->input[WEIGHT]), g->input[BIAS]);
        t->g = lbk_compose_apply(c, "relu_backward", NULL, 2, (lbk_value[]){t->g, t->y});
    }
    for (int i = 0; i < GRADIENTS; i++)
        t->in[i] = i < g->output_count ? g->output_grad[i] : LBK_NONE;
    t->by_g = t->sum_gx = t->sum_g = LBK_NONE;
    if (c->status != LBK_OK || t->in[DX] == LBK_NONE)
        return c->status;
    const lbk_norm_backward_params plain = {.eps = p->eps, .training = p->training};
    const lbk_value inputs[] = {t->in[DX],      g->input[X],    g->input[WEIGHT],
                                g->input[BIAS], g->input[MEAN], g->input[SPREAD]};
    lbk_value outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_gradient_emit(g, "batch_norm_backward", &plain, 6, inputs, outputs));
    t->by_g = outputs[DX];
    t->sum_gx = outputs[DWEIGHT];
    t->sum_g = outputs[DBIAS];
    return LBK_OK;
}

/* dL/dx^ = dweight' g - weight r / M (dweight G + sum(G x^) g), of which evaluation has the first term only. */
static lbk_value normalised(terms *t) {
    lbk_compose *c = &t->c;
    lbk_gradient *g = c->g;
    if (!t->training)
        return lbk_compose_mul(c, t->g, t->in[DWEIGHT]);
    lbk_value k = lbk_compose_scale(c, lbk_compose_mul(c, g->input[WEIGHT], t->r), 1 / t->rows, 0);
    lbk_value of_g = lbk_compose_sub(c, t->in[DWEIGHT], lbk_compose_mul(c, k, t->sum_gx));
    lbk_value of_grad = lbk_compose_mul(c, t->in[DX], lbk_compose_mul(c, k, g->output[DWEIGHT]));
    return lbk_compose_sub(c, lbk_compose_mul(c, t->g, of_g), of_grad);
}

/* sum(G dx) / (weight r) = sum(G g) - (dbias sum(G) + dweight sum(G x^)) / M, of which evaluation has the first term only. */
static lbk_value product(terms *t) {
    lbk_compose *c = &t->c;
    lbk_value first = lbk_compose_sum_rows(c, lbk_compose_mul(c, t->in[DX], t->g));
    if (!t->training)
        return first;
    lbk_value bias = lbk_compose_mul(c, c->g->output[DBIAS], t->sum_g);
    lbk_value weight = lbk_compose_mul(c, c->g->output[DWEIGHT], t->sum_gx);
    return lbk_compose_sub(c, first, lbk_compose_scale(c, lbk_compose_add(c, bias, weight), 1 / t->rows, 0));
}

/* The rule is linear and symmetric in dy: batch_norm_backward of G, and what dweight, dbias and daddend get. */
static lbk_value of_dy(terms *t) {
    lbk_compose *c = &t->c;
    lbk_value sum = lbk_compose_add(c, t->by_g, lbk_compose_mul(c, t->x_hat, t->in[DWEIGHT]));
    sum = lbk_compose_add(c, lbk_compose_add(c, sum, t->in[DBIAS]), t->in[DADDEND]);
    sum = lbk_compose_expand(c, sum, &c->g->input_desc[X].shape);
    if (t->y == LBK_NONE || sum == LBK_NONE)
        return sum;
    return lbk_compose_apply(c, "relu_backward", NULL, 2, (lbk_value[]){sum, t->y});
}

/* rstd is in x^ and a factor of dx; evaluation has it from the variance, (var + eps)^(-1/2). */
static lbk_value of_spread(terms *t, lbk_value products) {
    lbk_compose *c = &t->c;
    lbk_value sum = lbk_compose_sum_rows(c, lbk_compose_mul(c, t->dx_hat, t->centred));
    sum = lbk_compose_add(c, sum, lbk_compose_mul(c, c->g->input[WEIGHT], products));
    if (t->training)
        return sum;
    lbk_value cube = lbk_compose_mul(c, lbk_compose_unary(c, "square", t->r), t->r);
    return lbk_compose_mul(c, sum, lbk_compose_scale(c, cube, -0.5, 0));
}

/* The relu's sign, in which bias and y are, has no derivative. */
lbk_status lbk_norm_backward_differentiate(lbk_gradient *g) {
    terms t;
    LBK_TRY(terms_init(&t, g));
    lbk_value products = product(&t);
    t.dx_hat = normalised(&t);
    if (g->wanted[DY])
        g->input_grad[DY] = of_dy(&t);
    if (g->wanted[X])
        g->input_grad[X] = lbk_compose_mul(&t.c, t.dx_hat, t.r);
    if (g->wanted[WEIGHT])
        g->input_grad[WEIGHT] = lbk_compose_mul(&t.c, t.r, products);
    if (g->wanted[MEAN])
        g->input_grad[MEAN] =
            lbk_compose_unary(&t.c, "neg", lbk_compose_mul(&t.c, t.r, lbk_compose_sum_rows(&t.c, t.dx_hat)));
    if (g->wanted[SPREAD])
        g->input_grad[SPREAD] = of_spread(&t, products);
    return t.c.status;
}
