/* Heo et al., "A comprehensive overhaul of feature distillation", ICCV 2019: margin ReLU (equations 4 and 5) and partial L2 distance
 * (equation 6), with the connectors, the weights of stages and the sum over a sample's numbers of mdistiller's code. There the teacher's
 * batch norm runs on the batch's statistics; here, as for all methods, on the running ones. */
#include "distill/method.h"

#include <stdio.h>
#include <string.h>

typedef struct ofd_params {
    lbk_ramp weight;
    lbk_words layers;
} ofd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(ofd_params, weight, "0.001", 0, 1e6, NULL, "factor of this loss in the objective",
                       "mdistiller: 0.001"),
    LBK_PARAM_WORDS(ofd_params, layers, "stages", LBK_LAYERS_MEANING, "paper: the last layer of each resolution"),
    LBK_PARAM_END,
};

/* The batch norm that makes `value`, at most a sum away; NULL: none. */
static const lbk_node *batch_norm_of(const lbk_graph *graph, lbk_value value) {
    int at = lbk_graph_info(graph, value)->node;
    const lbk_node *node = at < 0 ? NULL : &graph->nodes[at];
    for (int i = 0; node && strcmp(node->op->name, "add") == 0 && i < node->input_count; i++) {
        int from = node->input[i] == LBK_NONE ? -1 : lbk_graph_info(graph, node->input[i])->node;
        if (from >= 0 && strcmp(graph->nodes[from].op->name, "batch_norm") == 0)
            return &graph->nodes[from];
    }
    return node && strcmp(node->op->name, "batch_norm") == 0 ? node : NULL;
}

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    LBK_TRY(lbk_needs_layers(out, &((const ofd_params *)params)->layers, student, teacher));
    lbk_needs_before_activation(out, student, teacher);
    for (int i = 0; i < out->pair_count; i++) {
        const lbk_tap *tap = &out->pair[i].teacher;
        const lbk_node *norm = batch_norm_of(teacher->graph, tap->value);
        if (!norm)
            return lbk_fail(LBK_ERR_INPUT, "layers: expected layers of the %s that a batch norm makes, found \"%s\"",
                            teacher->label, tap->name);
        for (int k = 1; k <= 2; k++) /* weight and bias: a channel's deviation and mean */
            LBK_TRY(lbk_needs_extra(out, lbk_graph_info(teacher->graph, norm->input[k])->name, norm->input[k]));
    }
    return LBK_OK;
}

/* 1 where x > 0, else 0 */
static lbk_status positive(lbk_method_context *c, lbk_value x, lbk_value *out) {
    LBK_TRY(lbk_method_op(c, "relu", out, "", 1, x));
    return lbk_method_op(c, "sign", out, "", 1, *out);
}

/* The mean of what is negative of a normal distribution of mean m[C] and deviation s[C]: m - s phi(u) / Phi(u), u = -m / s; -3 s where
 * Phi(u) is at most 0.001, as in the authors' code. Phi(u) is gelu(u) / u, for which u must not be 0. */
static lbk_status margin(lbk_method_context *c, lbk_value s, lbk_value m, lbk_value *out) {
    lbk_value u, density, part, safe, often, lowest;
    LBK_TRY(lbk_method_op(c, "abs", &s, "", 1, s));
    LBK_TRY(lbk_method_op(c, "clamp", &s, "min=1e-12", 1, s));
    LBK_TRY(lbk_method_op(c, "div", &u, "", 2, m, s));
    LBK_TRY(lbk_method_op(c, "scale", &u, "factor=-1 offset=1e-20", 1, u));
    LBK_TRY(lbk_method_op(c, "clamp", &u, "min=-10 max=10", 1, u));
    LBK_TRY(lbk_method_op(c, "gelu", &part, "", 1, u));
    LBK_TRY(lbk_method_op(c, "div", &part, "", 2, part, u));
    LBK_TRY(lbk_method_op(c, "square", &density, "", 1, u));
    LBK_TRY(
        lbk_method_op(c, "scale", &density, "factor=-0.5 offset=-0.9189385332046727", 1, density)); /* -ln(2 pi) / 2 */
    LBK_TRY(lbk_method_op(c, "exp", &density, "", 1, density));
    LBK_TRY(lbk_method_op(c, "clamp", &safe, "min=1e-4", 1, part));
    LBK_TRY(lbk_method_op(c, "div", &density, "", 2, density, safe));
    LBK_TRY(lbk_method_op(c, "mul", &density, "", 2, density, s));
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, m, density));
    LBK_TRY(lbk_method_op(c, "scale", &part, "offset=-0.001", 1, part));
    LBK_TRY(positive(c, part, &often));
    LBK_TRY(lbk_method_scale(c, s, -3, &lowest));
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, *out, lowest));
    LBK_TRY(lbk_method_op(c, "mul", out, "", 2, *out, often));
    return lbk_method_op(c, "add", out, "", 2, *out, lowest);
}

/* (s - t)^2 summed, but for where both say inactive: s <= t <= 0. */
static lbk_status partial_l2(lbk_method_context *c, lbk_value s, lbk_value t, lbk_value *out) {
    lbk_value above, active, square;
    LBK_TRY(lbk_method_op(c, "greater", &above, "", 2, s, t));
    LBK_TRY(positive(c, t, &active));
    LBK_TRY(lbk_method_op(c, "maximum", &active, "", 2, above, active));
    LBK_TRY(lbk_method_op(c, "sub", &square, "", 2, s, t));
    LBK_TRY(lbk_method_op(c, "square", &square, "", 1, square));
    LBK_TRY(lbk_method_op(c, "mul", &square, "", 2, square, active));
    return lbk_method_op(c, "sum", out, "", 1, square);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, student, teacher, limit, loss;
    for (int i = 0; i < c->pair_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "connector%d", i);
        LBK_TRY(lbk_method_same_size(c, c->pair[i].student.value, c->pair[i].teacher.value, &student, &teacher));
        LBK_TRY(lbk_method_connector(c, name, student, lbk_method_shape(c, teacher)->dim[3], &student));
        LBK_TRY(margin(c, c->extra[2 * i].value, c->extra[2 * i + 1].value, &limit));
        LBK_TRY(lbk_method_op(c, "maximum", &teacher, "", 2, teacher, limit));
        LBK_TRY(partial_l2(c, student, teacher, &loss));
        double samples = (double)lbk_method_shape(c, student)->dim[0];
        LBK_TRY(lbk_method_scale(c, loss, 1 / samples / (double)(1LL << (c->pair_count - 1 - i)), &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_ofd = {
    .name = "ofd",
    .summary =
        "overhaul: before their ReLU the student's layers follow the teacher's, whose negative numbers end at a margin",
    .formula =
        "1 / B sum over layers i of 2^-(n-1-i) sum [C(F_s) > T or T > 0] (C(F_s) - T)^2, T = max(F_t, E[x | x < 0]), "
        "x normal with the teacher's batch norm's bias and weight as mean and deviation, C = BN(conv(.))",
    .source = "Heo et al. 2019, overhaul",
    .params = table,
    .params_size = sizeof(ofd_params),
    .needs = needs,
    .build = build,
};
