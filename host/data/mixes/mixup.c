/* mixup (Zhang et al. 2018): every image becomes share * image + (1 - share) * partner, share ~ Beta(alpha, alpha). */
#include "data/dataset.h"

typedef struct mixup_params {
    double alpha, p;
} mixup_params;

static const lbk_param mixup_table[] = {
    LBK_PARAM_FLOAT(mixup_params, alpha, "0.2", 0.01, 100, NULL,
                    "the share is Beta(alpha, alpha), one for a batch; 1: uniform", "Zhang et al. 2018, eq. 2"),
    LBK_PARAM_FLOAT(mixup_params, p, "1", 0, 1, NULL, "probability that a batch is mixed", NULL), LBK_PARAM_END};

static lbk_mixture draw(const void *params, lbk_rng *rng, int height, int width) {
    const mixup_params *p = params;
    lbk_mixture mixture = {.own = 1.0f};
    if ((double)lbk_rng_uniform(rng) >= p->p)
        return mixture;
    mixture.box = (lbk_rectangle){.height = height, .width = width};
    mixture.own = (float)lbk_rng_beta(rng, p->alpha);
    return mixture;
}

const lbk_mix lbk_mix_mixup = {
    .name = "mixup",
    .summary = "weighted mean of two images and of their labels",
    .source = "Zhang et al. 2018, arXiv:1710.09412",
    .params = mixup_table,
    .params_size = sizeof(mixup_params),
    .draw = draw,
};
