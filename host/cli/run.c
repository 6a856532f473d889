#include "base/clock.h"
#include "cli/cli.h"
#include "report/report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

/* The first signal asks for an orderly end; a second one ends at once. */
static void on_signal(int number) {
    if (stopped)
        _exit(128 + number);
    stopped = 1;
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Progress: one line that is rewritten on a terminal, one line an epoch (at most one a second) elsewhere. */
typedef struct progress {
    FILE *stream;
    bool terminal, quiet, line_open, profile;
    int64_t first_step;
    uint64_t begin_ns, shown_ns;
} progress;

static void close_line(progress *p) {
    if (p->line_open)
        fputc('\n', p->stream);
    p->line_open = false;
}

static void show_note(void *context, const char *text) {
    progress *p = context;
    if (p->quiet)
        return;
    close_line(p);
    fprintf(p->stream, "%s\n", text);
    fflush(p->stream);
}

static void show_begin(void *context, const char *phase, int64_t first_step, int64_t total) {
    progress *p = context;
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
    progress *p = context;
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

static void show_profile(const progress *p, const char *label, const lbk_plan *plan) {
    lbk_text text = {0};
    if (lbk_report_profile(plan, &text) == LBK_OK && text.data)
        fprintf(p->stream, "%s, time on the device:\n%s", label, text.data);
    lbk_text_release(&text);
}

static void show_end(void *context, const lbk_network *network, const lbk_phase_result *result) {
    progress *p = context;
    char wall[24];
    close_line(p);
    if (!p->quiet)
        fprintf(p->stream, "%s: trained in %s\n", network->label, lbk_report_time(result->wall_s, wall));
    if (p->profile)
        show_profile(p, network->label, network->train_plan);
    for (int t = 0; p->profile && t < network->teacher_count; t++)
        show_profile(p, network->teacher[t].network->label, network->teacher[t].network->eval_plan);
}

static lbk_status finish(const lbk_run_result *result, bool json, bool quiet) {
    lbk_text text = {0};
    LBK_TRY(lbk_report_write(result));
    if (json) {
        json_t *root = NULL;
        LBK_TRY(lbk_report_json(result, &root));
        json_dumpf(root, stdout, JSON_INDENT(2));
        json_decref(root);
        printf("\n");
        return LBK_OK;
    }
    if (quiet)
        return LBK_OK;
    LBK_TRY(lbk_report_table(result, &text));
    printf("\n");
    return lbk_cli_print(&text);
}

static lbk_status run_experiment(const char *path, const char *const *sets, size_t set_count, lbk_run_options *options,
                                 bool json, bool quiet) {
    lbk_experiment experiment;
    lbk_run_result result;
    lbk_status status = lbk_experiment_load(&experiment, path, sets, set_count);
    if (status == LBK_OK)
        status = lbk_run(&experiment, options, &result);
    if (status == LBK_OK)
        status = finish(&result, json, quiet);
    else if (status == LBK_ERR_INTERRUPTED)
        status = lbk_context(status, "%s: go on with --resume%s%s", result.folder, options->out ? " --out " : "",
                             options->out ? options->out : "");
    lbk_experiment_release(&experiment);
    return status;
}

static lbk_status run_command(lbk_args *args) {
    const char **sets = NULL;
    size_t set_count = 0;
    lbk_run_options options = {0};
    bool json = lbk_args_flag(args, "--json"), quiet = lbk_args_flag(args, "--quiet");
    bool profile = lbk_args_flag(args, "--profile");
    options.resume = lbk_args_flag(args, "--resume");
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_values(args, "--set", &sets, &set_count));
    LBK_GOTO(lbk_args_value(args, "--out", &options.out));
    LBK_GOTO(lbk_args_value(args, "--dump", &options.dump));
    LBK_GOTO(lbk_args_int(args, "--max-steps", 0, 1, INT64_MAX, &options.max_steps));
    LBK_GOTO(lbk_args_finish(args, 1, 1,
                             "limbeck run FILE [--set section.key=value]... [--out DIR] [--resume] "
                             "[--max-steps N] [--dump DIR] [--profile] [--json] [--quiet]"));
    progress p = {.stream = json ? stderr : stdout, .quiet = quiet, .profile = profile};
    p.terminal = isatty(fileno(p.stream));
    options.watch = (lbk_run_watch){&p, show_note, show_begin, show_step, show_end};
    options.stop = &stopped;
    catch_signals();
    status = run_experiment(args->items[0], sets, set_count, &options, json, quiet);
    close_line(&p);
out:
    free(sets);
    return status;
}

const lbk_command lbk_command_run = {
    .name = "run",
    .usage = "run FILE [--set section.key=value]... [--out DIR] [--resume] [--max-steps N] [--dump DIR] [--profile] "
             "[--json] [--quiet]",
    .summary = "run an experiment: train or load the teacher, distil the student, train the control, measure",
    .help = "\n  --set section.key=value  replace a value of the file\n"
            "  --out DIR        run folder (default: runs/<name>, numbered when it exists)\n"
            "  --resume         go on with an interrupted run\n"
            "  --max-steps N    end every training phase after N steps\n"
            "  --dump DIR       write initial weights, and the student's last gradients, to DIR\n"
            "  --profile        after each phase, where the devices' time went, by kernel\n"
            "  --json           print result.json instead of the table; progress goes to standard error\n"
            "  --quiet          no progress, no table\n",
    .run = run_command,
};
