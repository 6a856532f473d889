/* CutMix (Yun et al. 2019): a rectangle comes from the partner; labels count by area. */
#include "data/dataset.h"

#include <math.h>

typedef struct cutmix_params {
    double alpha, p;
} cutmix_params;

static const lbk_param cutmix_table[] = {
    LBK_PARAM_FLOAT(cutmix_params, alpha, "1", 0.01, 100, NULL,
                    "the share kept is Beta(alpha, alpha) before the rectangle is cut at the edges; 1: uniform",
                    "Yun et al. 2019, section 3.1"),
    LBK_PARAM_FLOAT(cutmix_params, p, "0.5", 0, 1, NULL, "probability that a batch is mixed",
                    "Yun et al. 2019: 0.5 on CIFAR, 1 on ImageNet"),
    LBK_PARAM_END};

/* From `middle` - cut / 2 to `middle` + cut / 2, within [0, size). */
static void place(int middle, int cut, int size, int *first, int *length) {
    int low = middle - cut / 2, high = middle + cut / 2;
    low = low < 0 ? 0 : low;
    high = high > size ? size : high;
    *first = low;
    *length = high - low;
}

/* eq. 2: the sides are sqrt(1 - share) of the image's, the middle is anywhere. */
static lbk_mixture draw(const void *params, lbk_rng *rng, int height, int width) {
    const cutmix_params *p = params;
    lbk_mixture mixture = {.own = 0.0f};
    if ((double)lbk_rng_uniform(rng) >= p->p)
        return mixture;
    double side = sqrt(1.0 - lbk_rng_beta(rng, p->alpha));
    int y = (int)lbk_rng_below(rng, (uint32_t)height), x = (int)lbk_rng_below(rng, (uint32_t)width);
    place(y, (int)(height * side), height, &mixture.box.top, &mixture.box.height);
    place(x, (int)(width * side), width, &mixture.box.left, &mixture.box.width);
    return mixture;
}

const lbk_mix lbk_mix_cutmix = {
    .name = "cutmix",
    .summary = "a rectangle of each image comes from another; labels count by area",
    .source = "Yun et al. 2019, arXiv:1905.04899",
    .params = cutmix_table,
    .params_size = sizeof(cutmix_params),
    .draw = draw,
};
