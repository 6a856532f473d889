/* Mixed precision: what loss scaling must not move, what it saves, and that a step whose gradients overflow never was. */
#include "train/helpers/little_run.h"

#include "device/program.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <sys/stat.h>

TestSuite(mixed, .init = little_enter, .fini = little_leave, .timeout = 300);

#define STEPS 44

/* A run whose student's gradients of the last step lie in NAME/student-gradients.safetensors. */
static void dump(const char *file, const char *const *sets, const char *name, int64_t steps) {
    lbk_experiment experiment;
    lbk_run_options options = {.out = name, .dump = name, .max_steps = steps};
    lbk_run_result result;
    size_t count = 0;
    while (sets[count])
        count++;
    cr_assert_eq(lbk_experiment_load(&experiment, file, sets, count), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_run(&experiment, &options, &result), LBK_OK, "%s: %s", name, lbk_error_message());
    lbk_experiment_release(&experiment);
}

/* The scale is a power of two, so all it does is exact: losses with gradients of the input, a look-ahead, projections, an optimiser with
 * a decay and one that counts steps. The gradients that are dumped are not scaled. */
Test(mixed, loss_scaling_moves_no_bit) {
#define EVERYTHING                                                                                                     \
    "teacher.model=cnn-tiny", "teacher.methods=gradient_penalty", "teacher.weight_decay=0.0005",                       \
        "student.optimizer=adam", "student.lr=0.005", "data.validation=0.1", "distill.methods=kd, fitnet, sobolev",    \
        "distill.fitnet.layers=last", "distill.meta=temperature"
    static const char *const off[] = {EVERYTHING, NULL};
    static const char *const on[] = {EVERYTHING, "student.loss_scale=dynamic", "teacher.loss_scale=1000", NULL};
    static const char *const same[] = {"teacher.safetensors", "student.safetensors", "control.safetensors",
                                       "student-gradients.safetensors"};
    double scale[STEPS];
    dump("little.ini", off, "off", 8);
    dump("little.ini", on, "on", 8);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        cr_expect(little_same("off", "on", same[i]), "%s", same[i]);
    cr_assert_eq(little_metrics("on", "student", "loss_scale", scale, STEPS), 8);
    cr_expect_eq(scale[7], 65536);
    cr_assert_eq(little_metrics("on", "teacher", "loss_scale", scale, STEPS), 8);
    cr_expect_eq(scale[7], 512, "not cut to a power of two");
}

/* ---- Steps left out ---- */

static const char alone_text[] = "[experiment]\nname = alone\nseed = 5\ncontrol = no\n"
                                 "[data]\ndataset = digits\nbatch = 128\n"
                                 "[student]\nmodel = mlp-tiny\nepochs = 4\nlr = 1e-6\nschedule = constant\n"
                                 "[distill]\nmethods = cs_kd\nhard_weight = 1e4\n";

typedef struct trained {
    double scale[STEPS];
    int64_t steps, skipped;
    float *params;
    size_t bytes;
} trained;

static lbk_status on_step(void *context, const lbk_step_report *report) {
    trained *t = context;
    t->scale[t->steps++] = report->loss_scale;
    t->skipped = report->skipped_steps;
    return LBK_OK;
}

/* The student's parameters after the steps from `first` on. */
static void train_from(const char *set, int64_t first, trained *out) {
    lbk_experiment x;
    lbk_session s = {0};
    lbk_phase_result result;
    *out = (trained){0};
    cr_assert_eq(lbk_experiment_load(&x, "alone.ini", &set, 1), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_session_prepare(&s, &x), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_session_open(&s), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_network_compile(&s.student, s.devices[LBK_STUDENT_DEVICE]), LBK_OK, "%s", lbk_error_message());
    const lbk_phase phase = {.network = &s.student,
                             .data = &x.data,
                             .part = LBK_PART_TRAIN,
                             .slots = 1,
                             .epochs = x.student.params.epochs,
                             .first_step = first,
                             .max_steps = STEPS,
                             .observer = {.context = out, .step = on_step}};
    cr_assert_eq(lbk_phase_run(&phase, &result), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(result.skipped_steps, out->skipped);
    out->bytes = s.student.weights->param_bytes;
    out->params = malloc(out->bytes);
    cr_assert_eq(lbk_buffer_read(s.devices[LBK_STUDENT_DEVICE], s.student.weights->params, 0, out->params, out->bytes),
                 LBK_OK);
    lbk_session_release(&s);
    lbk_experiment_release(&x);
}

/* 2^126 times the weight of the loss is beyond float32. The scale is halved until it is not; what follows is, bit for bit, training that
 * begins there. */
Test(mixed, a_step_that_overflows_never_was) {
    trained scaled, plain;
    little_write("alone.ini", alone_text);
    train_from("student.loss_scale=8.5e37", 0, &scaled);
    cr_expect(scaled.skipped > 10 && scaled.skipped < STEPS - 10, "%lld skipped", (long long)scaled.skipped);
    for (int64_t i = 0; i < scaled.steps; i++)
        cr_expect_eq(scaled.scale[i], ldexp(0x1p125, -(int)(i < scaled.skipped ? i : scaled.skipped)), "step %lld: %g",
                     (long long)i, scaled.scale[i]);
    train_from("student.loss_scale=off", scaled.skipped, &plain);
    cr_expect_eq(plain.steps, scaled.steps - scaled.skipped);
    cr_assert_eq(plain.bytes, scaled.bytes);
    cr_expect_eq(memcmp(plain.params, scaled.params, plain.bytes), 0);
    free(plain.params);
    free(scaled.params);
}

/* ---- float16 ---- */

typedef struct gradients {
    double norm, difference; /* of the weights' gradients, and of that to another run's */
} gradients;

static gradients of_weights(const char *name, const char *other) {
    lbk_st_file a, b;
    char path[2][128];
    gradients out = {0};
    snprintf(path[0], sizeof path[0], "%s/student-gradients.safetensors", name);
    snprintf(path[1], sizeof path[1], "%s/student-gradients.safetensors", other);
    cr_assert_eq(lbk_st_open(&a, path[0]), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_st_open(&b, path[1]), LBK_OK, "%s", lbk_error_message());
    for (size_t t = 0; t < a.count; t++) {
        if (a.entries[t].shape.rank < 2)
            continue; /* biases: sums without a product */
        for (int64_t i = 0; i < lbk_shape_count(&a.entries[t].shape); i++) {
            float x, y;
            memcpy(&x, (const char *)a.entries[t].data + 4 * i, 4);
            memcpy(&y, (const char *)b.entries[t].data + 4 * i, 4);
            out.norm += (double)x * (double)x;
            out.difference += ((double)x - (double)y) * ((double)x - (double)y);
        }
    }
    lbk_st_close(&a);
    lbk_st_close(&b);
    return (gradients){sqrt(out.norm), sqrt(out.difference)};
}

/* A loss whose gradients lie below float16's smallest number, 2^-24: without a scale all are lost, with it they are off by a few
 * of float16's roundings, 2^-11; bfloat16, with 2^-8, has float32's range. Micikevicius et al. 2018, figure 3. */
Test(mixed, loss_scaling_saves_what_float16_would_lose) {
#define SMALL "distill.hard_weight=1e-6", "distill.cs_kd.weight=1e-8"
    static const char *const exact[] = {SMALL, NULL};
    static const char *const lost[] = {SMALL, "student.arithmetic=float16", "student.loss_scale=off", NULL};
    static const char *const saved[] = {SMALL, "student.arithmetic=float16", NULL};
    static const char *const wide[] = {SMALL, "student.arithmetic=bfloat16", NULL};
    little_write("alone.ini", alone_text);
    dump("alone.ini", exact, "exact", 1);
    dump("alone.ini", lost, "lost", 1);
    dump("alone.ini", saved, "saved", 1);
    dump("alone.ini", wide, "wide", 1);
    double whole = of_weights("exact", "exact").norm;
    cr_expect_gt(whole, 0);
    cr_expect_eq(of_weights("lost", "exact").norm, 0);
    double saved_error = of_weights("saved", "exact").difference / whole;
    double wide_error = of_weights("wide", "exact").difference / whole;
    cr_expect(saved_error > 0x1p-14 && saved_error < 0x1p-8, "%g", saved_error);
    cr_expect(wide_error > 0x1p-11 && wide_error < 0x1p-5, "%g", wide_error);
}

/* As good as float32, by kernels of every class. */
Test(mixed, trains_as_well_as_float32) {
    static const char *const classes[] = {"cpu", "gpu", "generic"};
    static const char *const half[] = {"teacher.arithmetic=float16", "student.arithmetic=float16",
                                       "experiment.control=no", NULL};
    lbk_run_result want, found;
    cr_assert_eq(little_run("little.ini", half + 2, "whole", 0, &want), LBK_OK, "%s", lbk_error_message());
    cr_expect_gt(want.teacher.accuracy, 0.5);
    cr_expect_not(want.student.scaled);
    for (int c = 0; c < 3; c++) {
        setenv("LIMBECK_CLASS", classes[c], 1);
        cr_assert_eq(little_run("little.ini", half, classes[c], 0, &found), LBK_OK, "%s", lbk_error_message());
        cr_expect_not(little_same("whole", classes[c], "student.safetensors"), "nothing was rounded");
        cr_expect(fabs(found.teacher.loss - want.teacher.loss) < 0.01 * want.teacher.loss, "teacher by %s: %g, %g",
                  classes[c], found.teacher.loss, want.teacher.loss);
        cr_expect(fabs(found.student.loss - want.student.loss) < 0.01 * want.student.loss, "student by %s: %g, %g",
                  classes[c], found.student.loss, want.student.loss);
        cr_expect(fabs(found.teacher.accuracy - want.teacher.accuracy) < 0.02, "by %s: %g, %g", classes[c],
                  found.teacher.accuracy, want.teacher.accuracy);
        cr_expect(found.student.scaled && !found.student.skipped_steps);
    }
    unsetenv("LIMBECK_CLASS");
}

/* The kernel without its ties. */
Test(mixed, a_device_that_does_not_round_is_named_with_the_key) {
    static const char ties[] = "(((x) >> (bits)) & 1u)", up[] = "(((x) >> (bits)) | 1u)";
    char *text = strdup(lbk_kernel_source("generic/round")), *at = strstr(text, ties);
    lbk_run_result result;
    cr_assert(at);
    memcpy(at, up, sizeof up - 1);
    cr_assert_eq(mkdir("kernels", 0755), 0);
    cr_assert_eq(mkdir("kernels/generic", 0755), 0);
    little_write("kernels/generic/round.cl", text);
    free(text);
    setenv("LIMBECK_KERNELS", "kernels", 1);
    cr_expect_eq(
        little_run("little.ini", (const char *const[]){"student.arithmetic=tf32", NULL}, "refused", 2, &result),
        LBK_ERR_DEVICE);
    cr_expect(strstr(lbk_error_message(), "little.ini: [student]: arithmetic: ") &&
                  strstr(lbk_error_message(), " rounds ") && strstr(lbk_error_message(), "; use float32"),
              "%s", lbk_error_message());
    unsetenv("LIMBECK_KERNELS");
}
