/* Parameters from text, for tables outside an INI file. */
#ifndef LBK_TESTS_OPTIM_SETTINGS_H
#define LBK_TESTS_OPTIM_SETTINGS_H

#include "base/param.h"

/* Defaults, then "key=value key=value" into values[size]. Text lives in `arena`. */
lbk_status settings_parse(const lbk_param *table, size_t size, const char *text, lbk_arena *arena, void *values);

#endif
