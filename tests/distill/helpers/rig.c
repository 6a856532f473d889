#include "distill/helpers/rig.h"

#include "base/hash.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SETS 32
#define STEP 3 /* of the run, from 0: what starts as a copy of the student has moved away from it */

typedef struct settings {
    const char *item[MAX_SETS];
    size_t count;
} settings;

static lbk_status add_set(settings *all, const char *set) {
    LBK_ENSURE(all->count < MAX_SETS);
    all->item[all->count++] = set;
    return LBK_OK;
}

/* What the methods' examples say. `names`: "kd, at". */
static lbk_status add_examples(settings *all, const char *names) {
    char name[64];
    int read;
    for (; sscanf(names, "%63[a-z_0-9]%n", name, &read) == 1; names += strspn(names, ", ")) {
        const lbk_method *method = lbk_method_find(name);
        for (size_t i = 0; method && method->example && method->example[i]; i++)
            LBK_TRY(add_set(all, method->example[i]));
        names += read;
    }
    return LBK_OK;
}

static bool has(const char *const *sets, const char *word) {
    while (*sets && strcmp(*sets, word) != 0)
        sets++;
    return *sets != NULL;
}

/* But for those of a teacher where there is none. */
static lbk_status add_own(settings *all, const char *const *own, bool teacherless) {
    for (; *own; own++)
        if (!teacherless || strncmp(*own, "teacher.", 8) != 0)
            LBK_TRY(add_set(all, *own));
    return LBK_OK;
}

static lbk_status load(rig *r, const char *const *sets) {
    static const char *const any[] = {"data.batch=6",     "data.labels=0.7",   "experiment.control=no",
                                      "teacher.epochs=1", "student.epochs=10", NULL};
    static const char *const images[] = {
        "data.dataset=digits",        "data.augment=crop",     "augment.crop.padding=1",     "teacher.model=resnet8",
        "teacher.parameters=width=4", "student.model=resnet8", "student.parameters=width=3", NULL};
    static const char *const table[] = {"data.dataset=table",
                                        "data.path=" LIMBECK_SOURCE_DIR "/experiments/data/breast_cancer.csv",
                                        "data.label=diagnosis",
                                        "data.test_share=0.3",
                                        "teacher.model=mlp-table",
                                        "teacher.parameters=hidden=5 width=1 dropout=0",
                                        "student.model=mlp-table",
                                        "student.parameters=hidden=4 width=1 dropout=0",
                                        NULL};
    static const char methods[] = "distill.methods=";
    settings all = {.count = 0};
    bool teacherless = has(sets, "teacherless");
    LBK_TRY(add_own(&all, any, teacherless));
    LBK_TRY(add_own(&all, has(sets, "table") ? table : images, teacherless));
    for (size_t i = 0; sets[i]; i++)
        if (strncmp(sets[i], methods, strlen(methods)) == 0)
            LBK_TRY(add_examples(&all, sets[i] + strlen(methods)));
    for (size_t i = 0; sets[i]; i++)
        if (strcmp(sets[i], "teacherless") != 0 && strcmp(sets[i], "table") != 0)
            LBK_TRY(add_set(&all, sets[i]));
    LBK_TRY(lbk_experiment_load(&r->experiment, NULL, all.item, all.count));
    return lbk_data_open(&r->experiment.data, NULL);
}

static lbk_status build(rig *r) {
    const lbk_experiment *x = &r->experiment;
    bool taught = x->objective.needs_teacher;
    lbk_network *teacher = &r->teacher;
    if (taught)
        LBK_TRY(lbk_network_build(&r->teacher, x, &x->teacher, "teacher", NULL, NULL, 0, false));
    LBK_TRY(lbk_network_build(&r->student, x, &x->student, "student", &x->objective, &teacher, taught, true));
    LBK_TRY(lbk_network_seal(&r->teacher));
    LBK_TRY(lbk_loader_create(&x->data, LBK_PART_TRAIN, 0, 0, 1, 2, 1, &r->loader));
    return lbk_loader_next(r->loader, &r->batch);
}

/* What a weight starts from: a function of (seed, name). Wider than real ones, so that no gradient is tiny; running variances
 * positive. */
static void initial(const rig *r, const char *network, const lbk_value_info *info, double *out) {
    size_t count = (size_t)lbk_shape_count(&info->desc.shape);
    lbk_rng rng;
    const char *name = info->name;
    if (strncmp(name, LBK_TEACHER_COPY ".", strlen(LBK_TEACHER_COPY ".")) == 0) { /* the teacher's own */
        name += strlen(LBK_TEACHER_COPY ".");
        network = "teacher";
    }
    lbk_rng_init(&rng, r->seed, LBK_RNG_TEST, 0, lbk_hash_text(lbk_hash_text(LBK_HASH_START, network), name));
    double spread = 1.0 / sqrt((double)(info->fan_in > 0 ? info->fan_in : 1));
    for (size_t i = 0; i < count; i++) {
        double normal = lbk_rng_normal(&rng);
        out[i] = info->init == LBK_INIT_ONE    ? exp(0.3 * normal)
                 : info->init == LBK_INIT_ZERO ? 0.1 * normal
                                               : info->mean + spread * normal;
        out[i] = (double)(float)out[i];
    }
}

static bool is_state(const lbk_value_info *info) {
    return info->kind == LBK_VALUE_STATE;
}

static lbk_status fill_weights(rig *r, const lbk_graph *graph, const char *network, double **memory, bool states_only) {
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        if (!lbk_graph_is_weight(graph, (lbk_value)v) || (states_only && !is_state(info)))
            continue;
        if (!memory[v])
            LBK_TRY(
                lbk_arena_alloc(&r->arena, (size_t)lbk_shape_count(&info->desc.shape) * sizeof(double), &memory[v]));
        initial(r, network, info, memory[v]);
    }
    return LBK_OK;
}

static lbk_status place(rig *r, const lbk_graph *graph, lbk_value value, double **memory) {
    size_t count = (size_t)lbk_shape_count(&lbk_graph_desc(graph, value)->shape);
    return memory[value] ? LBK_OK : lbk_arena_alloc(&r->arena, count * sizeof(double), &memory[value]);
}

static lbk_status set_floats(rig *r, const lbk_graph *graph, lbk_value value, double **memory, const float *numbers) {
    LBK_TRY(place(r, graph, value, memory));
    for (int64_t i = 0; i < lbk_shape_count(&lbk_graph_desc(graph, value)->shape); i++)
        memory[value][i] = (double)numbers[i];
    return LBK_OK;
}

static lbk_status set_ints(rig *r, const lbk_graph *graph, lbk_value value, double **memory, const int32_t *numbers) {
    LBK_TRY(place(r, graph, value, memory));
    for (int64_t i = 0; i < lbk_shape_count(&lbk_graph_desc(graph, value)->shape); i++)
        memory[value][i] = numbers[i];
    return LBK_OK;
}

/* What the network reads of the batch. */
static lbk_status fill_network(rig *r, const lbk_network *net, const lbk_graph *graph, const lbk_value *inputs,
                               double **memory) {
    for (int i = 0; i < net->input_count; i++) {
        const lbk_numbers *numbers = &r->batch->inputs[net->sample_input[i]];
        LBK_TRY(lbk_graph_desc(graph, inputs[i])->dtype == LBK_I32
                    ? set_ints(r, graph, inputs[i], memory, numbers->i32)
                    : set_floats(r, graph, inputs[i], memory, numbers->f32));
    }
    return LBK_OK;
}

static lbk_status fill_inputs(rig *r) {
    const lbk_network *net = &r->student;
    LBK_TRY(fill_network(r, net, net->train, net->inputs, r->memory));
    LBK_TRY(set_ints(r, net->train, net->targets.labels, r->memory, r->batch->seen_labels));
    if (net->targets.share != LBK_NONE) {
        LBK_TRY(set_ints(r, net->train, net->targets.partner_labels, r->memory, r->batch->partner_seen_labels));
        LBK_TRY(set_floats(r, net->train, net->targets.share, r->memory, r->batch->share));
    }
    if (net->samples != LBK_NONE)
        LBK_TRY(set_ints(r, net->train, net->samples, r->memory, (const int32_t *)r->batch->samples));
    for (int i = 0; i < net->loss.host_input_count; i++) {
        const lbk_host_input *host = &net->loss.host_input[i];
        const lbk_tensor_desc *desc = lbk_graph_desc(net->train, host->value);
        void *memory = NULL;
        LBK_TRY(lbk_arena_alloc(&r->arena, lbk_tensor_bytes(desc), &memory));
        LBK_TRY(host->fill(host->context, r->batch, STEP, memory));
        LBK_TRY(desc->dtype == LBK_I32 ? set_ints(r, net->train, host->value, r->memory, memory)
                                       : set_floats(r, net->train, host->value, r->memory, memory));
    }
    return LBK_OK;
}

lbk_status rig_build(rig *r, const char *const *sets, uint64_t seed) {
    memset(r, 0, sizeof *r);
    r->seed = seed;
    LBK_TRY(load(r, sets));
    LBK_TRY(build(r));
    const lbk_graph *train = r->student.train, *eval = r->teacher.eval;
    LBK_TRY(lbk_arena_alloc(&r->arena, train->value_count * sizeof *r->memory, &r->memory));
    LBK_TRY(fill_weights(r, train, "student", r->memory, false));
    LBK_TRY(fill_inputs(r));
    if (!eval)
        return LBK_OK;
    LBK_TRY(lbk_arena_alloc(&r->arena, eval->value_count * sizeof *r->teacher_memory, &r->teacher_memory));
    LBK_TRY(fill_weights(r, eval, "teacher", r->teacher_memory, false));
    return fill_network(r, &r->teacher, eval, r->teacher.eval_inputs, r->teacher_memory);
}

void rig_release(rig *r) {
    if (r->batch)
        lbk_loader_release_batch(r->loader, r->batch);
    lbk_loader_destroy(r->loader);
    lbk_network_release(&r->student);
    lbk_network_release(&r->teacher);
    lbk_experiment_release(&r->experiment);
    lbk_arena_release(&r->arena);
}

lbk_status rig_step(rig *r, double progress) {
    lbk_network *net = &r->student;
    if (r->teacher.eval) {
        LBK_TRY(lbk_graph_interpret(r->teacher.eval, r->teacher_memory, &r->arena));
        const lbk_teacher_link *link = &net->teacher[0];
        for (int i = 0; i < link->bindings->carried_count; i++)
            r->memory[link->carried[i]] = r->teacher_memory[link->bindings->carried[i].value];
    }
    LBK_TRY(place(r, net->train, net->lr, r->memory));
    LBK_TRY(place(r, net->train, net->step, r->memory));
    *r->memory[net->step] = STEP + 1;
    for (int i = 0; i < net->loss.scheduled_count; i++) {
        const lbk_scheduled *scheduled = &net->loss.scheduled[i];
        LBK_TRY(place(r, net->train, scheduled->scalar, r->memory));
        *r->memory[scheduled->scalar] =
            lbk_ramp_at(scheduled->ramp, progress, progress * r->experiment.student.params.epochs);
    }
    return lbk_graph_interpret(net->train, r->memory, &r->arena);
}

lbk_status rig_rewind(rig *r) {
    return fill_weights(r, r->student.train, "student", r->memory, true);
}

/* An input with the numbers of `value` in the place of an input of the node. */
static lbk_status hold(rig *r, lbk_value *value) {
    lbk_graph *graph = r->student.train;
    const lbk_tensor_desc desc = *lbk_graph_desc(graph, *value);
    size_t count = (size_t)lbk_shape_count(&desc.shape);
    double *numbers = NULL, **memory = NULL;
    const char *name;
    LBK_TRY(lbk_arena_alloc(&r->arena, count * sizeof *numbers, &numbers));
    memcpy(numbers, r->memory[*value], count * sizeof *numbers);
    LBK_TRY(lbk_arena_printf(&r->arena, &name, "held.%zu", graph->value_count));
    LBK_TRY(lbk_arena_alloc(&r->arena, (graph->value_count + 1) * sizeof *memory, &memory));
    memcpy(memory, r->memory, graph->value_count * sizeof *memory);
    LBK_TRY(lbk_graph_input(graph, name, desc.dtype, desc.shape, value));
    memory[*value] = numbers;
    r->memory = memory;
    return LBK_OK;
}

lbk_status rig_hold(rig *r) {
    for (size_t n = 0; n < r->student.train->node_count; n++) {
        lbk_node *node = &r->student.train->nodes[n];
        for (int i = 0; i < node->input_count; i++)
            if (node->input[i] != LBK_NONE && (node->op->detached & ~node->op->updates) >> i & 1u)
                LBK_TRY(hold(r, &node->input[i]));
    }
    return LBK_OK;
}

double rig_total(const rig *r) {
    return *r->memory[r->student.loss.total];
}

double rig_report(const rig *r, int method) {
    return *r->memory[r->student.loss.report[method]];
}
