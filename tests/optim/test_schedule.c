/* Schedules against figures worked out by hand. */
#include "optim/helpers/settings.h"
#include "optim/schedule.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static double factor(const char *name, const char *settings, double epoch, double epochs) {
    const lbk_schedule *schedule = lbk_schedule_find(name);
    cr_assert_not_null(schedule, "%s", name);
    lbk_arena arena = {0};
    void *params = NULL;
    cr_assert_eq(lbk_arena_alloc(&arena, schedule->params_size, &params), LBK_OK);
    cr_assert_eq(settings_parse(schedule->params, schedule->params_size, settings, &arena, params), LBK_OK, "%s",
                 lbk_error_message());
    double result = lbk_schedule_factor(schedule, params, &(lbk_progress){epoch, 0.25, epochs});
    lbk_arena_release(&arena);
    return result;
}

static void expect(const char *name, const char *settings, double epoch, double epochs, double want) {
    double have = factor(name, settings, epoch, epochs);
    cr_expect(fabs(have - want) < 1e-14, "%s %s at %g of %g: %.17g, expected %.17g", name, settings, epoch, epochs,
              have, want);
}

Test(schedule, constant) {
    expect("constant", "", 0, 10, 1);
    expect("constant", "", 9.75, 10, 1);
}

Test(schedule, step) {
    expect("step", "size=3", 0, 10, 1);
    expect("step", "size=3", 2.75, 10, 1);
    expect("step", "size=3", 3, 10, 0.1);
    expect("step", "size=3", 6, 10, 0.01);
    expect("step", "size=3 gamma=0.5", 9.5, 10, 0.125);
    expect("step", "size=1 gamma=1", 5, 10, 1);
    expect("step", "size=2 gamma=0", 1.75, 10, 1);
    expect("step", "size=2 gamma=0", 2, 10, 0);
}

Test(schedule, multistep) {
    expect("multistep", "milestones=150,180,210", 149.75, 240, 1);
    expect("multistep", "milestones=150,180,210", 150, 240, 0.1);
    expect("multistep", "milestones=150,180,210", 180, 240, 0.01);
    expect("multistep", "milestones=150,180,210 gamma=0.5", 239.75, 240, 0.125);
    expect("multistep", "milestones=210,150", 160, 240, 0.1); /* the order does not matter */
    expect("multistep", "milestones=5,5", 5, 240, 0.01);      /* twice: twice */
}

Test(schedule, cosine) {
    expect("cosine", "", 0, 10, 1);
    expect("cosine", "", 5, 10, 0.5);
    expect("cosine", "", 2.5, 10, 0.5 + sqrt(2) / 4);
    expect("cosine", "", 10, 10, 0);
    expect("cosine", "", 11, 10, 0);
    expect("cosine", "min_factor=0.2", 5, 10, 0.6);
    expect("cosine", "min_factor=0.2", 10, 10, 0.2);
}

/* A step is a quarter of an epoch here: four steps of warm-up have 1/4, 2/4, 3/4 and all of the rate. */
Test(schedule, warm_up_rises_to_the_full_rate_with_its_last_step) {
    expect("constant", "warmup=1", 0, 10, 0.25);
    expect("constant", "warmup=1", 0.5, 10, 0.75);
    expect("constant", "warmup=1", 0.75, 10, 1);
    expect("constant", "warmup=1", 1, 10, 1);
    expect("constant", "warmup=0", 0, 10, 1);
    expect("multistep", "milestones=2 warmup=4", 2, 10, 0.1 * 2.25 / 4);
    expect("step", "size=1 gamma=0.5 warmup=2.5", 1, 10, 0.5 * 1.25 / 2.5);
    /* The cosine runs over what the warm-up leaves. */
    expect("cosine", "warmup=2", 1, 10, 1.25 / 2);
    expect("cosine", "warmup=2", 2, 10, 1);
    expect("cosine", "warmup=2", 6, 10, 0.5);
    expect("cosine", "warmup=20", 5, 10, 5.25 / 20);
}

/* Whoever registers one: it starts a run at the full rate or below and never leaves [0, 1]. */
Test(schedule, all_stay_between_0_and_1) {
    for (const lbk_schedule *const *s = lbk_schedule_all(); *s; s++) {
        const char *settings = strcmp((*s)->name, "step") == 0        ? "size=3"
                               : strcmp((*s)->name, "multistep") == 0 ? "milestones=4,8"
                                                                      : "";
        cr_expect_eq(lbk_schedule_find((*s)->name), *s);
        cr_expect_str_eq((*s)->params[0].name, "warmup");
        cr_expect_eq((*s)->params[0].offset, 0);
        cr_expect(strlen((*s)->summary) > 0 && strlen((*s)->formula) > 0);
        for (double epoch = 0; epoch < 10; epoch += 0.25) {
            double f = factor((*s)->name, settings, epoch, 10);
            cr_expect(f >= 0 && f <= 1, "%s at %g: %g", (*s)->name, epoch, f);
        }
    }
    cr_expect_null(lbk_schedule_find("cosin"));
}
