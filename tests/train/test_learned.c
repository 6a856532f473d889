/* Weights and temperatures that are learned on held-out samples. */
#include "train/helpers/little_run.h"

#include "base/file.h"

#include <math.h>

TestSuite(learned, .init = little_enter, .fini = little_leave, .timeout = 900);

/* [teacher.bad] says what its initial weights say. */
static const char text[] = "[experiment]\nname = learned\nseed = 5\ncontrol = no\n"
                           "[data]\ndataset = digits\nbatch = 64\nlabels = 0.2\nvalidation = 0.1\n"
                           "[teacher]\nmodel = mlp-wide\nepochs = 6\n"
                           "[teacher.bad]\nmodel = mlp-wide\nepochs = 1\nlr = 0\n"
                           "[student]\nmodel = resnet8\nparameters = width=4\nepochs = 3\n"
                           "[distill]\nmethods = kd\nhard_weight = 0.5\nmeta = both\nmeta_every = 2\nmeta_lr = 10\n";

#define STEPS 60

Test(learned, weights_tell_a_good_teacher_from_a_bad_one) {
    double good[STEPS], bad[STEPS], hard[STEPS], temperature[STEPS], total[STEPS], losses[3][STEPS];
    little_write("learned.ini", text);
    little_must_run("learned.ini", NULL, "run", 0);
    size_t steps = little_metrics("run", "student", "kd.weight", good, STEPS);
    little_metrics("run", "student", "kd.bad.weight", bad, STEPS);
    little_metrics("run", "student", "hard.weight", hard, STEPS);
    little_metrics("run", "student", "kd.temperature", temperature, STEPS);
    little_metrics("run", "student", "total", total, STEPS);
    little_metrics("run", "student", "kd", losses[0], STEPS);
    little_metrics("run", "student", "kd.bad", losses[1], STEPS);
    little_metrics("run", "student", "hard", losses[2], STEPS);
    cr_assert_gt(steps, 40);
    double last = bad[steps - 1];
    cr_expect(last < 0.3 * 0.9, "the bad teacher's weight went from 0.9 to %g", last);
    cr_expect(good[steps - 1] > 0.9, "the good teacher's weight went from 0.9 to %g", good[steps - 1]);
    cr_expect(fabs(temperature[steps - 1] - 4) > 1e-3);
    for (size_t i = 0; i < steps; i++) {
        double sum = good[i] / 0.9 + bad[i] / 0.9 + hard[i] / 0.5;
        double want = good[i] * losses[0][i] + bad[i] * losses[1][i] + hard[i] * losses[2][i];
        cr_expect(fabs(sum - 3) < 1e-4, "step %zu: the factors add up to %.9g", i, sum);
        cr_expect(fabs(total[i] - want) <= 1e-5 * want, "step %zu: total %.9g, expected %.9g", i, total[i], want);
        cr_expect(i % 2 == 0 || (bad[i] == bad[i - 1] && temperature[i] == temperature[i - 1]));
    }
    cr_expect(good[0] != 0.9, "the first step looks ahead");
}

Test(learned, serial_and_concurrent_runs_are_the_same) {
    static const char *const files[] = {"student.safetensors", "metrics.jsonl"};
    little_write("learned.ini", text);
    little_must_run("learned.ini", NULL, "concurrent", 25);
    little_must_run("learned.ini", (const char *const[]){"experiment.schedule=serial", NULL}, "serial", 25);
    little_must_run("concurrent/experiment.ini", NULL, "again", 25);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        cr_expect(little_same("concurrent", "serial", files[i]), "%s", files[i]);
        cr_expect(little_same("concurrent", "again", files[i]), "%s", files[i]);
    }
}

/* Looking ahead is not learning: with meta_lr = 0 it moves no bit of the student, running statistics and memory banks among it. */
Test(learned, looking_moves_nothing) {
    static const char *const often[] = {"distill.meta_lr=0", "distill.methods=kd, crd", "distill.crd.negatives=32",
                                        "distill.meta_every=1", NULL};
    static const char *const seldom[] = {"distill.meta_lr=0", "distill.methods=kd, crd", "distill.crd.negatives=32",
                                         "distill.meta_every=1000", NULL};
    little_write("learned.ini", text);
    little_must_run("learned.ini", often, "often", 12);
    little_must_run("learned.ini", seldom, "seldom", 12);
    cr_expect(little_same("often", "seldom", "student.safetensors"));
    cr_expect(little_same("often", "seldom", "metrics.jsonl"));
}
