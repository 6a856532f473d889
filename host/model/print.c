/* A derived model as a file. */
#include "base/memory.h"
#include "model/model.h"

#include <string.h>

static lbk_status entry_print(const char *key, const char *value, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "%s = ", key));
    LBK_TRY(lbk_ini_value_print(value, out));
    return lbk_text_append(out, "\n", 1);
}

/* "width=32 n=2" as two lines. */
static lbk_status parameters_print(const char *overrides, lbk_text *out) {
    const char *at = overrides + strspn(overrides, " \t");
    if (*at)
        LBK_TRY(lbk_text_printf(out, "\n[parameters]\n"));
    for (; *at; at += strspn(at, " \t")) {
        size_t key = strcspn(at, "="), all = strcspn(at, " \t");
        LBK_ENSURE(key < all);
        LBK_TRY(lbk_text_printf(out, "%.*s = %.*s\n", (int)key, at, (int)(all - key - 1), at + key + 1));
        at += all;
    }
    return LBK_OK;
}

lbk_status lbk_model_print(const char *summary, const char *reference, const char *overrides,
                           const lbk_model_line *lines, int count, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "[model]\n"));
    LBK_TRY(entry_print("base", reference, out));
    LBK_TRY(entry_print("summary", summary, out));
    LBK_TRY(parameters_print(overrides, out));
    LBK_TRY(lbk_text_printf(out, "\n[network]\n"));
    for (int i = 0; i < count; i++)
        LBK_TRY(entry_print(lines[i].name, lines[i].text, out));
    return LBK_OK;
}
