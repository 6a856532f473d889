/* Yun et al., "Regularizing class-wise predictions via self-knowledge distillation", CVPR 2020, equation 2: the student's prediction
 * for another image of the class, of the same weights, is its target. The other image is drawn among the labelled ones by
 * (seed, epoch, sample); rows without a label do not count. */
#include "base/rng.h"
#include "distill/method.h"

typedef struct cs_kd_params {
    lbk_ramp weight, temperature;
} cs_kd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(cs_kd_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "Yun et al.: lambda = 1, beside hard_weight = 1"),
    LBK_PARAM_SCHEDULE(cs_kd_params, temperature, "4", 0.01, 1000, NULL,
                       "T, softens both predictions; the loss is scaled by T^2", "Yun et al.: 4"),
    LBK_PARAM_END,
};

/* Labelled training samples by class: of class k those from first[k] to first[k + 1]. */
typedef struct classes {
    uint64_t seed;
    uint32_t *first, *sample;
} classes;

/* *label: that of sample `i` of the part as the network in training sees it; -1: it does not. */
static lbk_status label_of(const lbk_method_context *c, uint32_t i, int *label) {
    uint32_t sample = lbk_data_samples(c->data, c->part)[i];
    LBK_TRY(c->data->dataset->read(&c->data->source, LBK_PART_TRAIN, sample, NULL, label));
    if (c->part == LBK_PART_TRAIN && !c->data->labelled[sample])
        *label = -1;
    return LBK_OK;
}

static lbk_status count_classes(const lbk_method_context *c, classes *all) {
    int label;
    for (uint32_t i = 0; i < lbk_data_count(c->data, c->part); i++) {
        LBK_TRY(label_of(c, i, &label));
        if (label >= 0)
            all->first[label + 1]++;
    }
    for (int k = 0; k < c->data->source.classes; k++)
        all->first[k + 1] += all->first[k];
    return LBK_OK;
}

static lbk_status group(const lbk_method_context *c, classes *all) {
    lbk_arena *arena = &c->graph->arena;
    size_t classes = (size_t)c->data->source.classes + 1, samples = lbk_data_count(c->data, c->part);
    uint32_t *next = NULL;
    int label;
    LBK_TRY(lbk_arena_alloc(arena, classes * sizeof *all->first, &all->first));
    LBK_TRY(lbk_arena_alloc(arena, classes * sizeof *next, &next));
    LBK_TRY(lbk_arena_alloc(arena, (samples + 1) * sizeof *all->sample, &all->sample));
    LBK_TRY(count_classes(c, all));
    for (uint32_t i = 0; i < samples; i++) {
        LBK_TRY(label_of(c, i, &label));
        if (label >= 0)
            all->sample[all->first[label] + next[label]++] = lbk_data_samples(c->data, c->part)[i];
    }
    return LBK_OK;
}

/* Any of the class but the row's own; that one where there is no other, and for a row without a label. */
static uint32_t of_same_class(const void *context, const lbk_batch *batch, int row) {
    const classes *all = context;
    uint32_t own = batch->samples[row];
    int label = batch->seen_labels[row];
    lbk_rng rng;
    if (label < 0)
        return own;
    uint32_t first = all->first[label], count = all->first[label + 1] - first;
    lbk_rng_init(&rng, all->seed, LBK_RNG_METHOD, batch->epoch, own);
    uint32_t drawn = all->sample[first + lbk_rng_below(&rng, count - 1)];
    return drawn == own ? all->sample[first + count - 1] : drawn;
}

static lbk_status build(lbk_method_context *c) {
    const cs_kd_params *p = c->params;
    classes *all = NULL;
    lbk_model_built second;
    lbk_value x[LBK_MODEL_INPUTS], t, other, loss;
    lbk_rows rows;
    LBK_TRY(lbk_arena_alloc(&c->graph->arena, sizeof *all, &all));
    all->seed = c->seed;
    LBK_TRY(group(c, all));
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_samples(c, "others", of_same_class, all, x));
    LBK_TRY(lbk_method_student(c, x, true, &second));
    LBK_TRY(lbk_method_op(c, "detach", &other, "", 1, second.logits));
    LBK_TRY(lbk_method_labelled(c, &rows));
    LBK_TRY(lbk_method_masked_kl(c, &rows, c->student_logits, other, t, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_cs_kd = {
    .name = "cs_kd",
    .summary = "class-wise self-distillation: two images of a class are to get the same prediction; no teacher",
    .formula =
        "T^2 * mean over labelled rows of KL(softmax(z(x') / T), softmax(z(x) / T)), x' another image of x's class, "
        "z(x') constant",
    .source = "Yun et al. 2020",
    .params = table,
    .params_size = sizeof(cs_kd_params),
    .teacherless = true,
    .build = build,
};
