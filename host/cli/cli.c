#include "cli/cli.h"

#include "base/log.h"
#include "base/param.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lbk_status lbk_cli_print(lbk_text *text) {
    bool failed = text->data && fputs(text->data, stdout) == EOF;
    lbk_text_release(text);
    if (failed || fflush(stdout) != 0)
        return lbk_fail(LBK_ERR_IO, "cannot write to standard output");
    return LBK_OK;
}

static lbk_status run_version(lbk_args *args) {
    LBK_TRY(lbk_args_finish(args, 0, 0, "limbeck version"));
    printf("limbeck %s\n", LIMBECK_VERSION);
    return LBK_OK;
}

const lbk_command lbk_command_version = {
    .name = "version", .usage = "version", .summary = "print the version", .help = "", .run = run_version};

static const lbk_command *find_command(const char *name) {
    for (const lbk_command *c = lbk_cli_commands(); c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static lbk_status unknown_command(const char *name) {
    const char *names[32];
    size_t count = 0;
    for (const lbk_command *c = lbk_cli_commands(); c->name; c++)
        names[count++] = c->name;
    const char *near = lbk_nearest(name, names, count);
    return lbk_fail(LBK_ERR_INPUT, "there is no command '%s'%s%s%s; see `limbeck help`", name,
                    near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static lbk_status run_help(lbk_args *args) {
    LBK_TRY(lbk_args_finish(args, 0, 1, "limbeck help [COMMAND]"));
    if (args->count == 1) {
        const lbk_command *c = find_command(args->items[0]);
        if (!c)
            return unknown_command(args->items[0]);
        printf("limbeck %s\n\n%s\n%s", c->usage, c->summary, c->help);
        return LBK_OK;
    }
    printf("limbeck %s: knowledge distillation on heterogeneous hardware with OpenCL\n\n", LIMBECK_VERSION);
    for (const lbk_command *c = lbk_cli_commands(); c->name; c++)
        printf("  limbeck %-10s %s\n", c->name, c->summary);
    printf(
        "\n`limbeck help COMMAND` says more. Exit status: 0 done, 2 bad input, 3 file error, 4 device error, 5 out of "
        "memory,\n6 not supported, 70 internal error, 130 interrupted.\n");
    return LBK_OK;
}

const lbk_command lbk_command_help = {
    .name = "help", .usage = "help [COMMAND]", .summary = "say what the commands do", .help = "", .run = run_help};

const lbk_command *lbk_cli_commands(void) {
    static lbk_command all[14];
    if (!all[0].name) {
        const lbk_command *const list[] = {
            &lbk_command_run,  &lbk_command_reproduce, &lbk_command_check, &lbk_command_eval, &lbk_command_devices,
            &lbk_command_list, &lbk_command_describe,  &lbk_command_bench, &lbk_command_tune, &lbk_command_kernels,
            &lbk_command_docs, &lbk_command_version,   &lbk_command_help};
        for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
            all[i] = *list[i];
    }
    return all;
}

static void log_to_stderr(void *context, lbk_log_level level, const char *line) {
    (void)context;
    fprintf(stderr, "limbeck: %s%s\n", level == LBK_LOG_WARN ? "warning: " : "", line);
}

static int fail(lbk_status status) {
    fflush(stdout);
    fprintf(stderr, "limbeck: %s: %s\n", lbk_status_name(status), lbk_error_message());
    return lbk_status_exit_code(status);
}

int lbk_cli_main(int argc, char **argv) {
    const char *debug = getenv("LIMBECK_DEBUG");
    lbk_log_set(log_to_stderr, NULL, debug && *debug ? LBK_LOG_DEBUG : LBK_LOG_WARN);
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    const lbk_command *command = find_command(name);
    if (!command)
        return fail(unknown_command(name));
    lbk_args args = {argc > 2 ? argc - 2 : 0, argv + 2};
    if (argc > 2 && lbk_args_flag(&args, "--help")) {
        args.items[0] = (char *)(uintptr_t)command->name;
        args.count = 1;
        command = &lbk_command_help;
    }
    lbk_status status = command->run(&args);
    return status == LBK_OK ? 0 : fail(status);
}
