/* Integer expressions of model files: "2*width", "index == 0 ? 2 : 1".
 *
 *     from loosest to tightest: ?:   ||   &&   == !=   < <= > >=   + -   * / %   unary - + !   ( )
 *
 * Values are 64-bit integers; comparisons and logic give 0 or 1; / and % round towards zero, as in C. && || ?: evaluate
 * only the side they need, so "n ? 8 / n : 0" is fine for n = 0; names are checked on both sides all the same. */
#ifndef LBK_BASE_EXPR_H
#define LBK_BASE_EXPR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Stores the value of name[length] (not NUL-terminated) and returns true, or returns false when there is no such name.
 * Names start with a letter or '_' and go on with letters, digits and '_'. */
typedef bool (*lbk_expr_lookup)(void *context, const char *name, size_t length, long long *out);

/* Evaluates the whole of `text`. LBK_ERR_INPUT names the expression, the column (1-based) and what is wrong: syntax, an
 * unknown name, overflow, division by zero. lookup may be NULL: no names. *out is untouched on failure. */
lbk_status lbk_expr_eval(const char *text, lbk_expr_lookup lookup, void *context, long long *out);

/* The same, and an unknown name is reported with the nearest of names[count]. */
lbk_status lbk_expr_eval_names(const char *text, lbk_expr_lookup lookup, void *context, const char *const *names,
                               size_t count, long long *out);

/* Syntax and names alone, for expressions whose names have no values yet: division by zero and overflow pass. */
lbk_status lbk_expr_check(const char *text, lbk_expr_lookup lookup, void *context, const char *const *names,
                          size_t count);

#endif
