#include "optim/loss_scale.h"

#define WIDTH 4     /* gradients a work-item reads at once */
#define MOST 131072 /* work-items: enough for any device's memory to be busy */
#define PER_UNIT 64 /* vectors at least a work-item of a CPU has */

/* A CPU's work-items read gradients that lie together, others in turn. */
static lbk_status find(lbk_emit *e, size_t count) {
    lbk_call *call;
    bool cpu = e->caps->cls == LBK_CLASS_CPU;
    size_t vectors = count / WIDTH + 1, most = cpu ? e->caps->compute_units : MOST;
    size_t wanted = cpu ? vectors / PER_UNIT + 1 : vectors, items = wanted < most ? wanted : most;
    size_t each = (vectors + items - 1) / items;
    LBK_TRY(lbk_emit_kernel(e, "generic/loss_scale", "find_infinite", &call));
    lbk_call_input(call, 0);
    lbk_call_input(call, 2);
    lbk_call_int(call, (int64_t)(cpu ? WIDTH * each : WIDTH));
    lbk_call_int(call, (int64_t)(cpu ? WIDTH : WIDTH * items));
    lbk_call_int(call, (int64_t)items);
    lbk_call_int(call, (int64_t)each);
    lbk_call_int(call, (int64_t)count);
    lbk_call_range_1d(call, items, cpu ? 1 : lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status decide(lbk_emit *e) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/loss_scale", "decide", &call));
    lbk_call_input(call, 1);
    lbk_call_input(call, 2);
    lbk_call_int(call, LBK_SCALE_INTERVAL);
    lbk_call_range_1d(call, 1, 1);
    return LBK_OK;
}

lbk_status lbk_loss_scale_calls(const lbk_caps *caps, size_t count, lbk_call out[LBK_SCALE_CALLS]) {
    lbk_emit e = {.caps = caps};
    lbk_status status = find(&e, count);
    if (status == LBK_OK)
        status = decide(&e);
    for (int i = 0; i < LBK_SCALE_CALLS && status == LBK_OK; i++)
        out[i] = e.calls[i];
    lbk_emit_release(&e);
    return status;
}
