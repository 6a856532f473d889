/* Every optimiser's kernel against its float64 reference over 20 steps, on every device and class. */
#include "optim/helpers/launch.h"
#include "optim/helpers/settings.h"
#include "optim/loss_scale.h"
#include "optim/optimizer.h"

#include "base/rng.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 20, GUARD = 64, PADDING = 5, SKIPPED = 5, SCALE = 1024 };
static const float guard_value = 12345.0f;

/* Beside the defaults, which every registered optimiser is tested with. */
static const struct {
    const char *name, *settings;
} more_settings[] = {
    {"sgd", "momentum=0"},
    {"sgd", "momentum=0.5 weight_decay=0.01"},
    {"sgd", "momentum=0.9 nesterov=yes weight_decay=0.0005"},
    {"adam", "weight_decay=0.1 beta1=0.8 beta2=0.95 eps=0.0001"},
    {"adam", "beta1=0"},
    {"adamw", "weight_decay=0.1 beta1=0.8 beta2=0.95 eps=0.0001"},
    {"adamw", "weight_decay=0"},
};

/* One training run of `count` weights, twice: on the device and in float64. */
typedef struct training {
    const lbk_optimizer *optimizer;
    lbk_device *device;
    void *params;
    size_t count;
    float *host; /* count + GUARD */
    double *weights, *grads, *state[LBK_OPTIMIZER_STATES];
    cl_mem buffers[LBK_OPTIMIZER_STATE + LBK_OPTIMIZER_STATES + 3];
    launch launch;
} training;

static double *doubles(size_t count) {
    double *memory = calloc(count, sizeof *memory);
    cr_assert_not_null(memory);
    return memory;
}

/* `from` (NULL: zeros) and then the guard into buffer `index`. */
static void upload(training *t, int index, const double *from) {
    for (size_t i = 0; i < t->count + GUARD; i++)
        t->host[i] = i >= t->count ? guard_value : from ? (float)from[i] : 0;
    OK(lbk_buffer_write(t->device, t->buffers[index], 0, t->host, (t->count + GUARD) * sizeof *t->host));
}

/* Random values that floats hold exactly; the last PADDING are zero, as between the weights of a model. */
static void fill(const training *t, double *values, uint32_t stream) {
    lbk_rng rng;
    lbk_rng_init(&rng, 1, LBK_RNG_TEST, stream, t->count);
    for (size_t i = 0; i < t->count; i++)
        values[i] = i + PADDING < t->count || t->count <= PADDING ? (double)lbk_rng_normal(&rng) : 0;
}

static void training_init(training *t, const lbk_optimizer *optimizer, lbk_device *device, void *params, size_t count) {
    lbk_call call;
    int buffers = lbk_optimizer_buffers(optimizer), tensors = LBK_OPTIMIZER_STATE + optimizer->states;
    memset(t, 0, sizeof *t);
    t->optimizer = optimizer;
    t->device = device;
    t->params = params;
    t->count = count;
    t->host = calloc(count + GUARD, sizeof *t->host);
    cr_assert_not_null(t->host);
    t->weights = doubles(count);
    t->grads = doubles(count);
    for (int i = 0; i < optimizer->states; i++)
        t->state[i] = doubles(count);
    for (int i = 0; i < buffers; i++)
        OK(lbk_buffer_create(device, i < tensors ? (count + GUARD) * sizeof *t->host : 32, &t->buffers[i]));
    fill(t, t->weights, 0);
    upload(t, LBK_OPTIMIZER_PARAMS, t->weights);
    for (int i = LBK_OPTIMIZER_GRADS; i < tensors; i++)
        upload(t, i, NULL);
    OK(lbk_optimizer_call(optimizer, params, &device->info.caps, count, &call));
    launch_make(&t->launch, device, &call, t->buffers);
}

static void training_release(training *t) {
    launch_release(&t->launch);
    for (int i = 0; i < lbk_optimizer_buffers(t->optimizer); i++)
        lbk_buffer_destroy(t->device, &t->buffers[i]);
    for (int i = 0; i < LBK_OPTIMIZER_STATES; i++)
        free(t->state[i]);
    free(t->grads);
    free(t->weights);
    free(t->host);
}

static void upload_gradients(training *t, double scale) {
    for (size_t i = 0; i < t->count; i++)
        t->grads[i] *= scale;
    upload(t, LBK_OPTIMIZER_GRADS, t->grads);
    for (size_t i = 0; i < t->count; i++)
        t->grads[i] /= scale;
}

/* Gradients come SCALE times too large; every SKIPPEDth step's are no numbers, and it is left out. */
static void training_step(training *t, int number) {
    bool taken = number % SKIPPED != 0;
    float lr = (float)(0.1 / number), guard[LBK_GUARD_COUNT] = {1.0f / SCALE, taken, (float)(number / SKIPPED)};
    fill(t, t->grads, (uint32_t)number);
    upload_gradients(t, taken ? SCALE : (double)NAN);
    OK(lbk_buffer_write(t->device, t->buffers[lbk_optimizer_guard(t->optimizer)], 0, guard, sizeof guard));
    OK(lbk_buffer_write(t->device, t->buffers[lbk_optimizer_lr(t->optimizer)], 0, &lr, sizeof lr));
    OK(lbk_buffer_write(t->device, t->buffers[lbk_optimizer_step_number(t->optimizer)], 0, &number, sizeof number));
    launch_run(&t->launch);
    if (!taken)
        return;
    lbk_optimizer_step step = {.params = t->params,
                               .count = t->count,
                               .weights = t->weights,
                               .grads = t->grads,
                               .lr = (double)lr,
                               .step = number - number / SKIPPED};
    memcpy(step.state, t->state, sizeof step.state);
    t->optimizer->reference(&step);
}

/* A float has 2^-24 of rounding per operation: ten operations a step, each acting on values of size
 * max(1, |reference|). */
static void expect_near(training *t, int index, const double *reference, const char *what) {
    double bound = STEPS * 10 * (double)FLT_EPSILON / 2, worst = 0;
    OK(lbk_buffer_read(t->device, t->buffers[index], 0, t->host, (t->count + GUARD) * sizeof *t->host));
    for (size_t i = 0; i < t->count; i++) {
        double error = fabs((double)t->host[i] - reference[i]) / fmax(1, fabs(reference[i]));
        worst = error > worst || isnan(error) ? error : worst;
        if (i + PADDING >= t->count && t->count > PADDING)
            cr_expect_eq(t->host[i], 0.0f, "padding");
    }
    cr_expect(worst <= bound, "%s on %s (%s): %s is off by %g, bound %g", t->optimizer->name, t->device->label,
              lbk_class_name(t->device->info.caps.cls), what, worst, bound);
    for (size_t i = t->count; i < t->count + GUARD; i++)
        cr_expect_eq(t->host[i], guard_value, "%s: written beyond %s", t->optimizer->name, what);
}

static void check_count(const lbk_optimizer *optimizer, lbk_device *device, void *params, size_t count) {
    training t;
    training_init(&t, optimizer, device, params, count);
    for (int number = 1; number <= STEPS; number++)
        training_step(&t, number);
    expect_near(&t, LBK_OPTIMIZER_PARAMS, t.weights, "weights");
    for (int i = 0; i < optimizer->states; i++)
        expect_near(&t, LBK_OPTIMIZER_STATE + i, t.state[i], optimizer->state_names[i]);
    training_release(&t);
}

static void check_settings(const lbk_optimizer *optimizer, lbk_device *device, const char *settings) {
    static const size_t counts[] = {1, 15, 256, 1000, 4099};
    lbk_arena arena = {0};
    void *params = NULL;
    OK(lbk_arena_alloc(&arena, optimizer->params_size, &params));
    OK(settings_parse(optimizer->params, optimizer->params_size, settings, &arena, params));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        check_count(optimizer, device, params, counts[i]);
    lbk_arena_release(&arena);
}

static void check_device(lbk_device *device) {
    for (const lbk_optimizer *const *o = lbk_optimizer_all(); *o; o++) {
        check_settings(*o, device, "");
        for (size_t i = 0; i < sizeof more_settings / sizeof *more_settings; i++)
            if (strcmp(more_settings[i].name, (*o)->name) == 0)
                check_settings(*o, device, more_settings[i].settings);
    }
}

Test(optimizer, kernels_follow_their_references, .timeout = 900) {
    launch_each_device(check_device);
}

Test(optimizer, registry) {
    for (const lbk_optimizer *const *o = lbk_optimizer_all(); *o; o++) {
        cr_expect_eq(lbk_optimizer_find((*o)->name), *o);
        cr_expect_leq((*o)->states, LBK_OPTIMIZER_STATES);
        cr_expect(strlen((*o)->summary) > 0 && strlen((*o)->formula) > 0 && strlen((*o)->source) > 0);
        for (int i = 0; i < (*o)->states; i++)
            cr_expect(strlen((*o)->state_names[i]) > 0);
    }
    cr_expect_not_null(lbk_optimizer_find("sgd"));
    cr_expect_null(lbk_optimizer_find("sgdd"));
}

Test(optimizer, refuses_more_than_an_int_counts) {
    lbk_caps caps = {.cls = LBK_CLASS_GENERIC, .max_group = 64, .max_item = {64, 64, 64}};
    lbk_call call;
    const lbk_optimizer *sgd = lbk_optimizer_find("sgd");
    lbk_arena arena = {0};
    void *params = NULL;
    OK(lbk_arena_alloc(&arena, sgd->params_size, &params));
    OK(settings_parse(sgd->params, sgd->params_size, "", &arena, params));
    OK(lbk_optimizer_call(sgd, params, &caps, 2147418112, &call));
    cr_expect_eq(lbk_optimizer_call(sgd, params, &caps, 2147418113, &call), LBK_ERR_UNSUPPORTED);
    cr_expect_str_eq(lbk_error_message(), "sgd: 2147418113 parameters, at most 2147418112 are possible");
    lbk_arena_release(&arena);
}

Test(optimizer, sgd_refuses_nesterov_without_momentum) {
    const lbk_optimizer *sgd = lbk_optimizer_find("sgd");
    lbk_arena arena = {0};
    void *params = NULL;
    OK(lbk_arena_alloc(&arena, sgd->params_size, &params));
    OK(settings_parse(sgd->params, sgd->params_size, "nesterov=yes", &arena, params));
    OK(sgd->check(params));
    OK(settings_parse(sgd->params, sgd->params_size, "momentum=0", &arena, params));
    OK(sgd->check(params));
    OK(settings_parse(sgd->params, sgd->params_size, "nesterov=yes momentum=0", &arena, params));
    cr_expect_eq(sgd->check(params), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "nesterov needs momentum > 0");
    lbk_arena_release(&arena);
}
