#include "optim/helpers/settings.h"

#include <stdlib.h>
#include <string.h>

static lbk_status words_set(const lbk_param *table, char *text, lbk_arena *arena, void *values) {
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        if (!equals)
            return lbk_fail(LBK_ERR_INPUT, "expected key=value, found '%s'", word);
        *equals = '\0';
        const lbk_param *param = lbk_param_find(table, word);
        if (!param)
            return lbk_fail(LBK_ERR_INPUT, "no parameter is called '%s'", word);
        LBK_TRY(lbk_param_set(param, equals + 1, arena, values));
    }
    return LBK_OK;
}

lbk_status settings_parse(const lbk_param *table, size_t size, const char *text, lbk_arena *arena, void *values) {
    char *copy = NULL;
    memset(values, 0, size);
    LBK_TRY(lbk_param_defaults(table, arena, values));
    LBK_TRY(lbk_strdup(text, &copy));
    lbk_status status = words_set(table, copy, arena, values);
    free(copy);
    return status;
}
