#include "cli/cli.h"

#include "base/param.h"

#include <stdlib.h>
#include <string.h>

static void take(lbk_args *args, int at, int count) {
    memmove(&args->items[at], &args->items[at + count], (size_t)(args->count - at - count) * sizeof *args->items);
    args->count -= count;
}

bool lbk_args_flag(lbk_args *args, const char *name) {
    bool found = false;
    for (int i = 0; i < args->count;) {
        if (strcmp(args->items[i], name) == 0) {
            take(args, i, 1);
            found = true;
        } else {
            i++;
        }
    }
    return found;
}

/* Takes the first --name out; *value NULL when there is none. */
static lbk_status take_first(lbk_args *args, const char *name, const char **value) {
    size_t length = strlen(name);
    *value = NULL;
    for (int i = 0; i < args->count; i++) {
        if (strncmp(args->items[i], name, length) != 0)
            continue;
        if (args->items[i][length] == '=') {
            *value = args->items[i] + length + 1;
            take(args, i, 1);
            return LBK_OK;
        }
        if (args->items[i][length] != '\0')
            continue;
        if (i + 1 >= args->count)
            return lbk_fail(LBK_ERR_INPUT, "%s needs a value", name);
        *value = args->items[i + 1];
        take(args, i, 2);
        return LBK_OK;
    }
    return LBK_OK;
}

lbk_status lbk_args_value(lbk_args *args, const char *name, const char **value) {
    const char *again;
    LBK_TRY(take_first(args, name, value));
    LBK_TRY(take_first(args, name, &again));
    return again ? lbk_fail(LBK_ERR_INPUT, "%s is given twice", name) : LBK_OK;
}

lbk_status lbk_args_int(lbk_args *args, const char *name, int64_t fallback, int64_t min, int64_t max, int64_t *value) {
    const char *text;
    long long number;
    *value = fallback;
    LBK_TRY(lbk_args_value(args, name, &text));
    if (!text)
        return LBK_OK;
    if (!lbk_parse_int(text, &number) || number < min || number > max)
        return lbk_fail(LBK_ERR_INPUT, "%s: '%s' is no integer in [%lld, %lld]", name, text, (long long)min,
                        (long long)max);
    *value = number;
    return LBK_OK;
}

lbk_status lbk_args_values(lbk_args *args, const char *name, const char ***values, size_t *count) {
    size_t capacity = 0;
    *values = NULL;
    *count = 0;
    for (;;) {
        const char *value;
        lbk_status status = take_first(args, name, &value);
        if (status == LBK_OK)
            status = lbk_grow(values, &capacity, *count + 2, sizeof **values);
        if (status != LBK_OK) {
            free(*values);
            *values = NULL;
            return status;
        }
        (*values)[*count] = value;
        if (!value)
            return LBK_OK;
        (*count)++;
    }
}

lbk_status lbk_args_finish(const lbk_args *args, int min, int max, const char *usage) {
    for (int i = 0; i < args->count; i++)
        if (args->items[i][0] == '-' && args->items[i][1])
            return lbk_fail(LBK_ERR_INPUT, "unknown option '%s'; usage: %s", args->items[i], usage);
    if (args->count < min || args->count > max)
        return lbk_fail(LBK_ERR_INPUT, "%s; usage: %s", args->count < min ? "something is missing" : "too many words",
                        usage);
    return LBK_OK;
}
