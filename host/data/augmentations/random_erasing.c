/* Random erasing (Zhong et al. 2020): with probability p a rectangle of random area and shape is erased. */
#include "data/augment.h"

typedef struct random_erasing_params {
    double p, scale_min, scale_max, ratio_min, ratio_max;
    int value;
} random_erasing_params;

/* In the order of lbk_image_fill. */
static const char *const value_choices[] = {"mean", "random", "black", NULL};

static const lbk_param random_erasing_table[] = {
    LBK_PARAM_FLOAT(random_erasing_params, p, "0.5", 0, 1, NULL, "probability", "Zhong et al. 2020, arXiv:1708.04896"),
    LBK_PARAM_FLOAT(random_erasing_params, scale_min, "0.02", 0, 1, NULL, "smallest area, of the image's", NULL),
    LBK_PARAM_FLOAT(random_erasing_params, scale_max, "0.33", 0, 1, NULL, "largest area, of the image's", NULL),
    LBK_PARAM_FLOAT(random_erasing_params, ratio_min, "0.3", 0.01, 100, NULL, "smallest height / width", NULL),
    LBK_PARAM_FLOAT(random_erasing_params, ratio_max, "3.3", 0.01, 100, NULL, "largest height / width", NULL),
    LBK_PARAM_CHOICE(random_erasing_params, value, "mean", value_choices,
                     "what is left: the mean colour, noise (standard normal once normalised), or black", NULL),
    LBK_PARAM_END};

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const random_erasing_params *p = params;
    LBK_TRY(lbk_image_check_range("random_erasing", "scale_min", p->scale_min, "scale_max", p->scale_max));
    LBK_TRY(lbk_image_check_range("random_erasing", "ratio_min", p->ratio_min, "ratio_max", p->ratio_max));
    if ((double)lbk_rng_uniform(rng) >= p->p)
        return LBK_OK;
    lbk_rectangle r;
    if (lbk_image_draw_rectangle(image, rng, p->scale_min, p->scale_max, p->ratio_min, p->ratio_max, false, &r))
        lbk_image_erase(image, r.top, r.left, r.height, r.width, (lbk_image_fill)p->value, rng);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_random_erasing = {
    .name = "random_erasing",
    .summary = "with probability p, erase a rectangle of random area and shape",
    .params = random_erasing_table,
    .params_size = sizeof(random_erasing_params),
    .apply = apply,
};
