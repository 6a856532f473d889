#include "cli/progress.h"

#include "base/clock.h"
#include "report/report.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

/* The first signal asks for an orderly end; a second one ends at once. */
static void on_signal(int number) {
    if (stopped)
        _exit(128 + number);
    stopped = 1;
}

volatile sig_atomic_t *lbk_cli_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &stopped;
}

void lbk_cli_progress_end(lbk_cli_progress *p) {
    if (p->line_open)
        fputc('\n', p->stream);
    p->line_open = false;
}

static void show_note(void *context, const char *text) {
    lbk_cli_progress *p = context;
    if (p->quiet)
        return;
    lbk_cli_progress_end(p);
    fprintf(p->stream, "%s\n", text);
    fflush(p->stream);
}

static void show_begin(void *context, const char *phase, int64_t first_step, int64_t total) {
    lbk_cli_progress *p = context;
    p->first_step = first_step;
    p->begin_ns = p->shown_ns = lbk_clock_ns();
    if (p->quiet)
        return;
    if (first_step)
        fprintf(p->stream, "%s: training goes on at step %lld of %lld\n", phase, (long long)first_step,
                (long long)total);
    else
        fprintf(p->stream, "%s: training, %lld steps\n", phase, (long long)total);
    fflush(p->stream);
}

static void show_step(void *context, const lbk_step_report *r) {
    lbk_cli_progress *p = context;
    bool last = r->step + 1 == r->total_steps;
    if (p->quiet || (!last && lbk_clock_since(p->shown_ns) < (p->terminal ? 0.1 : 1.0)))
        return;
    if (!p->terminal && !last && (r->step + 1) % r->per_epoch != 0)
        return;
    p->shown_ns = lbk_clock_ns();
    double seconds = lbk_clock_since(p->begin_ns);
    double rate = (double)(r->step + 1 - p->first_step) / (seconds > 0 ? seconds : 1e-9);
    char left[24];
    fprintf(p->stream, "%s%s: epoch %lld/%lld, step %lld/%lld, loss %.4f, %.0f samples/s", p->terminal ? "\r" : "",
            r->phase, (long long)(r->step / r->per_epoch + 1),
            (long long)((r->total_steps + r->per_epoch - 1) / r->per_epoch), (long long)(r->step + 1),
            (long long)r->total_steps, r->total, rate * r->batch);
    if (!last)
        fprintf(p->stream, ", %s left", lbk_report_time((double)(r->total_steps - r->step - 1) / rate, left));
    fputs(p->terminal ? "\033[K" : "\n", p->stream);
    p->line_open = p->terminal;
    fflush(p->stream);
}

static void show_profile(const lbk_cli_progress *p, const char *label, const lbk_plan *plan) {
    lbk_text text = {0};
    if (lbk_report_profile(plan, &text) == LBK_OK && text.data)
        fprintf(p->stream, "%s, time on the device:\n%s", label, text.data);
    lbk_text_release(&text);
}

static void show_end(void *context, const lbk_network *network, const lbk_phase_result *result) {
    lbk_cli_progress *p = context;
    char wall[24];
    lbk_cli_progress_end(p);
    if (!p->quiet)
        fprintf(p->stream, "%s: trained in %s\n", network->label, lbk_report_time(result->wall_s, wall));
    if (p->profile)
        show_profile(p, network->label, network->train_plan);
    for (int t = 0; p->profile && t < network->teacher_count; t++)
        show_profile(p, network->teacher[t].network->label, network->teacher[t].network->eval_plan);
}

lbk_run_watch lbk_cli_watch(lbk_cli_progress *p) {
    p->terminal = isatty(fileno(p->stream));
    return (lbk_run_watch){p, show_note, show_begin, show_step, show_end};
}
