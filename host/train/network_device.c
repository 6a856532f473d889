/* A network on its device: weights, plans, optimiser state. */
#include "base/hash.h"
#include "device/matrix_units.h"
#include "graph/half_check.h"
#include "train/deployed.h"
#include "train/network_build.h"

#include <string.h>

static bool is_scaled(const lbk_network *net) {
    return net->loss_scale != LBK_NONE;
}

static cl_mem guard_of(const lbk_network *net) {
    return is_scaled(net) ? lbk_plan_buffer(net->train_plan, net->guard) : net->steady_guard;
}

static lbk_status append_loss_scale(lbk_network *net) {
    const cl_mem buffers[LBK_SCALE_BUFFERS] = {net->weights->grads, lbk_plan_buffer(net->train_plan, net->loss_scale),
                                               guard_of(net)};
    lbk_call calls[LBK_SCALE_CALLS];
    LBK_TRY(lbk_loss_scale_calls(&net->device->info.caps, net->weights->param_bytes / sizeof(float), calls));
    for (int i = 0; i < LBK_SCALE_CALLS; i++)
        LBK_TRY(lbk_plan_append(net->train_plan, &calls[i], buffers, "loss_scale"));
    return LBK_OK;
}

static lbk_status prepare_guard(lbk_network *net) {
    static const float steady[LBK_GUARD_COUNT] = {[LBK_GUARD_FACTOR] = 1, [LBK_GUARD_TAKEN] = 1};
    if (is_scaled(net))
        return append_loss_scale(net);
    LBK_TRY(lbk_buffer_create(net->device, sizeof steady, &net->steady_guard));
    return lbk_buffer_write(net->device, net->steady_guard, 0, steady, sizeof steady);
}

static lbk_status append_optimizer(lbk_network *net) {
    const lbk_optimizer *optimizer = net->role->optimizer;
    cl_mem buffers[LBK_OPTIMIZER_STATE + LBK_OPTIMIZER_STATES + 3];
    buffers[LBK_OPTIMIZER_PARAMS] = net->weights->params;
    buffers[LBK_OPTIMIZER_GRADS] = net->weights->grads;
    buffers[lbk_optimizer_lr(optimizer)] = lbk_plan_buffer(net->train_plan, net->lr);
    buffers[lbk_optimizer_step_number(optimizer)] = lbk_plan_buffer(net->train_plan, net->step);
    buffers[lbk_optimizer_guard(optimizer)] = guard_of(net);
    for (int i = 0; i < optimizer->states; i++) {
        LBK_TRY(lbk_buffer_create(net->device, net->weights->param_bytes, &net->optimizer_state[i]));
        buffers[LBK_OPTIMIZER_STATE + i] = net->optimizer_state[i];
    }
    lbk_call call;
    LBK_TRY(lbk_optimizer_call(optimizer, net->role->optimizer_params, &net->device->info.caps,
                               net->weights->param_bytes / sizeof(float), &call));
    return lbk_plan_append(net->train_plan, &call, buffers, optimizer->name);
}

lbk_status lbk_network_suit(const lbk_network *net, const lbk_caps *caps) {
    LBK_TRY(lbk_graph_round(net->eval, caps));
    return net->train ? lbk_graph_round(net->train, caps) : LBK_OK;
}

/* Whether it rounds as it should, and keeps numbers in 16 bits. */
static lbk_status check_device(const lbk_network *net) {
    lbk_arithmetic arithmetic = net->eval->arithmetic;
    bool own_units = net->device->info.caps.matrix_units >> arithmetic & 1u;
    if (arithmetic != LBK_ARITHMETIC_FLOAT32 && !own_units)
        LBK_TRY(lbk_network_context(net, lbk_context(lbk_round_check(net->device, arithmetic), "arithmetic")));
    if (!net->train || net->train->storage == LBK_F32)
        return LBK_OK;
    return lbk_network_context(net, lbk_context(lbk_half_check(net->device, net->train->storage), "storage"));
}

static lbk_status compile(lbk_network *net) {
    lbk_plan_options options = {.profile = true};
    lbk_matrix_units_find(net->device, net->eval->arithmetic);
    LBK_TRY(check_device(net));
    LBK_TRY(lbk_network_suit(net, &net->device->info.caps));
    LBK_TRY(lbk_weights_create(net->train ? net->train : net->eval, net->device, net->train != NULL, &net->weights));
    if (net->train) {
        LBK_TRY(lbk_plan_create(net->train, net->weights, net->device, &options, &net->train_plan));
        LBK_TRY(prepare_guard(net));
        LBK_TRY(append_optimizer(net));
        LBK_TRY(lbk_plan_warm_up(net->train_plan));
        LBK_TRY(lbk_look_ahead_compile(&net->look_ahead, net->weights, net->train_plan));
        options.lender = net->train_plan; /* a network is trained or evaluated, not both at once */
    }
    LBK_TRY(lbk_plan_create(net->eval, net->weights, net->device, &options, &net->eval_plan));
    LBK_TRY(lbk_plan_warm_up(net->eval_plan));
    return lbk_network_reset(net);
}

lbk_status lbk_network_compile(lbk_network *net, lbk_device *device) {
    net->device = device;
    return lbk_context(compile(net), "%s", net->label);
}

lbk_status lbk_network_reset(lbk_network *net) {
    uint64_t seed = lbk_hash_text(LBK_HASH_START ^ (uint64_t)net->experiment->params.seed, net->start);
    LBK_TRY(lbk_weights_initialize(net->weights, seed));
    if (net->train && *net->role->params.init && (!lbk_network_begins_as_teacher(net) || net->teacher_file))
        LBK_TRY(lbk_network_use_init(net, net->weights));
    for (int i = 0; i < LBK_OPTIMIZER_STATES; i++)
        if (net->optimizer_state[i])
            LBK_TRY(lbk_buffer_zero(net->device, net->optimizer_state[i], net->weights->param_bytes));
    return LBK_OK;
}

lbk_status lbk_network_meet(lbk_network *net) {
    for (int t = 0; t < net->teacher_count; t++) {
        const lbk_network *teacher = net->teacher[t].network;
        if (net->loss.copy_prefix[t])
            LBK_TRY(lbk_context(lbk_weights_copy(teacher->weights, net->weights, net->loss.copy_prefix[t]),
                                "copying the %s", teacher->label));
    }
    return lbk_network_take_deployed(net);
}

static void leave_device(lbk_network *net) {
    lbk_plan_destroy(net->eval_plan); /* its arena is the other's */
    lbk_look_ahead_leave_device(&net->look_ahead, net->device);
    lbk_plan_destroy(net->train_plan);
    for (int i = 0; i < LBK_OPTIMIZER_STATES && net->device; i++)
        lbk_buffer_destroy(net->device, &net->optimizer_state[i]);
    if (net->device)
        lbk_buffer_destroy(net->device, &net->steady_guard);
    lbk_weights_destroy(net->weights);
    net->eval_plan = net->train_plan = NULL;
    net->weights = NULL;
    net->device = NULL;
}

lbk_status lbk_network_move(lbk_network *net, lbk_device *device, const char *path) {
    leave_device(net);
    lbk_look_ahead_release(&net->look_ahead);
    lbk_graph_destroy(net->train);
    net->train = NULL;
    LBK_TRY(lbk_network_compile(net, device));
    return lbk_weights_load(net->weights, path, NULL);
}

void lbk_network_release(lbk_network *net) {
    leave_device(net);
    lbk_look_ahead_release(&net->look_ahead);
    lbk_graph_destroy(net->train);
    lbk_graph_destroy(net->eval);
    lbk_model_release(&net->extended);
    lbk_arena_release(&net->arena);
    memset(net, 0, sizeof *net);
}

static void set_scalars(const lbk_network *net, lbk_plan *plan, const lbk_progress *at, double progress, double lr) {
    lbk_plan_set_float(plan, net->lr, (float)lr);
    for (int i = 0; i < net->loss.scheduled_count; i++)
        lbk_plan_set_float(plan, net->loss.scheduled[i].scalar,
                           (float)lbk_ramp_at(net->loss.scheduled[i].ramp, progress, at->epoch + at->step));
}

double lbk_network_set_step(lbk_network *net, int64_t step, int64_t per_epoch, int64_t total) {
    const lbk_role *role = net->role;
    lbk_progress at = {(double)step / (double)per_epoch, 1.0 / (double)per_epoch, (double)total / (double)per_epoch};
    double progress = total > 1 ? (double)step / (double)(total - 1) : 0.0;
    double lr = lbk_schedule_factor(role->schedule, role->schedule_params, &at) * role->params.lr;
    lbk_plan *const plans[] = {net->train_plan, net->look_ahead.plan};
    for (size_t i = 0; i < 2 && plans[i]; i++) {
        set_scalars(net, plans[i], &at, progress, lr);
        lbk_plan_set_int(plans[i], net->step, (int32_t)(step + 1));
    }
    return lr;
}

lbk_status lbk_network_guard(const lbk_network *net, float *guard) {
    return lbk_buffer_read(net->device, guard_of(net), 0, guard, LBK_GUARD_COUNT * sizeof *guard);
}

lbk_status lbk_network_save_gradients(const lbk_network *net, const char *path) {
    float guard[LBK_GUARD_COUNT];
    LBK_TRY(lbk_network_guard(net, guard));
    return lbk_weights_save_gradients(net->weights, guard[LBK_GUARD_FACTOR], path);
}

size_t lbk_network_bytes(const lbk_network *net) {
    size_t bytes = 0;
    if (net->weights) {
        bytes = net->weights->param_bytes * (net->weights->grads ? 2 : 1) + net->weights->state_bytes;
        for (int i = 0; i < LBK_OPTIMIZER_STATES; i++)
            bytes += net->optimizer_state[i] ? net->weights->param_bytes : 0;
    }
    if (net->look_ahead.plan)
        bytes += lbk_plan_bytes(net->look_ahead.plan) + net->weights->state_bytes;
    return bytes + (net->train_plan ? lbk_plan_bytes(net->train_plan) : 0) +
           (net->eval_plan ? lbk_plan_bytes(net->eval_plan) : 0);
}
