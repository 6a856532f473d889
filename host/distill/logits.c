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
    LBK_TRY(lbk_method_op(c, "sum", &sum, "", 1, mask));
    return lbk_method_op(c, "clamp", &rows->count, "min=1", 1, sum);
}

lbk_status lbk_method_labelled(lbk_method_context *c, lbk_rows *out) {
    char classes[48];
    lbk_value mask;
    snprintf(classes, sizeof classes, "classes=%lld",
             (long long)lbk_shape_last(lbk_method_shape(c, c->student_logits)));
    if (c->labels == LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "needs labels, and the output that is taught has other classes than the data");
    LBK_TRY(lbk_method_op(c, "one_hot", &out->one_hot, classes, 1, c->labels));
    LBK_TRY(lbk_method_op(c, "sum", &mask, "axes=1 keepdims=yes", 1, out->one_hot));
    return lbk_method_mask(c, mask, out);
}

/* A row that does not count is zero on both sides: its divergence is 0, and its gradient. */
lbk_status lbk_method_masked_kl(lbk_method_context *c, const lbk_rows *rows, lbk_value student, lbk_value teacher,
                                lbk_value temperature, lbk_value *out) {
    lbk_value s, t, sum;
    LBK_TRY(lbk_method_op(c, "mul", &s, "", 2, student, rows->mask));
    LBK_TRY(lbk_method_op(c, "mul", &t, "", 2, teacher, rows->mask));
    LBK_TRY(lbk_method_op(c, "kl_div", &sum, "reduction=sum", 3, s, t, temperature));
    return lbk_method_op(c, "div", out, "", 2, sum, rows->count);
}

/* The cross entropy of both less the teacher's entropy, which is a constant. */
lbk_status lbk_method_binary_kl(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *out) {
    lbk_value p, cross, entropy;
    LBK_TRY(lbk_method_op(c, "sigmoid", &p, "", 1, teacher));
    LBK_TRY(lbk_method_op(c, "bce_with_logits", &cross, "reduction=sum", 2, student, p));
    LBK_TRY(lbk_method_op(c, "bce_with_logits", &entropy, "reduction=sum", 2, teacher, p));
    return lbk_method_op(c, "sub", out, "", 2, cross, entropy);
}
