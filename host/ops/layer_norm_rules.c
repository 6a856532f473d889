/* Derivatives of layer_norm's statistics and of its derivative, made of other ops: for penalties on gradients, where speed is not
 * the matter. */
#include "ops/compose.h"
#include "ops/layer_norm.h"

enum { DY, X, MEAN, RSTD, WEIGHT }; /* inputs of layer_norm_backward */
enum { DX, DWEIGHT, DBIAS };        /* its outputs */

/* One number per row, to go with x. */
static lbk_shape beside(const lbk_shape *x, int dims) {
    lbk_shape shape = *x;
    for (int i = x->rank - dims; i < x->rank; i++)
        shape.dim[i] = 1;
    return shape;
}

/* mean = sum x / L and rstd = (var + eps)^(-1/2), var = sum (x - mean)^2 / L:
 * dx = (dmean - drstd rstd^3 (x - mean)) / L. */
lbk_status lbk_layer_norm_statistics_differentiate(lbk_gradient *g, int dims, lbk_value *dx) {
    lbk_compose c = {g, LBK_OK};
    const lbk_shape *x = &g->input_desc[0].shape, row = beside(x, dims);
    lbk_value mean = lbk_compose_reshape(&c, g->output[1], &row), rstd = lbk_compose_reshape(&c, g->output[2], &row);
    lbk_value dmean = lbk_compose_reshape(&c, g->output_grad[1], &row);
    lbk_value drstd = lbk_compose_reshape(&c, g->output_grad[2], &row);
    lbk_value cube = lbk_compose_mul(&c, lbk_compose_unary(&c, "square", rstd), rstd);
    lbk_value spread = lbk_compose_mul(&c, lbk_compose_sub(&c, g->input[0], mean), lbk_compose_mul(&c, drstd, cube));
    double length = (double)lbk_shape_count(x) / (double)lbk_shape_count(&row);
    *dx = lbk_compose_expand(&c, lbk_compose_scale(&c, lbk_compose_sub(&c, dmean, spread), 1 / length, 0), x);
    return c.status;
}

/* Sums over a row are [...,1], the weight's shape is that of a row. */
typedef struct terms {
    lbk_compose c;
    lbk_shape row;
    double length;
    lbk_value r, centred, x_hat;      /* rstd; x - mean; (x - mean) rstd */
    lbk_value g;                      /* dy * weight */
    lbk_value in, in_weight, in_bias; /* incoming gradients: G of dx, and of dweight and dbias */
    lbk_value by_g;                   /* layer_norm_backward of G without a weight: its dx */
} terms;

static lbk_value row_sum(terms *t, lbk_value x) {
    return lbk_compose_sum_to(&t->c, x, &t->row);
}

static lbk_value row_mean(terms *t, lbk_value x) {
    return lbk_compose_scale(&t->c, row_sum(t, x), 1 / t->length, 0);
}

static lbk_status terms_init(terms *t, lbk_gradient *g) {
    const lbk_layer_norm_backward_params *p = g->params;
    const lbk_layer_norm_backward_params plain = {.dims = p->dims};
    const lbk_shape *x = &g->input_desc[X].shape;
    lbk_compose *c = &t->c;
    *t = (terms){.c = {g, LBK_OK}, .row = beside(x, p->dims)};
    t->length = (double)lbk_shape_count(x) / (double)lbk_shape_count(&t->row);
    t->r = lbk_compose_reshape(c, g->input[RSTD], &t->row);
    t->centred = lbk_compose_sub(c, g->input[X], lbk_compose_reshape(c, g->input[MEAN], &t->row));
    t->x_hat = lbk_compose_mul(c, t->centred, t->r);
    t->g = g->input_count > WEIGHT ? lbk_compose_mul(c, g->input[DY], g->input[WEIGHT]) : g->input[DY];
    t->in = g->output_grad[DX];
    t->in_weight = g->output_count > DWEIGHT ? g->output_grad[DWEIGHT] : LBK_NONE;
    t->in_bias = g->output_count > DBIAS ? g->output_grad[DBIAS] : LBK_NONE;
    t->by_g = t->in;
    if (t->in != LBK_NONE)
        t->by_g = lbk_compose_apply(c, "layer_norm_backward", &plain, 4,
                                    (lbk_value[]){t->in, g->input[X], g->input[MEAN], g->input[RSTD]});
    return c->status;
}

/* dL/dx^ = dweight' dy - rstd (G mean(g x^) + g mean(G x^)) */
static lbk_value normalised(terms *t) {
    lbk_compose *c = &t->c;
    lbk_value of_in = lbk_compose_mul(c, t->in, row_mean(t, lbk_compose_mul(c, t->g, t->x_hat)));
    lbk_value of_g = lbk_compose_mul(c, t->g, row_mean(t, lbk_compose_mul(c, t->in, t->x_hat)));
    lbk_value both = lbk_compose_mul(c, lbk_compose_add(c, of_in, of_g), t->r);
    return lbk_compose_sub(c, lbk_compose_mul(c, t->in_weight, c->g->input[DY]), both);
}

/* The rule is linear and symmetric in g: that of G in its place, and what dweight and dbias get. */
static lbk_value of_dy(terms *t) {
    lbk_compose *c = &t->c;
    lbk_gradient *g = c->g;
    lbk_value sum = g->input_count > WEIGHT ? lbk_compose_mul(c, t->by_g, g->input[WEIGHT]) : t->by_g;
    sum = lbk_compose_add(c, sum, lbk_compose_mul(c, t->x_hat, t->in_weight));
    return lbk_compose_expand(c, lbk_compose_add(c, sum, t->in_bias), &g->input_desc[X].shape);
}

/* rstd is in x^ and a factor of dx. */
static lbk_value of_rstd(terms *t, lbk_value dx_hat) {
    lbk_compose *c = &t->c;
    lbk_value sum = row_sum(t, lbk_compose_mul(c, dx_hat, t->centred));
    lbk_value products = row_sum(t, lbk_compose_mul(c, t->in, c->g->output[DX]));
    sum = lbk_compose_add(
        c, sum, products == LBK_NONE ? products : lbk_compose_apply(c, "div", NULL, 2, (lbk_value[]){products, t->r}));
    return lbk_compose_reshape(c, sum, &c->g->input_desc[RSTD].shape);
}

lbk_status lbk_layer_norm_backward_differentiate(lbk_gradient *g) {
    terms t;
    LBK_TRY(terms_init(&t, g));
    lbk_compose *c = &t.c;
    lbk_value dx_hat = normalised(&t), dx = lbk_compose_mul(c, dx_hat, t.r);
    if (g->wanted[DY])
        g->input_grad[DY] = of_dy(&t);
    if (g->wanted[X])
        g->input_grad[X] = dx;
    if (g->wanted[MEAN])
        g->input_grad[MEAN] =
            lbk_compose_reshape(c, lbk_compose_unary(c, "neg", row_sum(&t, dx)), &g->input_desc[MEAN].shape);
    if (g->wanted[RSTD])
        g->input_grad[RSTD] = of_rstd(&t, dx_hat);
    if (g->wanted[WEIGHT])
        g->input_grad[WEIGHT] =
            lbk_compose_sum_to(c, lbk_compose_mul(c, g->input[DY], t.by_g), &g->input_desc[WEIGHT].shape);
    return c->status;
}
