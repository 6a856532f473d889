/* The loss that the labels alone make. */
#include "distill/objective.h"

#include <stdio.h>
#include <string.h>

/* share * onehot(labels), share [B,1]. */
static lbk_status shared_onehot(lbk_method_context *c, lbk_value labels, lbk_value share, int classes, lbk_value *out) {
    char text[32];
    lbk_value onehot;
    snprintf(text, sizeof text, "classes=%d", classes);
    LBK_TRY(lbk_method_op(c, "one_hot", &onehot, text, 1, labels));
    return lbk_method_op(c, "mul", out, "", 2, onehot, share);
}

static lbk_status mixed_loss(lbk_method_context *c, lbk_value logits, lbk_value *out) {
    int classes = (int)lbk_shape_last(lbk_method_shape(c, logits));
    lbk_value share, rest, own, other, both, ln, product, sum, mass;
    LBK_TRY(lbk_method_op(c, "reshape", &share, "shape=0,1", 1, c->targets.share));
    LBK_TRY(lbk_method_op(c, "scale", &rest, "factor=-1 offset=1", 1, share));
    LBK_TRY(shared_onehot(c, c->targets.labels, share, classes, &own));
    LBK_TRY(shared_onehot(c, c->targets.partner_labels, rest, classes, &other));
    LBK_TRY(lbk_method_op(c, "add", &both, "", 2, own, other));
    LBK_TRY(lbk_method_op(c, "log_softmax", &ln, "", 1, logits));
    LBK_TRY(lbk_method_op(c, "mul", &product, "", 2, both, ln));
    LBK_TRY(lbk_method_op(c, "sum", &sum, "", 1, product));
    LBK_TRY(lbk_method_op(c, "scale", &sum, "factor=-1", 1, sum));
    LBK_TRY(lbk_method_op(c, "sum", &mass, "", 1, both));
    LBK_TRY(lbk_method_op(c, "clamp", &mass, "min=1e-6 max=1e30", 1, mass)); /* a batch without labels: 0 / 1e-6 */
    return lbk_method_op(c, "div", out, "", 2, sum, mass);
}

lbk_status lbk_method_hard(lbk_method_context *c, lbk_value logits, lbk_value *out) {
    if (c->targets.share != LBK_NONE)
        return mixed_loss(c, logits, out);
    return lbk_method_op(c, "cross_entropy", out, "", 2, logits, c->targets.labels);
}

lbk_status lbk_hard_loss(lbk_graph *graph, lbk_value logits, const lbk_targets *targets, lbk_value *out) {
    lbk_method_context c = {.graph = graph, .name = "hard", .targets = *targets};
    return lbk_method_hard(&c, logits, out);
}

lbk_status lbk_loss_build_hard(lbk_graph *graph, lbk_value logits, const lbk_targets *targets, lbk_loss *out) {
    memset(out, 0, sizeof *out);
    out->own = LBK_NONE;
    LBK_TRY(lbk_hard_loss(graph, logits, targets, &out->total));
    out->hard = out->total;
    return lbk_graph_keep(graph, out->total);
}
