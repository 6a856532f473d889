/* What loss scaling makes of gradients, on every device and class: what it finds, and how the scale moves. */
#include "optim/helpers/launch.h"
#include "optim/loss_scale.h"

#include <math.h>
#include <stdlib.h>

typedef struct scaler {
    lbk_device *device;
    size_t count;
    cl_mem buffers[LBK_SCALE_BUFFERS]; /* gradients, scale, guard */
    launch find, decide;
    float scale, guard[LBK_GUARD_COUNT];
} scaler;

static void scaler_make(scaler *s, lbk_device *device, size_t count, float scale, float streak) {
    lbk_call calls[LBK_SCALE_CALLS];
    float *zeros = calloc(count, sizeof *zeros);
    const size_t bytes[LBK_SCALE_BUFFERS] = {count * sizeof *zeros, sizeof s->scale, sizeof s->guard};
    *s = (scaler){.device = device, .count = count, .scale = scale, .guard = {[LBK_GUARD_STREAK] = streak}};
    for (int i = 0; i < LBK_SCALE_BUFFERS; i++)
        OK(lbk_buffer_create(device, bytes[i], &s->buffers[i]));
    OK(lbk_buffer_write(device, s->buffers[0], 0, zeros, bytes[0]));
    OK(lbk_buffer_write(device, s->buffers[1], 0, &s->scale, bytes[1]));
    OK(lbk_buffer_write(device, s->buffers[2], 0, s->guard, bytes[2]));
    OK(lbk_loss_scale_calls(&device->info.caps, count, calls));
    launch_make(&s->find, device, &calls[0], s->buffers);
    launch_make(&s->decide, device, &calls[1], s->buffers);
    free(zeros);
}

static void scaler_release(scaler *s) {
    launch_release(&s->find);
    launch_release(&s->decide);
    for (int i = 0; i < LBK_SCALE_BUFFERS; i++)
        lbk_buffer_destroy(s->device, &s->buffers[i]);
}

/* A step in which gradient `at` is `gradient`, the others 0. */
static void step(scaler *s, size_t at, float gradient) {
    OK(lbk_buffer_write(s->device, s->buffers[0], at * sizeof gradient, &gradient, sizeof gradient));
    launch_run(&s->find);
    launch_run(&s->decide);
    OK(lbk_buffer_read(s->device, s->buffers[1], 0, &s->scale, sizeof s->scale));
    OK(lbk_buffer_read(s->device, s->buffers[2], 0, s->guard, sizeof s->guard));
    OK(lbk_buffer_write(s->device, s->buffers[0], at * sizeof gradient, &(float){0}, sizeof gradient));
}

#define EXPECT_NUMBER(have, want)                                                                                      \
    cr_expect_eq(have, want, "%s (%s): " #have " is %g, expected " #want " = %g", s.device->label,                     \
                 lbk_class_name(s.device->info.caps.cls), (double)(have), (double)(want))

/* Wherever it is, and only then; the next step knows nothing of it. */
static void find_everywhere(lbk_device *device) {
    static const size_t counts[] = {1, 3, 4, 37, 4099, 600000};
    static const float bad[] = {INFINITY, -INFINITY, NAN}, good[] = {3.4e38f, -3.4e38f, 1e-40f, 0};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        scaler s;
        size_t n = counts[c], places[] = {0, n / 3, n / 2, n - n / 5 - 1, n - 1};
        scaler_make(&s, device, n, 0x1p20f, 0);
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            step(&s, places[p], good[p % 4]);
            EXPECT_NUMBER(s.guard[LBK_GUARD_TAKEN], 1.0f);
            step(&s, places[p], bad[p % 3]);
            EXPECT_NUMBER(s.guard[LBK_GUARD_TAKEN], 0.0f);
            EXPECT_NUMBER(s.guard[LBK_GUARD_SKIPPED], (float)(p + 1));
        }
        scaler_release(&s);
    }
}

Test(loss_scale, finds_what_is_not_finite) {
    launch_each_device(find_everywhere);
}

/* torch.cuda.amp.GradScaler: halved at once, doubled after 2000 good steps in a row; the factor is that of the step itself. */
static void move_scale(lbk_device *device) {
    scaler s;
    scaler_make(&s, device, 10, 0x1p10f, LBK_SCALE_INTERVAL - 2);
    step(&s, 0, 1);
    EXPECT_NUMBER(s.scale, 0x1p10f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_STREAK], LBK_SCALE_INTERVAL - 1.0f);
    step(&s, 0, 1);
    EXPECT_NUMBER(s.scale, 0x1p11f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_FACTOR], 0x1p-10f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_STREAK], 0.0f);
    step(&s, 0, 1);
    EXPECT_NUMBER(s.guard[LBK_GUARD_FACTOR], 0x1p-11f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_STREAK], 1.0f);
    step(&s, 0, INFINITY);
    EXPECT_NUMBER(s.scale, 0x1p10f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_STREAK], 0.0f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_SKIPPED], 1.0f);
    scaler_release(&s);
}

Test(loss_scale, moves_as_grad_scaler_does) {
    launch_each_device(move_scale);
}

static void stay_within(lbk_device *device) {
    scaler s;
    scaler_make(&s, device, 10, (float)LBK_SCALE_LARGEST, LBK_SCALE_INTERVAL - 1);
    step(&s, 0, 1);
    EXPECT_NUMBER(s.scale, 0x1p126f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_FACTOR], 0x1p-126f);
    scaler_release(&s);
    scaler_make(&s, device, 10, 0x1p-126f, 0);
    step(&s, 0, NAN);
    EXPECT_NUMBER(s.scale, 0x1p-126f);
    EXPECT_NUMBER(s.guard[LBK_GUARD_FACTOR], 0x1p126f);
    scaler_release(&s);
}

Test(loss_scale, and_its_inverse_stay_exact) {
    launch_each_device(stay_within);
}
