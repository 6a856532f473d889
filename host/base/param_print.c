/* Parameters as text: what is expected, and what is set. */
#include "base/param.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(LBK_MAX_INTS == 16, "the noun below says so");

static const char *type_noun(lbk_param_type type) {
    switch (type) {
    case LBK_TYPE_INT:
        return "integer";
    case LBK_TYPE_PAIR:
        return "one integer or two, \"a,b\", each";
    case LBK_TYPE_FLOAT:
        return "number";
    case LBK_TYPE_SCHEDULE:
        return "number or \"from -> to [cosine]\", each";
    case LBK_TYPE_INTS:
        return "at most 16 comma-separated integers, each";
    case LBK_TYPE_BOOL:
        return "yes or no";
    case LBK_TYPE_CHOICE:
        return "one of";
    case LBK_TYPE_TEXT:
        return "text";
    case LBK_TYPE_WORDS:
        return "words separated by commas or spaces";
    }
    return "value";
}

static bool is_integer(lbk_param_type type) {
    return type == LBK_TYPE_INT || type == LBK_TYPE_PAIR || type == LBK_TYPE_INTS;
}

/* " in [1, 99]", " >= 0" or nothing; a bound at the end of the type's range goes unsaid. */
static lbk_status range_print(const lbk_param *param, lbk_text *out) {
    bool integer = is_integer(param->type);
    bool low = param->min > (integer ? INT_MIN : -DBL_MAX);
    bool high = param->max < (integer ? INT_MAX : DBL_MAX);
    if (low && high)
        return lbk_text_printf(out, " in [%.10g, %.10g]", param->min, param->max);
    if (low)
        return lbk_text_printf(out, " >= %.10g", param->min);
    if (high)
        return lbk_text_printf(out, " <= %.10g", param->max);
    return LBK_OK;
}

/* "one integer or two, each" reads ill without a range behind it. */
static lbk_status noun_print(const lbk_param *param, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "%s", type_noun(param->type)));
    size_t length = out->length;
    LBK_TRY(range_print(param, out));
    static const char each[] = ", each";
    size_t tail = sizeof each - 1;
    if (out->length == length && length >= tail && strcmp(out->data + length - tail, each) == 0)
        out->data[out->length -= tail] = '\0';
    bool warms_up = param->type == LBK_TYPE_SCHEDULE && param->min <= 0 && param->max >= 0;
    return warms_up ? lbk_text_printf(out, "; \"warmup EPOCHS\" may follow") : LBK_OK;
}

lbk_status lbk_param_expect(const lbk_param *param, lbk_text *out) {
    switch (param->type) {
    case LBK_TYPE_INT:
    case LBK_TYPE_PAIR:
    case LBK_TYPE_FLOAT:
    case LBK_TYPE_SCHEDULE:
    case LBK_TYPE_INTS:
        return noun_print(param, out);
    case LBK_TYPE_CHOICE:
        LBK_TRY(lbk_text_printf(out, "one of"));
        for (int i = 0; param->choices[i]; i++)
            LBK_TRY(lbk_text_printf(out, "%s %s", i ? "," : "", param->choices[i]));
        return LBK_OK;
    default:
        return lbk_text_printf(out, "%s", type_noun(param->type));
    }
}

/* The fewest of 15 to 17 digits that read back as the same number. */
static lbk_status float_print(double value, lbk_text *out) {
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return lbk_text_printf(out, "%s", text);
}

static lbk_status ramp_print(const lbk_ramp *ramp, lbk_text *out) {
    LBK_TRY(float_print(ramp->from, out));
    if (ramp->to != ramp->from) {
        LBK_TRY(lbk_text_printf(out, " -> "));
        LBK_TRY(float_print(ramp->to, out));
        LBK_TRY(lbk_text_printf(out, "%s", ramp->cosine ? " cosine" : ""));
    }
    if (ramp->warmup == 0)
        return LBK_OK;
    LBK_TRY(lbk_text_printf(out, " warmup "));
    return float_print(ramp->warmup, out);
}

static lbk_status list_print(const lbk_param *param, const void *field, lbk_text *out) {
    const lbk_ints *ints = param->type == LBK_TYPE_INTS ? field : NULL;
    const lbk_words *words = ints ? NULL : field;
    int count = ints ? ints->count : words->count;
    LBK_TRY(lbk_text_append(out, "", 0));
    for (int i = 0; i < count; i++) {
        LBK_TRY(lbk_text_printf(out, "%s", i ? ", " : ""));
        if (ints)
            LBK_TRY(lbk_text_printf(out, "%d", ints->items[i]));
        else
            LBK_TRY(lbk_text_printf(out, "%s", words->items[i]));
    }
    return LBK_OK;
}

lbk_status lbk_param_print(const lbk_param *param, const void *values, lbk_text *out) {
    const void *field = (const char *)values + param->offset;
    const int *ints = field;
    switch (param->type) {
    case LBK_TYPE_INT:
        return lbk_text_printf(out, "%d", ints[0]);
    case LBK_TYPE_PAIR:
        if (ints[0] == ints[1])
            return lbk_text_printf(out, "%d", ints[0]);
        return lbk_text_printf(out, "%d,%d", ints[0], ints[1]);
    case LBK_TYPE_FLOAT:
        return float_print(*(const double *)field, out);
    case LBK_TYPE_BOOL:
        return lbk_text_printf(out, "%s", *(const bool *)field ? "yes" : "no");
    case LBK_TYPE_CHOICE:
        return lbk_text_printf(out, "%s", param->choices[ints[0]]);
    case LBK_TYPE_TEXT:
        return lbk_text_printf(out, "%s", *(const char *const *)field);
    case LBK_TYPE_SCHEDULE:
        return ramp_print(field, out);
    case LBK_TYPE_INTS:
    case LBK_TYPE_WORDS:
        return list_print(param, field, out);
    }
    return lbk_fail(LBK_ERR_INTERNAL, "parameter %s: unknown type %d", param->name, (int)param->type);
}
