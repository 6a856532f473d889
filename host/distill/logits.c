/* What losses on logits share. */
#include "distill/method.h"

#include <math.h>
#include <stdio.h>

#define EPS 1e-7 /* of the standard deviation: logit-standardization-KD */

lbk_status lbk_method_soften(lbk_method_context *c, lbk_value logits, lbk_value temperature, lbk_value *out) {
    return lbk_method_op(c, "div", out, "", 2, logits, temperature);
}

lbk_status lbk_method_times_square(lbk_method_context *c, lbk_value loss, lbk_value temperature, lbk_value *out) {
    lbk_value square;
    LBK_TRY(lbk_method_op(c, "square", &square, "", 1, temperature));
    return lbk_method_op(c, "scale_by", out, "", 2, loss, square);
}

lbk_status lbk_method_cross_entropy(lbk_method_context *c, lbk_value logits, lbk_value targets, lbk_value *out) {
    lbk_value logs, products, sum;
    LBK_TRY(lbk_method_op(c, "log_softmax", &logs, "", 1, logits));
    LBK_TRY(lbk_method_op(c, "mul", &products, "", 2, targets, logs));
    LBK_TRY(lbk_method_op(c, "sum", &sum, "axes=1 keepdims=yes", 1, products));
    return lbk_method_op(c, "neg", out, "", 1, sum);
}

lbk_status lbk_method_mean_of_rows(lbk_method_context *c, lbk_value x, lbk_value *out) {
    const lbk_shape *shape = lbk_method_shape(c, x);
    double elements = (double)(lbk_shape_count(shape) / shape->dim[0]);
    lbk_value mean;
    LBK_TRY(lbk_method_op(c, "mean", &mean, "", 1, x));
    return lbk_method_scale(c, mean, elements, out);
}

/* sqrt(K-1) (z - mean) / |z - mean| is (z - mean) / std, std with K - 1 as in PyTorch. */
lbk_status lbk_method_standardise(lbk_method_context *c, lbk_value logits, lbk_value *out) {
    long long classes = (long long)lbk_shape_last(lbk_method_shape(c, logits));
    char eps[48];
    lbk_value mean, centred, direction;
    if (classes < 2)
        return lbk_fail(LBK_ERR_INPUT, "one logit has no standard deviation; expected two classes or more");
    double root = sqrt((double)classes - 1);
    snprintf(eps, sizeof eps, "eps=%.9g", EPS * root);
    LBK_TRY(lbk_method_op(c, "mean", &mean, "axes=-1 keepdims=yes", 1, logits));
    LBK_TRY(lbk_method_op(c, "sub", &centred, "", 2, logits, mean));
    LBK_TRY(lbk_method_op(c, "l2_normalize", &direction, eps, 1, centred));
    return lbk_method_scale(c, direction, root, out);
}

lbk_status lbk_method_mask(lbk_method_context *c, lbk_value mask, lbk_rows *rows) {
    lbk_value sum;
    rows->mask = mask;
    rows->weight = LBK_NONE;
    LBK_TRY(lbk_method_op(c, "sum", &sum, "", 1, mask));
    return lbk_method_op(c, "clamp", &rows->count, "min=1", 1, sum);
}

/* Everything of `labels` but the count. */
static lbk_status find_labelled(lbk_method_context *c, lbk_value labels, lbk_rows *out) {
    char classes[48];
    snprintf(classes, sizeof classes, "classes=%lld",
             (long long)lbk_shape_last(lbk_method_shape(c, c->student_logits)));
    if (c->labels == LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "needs labels, and the output that is taught has other classes than the data");
    LBK_TRY(lbk_method_op(c, "one_hot", &out->one_hot, classes, 1, labels));
    out->weight = out->count = LBK_NONE;
    return lbk_method_op(c, "sum", &out->mask, "axes=1 keepdims=yes", 1, out->one_hot);
}

lbk_status lbk_method_labelled(lbk_method_context *c, lbk_rows *out) {
    LBK_TRY(find_labelled(c, c->labels, out));
    return lbk_method_mask(c, out->mask, out);
}

/* Batches without a label divide 0 by the least that count may be. */
static lbk_status find_mixed(lbk_method_context *c, lbk_rows rows[2]) {
    lbk_value share, rest, both, sum;
    LBK_TRY(find_labelled(c, c->targets.labels, &rows[0]));
    LBK_TRY(find_labelled(c, c->targets.partner_labels, &rows[1]));
    LBK_TRY(lbk_method_op(c, "reshape", &share, "shape=0,1", 1, c->targets.share));
    LBK_TRY(lbk_method_op(c, "scale", &rest, "factor=-1 offset=1", 1, share));
    LBK_TRY(lbk_method_op(c, "mul", &rows[0].weight, "", 2, rows[0].mask, share));
    LBK_TRY(lbk_method_op(c, "mul", &rows[1].weight, "", 2, rows[1].mask, rest));
    LBK_TRY(lbk_method_op(c, "add", &both, "", 2, rows[0].weight, rows[1].weight));
    LBK_TRY(lbk_method_op(c, "sum", &sum, "", 1, both));
    LBK_TRY(lbk_method_op(c, "clamp", &rows[0].count, "min=1e-6 max=1e30", 1, sum));
    rows[1].count = rows[0].count;
    return LBK_OK;
}

lbk_status lbk_method_labels(lbk_method_context *c, lbk_rows rows[2], int *count) {
    bool mixed = c->targets.share != LBK_NONE;
    *count = mixed ? 2 : 1;
    return mixed ? find_mixed(c, rows) : lbk_method_labelled(c, rows);
}

lbk_status lbk_method_sum_rows(lbk_method_context *c, const lbk_rows *rows, lbk_value x, lbk_value *out) {
    if (rows->weight != LBK_NONE)
        LBK_TRY(lbk_method_op(c, "mul", &x, "", 2, x, rows->weight));
    return lbk_method_op(c, "sum", out, "", 1, x);
}

/* [B,1]: KL of each row, as a cross entropy less the targets' entropy. */
static lbk_status row_kl(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value t, lbk_value *out) {
    lbk_value s, p, cross, entropy;
    LBK_TRY(lbk_method_soften(c, student, t, &s));
    LBK_TRY(lbk_method_soften(c, teacher, t, &teacher));
    LBK_TRY(lbk_method_op(c, "softmax", &p, "", 1, teacher));
    LBK_TRY(lbk_method_cross_entropy(c, s, p, &cross));
    LBK_TRY(lbk_method_cross_entropy(c, teacher, p, &entropy));
    return lbk_method_op(c, "sub", out, "", 2, cross, entropy);
}

/* A row that does not count is zero on both sides: its divergence is 0, and its gradient. */
lbk_status lbk_method_masked_kl(lbk_method_context *c, const lbk_rows *rows, lbk_value student, lbk_value teacher,
                                lbk_value temperature, lbk_value *out) {
    lbk_value s, t, sum;
    if (rows->weight != LBK_NONE) {
        LBK_TRY(row_kl(c, student, teacher, temperature, &sum));
        LBK_TRY(lbk_method_sum_rows(c, rows, sum, &sum));
        LBK_TRY(lbk_method_times_square(c, sum, temperature, &sum));
        return lbk_method_op(c, "div", out, "", 2, sum, rows->count);
    }
    LBK_TRY(lbk_method_op(c, "mul", &s, "", 2, student, rows->mask));
    LBK_TRY(lbk_method_op(c, "mul", &t, "", 2, teacher, rows->mask));
    LBK_TRY(lbk_method_op(c, "kl_div", &sum, "reduction=sum", 3, s, t, temperature));
    return lbk_method_op(c, "div", out, "", 2, sum, rows->count);
}

/* softplus(s) - softplus(t) - sigmoid(t) (s - t) of each element. */
static lbk_status element_kl(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *out) {
    lbk_value p, a, b, apart;
    LBK_TRY(lbk_method_op(c, "sigmoid", &p, "", 1, teacher));
    LBK_TRY(lbk_method_op(c, "softplus", &a, "", 1, student));
    LBK_TRY(lbk_method_op(c, "softplus", &b, "", 1, teacher));
    LBK_TRY(lbk_method_op(c, "sub", &apart, "", 2, student, teacher));
    LBK_TRY(lbk_method_op(c, "mul", &apart, "", 2, apart, p));
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, a, b));
    return lbk_method_op(c, "sub", out, "", 2, *out, apart);
}

/* The cross entropy of both less the teacher's entropy, which is a constant. */
lbk_status lbk_method_binary_kl(lbk_method_context *c, const lbk_rows *rows, lbk_value student, lbk_value teacher,
                                lbk_value *out) {
    lbk_value p, cross, entropy;
    if (rows && rows->weight != LBK_NONE) {
        LBK_TRY(element_kl(c, student, teacher, &cross));
        return lbk_method_sum_rows(c, rows, cross, out);
    }
    LBK_TRY(lbk_method_op(c, "sigmoid", &p, "", 1, teacher));
    LBK_TRY(lbk_method_op(c, "bce_with_logits", &cross, "reduction=sum", 2, student, p));
    LBK_TRY(lbk_method_op(c, "bce_with_logits", &entropy, "reduction=sum", 2, teacher, p));
    return lbk_method_op(c, "sub", out, "", 2, cross, entropy);
}
