/* A teacher that is trained by methods of its own. */
#include "train/helpers/little_run.h"

#include "base/file.h"

#include <math.h>

TestSuite(own_methods, .init = little_enter, .fini = little_leave, .timeout = 900);

static const char text[] = "[experiment]\nname = own\nseed = 5\ncontrol = no\n"
                           "[data]\ndataset = digits\nbatch = 128\naugment = crop\n[augment.crop]\npadding = 1\n"
                           "[teacher]\nmodel = mlp-wide\nepochs = 1\nmethods = gradient_penalty, cs_kd\n"
                           "[teacher/gradient_penalty]\nweight = 0.5\n[teacher/cs_kd]\nweight = 2\n"
                           "[teacher.b]\nmodel = mlp-tiny\nepochs = 1\nmethods = tf_kd\n[teacher.b/tf_kd]\nweight = 3\n"
                           "[student]\nmodel = mlp-tiny\nepochs = 1\n"
                           "[distill]\nmethods = kd, tf_kd\n";

#define STEPS 11

/* The labels' loss counts in full, each method by its own weight; the student has the same method with other keys. */
Test(own_methods, add_up_by_their_weights) {
    double total[STEPS], hard[STEPS], penalty[STEPS], classes[STEPS], second[STEPS];
    little_write("own.ini", text);
    little_must_run("own.ini", NULL, "own", 0);
    cr_assert_eq(little_metrics("own", "teacher", "total", total, STEPS), STEPS);
    cr_assert_eq(little_metrics("own", "teacher", "hard", hard, STEPS), STEPS);
    cr_assert_eq(little_metrics("own", "teacher", "gradient_penalty", penalty, STEPS), STEPS);
    cr_assert_eq(little_metrics("own", "teacher", "cs_kd", classes, STEPS), STEPS);
    for (int i = 0; i < STEPS; i++) {
        double want = hard[i] + 0.5 * penalty[i] + 2 * classes[i];
        cr_expect(fabs(total[i] - want) <= 1e-5 * want, "step %d: total %.9g, expected %.9g", i, total[i], want);
    }
    cr_expect_gt(penalty[0], 0);
    cr_assert_eq(little_metrics("own", "teacher.b", "total", total, STEPS), STEPS);
    cr_assert_eq(little_metrics("own", "teacher.b", "hard", hard, STEPS), STEPS);
    cr_assert_eq(little_metrics("own", "teacher.b", "tf_kd", second, STEPS), STEPS);
    cr_expect(fabs(total[3] - hard[3] - 3 * second[3]) <= 1e-5 * total[3]);
    cr_assert_eq(little_metrics("own", "student", "tf_kd", second, STEPS), STEPS);
}

/* It sees all labels, in its own view, also where a method draws further images: what the student may see does not move it. */
Test(own_methods, see_as_a_teacher_does) {
    static const char *const few[] = {"data.labels=0.2", "data.student_view=flip", NULL};
    static const char *const other[] = {"data.teacher_view=flip", NULL};
    little_write("own.ini", text);
    little_must_run("own.ini", NULL, "all", 3);
    little_must_run("own.ini", few, "few", 3);
    little_must_run("own.ini", other, "other", 3);
    cr_expect(little_same("all", "few", "teacher.safetensors"));
    cr_expect_not(little_same("all", "few", "student.safetensors"));
    cr_expect_not(little_same("all", "other", "teacher.safetensors"));
}

/* What was written out is the same experiment; what is kept of one teacher is not taken for another's. */
Test(own_methods, belong_to_the_experiment) {
    static const char *const kept[] = {"teacher.cache=logits", "teacher.cache_file=kept", NULL};
    static const char *const other[] = {"teacher.cache=logits", "teacher.cache_file=kept", "teacher/cs_kd.weight=3",
                                        NULL};
    lbk_run_result result;
    little_write("own.ini", text);
    little_must_run("own.ini", NULL, "first", 3);
    little_must_run("first/experiment.ini", NULL, "second", 3);
    cr_expect(little_same("first", "second", "teacher.safetensors"));
    cr_expect(little_same("first", "second", "experiment.ini"));
    little_must_run("own.ini", kept, "cached", 3);
    cr_expect_eq(little_run("own.ini", other, "stranger", 3, &result), LBK_ERR_INPUT);
    cr_expect_not_null(strstr(lbk_error_message(), "kept: made for \"weights = "), "%s", lbk_error_message());
}
