/* Where tokens look. mse: Jiao et al., "TinyBERT", 2020, equation 7, on the scores before the softmax. kl: on the probabilities,
 * as Sun et al., "MobileBERT", 2020, section 3.3, and TextBrewer's attention_ce. The attention op keeps no table of scores, so
 * they are computed here, in each network's own graph: the teacher sends its scores. */
#include "distill/method.h"
#include "ops/attention.h"

#include <stdio.h>

enum { MSE, KL };    /* loss */
enum { EACH, MEAN }; /* heads */
static const char *const losses[] = {"mse", "kl", NULL};
static const char *const ways[] = {"each", "mean", NULL};

typedef struct attention_map_params {
    lbk_ramp weight;
    int loss, heads;
    lbk_words layers;
} attention_map_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(attention_map_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "TinyBERT: lambda = 1"),
    LBK_PARAM_CHOICE(attention_map_params, loss, "mse", losses,
                     "of the scores before the softmax, or the probabilities' divergence", "TinyBERT; MobileBERT"),
    LBK_PARAM_CHOICE(attention_map_params, heads, "each", ways,
                     "compare every head with the teacher's, or their means, which need not be as many", "TextBrewer"),
    LBK_PARAM_WORDS(attention_map_params, layers, "spread", LBK_LAYERS_MEANING "; of each the last attention before it",
                    "TinyBERT: the uniform map"),
    LBK_PARAM_END,
};

/* One head's features of x[B,T,width] from feature `start` on: [B,heads,T,width/heads] */
static lbk_status part_heads(lbk_method_context *c, const lbk_attention_sizes *s, lbk_value x, int64_t start,
                             lbk_value *out) {
    char slice[64], shape[64];
    snprintf(slice, sizeof slice, "axis=2 start=%lld count=%lld", (long long)start, (long long)(s->heads * s->d));
    snprintf(shape, sizeof shape, "shape=0,0,%lld,%lld", (long long)s->heads, (long long)s->d);
    if (s->packed)
        LBK_TRY(lbk_method_op(c, "slice", &x, slice, 1, x));
    LBK_TRY(lbk_method_op(c, "reshape", &x, shape, 1, x));
    return lbk_method_op(c, "permute", out, "order=0,2,1,3", 1, x);
}

/* Moves the tap to the scores[B,heads,T,T] of its layer, added to the side's graph. */
static lbk_status move_to_scores(const lbk_side *side, lbk_tap *tap) {
    lbk_method_context c = {.graph = side->graph, .name = "attention_map"};
    lbk_tensor_desc inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    char product[64];
    lbk_value q, k;
    const lbk_node *node = lbk_model_attention(side->graph, tap->value);
    if (!node)
        return lbk_fail(LBK_ERR_INPUT, "layers: the %s has no attention at or before \"%s\"", side->label, tap->name);
    lbk_graph_node_descs(side->graph, node, inputs, outputs);
    const lbk_attention_sizes s = lbk_attention_sizes_of(node->params, inputs, node->input_count, 0);
    const lbk_value from[] = {node->input[s.q], node->input[s.k]};
    if (s.masked || s.causal)
        return lbk_fail(LBK_ERR_INPUT,
                        "layers: the %s's attention \"%s\" hides some tokens; expected one that sees all", side->label,
                        node->name);
    LBK_TRY(part_heads(&c, &s, from[0], 0, &q));
    LBK_TRY(part_heads(&c, &s, from[1], s.heads * s.d, &k));
    snprintf(product, sizeof product, "trans_b=yes alpha=%.17g", s.scale);
    return lbk_method_op(&c, "matmul", &tap->value, product, 2, q, k);
}

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    LBK_TRY(lbk_needs_layers(out, &((const attention_map_params *)params)->layers, student, teacher));
    for (int i = 0; i < out->pair_count; i++) {
        LBK_TRY(move_to_scores(student, &out->pair[i].student));
        LBK_TRY(move_to_scores(teacher, &out->pair[i].teacher));
    }
    return LBK_OK;
}

/* Scores[B,heads,T,T] -> [B,T,T]: their mean, or, for kl, the logarithm of the probabilities' mean */
static lbk_status average(lbk_method_context *c, lbk_value *scores) {
    const bool kl = ((const attention_map_params *)c->params)->loss == KL;
    if (kl)
        LBK_TRY(lbk_method_op(c, "softmax", scores, "", 1, *scores));
    LBK_TRY(lbk_method_op(c, "mean", scores, "axes=1", 1, *scores));
    return kl ? lbk_method_op(c, "log", scores, "", 1, *scores) : LBK_OK;
}

static lbk_status compare(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *loss) {
    const attention_map_params *p = c->params;
    const lbk_shape a = *lbk_method_shape(c, student), b = *lbk_method_shape(c, teacher);
    lbk_value one;
    if (a.dim[2] != b.dim[2] || a.dim[3] != b.dim[3])
        return lbk_fail(LBK_ERR_INPUT, "layers: expected sequences of one length, found %lld steps and %lld",
                        (long long)a.dim[2], (long long)b.dim[2]);
    if (p->heads == EACH && a.dim[1] != b.dim[1])
        return lbk_fail(LBK_ERR_INPUT, "the student has %lld heads, the teacher %lld; heads=mean compares such",
                        (long long)a.dim[1], (long long)b.dim[1]);
    if (p->heads == MEAN) {
        LBK_TRY(average(c, &student));
        LBK_TRY(average(c, &teacher));
    }
    if (p->loss == MSE)
        return lbk_method_op(c, "mse_loss", loss, "", 2, student, teacher);
    LBK_TRY(lbk_method_op(c, "constant", &one, "", 0));
    return lbk_method_op(c, "kl_div", loss, "", 3, student, teacher, one);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(compare(c, c->pair[i].student.value, c->pair[i].teacher.value, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_attention_map = {
    .name = "attention_map",
    .summary = "tokens of a transformer look where the teacher's do",
    .formula = "mse: sum over layers of mean (A_s - A_t)^2, A = q k^T / sqrt(d); kl: of the mean over rows of sum_j "
               "p_t ln(p_t "
               "/ p_s), p = softmax(A)",
    .source = "Jiao et al. 2020 (TinyBERT)",
    .params = table,
    .params_size = sizeof(attention_map_params),
    .needs = needs,
    .build = build,
    .example = lbk_method_example_sequences,
};
