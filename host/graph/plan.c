#include "device/matrix_units.h"
#include "graph/plan_internal.h"
#include "graph/tune.h"

#include <clblast_c.h>
#include <stdlib.h>
#include <string.h>

static lbk_status make_view(lbk_plan *p, cl_mem parent, size_t offset, size_t bytes, cl_mem *out) {
    LBK_TRY(lbk_grow(&p->views, &p->view_capacity, p->view_count + 1, sizeof *p->views));
    size_t align = p->device->info.caps.align_bytes;
    LBK_TRY(lbk_buffer_view(parent, offset, bytes ? bytes : align, out));
    p->views[p->view_count++] = *out;
    return LBK_OK;
}

static lbk_status bind_weight(lbk_plan *p, lbk_value v) {
    const lbk_value_info *info = &p->graph->values[v];
    const lbk_weights_entry *e = p->weights ? lbk_weights_find(p->weights, info->name) : NULL;
    if (!e || !lbk_shape_equal(&e->shape, &info->desc.shape))
        return lbk_fail(LBK_ERR_INTERNAL, "the weights have no '%s' of this shape", info->name);
    /* The entry's kind: a parameter that is frozen in training is one of the states, for every plan. */
    cl_mem parent = e->kind == LBK_VALUE_PARAM ? p->weights->params : p->weights->states;
    return make_view(p, parent, e->offset, lbk_tensor_bytes(&info->desc), &p->buffer[v]);
}

static lbk_status bind_gradient(lbk_plan *p, lbk_value v) {
    const lbk_value_info *param = &p->graph->values[p->graph->values[v].param_of_gradient];
    const lbk_weights_entry *e = p->weights ? lbk_weights_find(p->weights, param->name) : NULL;
    LBK_ENSURE(e && p->weights->grads);
    return make_view(p, p->weights->grads, e->offset, lbk_tensor_bytes(&param->desc), &p->buffer[v]);
}

/* Its memory is another plan's. */
static bool is_borrowed(const lbk_plan *p, lbk_value v) {
    const lbk_graph *other = p->options.inputs ? p->options.inputs->graph : NULL;
    return other && (size_t)v < other->value_count && other->values[v].kind == LBK_VALUE_INPUT;
}

static lbk_status bind_input(lbk_plan *p, lbk_value v) {
    if (is_borrowed(p, v)) {
        p->buffer[v] = lbk_plan_buffer(p->options.inputs, v);
        return LBK_OK;
    }
    size_t bytes = lbk_tensor_bytes(&p->graph->values[v].desc);
    LBK_TRY(lbk_buffer_create(p->device, bytes, &p->buffer[v]));
    return lbk_buffer_zero(p->device, p->buffer[v], bytes);
}

static lbk_status bind_scalars(lbk_plan *p) {
    size_t align = p->device->info.caps.align_bytes;
    for (size_t v = 0; v < p->graph->value_count; v++) {
        p->scalar_offset[v] = SIZE_MAX;
        if (p->graph->values[v].kind != LBK_VALUE_SCALAR)
            continue;
        p->scalar_offset[v] = p->scalar_bytes;
        p->scalar_bytes += align;
    }
    if (!p->scalar_bytes)
        return LBK_OK;
    LBK_TRY(lbk_buffer_create(p->device, p->scalar_bytes, &p->scalars));
    LBK_TRY(lbk_buffer_zero(p->device, p->scalars, p->scalar_bytes));
    LBK_TRY(lbk_arena_alloc(&p->arena_host, p->scalar_bytes, &p->scalar_now));
    for (int i = 0; i < LBK_PLAN_SLOTS; i++)
        LBK_TRY(lbk_arena_alloc(&p->arena_host, p->scalar_bytes, &p->scalar_slot[i]));
    for (size_t v = 0; v < p->graph->value_count; v++)
        if (p->scalar_offset[v] != SIZE_MAX)
            LBK_TRY(make_view(p, p->scalars, p->scalar_offset[v], sizeof(float), &p->buffer[v]));
    return LBK_OK;
}

static lbk_status bind_arena(lbk_plan *p, const lbk_plan *lender) {
    p->arena_lent = lender && lender->device == p->device && lender->memory.arena_bytes >= p->memory.arena_bytes;
    if (p->arena_lent) {
        p->arena = lender->arena;
        return LBK_OK;
    }
    LBK_TRY(lbk_buffer_create(p->device, p->memory.arena_bytes, &p->arena));
    return lbk_buffer_zero(p->device, p->arena, p->memory.arena_bytes);
}

static lbk_status bind_values(lbk_plan *p) {
    const lbk_graph *graph = p->graph;
    LBK_TRY(bind_scalars(p));
    LBK_TRY(bind_arena(p, p->options.lender));
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        lbk_value value = (lbk_value)v;
        if (lbk_graph_is_weight(graph, value))
            LBK_TRY(bind_weight(p, value));
        else if (info->kind == LBK_VALUE_INPUT)
            LBK_TRY(bind_input(p, value));
        else if (info->param_of_gradient != LBK_NONE)
            LBK_TRY(bind_gradient(p, value));
        else if (info->kind == LBK_VALUE_COMPUTED && info->node < 0)
            continue; /* fused away */
        else if (info->kind == LBK_VALUE_COMPUTED && p->memory.root[v] == value)
            LBK_TRY(make_view(p, p->arena, p->memory.offset[v], lbk_tensor_bytes(&info->desc), &p->buffer[v]));
        else if (info->kind == LBK_VALUE_COMPUTED)
            p->buffer[v] = p->buffer[p->memory.root[v]];
    }
    return LBK_OK;
}

/* Where arg's memory is: node n's values and scratch, or `buffers` for an appended call. */
static lbk_status arg_buffer(lbk_plan *p, int n, const cl_mem *buffers, const cl_mem *scratch, const lbk_arg *arg,
                             cl_mem *out) {
    if (n < 0) {
        LBK_ENSURE(arg->kind == LBK_ARG_INPUT);
        *out = buffers[arg->index];
        return LBK_OK;
    }
    const lbk_node *node = &p->graph->nodes[n];
    switch (arg->kind) {
    case LBK_ARG_INPUT:
        *out = p->buffer[node->input[arg->index]];
        break;
    case LBK_ARG_OUTPUT:
        *out = p->buffer[node->output[arg->index]];
        break;
    case LBK_ARG_SCRATCH:
        *out = scratch[arg->index];
        break;
    default:
        return lbk_fail(LBK_ERR_INTERNAL, "argument is no buffer");
    }
    LBK_ENSURE(*out);
    return LBK_OK;
}

static lbk_status set_arg(cl_kernel kernel, cl_uint index, const lbk_arg *arg, cl_mem buffer) {
    switch (arg->kind) {
    case LBK_ARG_INT:
        return LBK_CL(clSetKernelArg(kernel, index, sizeof(cl_int), &(cl_int){arg->index}));
    case LBK_ARG_FLOAT:
        return LBK_CL(clSetKernelArg(kernel, index, sizeof(cl_float), &arg->number));
    case LBK_ARG_LOCAL:
        return LBK_CL(clSetKernelArg(kernel, index, (size_t)arg->index, NULL));
    default:
        return LBK_CL(clSetKernelArg(kernel, index, sizeof buffer, &buffer));
    }
}

static lbk_status add_launch(lbk_plan *p, const lbk_call *call, int n, const cl_mem *buffers, const cl_mem *scratch,
                             const char *label, bool first) {
    LBK_TRY(lbk_grow(&p->launches, &p->launch_capacity, p->launch_count + 1, sizeof *p->launches));
    lbk_launch *launch = &p->launches[p->launch_count];
    memset(launch, 0, sizeof *launch);
    launch->node = n;
    launch->first_of_node = first;
    LBK_TRY(lbk_arena_strdup(&p->arena_host, label, &launch->label));
    lbk_call *copy = NULL;
    LBK_TRY(lbk_arena_alloc(&p->arena_host, sizeof *copy, &copy));
    *copy = *call;
    launch->call = copy;
    p->launch_count++;
    if (call->kind == LBK_CALL_KERNEL)
        LBK_TRY(lbk_kernel_create(p->device, call->file, call->name, call->options, &launch->kernel));
    for (int i = 0; i < call->arg_count; i++) {
        const lbk_arg *arg = &call->arg[i];
        cl_mem buffer = NULL;
        if (arg->kind <= LBK_ARG_SCRATCH)
            LBK_TRY(arg_buffer(p, n, buffers, scratch, arg, &buffer));
        if (call->kind == LBK_CALL_CLBLAST_GEMM)
            launch->gemm[i] = buffer;
        else
            LBK_TRY(lbk_context(set_arg(launch->kernel, (cl_uint)i, arg, buffer), "%s: argument %d", call->name, i));
    }
    return LBK_OK;
}

static lbk_status bind_node(lbk_plan *p, size_t n) {
    const lbk_node_memory *nm = &p->memory.nodes[n];
    cl_mem scratch[4] = {0};
    for (int s = 0; s < nm->emit.scratch_count; s++)
        LBK_TRY(make_view(p, p->arena, nm->scratch_offset[s], nm->emit.scratch_bytes[s], &scratch[s]));
    for (size_t c = 0; c < nm->emit.call_count; c++)
        LBK_TRY(add_launch(p, &nm->emit.calls[c], (int)n, NULL, scratch, nm->emit.variant, c == 0));
    return LBK_OK;
}

static lbk_status unique_requests(const lbk_plan_memory *m, lbk_arena *arena, lbk_program_request **out,
                                  size_t *count) {
    size_t total = 0;
    for (size_t n = 0; n < m->graph->node_count; n++)
        total += m->nodes[n].emit.call_count;
    LBK_TRY(lbk_arena_alloc(arena, (total + 1) * sizeof **out, out));
    *count = 0;
    for (size_t n = 0; n < m->graph->node_count; n++) {
        for (size_t c = 0; c < m->nodes[n].emit.call_count; c++) {
            const lbk_call *call = &m->nodes[n].emit.calls[c];
            bool known = call->kind != LBK_CALL_KERNEL;
            for (size_t i = 0; i < *count && !known; i++)
                known = strcmp((*out)[i].file, call->file) == 0 && strcmp((*out)[i].options, call->options) == 0;
            if (known)
                continue;
            lbk_program_request *r = &(*out)[(*count)++];
            r->file = call->file;
            LBK_TRY(lbk_arena_strdup(arena, call->options, &r->options));
        }
    }
    return LBK_OK;
}

static lbk_status build(lbk_plan *p) {
    const lbk_graph *graph = p->graph;
    LBK_TRY(lbk_calloc(graph->value_count + 1, sizeof *p->buffer, &p->buffer));
    LBK_TRY(lbk_calloc(graph->value_count + 1, sizeof *p->scalar_offset, &p->scalar_offset));
    const char *const *variants = p->options.variants;
    lbk_matrix_units_find(p->device, graph->arithmetic);
    if (!variants)
        LBK_TRY(lbk_tune_graph(graph, p->device, &p->arena_host, &variants));
    LBK_TRY(lbk_plan_memory_init(&p->memory, graph, &p->device->info.caps, p->options.no_sharing, variants));
    lbk_program_request *requests;
    size_t count;
    LBK_TRY(unique_requests(&p->memory, &p->arena_host, &requests, &count));
    LBK_TRY(lbk_program_prepare(p->device, requests, count));
    LBK_TRY(bind_values(p));
    for (size_t n = 0; n < graph->node_count; n++)
        LBK_TRY(lbk_context(bind_node(p, n), "%s %s", graph->nodes[n].op->name, graph->nodes[n].name));
    return LBK_OK;
}

lbk_status lbk_plan_create(const lbk_graph *graph, lbk_weights *weights, lbk_device *device,
                           const lbk_plan_options *options, lbk_plan **out) {
    lbk_plan *p = NULL;
    *out = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *p, &p));
    p->graph = graph;
    p->weights = weights;
    p->device = device;
    if (options)
        p->options = *options;
    lbk_status status = lbk_context(build(p), "plan for %s", device->label);
    if (status != LBK_OK) {
        lbk_plan_destroy(p);
        return status;
    }
    *out = p;
    return LBK_OK;
}

lbk_status lbk_plan_append(lbk_plan *p, const lbk_call *call, const cl_mem *buffers, const char *label) {
    return lbk_context(add_launch(p, call, -1, buffers, NULL, label, true), "%s", label);
}

static void drop_steps(lbk_plan *p) {
    for (size_t s = 0; s < p->step_count; s++) {
        lbk_plan_step *step = &p->steps[(p->step_first + s) % p->step_capacity];
        for (size_t i = 0; step->events && i < p->launch_count; i++)
            if (step->events[i])
                clReleaseEvent(step->events[i]);
    }
    for (size_t s = 0; s < p->step_capacity; s++)
        free(p->steps[s].events);
    free(p->steps);
    for (int i = 0; i < LBK_PLAN_SLOTS; i++)
        if (p->scalar_event[i])
            clReleaseEvent(p->scalar_event[i]);
}

void lbk_plan_destroy(lbk_plan *p) {
    if (!p)
        return;
    clFinish(p->device->queue);
    drop_steps(p);
    for (size_t i = 0; i < p->launch_count; i++) {
        if (p->launches[i].kernel)
            clReleaseKernel(p->launches[i].kernel);
        else if (p->launches[i].call && p->launches[i].call->kind == LBK_CALL_CLBLAST_GEMM)
            CLBlastClearCache(); /* it holds programs of a context that may go next */
    }
    free(p->launches);
    for (size_t i = 0; i < p->view_count; i++)
        clReleaseMemObject(p->views[i]);
    free(p->views);
    for (size_t v = 0; p->buffer && v < p->graph->value_count; v++)
        if (p->graph->values[v].kind == LBK_VALUE_INPUT && !is_borrowed(p, (lbk_value)v))
            lbk_buffer_destroy(p->device, &p->buffer[v]);
    if (!p->arena_lent)
        lbk_buffer_destroy(p->device, &p->arena);
    lbk_buffer_destroy(p->device, &p->scalars);
    free(p->buffer);
    free(p->scalar_offset);
    if (p->memory.graph)
        lbk_plan_memory_release(&p->memory);
    lbk_arena_release(&p->arena_host);
    free(p);
}

cl_mem lbk_plan_buffer(const lbk_plan *p, lbk_value value) {
    return value >= 0 && (size_t)value < p->graph->value_count ? p->buffer[value] : NULL;
}

size_t lbk_plan_bytes(const lbk_plan *p) {
    size_t bytes = (p->arena_lent ? 0 : p->memory.arena_bytes) + p->scalar_bytes;
    for (size_t v = 0; v < p->graph->value_count; v++)
        if (p->graph->values[v].kind == LBK_VALUE_INPUT && !is_borrowed(p, (lbk_value)v))
            bytes += lbk_tensor_bytes(&p->graph->values[v].desc);
    return bytes;
}

static lbk_status copy_variants(const lbk_plan_memory *memory, lbk_arena *arena, const char ***variants) {
    size_t count = memory->graph->node_count;
    LBK_TRY(lbk_arena_alloc(arena, count * sizeof **variants + 1, variants));
    for (size_t n = 0; n < count; n++) {
        const lbk_emit *e = &memory->nodes[n].emit;
        LBK_TRY(lbk_arena_strdup(arena, e->call_count ? e->variant : "view", &(*variants)[n]));
    }
    return LBK_OK;
}

lbk_status lbk_plan_measure(const lbk_graph *graph, const lbk_caps *caps, lbk_arena *arena, lbk_plan_estimate *out) {
    lbk_plan_memory memory;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_plan_memory_init(&memory, graph, caps, false, NULL));
    out->bytes = out->arena_bytes = memory.arena_bytes;
    for (size_t v = 0; v < graph->value_count; v++)
        if (graph->values[v].kind == LBK_VALUE_INPUT || graph->values[v].kind == LBK_VALUE_SCALAR)
            out->bytes += lbk_tensor_bytes(&graph->values[v].desc);
    LBK_GOTO(unique_requests(&memory, arena, &out->requests, &out->request_count));
    LBK_GOTO(copy_variants(&memory, arena, &out->variants));
out:
    lbk_plan_memory_release(&memory);
    return status;
}
