/* Weights and temperatures of the experiment reach the kernels. With a learning rate of 0 and one batch that holds the whole
 * training part the student stands still, so that a step's losses depend on nothing but these numbers. */
#include "train/helpers/little_run.h"

#include <math.h>

TestSuite(on_device, .init = little_enter, .fini = little_leave, .timeout = 900);

#define STEPS 4

static const char text[] = "[experiment]\nname = still\nseed = 3\ncontrol = no\n"
                           "[data]\ndataset = digits\nbatch = 1437\nlabels = 0.5\nshuffle = no\n"
                           "[teacher]\nmodel = mlp-wide\nparameters = width=16\nepochs = 2\n"
                           "[student]\nmodel = mlp-tiny\nlr = 0\nepochs = 4\nschedule = constant\n"
                           "[distill]\nmethods = kd\n";

static void losses(const char *out, const char *const *sets, const char *key, double *numbers) {
    little_write("still.ini", text);
    little_must_run("still.ini", sets, out, 0);
    cr_assert_eq(little_metrics(out, "student", key, numbers, STEPS), STEPS);
}

Test(on_device, temperature_schedule) {
    double ramp[STEPS], still[STEPS];
    losses("ramp", (const char *const[]){"distill.kd.temperature=10 -> 1", NULL}, "kd", ramp);
    for (int i = 0; i < STEPS; i++) {
        char set[64], out[16];
        snprintf(set, sizeof set, "distill.kd.temperature=%d", 10 - 3 * i);
        snprintf(out, sizeof out, "at%d", i);
        losses(out, (const char *const[]){set, NULL}, "kd", still);
        for (int k = 0; k < STEPS; k++)
            cr_expect_eq(still[k], still[0], "a student that stands still has other losses");
        cr_expect_eq(ramp[i], still[0], "step %d: %.9g on the ramp, %.9g at temperature %d", i, ramp[i], still[0],
                     10 - 3 * i);
        cr_expect(i == 0 || ramp[i] != ramp[0], "the temperature has no effect");
    }
}

Test(on_device, weights_enter_the_total) {
    static const double weights[][2] = {{0.1, 0.9}, {0, 0.9}, {1, 0}, {0.5, 3}};
    for (int i = 0; i < 4; i++) {
        char hard_set[64], weight_set[64], out[16];
        double total[STEPS], hard[STEPS], kd[STEPS];
        snprintf(hard_set, sizeof hard_set, "distill.hard_weight=%g", weights[i][0]);
        snprintf(weight_set, sizeof weight_set, "distill.kd.weight=%g", weights[i][1]);
        snprintf(out, sizeof out, "weights%d", i);
        losses(out, (const char *const[]){hard_set, weight_set, NULL}, "total", total);
        cr_assert_eq(little_metrics(out, "student", "hard", hard, STEPS), STEPS);
        cr_assert_eq(little_metrics(out, "student", "kd", kd, STEPS), STEPS);
        cr_expect(hard[0] > 0.5 && kd[0] > 0.01, "hard %g, kd %g", hard[0], kd[0]);
        double want = weights[i][0] * hard[0] + weights[i][1] * kd[0];
        cr_expect(fabs(total[0] - want) <= 1e-6 * want, "total %.9g, expected %.9g", total[0], want);
    }
}

/* One step an epoch: a third, two thirds, then all of the weight; the other one falls along half a cosine. */
Test(on_device, weight_schedules) {
    static const double kd_weight[STEPS] = {0.3, 0.6, 0.9, 0.9}, hard_weight[STEPS] = {2, 1.5, 0.5, 0};
    static const char *const sets[] = {"distill.kd.weight=0.9 warmup 3", "distill.hard_weight=2 -> 0 cosine", NULL};
    double total[STEPS], hard[STEPS], kd[STEPS];
    losses("weights", sets, "total", total);
    cr_assert_eq(little_metrics("weights", "student", "hard", hard, STEPS), STEPS);
    cr_assert_eq(little_metrics("weights", "student", "kd", kd, STEPS), STEPS);
    for (int i = 0; i < STEPS; i++) {
        double want = hard_weight[i] * hard[i] + kd_weight[i] * kd[i];
        cr_expect(fabs(total[i] - want) <= 1e-6 * want, "step %d: total %.9g, expected %.9g", i, total[i], want);
    }
}

/* The weights move the student, not only the report. */
Test(on_device, weights_move_the_student) {
    static const char *const a[] = {"student.lr=0.1", "distill.hard_weight=0", NULL};
    static const char *const b[] = {"student.lr=0.1", "distill.hard_weight=1", NULL};
    static const char *const c[] = {"student.lr=0.1", "distill.hard_weight=0", "distill.kd.weight=0.5", NULL};
    little_write("still.ini", text);
    little_must_run("still.ini", a, "a", 2);
    little_must_run("still.ini", b, "b", 2);
    little_must_run("still.ini", c, "c", 2);
    cr_expect_not(little_same("a", "b", "student.safetensors"));
    cr_expect_not(little_same("a", "c", "student.safetensors"));
}

/* Without a single label the student learns from the teacher alone; the teacher has all labels all the same. */
Test(on_device, hidden_labels_stay_hidden) {
    double hard[STEPS], kd[STEPS], teacher[STEPS];
    losses("unlabelled", (const char *const[]){"data.labels=0", NULL}, "hard", hard);
    cr_assert_eq(little_metrics("unlabelled", "student", "kd", kd, STEPS), STEPS);
    cr_assert_eq(little_metrics("unlabelled", "teacher", "hard", teacher, STEPS), 2);
    for (int i = 0; i < STEPS; i++)
        cr_expect(hard[i] == 0 && kd[i] > 0.01, "step %d: hard %g, kd %g", i, hard[i], kd[i]);
    cr_expect_gt(teacher[0], 1);
}
