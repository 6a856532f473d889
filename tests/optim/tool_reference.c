/* Runs an optimiser's float64 reference, or a schedule, and prints what it gives, for tests/optim/check_torch.py.
 *
 *     tool_reference optimizer NAME "key=value ..." LR STEPS COUNT   ->  COUNT weights a line, one line a step
 *     tool_reference schedule NAME "key=value ..." EPOCHS            ->  one factor a line, one line an epoch
 *
 * Weights start at cos(i); the gradient of step t (1, 2, ...) is sin(i + 1.7 t) + w / 2. */
#include "optim/helpers/settings.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 100 };

static lbk_status run_optimizer(const char *name, const char *settings, double lr, int steps, size_t count) {
    static double weights[MOST], grads[MOST], states[LBK_OPTIMIZER_STATES][MOST];
    const lbk_optimizer *optimizer = lbk_optimizer_find(name);
    lbk_arena arena = {0};
    void *params = NULL;
    if (!optimizer || count > MOST)
        return lbk_fail(LBK_ERR_INPUT, "no optimizer is called '%s', or too many weights", name);
    LBK_TRY(lbk_arena_alloc(&arena, optimizer->params_size, &params));
    LBK_TRY(settings_parse(optimizer->params, optimizer->params_size, settings, &arena, params));
    lbk_optimizer_step step = {.params = params, .count = count, .weights = weights, .grads = grads, .lr = lr};
    for (int s = 0; s < LBK_OPTIMIZER_STATES; s++)
        step.state[s] = states[s];
    for (size_t i = 0; i < count; i++)
        weights[i] = cos((double)i);
    for (step.step = 1; step.step <= steps; step.step++) {
        for (size_t i = 0; i < count; i++)
            grads[i] = sin((double)i + 1.7 * step.step) + weights[i] / 2;
        optimizer->reference(&step);
        for (size_t i = 0; i < count; i++)
            printf("%.17g%c", weights[i], i + 1 < count ? ' ' : '\n');
    }
    lbk_arena_release(&arena);
    return LBK_OK;
}

static lbk_status run_schedule(const char *name, const char *settings, int epochs) {
    const lbk_schedule *schedule = lbk_schedule_find(name);
    lbk_arena arena = {0};
    void *params = NULL;
    if (!schedule)
        return lbk_fail(LBK_ERR_INPUT, "no schedule is called '%s'", name);
    LBK_TRY(lbk_arena_alloc(&arena, schedule->params_size, &params));
    LBK_TRY(settings_parse(schedule->params, schedule->params_size, settings, &arena, params));
    for (int epoch = 0; epoch < epochs; epoch++)
        printf("%.17g\n", lbk_schedule_factor(schedule, params, &(lbk_progress){epoch, 1, epochs}));
    lbk_arena_release(&arena);
    return LBK_OK;
}

int main(int argc, char **argv) {
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "usage: see the head of tests/optim/tool_reference.c");
    if (argc == 7 && strcmp(argv[1], "optimizer") == 0)
        status = run_optimizer(argv[2], argv[3], atof(argv[4]), atoi(argv[5]), (size_t)atoi(argv[6]));
    else if (argc == 5 && strcmp(argv[1], "schedule") == 0)
        status = run_schedule(argv[2], argv[3], atoi(argv[4]));
    if (status != LBK_OK)
        fprintf(stderr, "%s\n", lbk_error_message());
    return lbk_status_exit_code(status);
}
