#include "model/scope.h"

#include "base/expr.h"

#include <ctype.h>
#include <string.h>

lbk_status lbk_scope_set(lbk_scope *scope, const char *name, long long value) {
    for (size_t i = 0; i < scope->count; i++)
        if (strcmp(scope->names[i], name) == 0) {
            scope->values[i] = value;
            return LBK_OK;
        }
    if (scope->count == LBK_SCOPE_MAX)
        return lbk_fail(LBK_ERR_INPUT, "more than %d names in one expression's reach, at \"%s\"", LBK_SCOPE_MAX, name);
    scope->names[scope->count] = name;
    scope->used[scope->count] = false;
    scope->values[scope->count++] = value;
    return LBK_OK;
}

static bool lookup(void *context, const char *name, size_t length, long long *out) {
    lbk_scope *scope = context;
    for (size_t i = 0; i < scope->count; i++)
        if (strncmp(scope->names[i], name, length) == 0 && scope->names[i][length] == '\0') {
            scope->used[i] = true;
            *out = scope->values[i];
            return true;
        }
    return false;
}

lbk_status lbk_scope_check(lbk_scope *scope, const char *text) {
    return lbk_expr_check(text, lookup, scope, scope->names, scope->count);
}

lbk_status lbk_scope_eval(lbk_scope *scope, const char *text, long long *out) {
    return lbk_expr_eval_names(text, lookup, scope, scope->names, scope->count, out);
}

bool lbk_scope_is_name(const char *text) {
    if (!isalpha((unsigned char)text[0]) && text[0] != '_')
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    return true;
}
