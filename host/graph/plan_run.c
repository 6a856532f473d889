#include "graph/plan_internal.h"

#include <clblast_c.h>
#include <stdlib.h>
#include <string.h>

static void set_scalar(lbk_plan *p, lbk_value scalar, const void *four_bytes) {
    char *slot = p->scalar_now + p->scalar_offset[scalar];
    if (memcmp(slot, four_bytes, 4) == 0)
        return;
    memcpy(slot, four_bytes, 4);
    p->scalar_dirty = true;
}

void lbk_plan_set_float(lbk_plan *p, lbk_value scalar, float number) {
    set_scalar(p, scalar, &number);
}

void lbk_plan_set_int(lbk_plan *p, lbk_value scalar, int32_t number) {
    set_scalar(p, scalar, &number);
}

/* The values travel from a slot of their own, so that the caller may set the next step's at once. */
static lbk_status upload_scalars(lbk_plan *p) {
    if (!p->scalar_dirty)
        return LBK_OK;
    unsigned slot = p->scalar_next++ % LBK_PLAN_SLOTS;
    if (p->scalar_event[slot]) {
        LBK_TRY(lbk_event_wait(p->device, p->scalar_event[slot]));
        clReleaseEvent(p->scalar_event[slot]);
        p->scalar_event[slot] = NULL;
    }
    memcpy(p->scalar_slot[slot], p->scalar_now, p->scalar_bytes);
    LBK_TRY(LBK_CL(clEnqueueWriteBuffer(p->device->queue, p->scalars, CL_FALSE, 0, p->scalar_bytes,
                                        p->scalar_slot[slot], 0, NULL, &p->scalar_event[slot])));
    p->scalar_dirty = false;
    return LBK_OK;
}

lbk_status lbk_plan_gemm(lbk_device *device, const lbk_call *c, const cl_mem gemm[3], cl_event *event) {
    cl_command_queue queue = device->queue;
    CLBlastStatusCode code = CLBlastSgemm(CLBlastLayoutRowMajor, c->trans_a ? CLBlastTransposeYes : CLBlastTransposeNo,
                                          c->trans_b ? CLBlastTransposeYes : CLBlastTransposeNo, (size_t)c->m,
                                          (size_t)c->n, (size_t)c->k, c->alpha, gemm[1], 0, (size_t)c->lda, gemm[2], 0,
                                          (size_t)c->ldb, c->beta, gemm[0], 0, (size_t)c->ldc, &queue, event);
    if (code != CLBlastSuccess)
        return lbk_fail(LBK_ERR_DEVICE, "CLBlastSgemm(m=%d, n=%d, k=%d) on %s: status %d", c->m, c->n, c->k,
                        device->label, (int)code);
    return LBK_OK;
}

static lbk_status launch_one(lbk_plan *p, const lbk_launch *launch, cl_event *event) {
    const lbk_call *c = launch->call;
    if (c->kind == LBK_CALL_CLBLAST_GEMM)
        return lbk_plan_gemm(p->device, c, launch->gemm, event);
    return lbk_context(LBK_CL(clEnqueueNDRangeKernel(p->device->queue, launch->kernel, (cl_uint)c->dims, NULL,
                                                     c->global, c->local, 0, NULL, event)),
                       "%s (%s) on %s", c->name, c->file, p->device->label);
}

/* Room for one more profiled step; its events are all NULL. */
static lbk_status next_step(lbk_plan *p, lbk_plan_step **out) {
    if (p->step_count == p->step_capacity) {
        size_t bigger = p->step_capacity ? p->step_capacity * 2 : 8;
        lbk_plan_step *steps = NULL;
        LBK_TRY(lbk_calloc(bigger, sizeof *steps, &steps));
        for (size_t s = 0; s < p->step_count; s++)
            steps[s] = p->steps[(p->step_first + s) % p->step_capacity];
        free(p->steps);
        p->steps = steps;
        p->step_capacity = bigger;
        p->step_first = 0;
    }
    lbk_plan_step *step = &p->steps[(p->step_first + p->step_count) % p->step_capacity];
    if (!step->events)
        LBK_TRY(lbk_calloc(p->launch_count, sizeof *step->events, &step->events));
    memset(step->events, 0, p->launch_count * sizeof *step->events);
    *out = step;
    return LBK_OK;
}

lbk_status lbk_plan_enqueue(lbk_plan *p, cl_event *done) {
    LBK_TRY(upload_scalars(p));
    lbk_plan_step *step = NULL;
    if (p->options.profile) {
        LBK_TRY(next_step(p, &step));
        p->step_count++;
    }
    if (done)
        *done = NULL;
    for (size_t i = 0; i < p->launch_count; i++) {
        bool last = done && i + 1 == p->launch_count;
        cl_event *event = step ? &step->events[i] : last ? done : NULL;
        LBK_TRY(launch_one(p, &p->launches[i], event));
        if (step && last) {
            LBK_TRY(LBK_CL(clRetainEvent(*event)));
            *done = *event;
        }
    }
    if (done && !p->launch_count)
        LBK_TRY(LBK_CL(clEnqueueMarkerWithWaitList(p->device->queue, 0, NULL, done)));
    return LBK_CL(clFlush(p->device->queue));
}

/* Whether a driver has the same code for both. Some compile at the first launch, and once more for another size of work-groups or
 * a large number of them. CLBlast chooses among kernels of its own by the sizes. */
static bool run_the_same_code(const lbk_call *a, const lbk_call *b) {
    const size_t many = 0xFFFF;
    if (a->kind != LBK_CALL_KERNEL || b->kind != LBK_CALL_KERNEL || a->dims != b->dims)
        return false;
    for (int d = 0; d < a->dims; d++)
        if (a->local[d] != b->local[d] || (a->global[d] / a->local[d] >= many) != (b->global[d] / b->local[d] >= many))
            return false;
    return strcmp(a->name, b->name) == 0 && strcmp(a->file, b->file) == 0 && strcmp(a->options, b->options) == 0;
}

static bool ran_before(const lbk_plan *p, size_t launch) {
    for (size_t i = 0; i < launch; i++)
        if (run_the_same_code(p->launches[i].call, p->launches[launch].call))
            return true;
    return false;
}

lbk_status lbk_plan_warm_up(lbk_plan *p) {
    for (size_t i = 0; i < p->launch_count; i++)
        if (!ran_before(p, i))
            LBK_TRY(launch_one(p, &p->launches[i], NULL));
    return LBK_CL(clFinish(p->device->queue));
}

lbk_status lbk_plan_collect(lbk_plan *p, int steps, double *busy_s) {
    for (int s = 0; s < steps && p->step_count; s++) {
        lbk_plan_step *step = &p->steps[p->step_first];
        for (size_t i = 0; i < p->launch_count; i++) {
            uint64_t start = 0, end = 0;
            if (!step->events[i])
                continue;
            LBK_TRY(lbk_event_times(step->events[i], &start, &end));
            clReleaseEvent(step->events[i]);
            step->events[i] = NULL;
            p->launches[i].seconds += (double)(end - start) * 1e-9;
            p->launches[i].runs++;
            *busy_s += (double)(end - start) * 1e-9;
        }
        p->step_first = (p->step_first + 1) % p->step_capacity;
        p->step_count--;
    }
    return LBK_OK;
}

size_t lbk_plan_launch_count(const lbk_plan *p) {
    return p->launch_count;
}

lbk_plan_launch_info lbk_plan_launch(const lbk_plan *p, size_t index) {
    const lbk_launch *launch = &p->launches[index];
    bool kernel = launch->call->kind == LBK_CALL_KERNEL;
    lbk_plan_launch_info info = {.node = "",
                                 .op = launch->label,
                                 .variant = launch->label,
                                 .kernel = kernel ? launch->call->name : "CLBlastSgemm",
                                 .first = true,
                                 .seconds = launch->seconds,
                                 .runs = launch->runs};
    if (launch->node < 0)
        return info;
    const lbk_node *node = &p->graph->nodes[launch->node];
    info.node = node->name;
    info.op = node->op->name;
    info.backward = node->backward;
    info.first = launch->first_of_node;
    if (node->input_count && node->input[0] != LBK_NONE)
        info.shape = &p->graph->values[node->input[0]].desc.shape;
    if (launch->first_of_node) {
        lbk_cost cost = lbk_graph_node_cost(p->graph, node);
        info.flops = cost.flops;
        info.bytes = cost.bytes;
    }
    return info;
}
