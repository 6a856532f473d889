#include "optim/optimizer.h"

#include <limits.h>

lbk_status lbk_optimizer_call(const lbk_optimizer *optimizer, const void *params, const lbk_caps *caps, size_t count,
                              lbk_call *out) {
    lbk_emit e = {.caps = caps, .params = params};
    lbk_status status = LBK_OK;
    if (count > INT_MAX)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "%s: %zu parameters, at most %d are possible", optimizer->name, count,
                        INT_MAX);
    LBK_GOTO(optimizer->emit(&e, count));
    if (e.call_count != 1 || e.scratch_count != 0)
        LBK_GOTO(lbk_fail(LBK_ERR_INTERNAL, "%s: %zu calls instead of one", optimizer->name, e.call_count));
    *out = e.calls[0];
out:
    lbk_emit_release(&e);
    return status;
}
