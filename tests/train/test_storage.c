/* Activations kept in 16 bits: what becomes of the gradients, and what a device is told that cannot do it. */
#include "train/helpers/little_run.h"

#include "device/program.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <sys/stat.h>

TestSuite(storage, .init = little_enter, .fini = little_leave, .timeout = 900);

static const char resnet_text[] = "[experiment]\nname = storage\nseed = 5\ncontrol = no\n"
                                  "[data]\ndataset = synthetic\nbatch = 16\ntrain = 64\ntest = 16\n"
                                  "[teacher]\nmodel = mlp-tiny\nepochs = 1\n"
                                  "[student]\nmodel = resnet20\nepochs = 1\n"
                                  "[distill]\nmethods = kd\n";

/* One step; the student's gradients lie in NAME/student-gradients.safetensors. */
static void step(const char *name, const char *storage, lbk_st_file *gradients) {
    char path[128];
    lbk_experiment experiment;
    lbk_run_options options = {.out = name, .dump = name, .max_steps = 1};
    lbk_run_result result;
    cr_assert_eq(lbk_experiment_load(&experiment, "resnet.ini", &storage, 1), LBK_OK);
    cr_assert_eq(lbk_run(&experiment, &options, &result), LBK_OK, "%s", lbk_error_message());
    lbk_experiment_release(&experiment);
    snprintf(path, sizeof path, "%s/student-gradients.safetensors", name);
    cr_assert_eq(lbk_st_open(gradients, path), LBK_OK, "%s", lbk_error_message());
}

/* The norm of all differences to the norm of all gradients; *worst: the largest such of one tensor. */
static double distance(const lbk_st_file *exact, const lbk_st_file *rounded, double *worst) {
    double difference = 0, size = 0;
    *worst = 0;
    cr_assert_eq(exact->count, rounded->count);
    for (size_t t = 0; t < exact->count; t++) {
        double d = 0, s = 0;
        for (int64_t i = 0; i < lbk_shape_count(&exact->entries[t].shape); i++) {
            float a, b;
            memcpy(&a, (const char *)exact->entries[t].data + 4 * i, 4);
            memcpy(&b, (const char *)rounded->entries[t].data + 4 * i, 4);
            d += ((double)a - (double)b) * ((double)a - (double)b);
            s += (double)a * (double)a;
        }
        *worst = fmax(*worst, sqrt(d / s));
        difference += d;
        size += s;
    }
    return sqrt(difference / size);
}

/* Each number that is kept is off by at most u of itself, 0.43 u in the mean square where mantissas spread evenly on a logarithmic
 * scale; u = 2^-11, 2^-8. A weight's gradient sums products with such a number, so it is off by about as much; what comes back
 * through 20 layers adds little, as a gradient is linear in the gradient behind it and signs are not lost. */
Test(storage, gradients_are_off_by_the_rounding) {
    static const struct {
        const char *name, *set;
        double u;
    } types[] = {{"float16", "student.storage=float16", 0x1p-11}, {"bfloat16", "student.storage=bfloat16", 0x1p-8}};
    lbk_st_file exact, rounded;
    little_write("resnet.ini", resnet_text);
    step("float32", "student.storage=float32", &exact);
    for (int i = 0; i < 2; i++) {
        double worst;
        step(types[i].name, types[i].set, &rounded);
        double all = distance(&exact, &rounded, &worst);
        cr_expect(all > 0.1 * types[i].u && all < 0.6 * types[i].u, "%s: %g u", types[i].name, all / types[i].u);
        cr_expect_lt(worst, 3 * types[i].u, "%s: one tensor %g u", types[i].name, worst / types[i].u);
        lbk_st_close(&rounded);
    }
    lbk_st_close(&exact);
}

/* The kernels with "_rte" as "_rtz". */
static void write_kernels(void) {
    char *text = strdup(lbk_kernel_source("generic/pack"));
    for (char *at = text; (at = strstr(at, "_rte")) != NULL;)
        memcpy(at, "_rtz", 4);
    cr_assert_eq(mkdir("kernels", 0755), 0);
    cr_assert_eq(mkdir("kernels/generic", 0755), 0);
    little_write("kernels/generic/pack.cl", text);
    free(text);
}

Test(storage, a_device_that_does_not_round_is_named_with_the_key) {
    lbk_run_result result;
    write_kernels();
    setenv("LIMBECK_KERNELS", "kernels", 1);
    cr_expect_eq(
        little_run("little.ini", (const char *const[]){"student.storage=float16", NULL}, "refused", 0, &result),
        LBK_ERR_DEVICE);
    cr_expect(strstr(lbk_error_message(), "little.ini: [student]: storage: ") &&
                  strstr(lbk_error_message(), " keeps ") && strstr(lbk_error_message(), "; use float32"),
              "%s", lbk_error_message());
    little_must_run("little.ini", (const char *const[]){"student.storage=bfloat16", NULL}, "bfloat16", 2);
}
