/* Activations kept in 16 bits: what becomes of the gradients, and what a device is told that cannot do it. */
#include "train/helpers/little_run.h"

#include "base/file.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <sys/stat.h>

TestSuite(storage, .init = little_enter, .fini = little_leave, .timeout = 300);

static const char resnet_text[] = "[experiment]\nname = storage\nseed = 5\ncontrol = no\n"
                                  "[data]\ndataset = synthetic\nbatch = 16\ntrain = 64\ntest = 16\n"
                                  "[teacher]\nmodel = mlp-tiny\nepochs = 1\n"
                                  "[student]\nmodel = resnet20\nepochs = 1\n"
                                  "[distill]\nmethods = kd\n";

/* One step; the student's gradients lie in NAME/student-gradients.safetensors. */
static void step(const char *name, const char *storage, const char *recompute, lbk_st_file *gradients) {
    const char *sets[3] = {storage, recompute, NULL};
    char path[128];
    lbk_experiment experiment;
    lbk_run_options options = {.out = name, .dump = name, .max_steps = 1};
    lbk_run_result result;
    cr_assert_eq(lbk_experiment_load(&experiment, "resnet.ini", sets, recompute ? 2 : 1), LBK_OK);
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

Test(storage, x) {
    lbk_st_file exact, file;
    double worst;
    little_write("resnet.ini", resnet_text);
    step("exact", "student.storage=float32", NULL, &exact);
    static const char *const s[] = {"student.storage=float16", "student.storage=bfloat16"};
    static const char *const r[] = {NULL, "student.recompute=yes"};
    for (int i = 0; i < 4; i++) {
        char name[8] = {'a' + i, 0};
        step(name, s[i % 2], r[i / 2], &file);
        double all = distance(&exact, &file, &worst);
        fprintf(stderr, "%d all %g u, worst %g u\n", i, all * (i % 2 ? 256 : 2048), worst * (i % 2 ? 256 : 2048));
        lbk_st_close(&file);
    }
    lbk_st_close(&exact);
}
