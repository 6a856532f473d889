/* What must not move a single bit of a run: being run again, the schedule, how far the teacher runs ahead, the bridge, and
 * writing the experiment out in full. */
#include "train/helpers/little_run.h"

#include <unistd.h>

TestSuite(repeat, .init = little_enter, .fini = little_leave, .timeout = 900);

typedef struct variation {
    const char *name;
    const char *sets[5];
} variation;

static void expect_same(const variation *base, const variation *others, size_t count) {
    little_must_run("little.ini", base->sets, base->name, 0);
    for (size_t i = 0; i < count; i++) {
        little_must_run("little.ini", others[i].sets, others[i].name, 0);
        little_expect_same_run(base->name, others[i].name, others[i].name);
    }
}

Test(repeat, on_sub_devices) {
    static const variation base = {"concurrent", {0}};
    static const variation others[] = {
        {"again", {0}},
        {"serial", {"experiment.schedule=serial"}},
        {"slots 1", {"experiment.slots=1"}},
        {"slots 2", {"experiment.slots=2"}},
        {"slots 4", {"experiment.slots=4"}},
        {"direct", {"experiment.bridge=direct"}},
        {"recompute", {"teacher.recompute=yes", "student.recompute=yes"}},
        {"host", {"experiment.bridge=host"}},
        {"host, serial", {"experiment.bridge=host", "experiment.schedule=serial"}},
        {"by name", {"teacher.device=cpu/1 of 2", "student.device=cpu/2 of 2"}},
    };
    expect_same(&base, others, sizeof others / sizeof others[0]);
}

#define HALVES "teacher.storage=float16", "student.storage=bfloat16"

Test(repeat, from_activations_in_16_bits) {
    static const variation base = {"concurrent in halves", {HALVES}};
    static const variation others[] = {
        {"halves again", {HALVES}},
        {"halves serial", {HALVES, "experiment.schedule=serial"}},
        {"halves by the host", {HALVES, "experiment.bridge=host", "experiment.slots=4"}},
    };
    expect_same(&base, others, sizeof others / sizeof others[0]);
    little_must_run("little.ini", NULL, "whole", 0);
    cr_expect_not(little_same("whole", "halves again", "teacher.safetensors"), "nothing was rounded");
    cr_expect_not(little_same("whole", "halves again", "control.safetensors"), "nothing was rounded");
}

Test(repeat, on_one_whole_device) {
    static const variation base = {"concurrent", {"teacher.device=cpu", "student.device=cpu"}};
    static const variation others[] = {
        {"again", {"teacher.device=cpu", "student.device=cpu"}},
        {"serial", {"teacher.device=cpu", "student.device=cpu", "experiment.schedule=serial"}},
        {"host", {"teacher.device=cpu", "student.device=cpu", "experiment.bridge=host", "experiment.slots=4"}},
    };
    expect_same(&base, others, sizeof others / sizeof others[0]);
}

/* The comparisons above would also pass if nothing depended on anything. */
Test(repeat, another_seed_gives_another_run) {
    little_must_run("little.ini", NULL, "one", 2);
    little_must_run("little.ini", (const char *const[]){"experiment.seed=6", NULL}, "two", 2);
    cr_expect_not(little_same("one", "two", "student.safetensors"));
    cr_expect_not(little_same("one", "two", "teacher.safetensors"));
    cr_expect_not(little_same("one", "two", "metrics.jsonl"));
}

Test(repeat, resolved_experiment_runs_again) {
    static const char *const sets[] = {"student.momentum=0.8",
                                       "distill.kd.temperature=6 -> 2 cosine",
                                       "distill.kd.weight=0.8 warmup 1.5",
                                       "data.augment=crop",
                                       "augment.crop.padding=1",
                                       NULL};
    little_must_run("little.ini", sets, "first", 13);
    little_must_run("first/experiment.ini", NULL, "second", 13);
    little_expect_same_run("first", "second", "resolved");
    cr_expect(little_same("first", "second", "experiment.ini"));
}

/* Every phase stops at the limit; a larger one lets the first phase that has steps left go on, and the others begin again. */
Test(repeat, limits_of_steps_leave_no_trace) {
    static const int64_t limits[] = {15, 15, 0};
    little_must_run("little.ini", NULL, "whole", 0);
    little_must_run("little.ini", NULL, "fifteen", 15);
    little_must_run("little.ini", NULL, "stopped", 8);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(little_resume("little.ini", "stopped", limits[i]), LBK_OK, "%s", lbk_error_message());
        little_expect_same_run(limits[i] ? "fifteen" : "whole", "stopped", limits[i] ? "up to step 15" : "to the end");
    }
    cr_assert_eq(little_resume("little.ini", "stopped", 8), LBK_OK, "%s", lbk_error_message());
    little_expect_same_run("whole", "stopped", "finished");
    cr_expect_neq(access("stopped/checkpoint/student.safetensors", F_OK), 0);
}

Test(repeat, teacher_from_a_file) {
    little_must_run("little.ini", NULL, "trained", 0);
    static const char text[] = "[experiment]\nname = little\nseed = 5\n"
                               "[data]\ndataset = digits\nbatch = 128\nlabels = 0.3\n"
                               "[teacher]\nmodel = mlp-wide\nweights = trained/teacher.safetensors\n"
                               "[student]\nmodel = cnn-tiny\nepochs = 2\n"
                               "[distill]\nmethods = kd\n";
    little_write("loaded.ini", text);
    little_must_run("loaded.ini", NULL, "loaded", 0);
    cr_expect(little_same("trained", "loaded", "teacher.safetensors"));
    cr_expect(little_same("trained", "loaded", "student.safetensors"));
    cr_expect(little_same("trained", "loaded", "control.safetensors"));
}

/* A loss that is no number ends the run with an error, and no weights of that phase are left. */
Test(repeat, a_run_that_diverges_says_so) {
    static const char *const sets[] = {"student.lr=1000", "student.weight_decay=10", "student.momentum=0", NULL};
    lbk_run_result result;
    cr_expect_neq(little_run("little.ini", sets, "diverged", 0, &result), LBK_OK);
    cr_expect(strstr(lbk_error_message(), "student: step ") &&
                  strstr(lbk_error_message(), "the loss is not a finite number") &&
                  strstr(lbk_error_message(), "try a smaller learning rate"),
              "%s", lbk_error_message());
    cr_expect_eq(access("diverged/teacher.safetensors", F_OK), 0);
    cr_expect_neq(access("diverged/student.safetensors", F_OK), 0);
}
