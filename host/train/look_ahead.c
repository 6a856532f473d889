#include "train/look_ahead.h"

lbk_status lbk_look_ahead_build(lbk_look_ahead *look, const lbk_graph *train, const lbk_learned *learned,
                                const lbk_objective_params *params, const lbk_meta_setting *setting) {
    look->learned = learned;
    look->every = params->meta_every;
    LBK_TRY(lbk_graph_clone(train, &look->graph));
    look->graph->storage = LBK_F32;
    look->graph->arithmetic = LBK_ARITHMETIC_FLOAT32; /* its gradients have no scaled loss */
    LBK_TRY(
        lbk_context(lbk_meta_look_ahead(look->graph, learned, setting, look->next, &look->held_out), "[distill] meta"));
    return lbk_graph_fuse(look->graph);
}

lbk_status lbk_look_ahead_compile(lbk_look_ahead *look, lbk_weights *weights, const lbk_plan *plan) {
    const lbk_plan_options options = {.profile = true, .lender = plan, .inputs = plan};
    if (!look->graph)
        return LBK_OK;
    LBK_TRY(lbk_buffer_create(weights->device, weights->state_bytes, &look->states));
    LBK_TRY(lbk_plan_create(look->graph, weights, weights->device, &options, &look->plan));
    return lbk_plan_warm_up(look->plan);
}

void lbk_look_ahead_leave_device(lbk_look_ahead *look, lbk_device *device) {
    lbk_plan_destroy(look->plan);
    if (device)
        lbk_buffer_destroy(device, &look->states);
    look->plan = NULL;
}

void lbk_look_ahead_release(lbk_look_ahead *look) {
    lbk_graph_destroy(look->graph);
    *look = (lbk_look_ahead){0};
}

static lbk_status copy(const lbk_weights *weights, cl_mem from, cl_mem to, size_t bytes) {
    return LBK_CL(clEnqueueCopyBuffer(weights->device->queue, from, to, 0, 0, bytes, 0, NULL, NULL));
}

lbk_status lbk_look_ahead_enqueue(const lbk_look_ahead *look, lbk_weights *weights, const lbk_plan *plan) {
    LBK_TRY(copy(weights, weights->states, look->states, weights->state_bytes));
    LBK_TRY(lbk_plan_enqueue(look->plan, NULL));
    LBK_TRY(copy(weights, look->states, weights->states, weights->state_bytes));
    for (int i = 0; i < look->learned->state_count; i++)
        LBK_TRY(copy(weights, lbk_plan_buffer(look->plan, look->next[i]),
                     lbk_plan_buffer(plan, look->learned->state[i]), sizeof(float)));
    return LBK_OK;
}
