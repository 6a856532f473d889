#include "optim/optimizer.h"

#include <limits.h>

/* Kernels count work-items in an int, and their number is rounded up to whole work-groups. */
#define MOST (INT_MAX - 65535)

lbk_status lbk_optimizer_call(const lbk_optimizer *optimizer, const void *params, const lbk_caps *caps, size_t count,
                              lbk_call *out) {
    lbk_emit e = {.caps = caps, .params = params};
    lbk_status status = LBK_OK;
    if (count > MOST)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "%s: %zu parameters, at most %d are possible", optimizer->name, count,
                        MOST);
    LBK_GOTO(optimizer->emit(&e, count));
    if (e.call_count != 1 || e.scratch_count != 0)
        LBK_GOTO(lbk_fail(LBK_ERR_INTERNAL, "%s: %zu calls instead of one", optimizer->name, e.call_count));
    *out = e.calls[0];
out:
    lbk_emit_release(&e);
    return status;
}
