/* Tian, Krishnan, Isola, "Contrastive representation distillation", ICLR 2020, equations 10, 18 and 19: student's and teacher's embeddings of
 * one image are to be told from those of others, which two memory banks hold. As in the authors' code, but for this: all samples of a batch
 * take their negatives from one shuffled order of the training part, each from a place of its own on, without repetition as long as
 * there are enough; and a sample whose label the student may not see has all others as negatives. Each bank holds `dim` numbers for every sample of
 * the dataset's training part. */
#include "base/hash.h"
#include "distill/method.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct crd_params {
    lbk_ramp weight;
    int dim, negatives, mode;
    double temperature, momentum;
} crd_params;

enum { EXACT, RELAX };
static const char *const modes[] = {"exact", "relax", NULL};

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(crd_params, weight, "0.8", 0, 1e6, NULL, "factor of this loss in the objective",
                       "authors' code: beta = 0.8"),
    LBK_PARAM_INT(crd_params, dim, "128", 1, 65536, NULL, "numbers of an embedding", "authors' code: 128"),
    LBK_PARAM_INT(crd_params, negatives, "16384", 1, 1 << 24, "samples", "to be told from each sample",
                  "authors' code: 16384"),
    LBK_PARAM_CHOICE(crd_params, mode, "exact", modes,
                     "the positive is the sample itself, or any sample that is known to be of its class",
                     "authors' code: exact"),
    LBK_PARAM_FLOAT(crd_params, temperature, "0.07", 1e-3, 1000, NULL, "tau, divides cosines", "paper: 0.07"),
    LBK_PARAM_FLOAT(crd_params, momentum, "0.5", 0, 1, NULL, "share of a row of the banks that an update keeps",
                    "authors' code: 0.5"),
    LBK_PARAM_END,
};

#define EPSILON 1e-7

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    static const char *const feature[] = {"feature"};
    (void)params;
    out->samples = true;
    return lbk_needs_layers(out, &(lbk_words){1, feature}, student, teacher);
}

/* ---- Which rows of the banks each sample is compared with ---- */

typedef struct pool {
    const uint32_t *train; /* [count]: samples that training sees */
    uint32_t count;
    const int32_t *known; /* by sample: the class, -1 where the student may not see it */
    uint32_t *order;      /* [count]: scratch of fill() */
    uint64_t seed;
    int batch, negatives;
    bool relax;
} pool;

/* index[batch,1+negatives]: the positive, then negatives. */
static lbk_status fill(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const pool *p = context;
    int32_t *index = memory;
    lbk_rng rng;
    lbk_rng_init(&rng, p->seed, LBK_RNG_METHOD, (uint32_t)step, 0);
    memcpy(p->order, p->train, p->count * sizeof *p->order);
    lbk_rng_shuffle(&rng, p->order, p->count);
    for (int b = 0; b < p->batch; b++) {
        uint32_t sample = batch->samples[b], at = lbk_rng_below(&rng, p->count);
        int32_t class = p->known[sample];
        *index = (int32_t)sample;
        for (uint32_t i = 0; p->relax && class >= 0 && i < p->count; i++) {
            uint32_t other = p->order[(at + i) % p->count];
            if (p->known[other] != class)
                continue;
            *index = (int32_t)other;
            break;
        }
        index++;
        for (int k = 0; k < p->negatives; at = at + 1 < p->count ? at + 1 : 0) {
            uint32_t other = p->order[at];
            if (other == sample || (class >= 0 && p->known[other] == class))
                continue;
            *index++ = (int32_t)other;
            k++;
        }
    }
    return LBK_OK;
}

/* Every sample must have a negative. */
static lbk_status check_classes(const lbk_data *data, const int32_t *known, lbk_arena *arena) {
    uint32_t *seen = NULL;
    LBK_TRY(lbk_arena_alloc(arena, (size_t)data->source.classes * sizeof *seen, &seen));
    for (uint32_t i = 0; i < data->train_count; i++) {
        int32_t class = known[data->train[i]];
        if (data->train_count < 2 || (class >= 0 && ++seen[class] == data->train_count))
            return lbk_fail(LBK_ERR_INPUT, "expected training samples of two classes or more, found one");
    }
    return LBK_OK;
}

static lbk_status make_pool(lbk_method_context *c, pool **out) {
    const crd_params *params = c->params;
    const lbk_data *data = c->data;
    lbk_arena *arena = &c->graph->arena;
    int32_t *known = NULL;
    uint32_t *order = NULL;
    LBK_TRY(lbk_arena_alloc(arena, sizeof **out, out));
    LBK_TRY(lbk_arena_alloc(arena, data->train_count * sizeof *order, &order));
    LBK_TRY(lbk_arena_alloc(arena, data->source.train_count * sizeof *known, &known));
    for (uint32_t i = 0; i < data->source.train_count; i++) {
        int class = -1;
        if (data->labelled[i])
            LBK_TRY(data->dataset->read(&data->source, LBK_PART_TRAIN, i, NULL, &class));
        known[i] = class;
    }
    **out = (pool){.train = data->train,
                   .count = data->train_count,
                   .known = known,
                   .order = order,
                   .seed = lbk_hash_text(LBK_HASH_START ^ c->seed, c->name),
                   .batch = (int)lbk_method_shape(c, c->samples)->dim[0],
                   .negatives = params->negatives,
                   .relax = params->mode == RELAX};
    return check_classes(data, known, arena);
}

/* ---- The loss ---- */

/* A state "distill.<method>.<name>" of normal numbers, 0 for a deviation of 0. */
static lbk_status declare_state(lbk_method_context *c, const char *name, lbk_shape shape, double deviation,
                                lbk_value *out) {
    lbk_weight weight = {.kind = LBK_WEIGHT_STATE,
                         .shape = shape,
                         .init = deviation > 0 ? LBK_INIT_NORMAL : LBK_INIT_ZERO,
                         .deviation = deviation,
                         .fan_in = shape.dim[shape.rank - 1]};
    const char *full;
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &full, "distill.%s.%s", c->name, name));
    return lbk_graph_weight(c->graph, full, &weight, out);
}

/* [B,...] -> [B,dim] of length 1 */
static lbk_status embed(lbk_method_context *c, const char *name, lbk_value x, int dim, lbk_value *out) {
    if (lbk_method_shape(c, x)->rank > 2)
        LBK_TRY(lbk_method_op(c, "flatten", &x, "", 1, x));
    LBK_TRY(lbk_method_layer(c, name, "dense", x, out, "out=%d", dim));
    return lbk_method_op(c, "l2_normalize", out, "", 1, *out);
}

/* Z, which makes of exp(cosine / tau) a probability: N times its mean in the first batch of all, from then on a constant. */
static lbk_status normaliser(lbk_method_context *c, const char *name, lbk_value scores, double samples,
                             lbk_value *out) {
    lbk_value state, now, known;
    LBK_TRY(declare_state(c, name, lbk_shape_1(1), 0, &state));
    LBK_TRY(lbk_method_op(c, "mean", &now, "", 1, scores));
    LBK_TRY(lbk_method_scale(c, now, samples, &now));
    LBK_TRY(lbk_method_op(c, "relu", &known, "", 1, state));
    LBK_TRY(lbk_method_op(c, "sign", &known, "", 1, known)); /* 1: the state stays, 0: it becomes `now` */
    LBK_TRY(lbk_method_op(c, "ema_update", out, "", 3, state, now, known));
    return lbk_graph_keep(c->graph, *out); /* a step changes it once */
}

/* v[B,dim] against rows of the other network's bank. With q = P / c, c = negatives / N, both terms of equation 18 become
 * differences of logarithms: ln(q + 1 + epsilon / c), less ln q for the positives. */
static lbk_status contrast(lbk_method_context *c, const char *name, const pool *p, lbk_value v, lbk_value bank,
                           lbk_value index, lbk_value *out) {
    double tau = ((const crd_params *)c->params)->temperature, share = (double)p->negatives / p->count;
    lbk_value q, z, all, positive;
    char params[64];
    LBK_TRY(lbk_method_op(c, "gather_dot", &q, "", 3, v, index, bank));
    LBK_TRY(lbk_method_scale(c, q, 1 / tau, &q));
    LBK_TRY(lbk_method_op(c, "exp", &q, "", 1, q));
    LBK_TRY(normaliser(c, name, q, p->count, &z));
    LBK_TRY(lbk_method_scale(c, z, share, &z));
    LBK_TRY(lbk_method_op(c, "div", &q, "", 2, q, z));
    snprintf(params, sizeof params, "offset=%.17g", 1 + EPSILON / share);
    LBK_TRY(lbk_method_op(c, "scale", &all, params, 1, q));
    LBK_TRY(lbk_method_op(c, "log", &all, "", 1, all));
    LBK_TRY(lbk_method_op(c, "sum", &all, "", 1, all));
    LBK_TRY(lbk_method_op(c, "slice", &positive, "axis=1 start=0 count=1", 1, q));
    LBK_TRY(lbk_method_op(c, "log", &positive, "", 1, positive));
    LBK_TRY(lbk_method_op(c, "sum", &positive, "", 1, positive));
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, all, positive));
    return lbk_method_scale(c, *out, 1.0 / p->batch, out);
}

static lbk_status update(lbk_method_context *c, lbk_value bank, lbk_value v) {
    lbk_value row;
    char params[48];
    snprintf(params, sizeof params, "momentum=%.17g", ((const crd_params *)c->params)->momentum);
    return lbk_method_op(c, "bank_update", &row, params, 3, bank, c->samples, v);
}

static lbk_status build(lbk_method_context *c) {
    const crd_params *params = c->params;
    lbk_value student, teacher, student_bank, teacher_bank, index, loss, other;
    pool *p;
    LBK_TRY(make_pool(c, &p));
    LBK_TRY(lbk_method_host_input(c, "index", LBK_I32, lbk_shape_2(p->batch, 1 + p->negatives), fill, p, &index));
    lbk_shape rows = lbk_shape_2(c->data->source.train_count, params->dim);
    LBK_TRY(declare_state(c, "bank_student", rows, 1 / sqrt(params->dim), &student_bank));
    LBK_TRY(declare_state(c, "bank_teacher", rows, 1 / sqrt(params->dim), &teacher_bank));
    LBK_TRY(embed(c, "embed_student", c->pair[0].student.value, params->dim, &student));
    LBK_TRY(embed(c, "embed_teacher", c->pair[0].teacher.value, params->dim, &teacher));
    LBK_TRY(contrast(c, "z_student", p, student, teacher_bank, index, &loss));
    LBK_TRY(contrast(c, "z_teacher", p, teacher, student_bank, index, &other));
    LBK_TRY(lbk_method_add(c, &loss, other));
    LBK_TRY(update(c, student_bank, student));
    LBK_TRY(update(c, teacher_bank, teacher));
    return lbk_method_finish(c, loss);
}

static const char *const example[] = {"distill.crd.negatives=32", NULL};

const lbk_method lbk_method_crd = {
    .name = "crd",
    .summary =
        "contrast: student's and teacher's embeddings of a sample are told from those of samples of other classes",
    .formula = "for both networks -1 / B [sum ln P/(P + c + 1e-7) over positives + sum ln c/(P + c + 1e-7) over "
               "negatives], c = "
               "negatives / N, P = exp(v . w / tau) / Z, v the network's embedding, w the other's from its bank",
    .source = "Tian, Krishnan, Isola 2020",
    .params = table,
    .params_size = sizeof(crd_params),
    .example = example,
    .needs = needs,
    .build = build,
};
