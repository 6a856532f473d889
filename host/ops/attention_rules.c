/* Derivatives of attention's log-sum-exp and of attention_backward, made of other ops: for penalties on gradients. Other than
 * attention itself they keep tables of scores, [N,H,TQ,TK].
 *
 * With p_ij = exp(s_ij - lse_i), s_ij = scale q_i . k_j, and t_ij = dy_i . v_j - dy_i . y_i, attention_backward is
 * dq_i = scale sum_j p_ij t_ij k_j, dk_j = scale sum_i p_ij t_ij q_i, dv_j = sum_i p_ij dy_i. Let its outputs' gradients be Q, K and V
 * and e_ij = scale (Q_i . k_j + q_i . K_j), z_ij = p_ij (t_ij e_ij + dy_i . V_j). Then
 *     of q_i: scale sum_j (z_ij k_j + p_ij t_ij K_j)     of k_j: scale sum_i (z_ij q_i + p_ij t_ij Q_i)
 *     of v_j: sum_i p_ij e_ij dy_i                       of dy_i: sum_j p_ij (e_ij (v_j - y_i) + V_j)
 *     of y_i: -dy_i sum_j p_ij e_ij                      of lse_i: -sum_j z_ij */
#include "ops/attention.h"
#include "ops/compose.h"

#include <stdio.h>

#define UNSEEN (-1e9) /* added to the score of a key that is masked */

enum { DY, Y, LSE, FIRST }; /* inputs of attention_backward; from FIRST on those of attention */

/* What attention reads, by head: [N,H,T,D]. */
typedef struct heads {
    lbk_compose c;
    lbk_attention_sizes s;
    lbk_value q, k, v, p; /* p: [N,H,TQ,TK] */
} heads;

/* [N,T,H*D] -> [N,H,T,D] */
static lbk_value by_head(heads *h, lbk_value x) {
    if (x == LBK_NONE)
        return x;
    int64_t t = lbk_gradient_desc(h->c.g, x)->shape.dim[1];
    const lbk_shape shape = lbk_shape_4(h->s.n, t, h->s.heads, h->s.d);
    x = lbk_compose_reshape(&h->c, x, &shape);
    return lbk_compose_text(&h->c, "permute", "order=0,2,1,3", 1, &x);
}

/* And back. */
static lbk_value side_by_side(heads *h, lbk_value x) {
    if (x == LBK_NONE)
        return x;
    int64_t t = lbk_gradient_desc(h->c.g, x)->shape.dim[2];
    const lbk_shape shape = {3, {h->s.n, t, h->s.heads * h->s.d}};
    x = lbk_compose_text(&h->c, "permute", "order=0,2,1,3", 1, &x);
    return lbk_compose_reshape(&h->c, x, &shape);
}

/* Part 0, 1 or 2 of [N,T,3*H*D]. */
static lbk_value part(heads *h, lbk_value packed, int number) {
    char text[80];
    long long width = (long long)(h->s.heads * h->s.d);
    snprintf(text, sizeof text, "axis=2 start=%lld count=%lld", number * width, width);
    return packed == LBK_NONE ? packed : lbk_compose_text(&h->c, "slice", text, 1, &packed);
}

static lbk_value product(heads *h, const char *params, lbk_value a, lbk_value b) {
    if (a == LBK_NONE || b == LBK_NONE)
        return LBK_NONE;
    return lbk_compose_text(&h->c, "matmul", params, 2, (lbk_value[]){a, b});
}

/* scale a b^T, scale a b, scale a^T b; the last two without the scale too. */
static lbk_value scores(heads *h, lbk_value a, lbk_value b) {
    return lbk_compose_scale(&h->c, product(h, "trans_b=yes", a, b), h->s.scale, 0);
}

static lbk_value over_keys(heads *h, lbk_value table, lbk_value b, double scale) {
    return lbk_compose_scale(&h->c, product(h, "", table, b), scale, 0);
}

static lbk_value over_queries(heads *h, lbk_value table, lbk_value b, double scale) {
    return lbk_compose_scale(&h->c, product(h, "trans_a=yes", table, b), scale, 0);
}

/* in[]: q, k, v and perhaps a mask, or qkv and perhaps a mask. */
static lbk_status heads_init(heads *h, lbk_gradient *g, const lbk_value *in, lbk_value lse) {
    lbk_compose *c = &h->c;
    const lbk_attention_sizes *s = &h->s;
    const lbk_shape row = lbk_shape_4(s->n, s->heads, s->tq, 1), keys = lbk_shape_4(s->n, 1, 1, s->tk);
    *c = (lbk_compose){g, LBK_OK};
    if (s->causal)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "causal attention has no second derivative");
    h->q = by_head(h, s->packed ? part(h, in[0], 0) : in[0]);
    h->k = by_head(h, s->packed ? part(h, in[0], 1) : in[1]);
    h->v = by_head(h, s->packed ? part(h, in[0], 2) : in[2]);
    lbk_value exponent = lbk_compose_sub(c, scores(h, h->q, h->k), lbk_compose_reshape(c, lse, &row));
    if (s->masked) {
        lbk_value none = lbk_compose_text(c, "one_hot", "classes=1", 1, &in[s->packed ? 1 : 3]); /* 1 where it is 0 */
        none = lbk_compose_scale(c, lbk_compose_reshape(c, none, &keys), UNSEEN, 0);
        exponent = lbk_compose_add(c, exponent, none);
    }
    h->p = lbk_compose_unary(c, "exp", exponent);
    return c->status;
}

/* Gradients of q, k and v, as attention has them; one that is LBK_NONE is zero. */
static void inputs_store(heads *h, lbk_value q, lbk_value k, lbk_value v, lbk_value *out) {
    if (!h->s.packed) {
        out[0] = side_by_side(h, q);
        out[1] = side_by_side(h, k);
        out[2] = side_by_side(h, v);
        return;
    }
    lbk_value zero = lbk_compose_scale(&h->c, h->q, 0, 0);
    const lbk_value parts[] = {side_by_side(h, q == LBK_NONE ? zero : q), side_by_side(h, k == LBK_NONE ? zero : k),
                               side_by_side(h, v == LBK_NONE ? zero : v)};
    out[0] = lbk_compose_text(&h->c, "concat", "axis=2", 3, parts);
}

lbk_status lbk_attention_lse_differentiate(lbk_gradient *g, lbk_value out[3]) {
    heads h = {.s = lbk_attention_sizes_of(g->params, g->input_desc, g->input_count, 0)};
    const lbk_shape row = lbk_shape_4(h.s.n, h.s.heads, h.s.tq, 1);
    LBK_TRY(heads_init(&h, g, g->input, g->output[1]));
    lbk_value table = lbk_compose_mul(&h.c, h.p, lbk_compose_reshape(&h.c, g->output_grad[1], &row));
    inputs_store(&h, over_keys(&h, table, h.k, h.s.scale), over_queries(&h, table, h.q, h.s.scale), LBK_NONE, out);
    return h.c.status;
}

lbk_status lbk_attention_backward_differentiate(lbk_gradient *g) {
    heads h = {.s = lbk_attention_sizes_of(g->params, g->input_desc, g->input_count, FIRST)};
    lbk_compose *c = &h.c;
    LBK_TRY(heads_init(&h, g, g->input + FIRST, g->input[LSE]));
    const lbk_value *in = g->output_grad;
    lbk_value dy = by_head(&h, g->input[DY]), y = by_head(&h, g->input[Y]);
    lbk_value q = by_head(&h, h.s.packed ? part(&h, in[0], 0) : in[0]);
    lbk_value k = by_head(&h, h.s.packed ? part(&h, in[0], 1) : in[1]);
    lbk_value v = by_head(&h, h.s.packed ? part(&h, in[0], 2) : in[2]);
    lbk_value t =
        lbk_compose_sub(c, product(&h, "trans_b=yes", dy, h.v), lbk_compose_sum_last(c, lbk_compose_mul(c, dy, y)));
    lbk_value pt = lbk_compose_mul(c, h.p, t);
    lbk_value e = lbk_compose_add(c, scores(&h, q, h.k), scores(&h, h.q, k));
    lbk_value pe = lbk_compose_mul(c, h.p, e), rows = lbk_compose_sum_last(c, pe);
    lbk_value z =
        lbk_compose_add(c, lbk_compose_mul(c, pe, t), lbk_compose_mul(c, h.p, product(&h, "trans_b=yes", dy, v)));
    lbk_value of_dy = lbk_compose_sub(c, over_keys(&h, pe, h.v, 1), lbk_compose_mul(c, y, rows));
    g->input_grad[DY] = side_by_side(&h, lbk_compose_add(c, of_dy, over_keys(&h, h.p, v, 1)));
    g->input_grad[Y] = side_by_side(&h, lbk_compose_unary(c, "neg", lbk_compose_mul(c, dy, rows)));
    g->input_grad[LSE] =
        lbk_compose_reshape(c, lbk_compose_unary(c, "neg", lbk_compose_sum_last(c, z)), &g->input_desc[LSE].shape);
    lbk_value of_q = lbk_compose_add(c, over_keys(&h, z, h.k, h.s.scale), over_keys(&h, pt, k, h.s.scale));
    lbk_value of_k = lbk_compose_add(c, over_queries(&h, z, h.q, h.s.scale), over_queries(&h, pt, q, h.s.scale));
    inputs_store(&h, of_q, of_k, over_queries(&h, pe, dy, 1), g->input_grad + FIRST);
    return c->status;
}
