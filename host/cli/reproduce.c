#include "report/reproduce.h"
#include "cli/cli.h"
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>

#define USAGE                                                                                                          \
    "reproduce TABLE [--seeds N] [--only ROWS] [--columns COLUMNS] [--set section.key=value]... [--out DIR] [--json] " \
    "[--quiet]"

static lbk_status print_result(const lbk_reproduction *result, bool json, bool quiet) {
    lbk_text text = {0};
    if (json) {
        json_t *root = NULL;
        LBK_TRY(lbk_reproduction_json(result, &root));
        json_dumpf(root, stdout, JSON_INDENT(2));
        json_decref(root);
        printf("\n");
        return LBK_OK;
    }
    LBK_TRY(lbk_reproduction_markdown(result, &text));
    printf(quiet ? "" : "\n");
    return lbk_cli_print(&text);
}

/* The table is printed and written whatever failed; the exit status says whether something did. */
static lbk_status finish(const lbk_reproduction *result, bool json, bool quiet) {
    LBK_TRY(lbk_reproduction_write(result));
    LBK_TRY(print_result(result, json, quiet));
    if (!result->failures)
        return LBK_OK;
    return lbk_fail(result->first_failure, "%d of %d runs failed; %s/table.md says why", result->failures,
                    result->failures + result->runs, result->folder);
}

static lbk_status reproduce(const char *name, const lbk_reproduce_options *options, bool json, bool quiet) {
    lbk_table table;
    lbk_reproduction result = {0};
    lbk_status status = lbk_table_load(&table, name);
    if (status == LBK_OK)
        status = lbk_reproduce(&table, options, &result);
    if (status == LBK_OK)
        status = finish(&result, json, quiet);
    else if (status == LBK_ERR_INTERRUPTED)
        status = lbk_context(status, "the same command goes on");
    lbk_reproduction_release(&result);
    lbk_table_release(&table);
    return status;
}

static lbk_status reproduce_command(lbk_args *args) {
    const char **sets = NULL;
    int64_t seeds;
    lbk_reproduce_options options = {0};
    bool json = lbk_args_flag(args, "--json"), quiet = lbk_args_flag(args, "--quiet");
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_values(args, "--set", &sets, &options.set_count));
    LBK_GOTO(lbk_args_value(args, "--out", &options.out));
    LBK_GOTO(lbk_args_value(args, "--only", &options.rows));
    LBK_GOTO(lbk_args_value(args, "--columns", &options.columns));
    LBK_GOTO(lbk_args_int(args, "--seeds", 0, 1, 1000, &seeds));
    LBK_GOTO(lbk_args_finish(args, 1, 1, "limbeck " USAGE));
    lbk_cli_progress p = {.stream = json ? stderr : stdout, .quiet = quiet};
    options.sets = sets;
    options.seeds = (int)seeds;
    options.watch = lbk_cli_watch(&p);
    options.stop = lbk_cli_catch_signals();
    status = reproduce(args->items[0], &options, json, quiet);
    lbk_cli_progress_end(&p);
out:
    free(sets);
    return status;
}

const lbk_command lbk_command_reproduce = {
    .name = "reproduce",
    .usage = USAGE,
    .summary = "run a table of experiments (rows x columns x seeds), print means, spreads and published values",
    .help = "\n  TABLE            a shipped table (`limbeck list tables`) or the path of an INI file (docs/tables.md)\n"
            "  --seeds N        seeds 1 to N in place of the table's\n"
            "  --only ROWS      these rows alone, as in kd,at; teacher and control are always there\n"
            "  --columns NAMES  these columns alone\n"
            "  --set section.key=value  for every run; wins over the table\n"
            "  --out DIR        folder of the runs, table.md and table.json (default: runs/tables/<table>)\n"
            "  --json           print table.json in place of table.md; progress goes to standard error\n"
            "  --quiet          no progress\n"
            "\nThe same command goes on with what is not finished.\n",
    .run = reproduce_command,
};
