/* Chen et al., "Knowledge distillation with the reused teacher classifier", CVPR 2022: the deployed network is the student's
 * backbone, a projector that brings its last map to the teacher's, and the teacher's classifier as it is. The bottleneck, the
 * pooling of the larger map and the mean are those of the authors' code, in which, too, all other losses see the logits of the
 * deployed network. */
#include "distill/method.h"

typedef struct simkd_params {
    lbk_ramp weight;
    int factor;
} simkd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(simkd_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "SimKD: beta = 1, and no other loss"),
    LBK_PARAM_INT(simkd_params, factor, "2", 1, 64, NULL, "the projector's bottleneck has 1/factor of the channels",
                  "SimKD: factor = 2"),
    LBK_PARAM_END,
};

/* The last maps of both. */
static lbk_status find_maps(const lbk_side *student, const lbk_side *teacher, lbk_pair *last, lbk_shape *own,
                            lbk_shape *theirs) {
    LBK_TRY(lbk_needs_last(student, teacher, last));
    *own = lbk_graph_desc(student->graph, last->student.value)->shape;
    *theirs = lbk_graph_desc(teacher->graph, last->teacher.value)->shape;
    if (own->rank != 4 || theirs->rank != 4)
        return lbk_fail(LBK_ERR_INPUT, "layers: expected images [B,H,W,C], found rank %d and %d", own->rank,
                        theirs->rank);
    return LBK_OK;
}

/* 1x1, 3x3, 1x1 convolutions, each with batch norm and ReLU. */
static lbk_status project(lbk_deployment *d, const char *from, long long channels, int factor) {
    long long inner = channels / factor > 0 ? channels / factor : 1;
    LBK_TRY(lbk_deploy_line(d, "projector.0.conv", "conv2d from=%s out=%lld bias=no", from, inner));
    LBK_TRY(lbk_deploy_line(d, "projector.0.bn", "batch_norm"));
    LBK_TRY(lbk_deploy_line(d, "projector.0.relu", "relu"));
    LBK_TRY(lbk_deploy_line(d, "projector.1.conv", "conv2d out=%lld kernel=3 padding=1 bias=no", inner));
    LBK_TRY(lbk_deploy_line(d, "projector.1.bn", "batch_norm"));
    LBK_TRY(lbk_deploy_line(d, "projector.1.relu", "relu"));
    LBK_TRY(lbk_deploy_line(d, "projector.2.conv", "conv2d out=%lld bias=no", channels));
    LBK_TRY(lbk_deploy_line(d, "projector.2.bn", "batch_norm"));
    return lbk_deploy_line(d, "map", "relu");
}

static lbk_status deploy(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_deployment *d) {
    const simkd_params *p = params;
    lbk_pair last;
    lbk_shape own, theirs;
    LBK_TRY(find_maps(student, teacher, &last, &own, &theirs));
    long long h = own.dim[1] < theirs.dim[1] ? own.dim[1] : theirs.dim[1];
    long long w = own.dim[2] < theirs.dim[2] ? own.dim[2] : theirs.dim[2];
    const char *from = last.student.name;
    if (own.dim[1] != h || own.dim[2] != w) {
        LBK_TRY(lbk_deploy_line(d, "resize", "adaptive_avg_pool2d from=%s size=%lld,%lld", from, h, w));
        from = d->line[0].name;
    }
    LBK_TRY(project(d, from, (long long)theirs.dim[3], p->factor));
    LBK_TRY(lbk_deploy_line(d, "pool", "global_avg_pool"));
    return lbk_deploy_classifier(d, "classifier", teacher, theirs.dim[3]);
}

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    lbk_pair last;
    (void)params;
    LBK_TRY(lbk_needs_last(student, teacher, &last));
    last.student = (lbk_tap){.name = "simkd.map", .value = lbk_model_tap(student->built, "simkd.map")};
    out->pair[out->pair_count++] = last;
    return LBK_OK;
}

static lbk_status build(lbk_method_context *c) {
    lbk_value student, teacher, loss;
    LBK_TRY(lbk_method_same_size(c, c->pair[0].student.value, c->pair[0].teacher.value, &student, &teacher));
    LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, student, teacher));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_simkd = {
    .name = "simkd",
    .summary =
        "reused classifier: the student's last map, projected, is to be the teacher's; student, projector and the "
        "teacher's classifier are what is deployed and measured",
    .formula = "mean (P(F_s) - F_t)^2, P three convolutions, the larger map pooled; z_s = W_t pool(P(F_s)) + b_t",
    .source = "Chen et al. 2022",
    .params = table,
    .params_size = sizeof(simkd_params),
    .deploy = deploy,
    .needs = needs,
    .build = build,
};
