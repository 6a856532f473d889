/* Kim, Park, Kwak, "Paraphrasing complex network: network compression via factor transfer", NeurIPS 2018, equations 1 and 2, with the
 * layers of RepDistiller's code. There the paraphraser learns to reconstruct the teacher's map for 30 epochs before the student is
 * trained; here it learns so beside the student, and the student's loss does not move it. */
#include "distill/method.h"

#include <stdio.h>

typedef struct ft_params {
    lbk_ramp weight;
    double rate, reconstruction;
    int p1, p2;
    lbk_words layers;
} ft_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(ft_params, weight, "200", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 200"),
    LBK_PARAM_FLOAT(ft_params, rate, "0.5", 1e-3, 16, NULL, "channels of a factor, as a share of the teacher's",
                    "paper: k = 0.5"),
    LBK_PARAM_FLOAT(
        ft_params, reconstruction, "0.005", 0, 1e6, NULL,
        "weight of the paraphraser's own loss beside the factors'; 1 / weight trains it at the step size of "
        "the rest",
        NULL),
    LBK_PARAM_INT(ft_params, p1, "2", 1, 8, NULL, "power of a factor's numbers, before their mean over channels",
                  "RepDistiller: p1 = 2"),
    LBK_PARAM_INT(ft_params, p2, "1", 1, 8, NULL, "power of the difference of factors", "RepDistiller: p2 = 1"),
    LBK_PARAM_WORDS(ft_params, layers, "last", LBK_LAYERS_MEANING, "RepDistiller: the last map"),
    LBK_PARAM_END,
};

#define SLOPE "slope=0.1"

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const ft_params *)params)->layers, student, teacher);
}

static lbk_status leak(lbk_method_context *c, lbk_value *x) {
    return lbk_method_op(c, "leaky_relu", x, SLOPE, 1, *x);
}

/* Three 3x3 convolutions to channel numbers channels[3]. */
static lbk_status stack(lbk_method_context *c, int pair, const char *layer, const char *op, lbk_value x,
                        const long long *channels, lbk_value *out) {
    for (int i = 0; i < 3; i++, x = *out) {
        char name[48];
        snprintf(name, sizeof name, "paraphraser%d.%s%d", pair, layer, i);
        LBK_TRY(lbk_method_layer(c, name, op, x, out, "out=%lld kernel=3 padding=1", channels[i]));
        LBK_TRY(leak(c, out));
    }
    return LBK_OK;
}

/* The teacher's factor, a constant; and how well the map comes back from it. */
static lbk_status paraphrase(lbk_method_context *c, int pair, lbk_value map, long long factor, lbk_value *out,
                             lbk_value *reconstruction) {
    const long long whole = lbk_method_shape(c, map)->dim[3];
    lbk_value back = LBK_NONE;
    LBK_TRY(stack(c, pair, "conv", "conv2d", map, (const long long[]){whole, factor, factor}, out));
    LBK_TRY(stack(c, pair, "deconv", "conv_transpose2d", *out, (const long long[]){factor, whole, whole}, &back));
    LBK_TRY(lbk_method_op(c, "mse_loss", reconstruction, "", 2, back, map));
    return lbk_method_op(c, "detach", out, "", 1, *out);
}

/* The student's factor: as the paraphraser's, with batch norm. */
static lbk_status translate(lbk_method_context *c, int pair, lbk_value map, long long factor, lbk_value *out) {
    *out = map;
    for (int i = 0; i < 3; i++) {
        char name[48];
        long long channels = i ? factor : (long long)lbk_method_shape(c, map)->dim[3];
        snprintf(name, sizeof name, "translator%d.layer%d.conv", pair, i);
        LBK_TRY(lbk_method_layer(c, name, "conv2d", *out, out, "out=%lld kernel=3 padding=1", channels));
        snprintf(name, sizeof name, "translator%d.layer%d.bn", pair, i);
        LBK_TRY(lbk_method_layer(c, name, "batch_norm", *out, out, "%s", ""));
        LBK_TRY(leak(c, out));
    }
    return LBK_OK;
}

/* [B,H,W,C] -> [B,H*W] of length 1 */
static lbk_status normalise(lbk_method_context *c, lbk_value x, int p, lbk_value *out) {
    char params[32];
    snprintf(params, sizeof params, "exponent=%d", p);
    LBK_TRY(lbk_method_op(c, "pow", out, params, 1, x));
    LBK_TRY(lbk_method_op(c, "mean", out, "axes=3", 1, *out));
    LBK_TRY(lbk_method_op(c, "reshape", out, "shape=0,-1", 1, *out));
    return lbk_method_op(c, "l2_normalize", out, "", 1, *out);
}

static lbk_status difference(lbk_method_context *c, lbk_value a, lbk_value b, int p, lbk_value *out) {
    char params[32];
    if (p <= 2)
        return lbk_method_op(c, p == 1 ? "l1_loss" : "mse_loss", out, "", 2, a, b);
    snprintf(params, sizeof params, "exponent=%d", p);
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, a, b));
    LBK_TRY(lbk_method_op(c, "abs", out, "", 1, *out));
    LBK_TRY(lbk_method_op(c, "pow", out, params, 1, *out));
    return lbk_method_op(c, "mean", out, "", 1, *out);
}

static lbk_status pair_loss(lbk_method_context *c, int i, lbk_value *sum) {
    const ft_params *p = c->params;
    lbk_value student, teacher, own, loss;
    if (lbk_method_shape(c, c->pair[i].teacher.value)->rank != 4 ||
        lbk_method_shape(c, c->pair[i].student.value)->rank != 4)
        return lbk_fail(LBK_ERR_INPUT, "layers: expected images [B,H,W,C], found \"%s\" and \"%s\"",
                        c->pair[i].student.name, c->pair[i].teacher.name);
    long long channels = (long long)(p->rate * (double)lbk_method_shape(c, c->pair[i].teacher.value)->dim[3]);
    channels = channels > 0 ? channels : 1;
    LBK_TRY(paraphrase(c, i, c->pair[i].teacher.value, channels, &teacher, &own));
    LBK_TRY(translate(c, i, c->pair[i].student.value, channels, &student));
    LBK_TRY(lbk_method_same_size(c, student, teacher, &student, &teacher));
    LBK_TRY(normalise(c, student, p->p1, &student));
    LBK_TRY(normalise(c, teacher, p->p1, &teacher));
    LBK_TRY(difference(c, student, teacher, p->p2, &loss));
    LBK_TRY(lbk_method_scale(c, own, p->reconstruction, &own));
    LBK_TRY(lbk_method_add(c, sum, loss));
    return lbk_method_add(c, sum, own);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE;
    for (int i = 0; i < c->pair_count; i++)
        LBK_TRY(pair_loss(c, i, &sum));
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_ft = {
    .name = "ft",
    .summary = "factor transfer: the student's translated map follows the teacher's map as a paraphraser condenses it",
    .formula =
        "mean |n(T(F_s)) - n(P(F_t))|^p2 + reconstruction * mean (D(P(F_t)) - F_t)^2, n(F) = l2norm(flatten(mean_c "
        "F^p1)), P constant in the first term; T, P, D three convolutions each",
    .source = "Kim, Park, Kwak 2018",
    .params = table,
    .params_size = sizeof(ft_params),
    .needs = needs,
    .build = build,
};
