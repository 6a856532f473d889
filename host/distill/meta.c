#include "distill/meta.h"

#include "base/hash.h"
#include "base/rng.h"
#include "data/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 0x6d657461u /* the look-ahead's noise is not that of the step */

static lbk_status declare(lbk_graph *graph, const char *name, const char *what, lbk_learned *learned, lbk_value *out) {
    const lbk_weight own = {.suffix = "", .kind = LBK_WEIGHT_STATE, .shape = lbk_shape_1(1), .init = LBK_INIT_ZERO};
    const char *full;
    LBK_ENSURE(learned->state_count < LBK_MAX_LEARNED);
    LBK_TRY(lbk_arena_printf(&graph->arena, &full, "distill.%s.%s", name, what));
    LBK_TRY(lbk_graph_weight(graph, full, &own, out));
    learned->state[learned->state_count++] = *out;
    return LBK_OK;
}

static lbk_status binary(lbk_graph *graph, const char *op, lbk_value a, lbk_value b, lbk_value *out) {
    return lbk_graph_apply(graph, op, NULL, 2, (lbk_value[]){a, b}, out);
}

static lbk_status scale(lbk_graph *graph, lbk_value x, double factor, lbk_value *out) {
    const lbk_op *op = lbk_op_find("scale");
    char text[48];
    void *params = NULL;
    snprintf(text, sizeof text, "factor=%.17g", factor);
    LBK_TRY(lbk_arena_alloc(&graph->arena, op->params_size, &params));
    LBK_TRY(lbk_op_params_parse(op, text, &graph->arena, params));
    return lbk_graph_apply(graph, "scale", params, 1, &x, out);
}

static lbk_status add(lbk_graph *graph, lbk_value *sum, lbk_value term) {
    if (*sum != LBK_NONE)
        return binary(graph, "add", *sum, term, sum);
    *sum = term;
    return LBK_OK;
}

lbk_status lbk_meta_factors(lbk_graph *graph, const char *const *names, int count, lbk_learned *learned,
                            lbk_value *factors) {
    lbk_value state, sum = LBK_NONE;
    for (int k = 0; k < count; k++) {
        LBK_TRY(declare(graph, names[k], "balance", learned, &state));
        LBK_TRY(lbk_graph_apply(graph, "exp", NULL, 1, &state, &factors[k]));
        LBK_TRY(add(graph, &sum, factors[k]));
    }
    for (int k = 0; k < count; k++) {
        LBK_TRY(binary(graph, "div", factors[k], sum, &factors[k]));
        LBK_TRY(scale(graph, factors[k], count, &factors[k]));
    }
    return LBK_OK;
}

lbk_status lbk_meta_temperature(lbk_graph *graph, const char *name, lbk_value temperature, lbk_learned *learned,
                                lbk_value *out) {
    lbk_value state, factor;
    LBK_TRY(declare(graph, name, "log_temperature", learned, &state));
    LBK_TRY(lbk_graph_apply(graph, "exp", NULL, 1, &state, &factor));
    return binary(graph, "mul", temperature, factor, out);
}

/* ---- Held-out samples ---- */

typedef struct held_out {
    const lbk_data *data;
    uint64_t seed;
    int every, batch, input;
} held_out;

static uint32_t drawn(const held_out *h, int64_t step, int row) {
    lbk_rng rng;
    lbk_rng_init(&rng, h->seed, LBK_RNG_METHOD, (uint32_t)row, (uint64_t)step);
    return lbk_data_samples(h->data, LBK_PART_VALIDATION)[lbk_rng_below(&rng, h->data->validation_count)];
}

static lbk_status fill_labels(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const held_out *h = context;
    int32_t *labels = memory;
    int label;
    (void)batch;
    for (int row = 0; row < h->batch && step % h->every == 0; row++) {
        LBK_TRY(h->data->dataset->read(&h->data->source, LBK_PART_TRAIN, drawn(h, step, row), NULL, &label));
        labels[row] = label;
    }
    return LBK_OK;
}

static lbk_status fill_input(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const held_out *h = context;
    uint32_t *samples = NULL;
    (void)batch;
    if (step % h->every)
        return LBK_OK;
    LBK_TRY(lbk_calloc((size_t)h->batch, sizeof *samples, &samples));
    for (int row = 0; row < h->batch; row++)
        samples[row] = drawn(h, step, row);
    lbk_status status = lbk_view_read_rows(h->data, LBK_PART_VALIDATION, 0, samples, h->batch, h->input, memory);
    free(samples);
    return status;
}

lbk_status lbk_meta_held_out(lbk_method_context *c, int every, lbk_learned *learned) {
    held_out h = {.data = c->data, .seed = lbk_hash_text(LBK_HASH_START ^ c->seed, "held_out"), .every = every};
    held_out *own = NULL;
    h.batch = (int)lbk_method_shape(c, c->targets.labels)->dim[0];
    LBK_TRY(lbk_arena_alloc(&c->graph->arena, ((size_t)c->input_count + 1) * sizeof *own, &own));
    for (int i = 0; i < c->input_count; i++) {
        const lbk_tensor_desc desc = *lbk_graph_desc(c->graph, c->inputs[i]);
        char name[16];
        snprintf(name, sizeof name, i ? "x%d" : "x", i);
        own[i] = h;
        own[i].input = c->sample_input[i];
        LBK_TRY(lbk_method_host_input(c, name, desc.dtype, desc.shape, fill_input, &own[i], &learned->inputs[i]));
    }
    own[c->input_count] = h;
    return lbk_method_host_input(c, "labels", LBK_I32, lbk_shape_1(h.batch), fill_labels, &own[c->input_count],
                                 &learned->labels);
}

/* ---- The look-ahead ---- */

typedef struct look_ahead {
    lbk_graph *graph;
    const lbk_learned *learned;
    const lbk_meta_setting *setting;
    lbk_value *param, *gradient, *instead; /* [count], [term][count], by value */
    size_t count;
} look_ahead;

/* What the student trains. */
static lbk_status list_params(look_ahead *l) {
    lbk_graph *graph = l->graph;
    LBK_TRY(lbk_arena_alloc(&graph->arena, graph->value_count * sizeof *l->param, &l->param));
    for (size_t v = 0; v < graph->value_count; v++)
        if (graph->values[v].kind == LBK_VALUE_PARAM && !graph->values[v].auxiliary)
            l->param[l->count++] = (lbk_value)v;
    return LBK_OK;
}

static lbk_status find_gradients(look_ahead *l) {
    const lbk_learned *learned = l->learned;
    size_t terms = (size_t)learned->term_count;
    LBK_TRY(lbk_arena_alloc(&l->graph->arena, terms * l->count * sizeof *l->gradient, &l->gradient));
    for (size_t k = 0; k < terms; k++)
        LBK_TRY(lbk_graph_derivative(l->graph, learned->term[k], l->param, l->count, l->gradient + k * l->count));
    return LBK_OK;
}

/* lr for each term, as a function of its factor f: lr * f / f, the one below constant to derivatives. The term itself was built with f
 * as a constant, so that its gradient's way to f is this alone. */
static lbk_status step_sizes(const look_ahead *l, lbk_value *size) {
    lbk_value still, one;
    for (int k = 0; k < l->learned->term_count; k++) {
        lbk_value factor = l->learned->factor[k];
        size[k] = l->setting->lr;
        if (factor == LBK_NONE)
            continue;
        LBK_TRY(lbk_graph_apply(l->graph, "detach", NULL, 1, &factor, &still));
        LBK_TRY(binary(l->graph, "div", factor, still, &one));
        LBK_TRY(binary(l->graph, "mul", one, l->setting->lr, &size[k]));
    }
    return LBK_OK;
}

/* instead[theta] = theta' */
static lbk_status take_step(look_ahead *l) {
    lbk_graph *graph = l->graph;
    lbk_value size[LBK_MAX_LEARNED];
    LBK_TRY(step_sizes(l, size));
    LBK_TRY(lbk_arena_alloc(&graph->arena, graph->value_count * sizeof *l->instead, &l->instead));
    for (size_t v = 0; v < graph->value_count; v++)
        l->instead[v] = (lbk_value)v;
    for (size_t p = 0; p < l->count; p++) {
        lbk_value sum = LBK_NONE, part;
        for (int k = 0; k < l->learned->term_count; k++) {
            lbk_value gradient = l->gradient[(size_t)k * l->count + p];
            if (gradient == LBK_NONE)
                continue;
            LBK_TRY(binary(graph, "mul", gradient, size[k], &part));
            LBK_TRY(add(graph, &sum, part));
        }
        if (sum != LBK_NONE)
            LBK_TRY(binary(graph, "sub", l->param[p], sum, &l->instead[l->param[p]]));
    }
    return LBK_OK;
}

/* V: the student at theta'. */
static lbk_status evaluate(const look_ahead *l, lbk_value *out) {
    const lbk_meta_setting *s = l->setting;
    const lbk_targets targets = {l->learned->labels, LBK_NONE, LBK_NONE};
    lbk_model_use use = s->student.use;
    lbk_model_built built;
    use.shared = true;
    use.instead = l->instead;
    use.seed ^= SEED;
    LBK_TRY(lbk_model_build(s->student.model, l->graph, l->learned->inputs, &use, &built));
    for (int i = 0; i < built.output_count; i++)
        if (strcmp(built.outputs[i].name, s->head) == 0)
            built.logits = built.outputs[i].value;
    LBK_TRY(lbk_hard_loss(l->graph, built.logits, &targets, out));
    return lbk_graph_keep(l->graph, *out);
}

static lbk_status update(const look_ahead *l, lbk_value loss, lbk_value *next) {
    const lbk_learned *learned = l->learned;
    lbk_value gradient[LBK_MAX_LEARNED], step;
    LBK_TRY(lbk_graph_derivative(l->graph, loss, learned->state, (size_t)learned->state_count, gradient));
    for (int i = 0; i < learned->state_count; i++) {
        if (gradient[i] == LBK_NONE)
            return lbk_fail(LBK_ERR_INPUT, "nothing that the student learns by depends on '%s'",
                            lbk_graph_info(l->graph, learned->state[i])->name);
        LBK_TRY(scale(l->graph, gradient[i], l->setting->meta_lr, &step));
        LBK_TRY(binary(l->graph, "sub", learned->state[i], step, &next[i]));
        LBK_TRY(lbk_graph_keep(l->graph, next[i]));
    }
    return LBK_OK;
}

lbk_status lbk_meta_look_ahead(lbk_graph *graph, const lbk_learned *learned, const lbk_meta_setting *setting,
                               lbk_value *next, lbk_value *loss) {
    look_ahead l = {.graph = graph, .learned = learned, .setting = setting};
    size_t forward = graph->node_count;
    LBK_TRY(list_params(&l));
    LBK_TRY(find_gradients(&l));
    LBK_TRY(take_step(&l));
    LBK_TRY(evaluate(&l, loss));
    LBK_TRY(update(&l, *loss, next));
    lbk_graph_defer_updates(graph, forward);
    return LBK_OK;
}
