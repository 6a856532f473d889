/* Zhang et al., "Deep mutual learning", CVPR 2018, equations 4 to 8: the student and its peers learn together, each from the labels and
 * from the others' current predictions. All take their step at once; the paper's algorithm 1 has them take turns. */
#include "distill/method.h"

#include <stdio.h>

#define MAX_PEERS 8

typedef struct dml_params {
    lbk_ramp weight;
    int peers;
    const char *peer_model;
} dml_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(dml_params, weight, "1", 0, 1e6, NULL, "factor of this loss, in the peers' objectives too",
                       "Zhang et al.: 1, beside hard_weight = 1"),
    LBK_PARAM_INT(dml_params, peers, "1", 1, MAX_PEERS, "networks", "how many learn beside the student",
                  "Zhang et al.: 1; up to 6 in figure 2"),
    LBK_PARAM_TEXT(dml_params, peer_model, "",
                   "the peers' model; the student's with its parameters where none is named", NULL),
    LBK_PARAM_END,
};

/* The mean over all others l of KL(p_l, p_k), the others' predictions constant. */
static lbk_status agreement(lbk_method_context *c, const lbk_value *logits, int count, int k, lbk_value *out) {
    lbk_value one, other, term, sum = LBK_NONE;
    LBK_TRY(lbk_method_op(c, "constant", &one, "value=1", 0));
    for (int l = 0; l < count; l++) {
        if (l == k)
            continue;
        LBK_TRY(lbk_method_op(c, "detach", &other, "", 1, logits[l]));
        LBK_TRY(lbk_method_op(c, "kl_div", &term, "", 3, logits[k], other, one));
        LBK_TRY(lbk_method_add(c, &sum, term));
    }
    return lbk_method_scale(c, sum, 1.0 / (count - 1), out);
}

/* Cross entropy + weight * agreement: what peer `k` learns by. */
static lbk_status peer_loss(lbk_method_context *c, const lbk_value *logits, int count, int k) {
    lbk_value hard, agree;
    LBK_TRY(lbk_method_hard(c, logits[k], &hard));
    LBK_TRY(agreement(c, logits, count, k, &agree));
    LBK_TRY(lbk_method_op(c, "weighted_sum", &agree, "", 2, agree, c->weight));
    LBK_TRY(lbk_method_add(c, &c->own, hard));
    return lbk_method_add(c, &c->own, agree);
}

static lbk_status build(lbk_method_context *c) {
    const dml_params *p = c->params;
    lbk_value logits[1 + MAX_PEERS] = {c->student_logits}, loss;
    int count = 1 + p->peers;
    for (int k = 1; k < count; k++) {
        lbk_model_built peer;
        char name[16];
        snprintf(name, sizeof name, "peer%d", k);
        LBK_TRY(lbk_method_peer(c, name, p->peer_model, false, c->inputs, &peer));
        logits[k] = peer.logits;
    }
    for (int k = 1; k < count; k++)
        LBK_TRY(peer_loss(c, logits, count, k));
    LBK_TRY(agreement(c, logits, count, 0, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_dml = {
    .name = "dml",
    .summary = "mutual learning: the student and its peers, trained beside it, learn from one another; no teacher",
    .formula = "mean over peers l of KL(p_l, p); peer k learns by CE_k + weight * mean over l != k of KL(p_l, p_k)",
    .source = "Zhang et al. 2018",
    .params = table,
    .params_size = sizeof(dml_params),
    .teacherless = true,
    .build = build,
};
