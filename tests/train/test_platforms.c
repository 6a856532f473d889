/* Teacher and student on different platforms in one process: PoCL beside rusticl on llvmpipe. */
#include "train/helpers/little_run.h"

#include <math.h>

static void enter(void) {
    setenv("RUSTICL_ENABLE", "llvmpipe", 1);
    little_enter();
}

TestSuite(platforms, .init = enter, .fini = little_leave, .timeout = 900);

#define STEPS 5

static const char text[] = "[experiment]\nname = platforms\nseed = 2\ncontrol = no\n"
                           "[data]\ndataset = digits\nbatch = 128\n"
                           "[teacher]\nmodel = mlp-wide\nparameters = width=32\nepochs = 1\ndevice = cpu\n"
                           "[student]\nmodel = mlp-tiny\nepochs = 1\ndevice = cpu\n"
                           "[distill]\nmethods = kd\n";

/* Skips where there is no llvmpipe, except in CI, whose set-up installs it. */
static void need_llvmpipe(void) {
    lbk_device_list list;
    lbk_device_spec spec;
    cr_assert_eq(lbk_device_list_init(&list), LBK_OK, "%s", lbk_error_message());
    bool there = lbk_device_spec_parse(&list, "llvmpipe", &spec) == LBK_OK;
    lbk_device_list_release(&list);
    if (there)
        return;
    const char *ci = getenv("CI");
    cr_assert_not(ci && strcmp(ci, "true") == 0, "CI has no rusticl platform on llvmpipe (mesa-opencl-icd)");
    fprintf(stderr, "skipped: no rusticl platform on llvmpipe (mesa-opencl-icd)\n");
    cr_skip_test("no rusticl platform on llvmpipe (mesa-opencl-icd)");
}

static void expect_near(const char *a, const char *b, const char *phase, const char *key, double tolerance) {
    double x[STEPS + 1], y[STEPS + 1];
    cr_assert_eq(little_metrics(a, phase, key, x, STEPS + 1), STEPS);
    cr_assert_eq(little_metrics(b, phase, key, y, STEPS + 1), STEPS);
    for (int i = 0; i < STEPS; i++)
        cr_expect(fabs(x[i] - y[i]) <= tolerance * fabs(x[i]), "%s, %s of step %d: %.9g and %.9g", phase, key, i, x[i],
                  y[i]);
}

Test(platforms, teacher_on_pocl_student_on_rusticl) {
    static const char *const apart[] = {"student.device=llvmpipe", NULL};
    static const char *const serial[] = {"student.device=llvmpipe", "experiment.schedule=serial", NULL};
    need_llvmpipe();
    little_write("platforms.ini", text);
    lbk_run_result result;
    cr_assert_eq(little_run("platforms.ini", apart, "apart", STEPS, &result), LBK_OK, "%s", lbk_error_message());
    cr_expect_str_eq(result.distillation.bridge, "host");
    cr_expect(strstr(result.student.device, "llvmpipe"), "%s", result.student.device);
    cr_expect_not(strstr(result.teacher.device, "llvmpipe"), "%s", result.teacher.device);
    little_must_run("platforms.ini", NULL, "together", STEPS);
    static const char *const keys[] = {"total", "hard", "kd"};
    for (int i = 0; i < 3; i++)
        expect_near("together", "apart", "student", keys[i], 1e-4);
    cr_expect(little_same("together", "apart", "teacher.safetensors"));
    little_must_run("platforms.ini", serial, "serial", STEPS);
    cr_expect(little_same("apart", "serial", "student.safetensors"));
    cr_expect(little_same("apart", "serial", "metrics.jsonl"));
}

Test(platforms, direct_bridge_between_platforms_is_refused) {
    static const char *const sets[] = {"student.device=llvmpipe", "experiment.bridge=direct", NULL};
    need_llvmpipe();
    little_write("platforms.ini", text);
    lbk_run_result result;
    cr_expect_eq(little_run("platforms.ini", sets, "direct", STEPS, &result), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "share no context; use auto or host"), "%s", lbk_error_message());
}
