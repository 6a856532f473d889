#include "ops/loss.h"

#include "ops/compose.h"

const char *const lbk_loss_reductions[] = {"mean", "sum", NULL};
const char *const lbk_loss_row_reductions[] = {"mean", "sum", "batchmean", NULL};
const char *const lbk_loss_operands[] = {"first", "second", NULL};

lbk_status lbk_loss_scale(lbk_gradient *g, lbk_value derivative, lbk_value *out) {
    *out = derivative;
    if (g->output_grad[0] == LBK_ONE)
        return LBK_OK;
    return lbk_gradient_emit(g, "scale_by", NULL, 2, (lbk_value[]){derivative, g->output_grad[0]}, out);
}

lbk_status lbk_loss_differentiate(lbk_gradient *g) {
    const lbk_loss_params *p = g->params;
    if (g->output_grad[1] != LBK_NONE)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "the second output, a derivative, has no derivative");
    for (int i = 2; i < g->input_count; i++)
        if (g->wanted[i])
            return lbk_fail(LBK_ERR_UNSUPPORTED, "no derivative with respect to input %d is defined", i);
    if (g->output_grad[0] == LBK_NONE)
        return LBK_OK;
    for (int i = 0; i < 2; i++) {
        lbk_value outputs[LBK_MAX_OUTPUTS] = {LBK_NONE, g->output[1]};
        lbk_loss_params other = *p;
        other.operand = i;
        if (!g->wanted[i])
            continue;
        if (i != p->operand)
            LBK_TRY(lbk_gradient_emit(g, g->op->name, &other, g->input_count, g->input, outputs));
        LBK_TRY(lbk_loss_scale(g, outputs[1], &g->input_grad[i]));
    }
    return LBK_OK;
}

lbk_status lbk_loss_differentiate_twice(lbk_gradient *g, const lbk_value second[2]) {
    lbk_compose c = {g, LBK_OK};
    g->output_grad[1] = LBK_NONE;
    LBK_TRY(lbk_loss_differentiate(g));
    for (int i = 0; i < 2; i++)
        if (g->wanted[i])
            g->input_grad[i] = lbk_compose_add(&c, g->input_grad[i], second[i]);
    return c.status;
}

lbk_status lbk_loss_emit_sum(lbk_emit *e, int scratch, int64_t count, size_t group) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/loss_sum", "loss_sum", &call));
    LBK_TRY(lbk_call_option(call, "-DGROUP=%zu", group));
    lbk_call_scratch(call, scratch);
    lbk_call_output(call, 0);
    lbk_call_int(call, count);
    lbk_call_range_1d(call, group, group);
    return LBK_OK;
}
