/* Chen, Liu, Zhao, Jia, "Distilling knowledge via knowledge review", CVPR 2021: residual learning from the deepest layer to the first,
 * attention based fusion and hierarchical context loss, as in the authors' code. Their warm-up is a schedule of `weight`:
 * "5 warmup 20". */
#include "distill/method.h"

#include <stdio.h>

typedef struct reviewkd_params {
    lbk_ramp weight;
    lbk_words layers;
    lbk_ints levels;
    int channels;
    bool student_before_activation;
} reviewkd_params;

#define MOST_CHANNELS 512

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(reviewkd_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "authors' code: 0.6 to 8, by pair of networks, and a warmup of 20"),
    LBK_PARAM_WORDS(reviewkd_params, layers, "stages, feature", LBK_LAYERS_MEANING, "authors' code: the same"),
    LBK_PARAM_INTS(reviewkd_params, levels, "4, 2, 1", 1, 1024, "pixels",
                   "sizes to which maps are pooled and compared, with weights 1/2, 1/4, ...", "authors' code: 4, 2, 1"),
    LBK_PARAM_INT(reviewkd_params, channels, "0", 0, 65536, NULL,
                  "of the fused maps; 0: as many as the student's last layer has, at most 512", "authors' code"),
    LBK_PARAM_BOOL(reviewkd_params, student_before_activation, "no",
                   "the student's layers too are read before their activation", "authors' code: by network"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    const reviewkd_params *p = params;
    LBK_TRY(lbk_needs_layers(out, &p->layers, student, teacher));
    for (int i = 0; i < out->pair_count; i++) {
        lbk_pair *pair = &out->pair[i];
        pair->teacher.value = lbk_model_before_activation(teacher->graph, pair->teacher.value);
        if (p->student_before_activation)
            pair->student.value = lbk_model_before_activation(student->graph, pair->student.value);
    }
    return LBK_OK;
}

/* A vector is an image of one pixel. */
static lbk_status as_image(lbk_method_context *c, const lbk_tap *tap, lbk_value *out) {
    int rank = lbk_method_shape(c, tap->value)->rank;
    *out = tap->value;
    if (rank == 2)
        return lbk_method_op(c, "reshape", out, "shape=0,1,1,-1", 1, tap->value);
    return rank == 4 ? LBK_OK
                     : lbk_fail(LBK_ERR_INPUT, "layers: expected images [B,H,W,C] or vectors [B,D], \"%s\" has rank %d",
                                tap->name, rank);
}

static lbk_status resize(lbk_method_context *c, lbk_value x, lbk_value like, lbk_value *out) {
    const lbk_shape have = *lbk_method_shape(c, x), want = *lbk_method_shape(c, like);
    char size[48];
    *out = x;
    if (have.dim[1] == want.dim[1] && have.dim[2] == want.dim[2])
        return LBK_OK;
    snprintf(size, sizeof size, "size=%lld,%lld mode=nearest", (long long)want.dim[1], (long long)want.dim[2]);
    return lbk_method_op(c, "resize2d", out, size, 1, x);
}

/* x and what deeper layers left, each weighted by a map of attention: *x += ... */
static lbk_status fuse(lbk_method_context *c, const char *name, lbk_value deeper, lbk_value *x) {
    lbk_value both, attention, own, other;
    LBK_TRY(resize(c, deeper, *x, &deeper));
    LBK_TRY(lbk_method_op(c, "concat", &both, "axis=3", 2, *x, deeper));
    LBK_TRY(lbk_method_layer(c, name, "conv2d", both, &attention, "out=2"));
    LBK_TRY(lbk_method_op(c, "sigmoid", &attention, "", 1, attention));
    LBK_TRY(lbk_method_op(c, "slice", &own, "axis=3 start=0 count=1", 1, attention));
    LBK_TRY(lbk_method_op(c, "slice", &other, "axis=3 start=1 count=1", 1, attention));
    LBK_TRY(lbk_method_op(c, "mul", x, "", 2, *x, own));
    LBK_TRY(lbk_method_op(c, "mul", &deeper, "", 2, deeper, other));
    return lbk_method_op(c, "add", x, "", 2, *x, deeper);
}

/* Attention based fusion of the student's layer x with *residual (LBK_NONE: x is the deepest): *guess at the teacher's layer, and the
 * new *residual. */
static lbk_status review(lbk_method_context *c, int i, lbk_value x, lbk_value teacher, int64_t channels,
                         lbk_value *residual, lbk_value *guess) {
    const long long wanted = lbk_method_shape(c, teacher)->dim[3];
    char name[32];
    snprintf(name, sizeof name, "review%d.in", i);
    LBK_TRY(lbk_method_connector(c, name, x, channels, &x));
    snprintf(name, sizeof name, "review%d.attention", i);
    if (*residual != LBK_NONE)
        LBK_TRY(fuse(c, name, *residual, &x));
    LBK_TRY(resize(c, x, teacher, residual));
    snprintf(name, sizeof name, "review%d.out.conv", i);
    LBK_TRY(lbk_method_layer(c, name, "conv2d", *residual, guess, "out=%lld kernel=3 padding=1 bias=no", wanted));
    snprintf(name, sizeof name, "review%d.out.bn", i);
    return lbk_method_layer(c, name, "batch_norm", *guess, guess, "%s", "");
}

/* Hierarchical context loss: the maps, and the maps pooled; a mean with weights. */
static lbk_status hcl(lbk_method_context *c, lbk_value student, lbk_value teacher, const lbk_ints *levels,
                      lbk_value *out) {
    double weight = 1, total = 1;
    LBK_TRY(lbk_method_op(c, "mse_loss", out, "", 2, student, teacher));
    for (int i = 0; i < levels->count; i++) {
        lbk_value s, t, loss;
        char size[32];
        if (levels->items[i] >= lbk_method_shape(c, student)->dim[1])
            continue;
        snprintf(size, sizeof size, "size=%d", levels->items[i]);
        LBK_TRY(lbk_method_op(c, "adaptive_avg_pool2d", &s, size, 1, student));
        LBK_TRY(lbk_method_op(c, "adaptive_avg_pool2d", &t, size, 1, teacher));
        LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, s, t));
        total += weight /= 2;
        LBK_TRY(lbk_method_scale(c, loss, weight, &loss));
        LBK_TRY(lbk_method_add(c, out, loss));
    }
    return lbk_method_scale(c, *out, 1 / total, out);
}

static lbk_status build(lbk_method_context *c) {
    const reviewkd_params *p = c->params;
    lbk_value sum = LBK_NONE, residual = LBK_NONE, student, teacher, guess, loss;
    int64_t channels = p->channels;
    for (int i = c->pair_count - 1; i >= 0; i--) {
        LBK_TRY(as_image(c, &c->pair[i].student, &student));
        LBK_TRY(as_image(c, &c->pair[i].teacher, &teacher));
        if (!channels)
            channels = lbk_method_shape(c, student)->dim[3];
        channels = p->channels || channels < MOST_CHANNELS ? channels : MOST_CHANNELS;
        LBK_TRY(review(c, i, student, teacher, channels, &residual, &guess));
        LBK_TRY(hcl(c, guess, teacher, &p->levels, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_reviewkd = {
    .name = "reviewkd",
    .summary = "knowledge review: the student's layers, each fused with the deeper ones, predict the teacher's",
    .formula = "sum over layers of (mse(G, F_t) + sum_l 2^-l mse(pool_l G, pool_l F_t)) / (1 + sum_l 2^-l), G = "
               "BN(conv3x3(A)), A = "
               "a X + b resize(A of the next layer), X = BN(conv1x1(F_s)), a and b = sigmoid(conv1x1(.)) of both",
    .source = "Chen, Liu, Zhao, Jia 2021",
    .params = table,
    .params_size = sizeof(reviewkd_params),
    .needs = needs,
    .build = build,
};
