#include "distill/method.h"

#include <string.h>

#define LBK_METHOD(name) extern const lbk_method lbk_method_##name;
#include "distill/registry.def"
#undef LBK_METHOD

static const lbk_method *const methods[] = {
#define LBK_METHOD(name) &lbk_method_##name,
#include "distill/registry.def"
#undef LBK_METHOD
    NULL};

const lbk_method *const *lbk_method_all(void) {
    return methods;
}

const lbk_method *lbk_method_find(const char *name) {
    for (const lbk_method *const *m = methods; *m; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}
