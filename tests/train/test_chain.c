/* Who teaches whom: several teachers, assistants, generations. */
#include "train/helpers/little_run.h"

#include "base/file.h"

#include <math.h>

TestSuite(chain, .init = little_enter, .fini = little_leave, .timeout = 900);

static const char text[] = "[experiment]\nname = chain\nseed = 5\ncontrol = no\n"
                           "[data]\ndataset = digits\nbatch = 128\n"
                           "[teacher]\nmodel = mlp-wide\nepochs = 2\nshare = 0.25\n"
                           "[teacher.b]\nmodel = mlp-wide\nparameters = width=16\nepochs = 1\nshare = 0.75\n"
                           "[assistant.ta]\nmodel = mlp-wide\nparameters = width=8\nepochs = 1\n"
                           "[student]\nmodel = mlp-tiny\nepochs = 2\ngenerations = 2\n"
                           "[distill]\nmethods = kd\nhard_weight = 0.5\n[distill.kd]\nweight = 2\n";

#define STEPS 11 /* an epoch */

Test(chain, serial_and_concurrent_runs_are_the_same) {
    static const char *const files[] = {"teacher.safetensors",   "teacher.b.safetensors", "assistant.ta.safetensors",
                                        "student.1.safetensors", "student.safetensors",   "metrics.jsonl"};
    little_write("chain.ini", text);
    little_must_run("chain.ini", NULL, "concurrent", 0);
    little_must_run("chain.ini", (const char *const[]){"experiment.schedule=serial", NULL}, "serial", 0);
    little_must_run("chain.ini", (const char *const[]){"teacher.b.device=cpu", NULL}, "elsewhere", 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        cr_expect(little_same("concurrent", "serial", files[i]), "%s", files[i]);
        cr_expect(little_same("concurrent", "elsewhere", files[i]), "%s, second teacher elsewhere", files[i]);
    }
}

/* The assistant hears both teachers, each by its share; the student only whoever stands before it. */
Test(chain, shares_weigh_the_teachers) {
    double total[STEPS], hard[STEPS], first[STEPS], second[STEPS];
    little_write("chain.ini", text);
    little_must_run("chain.ini", NULL, "shares", 0);
    cr_assert_eq(little_metrics("shares", "assistant.ta", "total", total, STEPS), STEPS);
    cr_assert_eq(little_metrics("shares", "assistant.ta", "hard", hard, STEPS), STEPS);
    cr_assert_eq(little_metrics("shares", "assistant.ta", "kd", first, STEPS), STEPS);
    cr_assert_eq(little_metrics("shares", "assistant.ta", "kd.b", second, STEPS), STEPS);
    for (int i = 0; i < STEPS; i++) {
        double want = 0.5 * hard[i] + 2 * 0.25 * first[i] + 2 * 0.75 * second[i];
        cr_expect(fabs(total[i] - want) <= 1e-5 * want, "step %d: total %.9g, expected %.9g", i, total[i], want);
        cr_expect(first[i] != second[i]);
    }
    cr_expect_eq(little_metrics("shares", "student.1", "kd", first, STEPS), STEPS);
}

/* Generations start differently and have different teachers; the last one starts as a student without generations. */
Test(chain, generations_are_networks_of_their_own) {
    little_write("chain.ini", text);
    little_must_run("chain.ini", NULL, "two", 0);
    cr_expect(lbk_path_exists("two/student.1.safetensors"));
    little_must_run("chain.ini", (const char *const[]){"student.generations=1", "student.lr=0", NULL}, "one", 1);
    little_must_run("chain.ini", (const char *const[]){"student.lr=0", NULL}, "still", 1);
    cr_expect(little_same("one", "still", "student.safetensors"), "the last generation starts as a student alone does");
    cr_expect_not(lbk_path_exists("one/student.1.safetensors"));
}

/* exp(-s): at s = 0 the shares alone count; then s moves. */
Test(chain, learned_weights_begin_at_the_shares) {
    double learned[STEPS], fixed[STEPS];
    static const char *const sets[] = {"distill.teacher_weights=learned", NULL};
    little_write("chain.ini", text);
    little_must_run("chain.ini", sets, "learned", 0);
    little_must_run("chain.ini", NULL, "fixed", 0);
    cr_assert_eq(little_metrics("learned", "assistant.ta", "total", learned, STEPS), STEPS);
    cr_assert_eq(little_metrics("fixed", "assistant.ta", "total", fixed, STEPS), STEPS);
    cr_expect(fabs(learned[0] - fixed[0]) <= 1e-5 * fixed[0], "%.9g and %.9g", learned[0], fixed[0]);
    cr_expect(fabs(learned[STEPS - 1] - fixed[STEPS - 1]) > 1e-4);
}

static const char two_heads[] =
    "[model]\nsummary = two heads on one trunk\noutputs = fc other\n[parameters]\nclasses = data\n"
    "[network]\nflatten = flatten\nfc1 = dense out=16\nrelu1 = relu\n"
    "fc = dense out=classes from=relu1\nother = dense out=10 from=relu1\n";
static const char multi_task[] = "[experiment]\nname = tasks\nseed = 5\n[data]\ndataset = digits\nbatch = 128\n"
                                 "[teacher]\nmodel = mlp-wide\nepochs = 1\n"
                                 "[teacher.b]\nmodel = mlp-wide\nparameters = width=16\nepochs = 1\nhead = other\n"
                                 "[student]\nmodel = two.ini\nepochs = 1\n"
                                 "[distill]\nmethods = kd\nhard_weight = 0\n";

/* Each teacher teaches its own output; labels are about the first; the control leaves the other as it began. */
Test(chain, heads_have_teachers_of_their_own) {
    double first[STEPS], second[STEPS], total[STEPS];
    lbk_run_result result;
    little_write("two.ini", two_heads);
    little_write("tasks.ini", multi_task);
    little_must_run("tasks.ini", NULL, "tasks", 0);
    cr_assert_eq(little_metrics("tasks", "student", "kd", first, STEPS), STEPS);
    cr_assert_eq(little_metrics("tasks", "student", "kd.b", second, STEPS), STEPS);
    cr_assert_eq(little_metrics("tasks", "student", "total", total, STEPS), STEPS);
    cr_expect_lt(second[STEPS - 1], second[0]);
    cr_expect(fabs(total[3] - 0.9 * (first[3] + second[3])) <= 1e-5 * total[3]);
    static const char *const nowhere[] = {"teacher.b.head=otter", NULL};
    cr_expect_eq(little_run("tasks.ini", nowhere, "x", 0, &result), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(),
                     "tasks.ini: [distill.kd]: head: the student has no output \"otter\"; did you mean \"other\"?");
    static const char *const classes[] = {"teacher.b.classes=3", NULL};
    cr_expect_eq(little_run("tasks.ini", classes, "x", 0, &result), LBK_ERR_INPUT);
    cr_expect_not_null(strstr(lbk_error_message(), "expected head and weights beside it"), "%s", lbk_error_message());
}
