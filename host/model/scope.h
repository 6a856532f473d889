/* Inside host/model: the names an expression may use, and their values. */
#ifndef LBK_MODEL_SCOPE_H
#define LBK_MODEL_SCOPE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

#define LBK_SCOPE_MAX 32

typedef struct lbk_scope {
    const char *names[LBK_SCOPE_MAX];
    long long values[LBK_SCOPE_MAX];
    bool used[LBK_SCOPE_MAX]; /* some expression named it */
    size_t count;
} lbk_scope;

/* Adds a name, or changes its value where it is there already. Refuses more than LBK_SCOPE_MAX names. */
lbk_status lbk_scope_set(lbk_scope *scope, const char *name, long long value);
/* Syntax and names of `text` alone, not its value; marks the names it mentions as used. */
lbk_status lbk_scope_check(lbk_scope *scope, const char *text);
lbk_status lbk_scope_eval(lbk_scope *scope, const char *text, long long *out);
/* Letters, digits and '_', not starting with a digit. */
bool lbk_scope_is_name(const char *text);

#endif
