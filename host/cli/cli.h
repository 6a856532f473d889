/* The program's subcommands: one file each, one line each in cli.c. Only this folder prints and decides exit statuses. */
#ifndef LBK_CLI_CLI_H
#define LBK_CLI_CLI_H

#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>

/* Runs the program; returns its exit status. */
int lbk_cli_main(int argc, char **argv);

/* Arguments of a subcommand, taken apart. */
typedef struct lbk_args {
    int count;
    char **items; /* what is left: words that are no options, in order */
} lbk_args;

typedef struct lbk_command {
    const char *name, *usage, *summary, *help;
    lbk_status (*run)(lbk_args *args);
} lbk_command;

const lbk_command *lbk_cli_commands(void); /* ends with name NULL */

/* Takes "--name" out of the arguments; true when it was there. */
bool lbk_args_flag(lbk_args *args, const char *name);
/* Takes "--name VALUE" or "--name=VALUE" out; *value is NULL when absent. */
lbk_status lbk_args_value(lbk_args *args, const char *name, const char **value);
lbk_status lbk_args_int(lbk_args *args, const char *name, int64_t fallback, int64_t min, int64_t max, int64_t *value);
/* Takes every "--name VALUE"; *values is a NULL-terminated array to free(). */
lbk_status lbk_args_values(lbk_args *args, const char *name, const char ***values, size_t *count);
/* Refuses options that are left and word counts outside [min, max]. */
lbk_status lbk_args_finish(const lbk_args *args, int min, int max, const char *usage);

/* Prints text to standard output and releases it. */
lbk_status lbk_cli_print(lbk_text *text);

extern const lbk_command lbk_command_run, lbk_command_check, lbk_command_eval, lbk_command_devices, lbk_command_list,
    lbk_command_describe, lbk_command_bench, lbk_command_tune, lbk_command_kernels, lbk_command_docs,
    lbk_command_version, lbk_command_help, lbk_command_reproduce;

#endif
