#include "cli/cli.h"
#include "cli/progress.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>

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
    lbk_cli_progress p = {.stream = json ? stderr : stdout, .quiet = quiet, .profile = profile};
    options.watch = lbk_cli_watch(&p);
    options.stop = lbk_cli_catch_signals();
    status = run_experiment(args->items[0], sets, set_count, &options, json, quiet);
    lbk_cli_progress_end(&p);
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
