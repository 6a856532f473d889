#include "train/network.h"

#include "base/file.h"
#include "base/hash.h"
#include "graph/half_check.h"
#include "graph/transfer.h"
#include "train/bind.h"
#include "train/deployed.h"

#include <stdlib.h>
#include <string.h>

static lbk_model_use model_use(const lbk_network *net, bool training, lbk_value step) {
    const lbk_source *source = &net->experiment->data.source;
    return (lbk_model_use){.batch = net->batch,
                           .height = source->height,
                           .width = source->width,
                           .channels = source->channels,
                           .sizes = source->sizes,
                           .size_count = source->size_count,
                           .classes = net->role->params.classes ? net->role->params.classes : source->classes,
                           .training = training,
                           .overrides = net->role->params.parameters,
                           .seed = (uint64_t)net->experiment->params.seed,
                           .step = step,
                           .freeze = training ? net->freeze : (lbk_words){0, NULL}};
}

static lbk_status role_context(const lbk_network *net, lbk_status status) {
    return lbk_context(status, "%s: [%s]", net->experiment->ini.path, net->role->name);
}

/* A classifier: logits out first. */
static lbk_status classifier_check(const lbk_network *net, const lbk_graph *graph, const lbk_model_built *built,
                                   int classes) {
    const lbk_shape *have = &lbk_graph_desc(graph, built->logits)->shape;
    lbk_shape want = lbk_shape_2(net->batch, classes);
    char have_text[LBK_SHAPE_TEXT], want_text[LBK_SHAPE_TEXT];
    if (lbk_shape_equal(have, &want))
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT, "model %s: the output \"%s\" is %s, expected batch x classes, %s", net->model->name,
                    built->outputs[0].name, lbk_shape_print(have, have_text), lbk_shape_print(&want, want_text));
}

static lbk_status build_model(const lbk_network *net, lbk_graph *graph, const lbk_value *inputs, lbk_value step,
                              bool training, lbk_model_built *built) {
    lbk_model_use use = model_use(net, training, step);
    LBK_TRY(role_context(net, lbk_model_build(net->model, graph, inputs, &use, built)));
    return role_context(net, classifier_check(net, graph, built, use.classes));
}

/* Inputs of `graph` for what the model reads, in its order. */
static lbk_status declare_inputs(lbk_network *net, lbk_graph *graph, lbk_value *inputs) {
    const lbk_model_use use = model_use(net, false, LBK_NONE);
    lbk_model_input want[LBK_MODEL_INPUTS];
    LBK_TRY(role_context(net, lbk_model_inputs(net->model, &use, want, &net->input_count)));
    LBK_TRY(role_context(
        net, lbk_bind_inputs(net->model, want, net->input_count, &net->experiment->data, net->sample_input)));
    for (int i = 0; i < net->input_count; i++) {
        const char *name = strcmp(want[i].name, "input") == 0 ? "x" : want[i].name;
        LBK_TRY(lbk_graph_input(graph, name, want[i].desc.dtype, want[i].desc.shape, &inputs[i]));
    }
    return LBK_OK;
}

const void *lbk_network_numbers(const lbk_network *net, const lbk_batch *batch, int i) {
    const lbk_numbers *all = net->viewer == LBK_VIEWER_TEACHER ? batch->teacher_inputs : batch->inputs;
    return all[net->sample_input[i]].any;
}

static lbk_status build_eval(lbk_network *net) {
    LBK_TRY(lbk_graph_create(&net->eval));
    LBK_TRY(declare_inputs(net, net->eval, net->eval_inputs));
    LBK_TRY(build_model(net, net->eval, net->eval_inputs, LBK_NONE, false, &net->built));
    net->eval_logits = net->built.logits;
    net->classes = (int)lbk_shape_last(&lbk_graph_desc(net->eval, net->eval_logits)->shape);
    net->others = net->classes != net->experiment->data.source.classes;
    LBK_TRY(lbk_graph_keep(net->eval, net->eval_logits));
    net->flops = lbk_graph_cost(net->eval, false).flops / net->batch;
    net->parameters = lbk_graph_parameters(net->eval);
    return LBK_OK;
}

lbk_status lbk_network_seal(lbk_network *net) {
    return net->eval ? lbk_graph_fuse(net->eval) : LBK_OK;
}

/* What the bridge will feed. */
static lbk_status declare_carried(lbk_network *net, int t) {
    lbk_graph *graph = net->train;
    lbk_teacher_link *link = &net->teacher[t];
    lbk_graph *from = link->network->eval;
    for (int i = 0; i < link->bindings->carried_count; i++) {
        const lbk_tap *tap = &link->bindings->carried[i];
        const lbk_tensor_desc *desc = lbk_graph_desc(from, tap->value);
        const char *name;
        if (!lbk_graph_is_weight(from, tap->value))
            LBK_TRY(lbk_graph_keep(from, tap->value));
        LBK_TRY(lbk_arena_printf(&graph->arena, &name, "teacher.%d.%d.%s", t, i, tap->name));
        LBK_TRY(lbk_graph_input(graph, name, desc->dtype, desc->shape, &link->carried[i]));
    }
    return LBK_OK;
}

static lbk_companion companion_of(const lbk_network *net, bool training, lbk_value step) {
    return (lbk_companion){net->model, model_use(net, training, step)};
}

/* "" for [teacher] and for a learner that became a teacher; else what stands behind "teacher." */
static const char *name_of_teacher(const lbk_network *teacher) {
    return strncmp(teacher->label, "teacher.", 8) == 0 ? teacher->label + 8 : "";
}

static lbk_status meet_teacher(lbk_network *net, int t, const lbk_objective *objective, const lbk_side *student,
                               lbk_site *site) {
    lbk_teacher_link *link = &net->teacher[t];
    lbk_network *teacher = link->network;
    const lbk_side side = {teacher->label, teacher->eval, &teacher->built};
    LBK_TRY(lbk_arena_alloc(&net->train->arena, sizeof *link->bindings, &link->bindings));
    LBK_TRY(lbk_objective_bind(objective, student, &side, link->bindings));
    LBK_TRY(declare_carried(net, t));
    site->teacher[site->teacher_count++] = (lbk_teaching){.name = name_of_teacher(teacher),
                                                          .head = teacher->role->params.head,
                                                          .share = teacher->role->params.share,
                                                          .bindings = link->bindings,
                                                          .carried = link->carried,
                                                          .network = companion_of(teacher, false, LBK_NONE)};
    return LBK_OK;
}

/* The objective over the built student, with the inputs it asks for. */
static lbk_status build_objective(lbk_network *net, const lbk_objective *objective, const lbk_model_built *built) {
    lbk_graph *graph = net->train;
    const lbk_side student = {net->label, graph, built};
    lbk_bindings *own = NULL;
    lbk_site site = {.graph = graph,
                     .seed = (uint64_t)net->experiment->params.seed,
                     .folder = net->experiment->folder,
                     .data = &net->experiment->data,
                     .part = net->viewer == LBK_VIEWER_TEACHER ? LBK_PART_TEACHER : LBK_PART_TRAIN,
                     .student = built,
                     .x = net->experiment->data.dataset->no_images ? LBK_NONE : net->inputs[0],
                     .targets = net->targets,
                     .student_network = companion_of(net, true, net->step)};
    LBK_TRY(lbk_arena_alloc(&graph->arena, sizeof *own, &own));
    LBK_TRY(lbk_objective_bind(objective, &student, NULL, own));
    site.own = own;
    bool samples = own->samples;
    for (int t = 0; t < net->teacher_count; t++) {
        LBK_TRY(meet_teacher(net, t, objective, &student, &site));
        samples = samples || net->teacher[t].bindings->samples;
    }
    if (samples)
        LBK_TRY(lbk_graph_input(graph, "samples", LBK_I32, lbk_shape_1(net->batch), &net->samples));
    site.samples = net->samples;
    return lbk_objective_build(objective, &site, &net->loss);
}

static bool begins_as_teacher(const lbk_network *net) {
    return strcmp(net->role->params.init, "teacher") == 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const lbk_st_entry *)a)->name, ((const lbk_st_entry *)b)->name);
}

/* What the file of [teacher]'s weights will hold, without their numbers: it is trained later. */
static lbk_status list_teacher(const lbk_network *net, lbk_st_file *file) {
    const lbk_role *role = &net->experiment->teacher;
    lbk_network teacher = {.role = role, .model = &role->model, .experiment = net->experiment, .batch = net->batch};
    lbk_graph *graph = NULL;
    lbk_value inputs[LBK_MODEL_INPUTS];
    lbk_model_built built;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_graph_create(&graph));
    LBK_GOTO(declare_inputs(&teacher, graph, inputs));
    LBK_GOTO(build_model(&teacher, graph, inputs, LBK_NONE, false, &built));
    LBK_GOTO(lbk_strdup("the teacher", &file->path));
    LBK_GOTO(lbk_arena_alloc(&file->arena, graph->value_count * sizeof *file->entries, &file->entries));
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        lbk_st_entry *entry = &file->entries[file->count];
        if (!lbk_graph_is_weight(graph, (lbk_value)v))
            continue;
        LBK_GOTO(lbk_arena_strdup(&file->arena, info->name, &entry->name));
        entry->shape = lbk_layout_file_shape(info->layout, &info->desc.shape);
        file->count++;
    }
    qsort(file->entries, file->count, sizeof *file->entries, by_name);
out:
    lbk_graph_destroy(graph);
    return status;
}

static lbk_status open_init(const lbk_network *net, lbk_st_file *file) {
    char *path = NULL;
    if (begins_as_teacher(net))
        return net->teacher_file ? lbk_st_open(file, net->teacher_file) : list_teacher(net, file);
    LBK_TRY(lbk_path_join(net->experiment->folder, net->role->params.init, &path));
    lbk_status status = lbk_st_open(file, path);
    free(path);
    return status;
}

/* Finds what `init` has for this network, before any device is touched; with weights: and copies it there. */
static lbk_status use_init(lbk_network *net, lbk_weights *weights) {
    lbk_transfer_rules rules = {net->role->params.init_map, net->role->params.init_except};
    lbk_transfer transfer;
    lbk_arena arena = {0};
    lbk_st_file file = {0};
    lbk_text report = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(open_init(net, &file));
    LBK_GOTO(lbk_transfer_plan(net->train, &file, &rules, &arena, &transfer));
    LBK_GOTO(lbk_transfer_print(&transfer, &report));
    LBK_GOTO(lbk_arena_strdup(&net->eval->arena, report.data, &net->init_report));
    if (weights)
        LBK_GOTO(lbk_transfer_load(&transfer, &file, weights));
out:
    lbk_st_close(&file);
    lbk_text_release(&report);
    lbk_arena_release(&arena);
    return role_context(net, lbk_context(status, "init"));
}

static lbk_status declare_targets(lbk_network *net, lbk_graph *graph) {
    lbk_targets *targets = &net->targets;
    LBK_TRY(lbk_graph_input(graph, "labels", LBK_I32, lbk_shape_1(net->batch), &targets->labels));
    targets->partner_labels = targets->share = LBK_NONE;
    if (!net->experiment->data.mix)
        return LBK_OK;
    LBK_TRY(lbk_graph_input(graph, "partner_labels", LBK_I32, lbk_shape_1(net->batch), &targets->partner_labels));
    return lbk_graph_input(graph, "share", LBK_F32, lbk_shape_1(net->batch), &targets->share);
}

/* The control learns from labels alone, so outputs that only a teacher teaches stay as they are. */
static lbk_status freeze_other_heads(lbk_graph *graph, const lbk_model_built *built, lbk_value loss) {
    lbk_value outputs[LBK_MODEL_OUTPUTS];
    for (int i = 0; i < built->output_count; i++)
        outputs[i] = built->outputs[i].value;
    return lbk_graph_freeze_unreached(graph, loss, outputs, (size_t)built->output_count);
}

static lbk_dtype storage_of(const lbk_network *net) {
    static const lbk_dtype types[] = {
        [LBK_STORAGE_FLOAT32] = LBK_F32, [LBK_STORAGE_FLOAT16] = LBK_F16, [LBK_STORAGE_BFLOAT16] = LBK_BF16};
    return types[net->role->params.storage];
}

static lbk_status build_look_ahead(lbk_network *net, const lbk_objective *objective) {
    const lbk_meta_setting setting = {companion_of(net, true, net->step), objective->params.head, net->lr,
                                      objective->params.meta_lr};
    return lbk_look_ahead_build(&net->look_ahead, net->train, &net->loss.learned, &objective->params, &setting);
}

static lbk_status build_train(lbk_network *net, const lbk_objective *objective) {
    lbk_model_built built;
    LBK_TRY(lbk_graph_create(&net->train));
    lbk_graph *graph = net->train;
    graph->storage = storage_of(net);
    LBK_TRY(declare_inputs(net, graph, net->inputs));
    LBK_TRY(declare_targets(net, graph));
    LBK_TRY(lbk_graph_scalar(graph, "lr", LBK_F32, &net->lr));
    LBK_TRY(lbk_graph_scalar(graph, "step", LBK_I32, &net->step));
    LBK_TRY(build_model(net, graph, net->inputs, net->step, true, &built));
    size_t own = graph->value_count; /* what follows belongs to the losses */
    net->frozen = net->parameters - lbk_graph_parameters(graph);
    if (net->frozen == net->parameters)
        return role_context(net, lbk_fail(LBK_ERR_INPUT, "freeze leaves nothing to train"));
    if (*net->role->params.init)
        LBK_TRY(use_init(net, NULL));
    if (objective)
        LBK_TRY(lbk_context(build_objective(net, objective, &built), "%s", net->experiment->ini.path));
    else
        LBK_TRY(lbk_loss_build_hard(graph, built.logits, &net->targets, &net->loss));
    if (net->loss.learned.what)
        LBK_TRY(lbk_context(build_look_ahead(net, objective), "%s", net->experiment->ini.path));
    LBK_TRY(freeze_other_heads(graph, &built, net->loss.total));
    LBK_TRY(lbk_graph_fuse(graph));
    LBK_TRY(lbk_graph_differentiate(graph, net->loss.total, NULL, 0, NULL));
    LBK_TRY(lbk_graph_fuse(graph));
    if (net->role->params.recompute)
        LBK_TRY(lbk_graph_recompute(graph));
    return graph->storage == LBK_F32 ? LBK_OK : lbk_graph_store(graph, own);
}

lbk_status lbk_network_build(lbk_network *net, const lbk_experiment *experiment, const lbk_role *role,
                             const char *label, const lbk_objective *objective, lbk_network *const *teachers,
                             int teacher_count, bool trained) {
    memset(net, 0, sizeof *net);
    net->role = role;
    net->experiment = experiment;
    net->label = label;
    net->start = role->name;
    net->model = &role->model;
    net->freeze = role->params.freeze;
    net->viewer = lbk_section_is_teacher(role->name) ? LBK_VIEWER_TEACHER : LBK_VIEWER_STUDENT;
    net->batch = experiment->data.params.batch;
    net->samples = LBK_NONE;
    net->teacher_count = teacher_count;
    for (int t = 0; t < teacher_count; t++)
        net->teacher[t].network = teachers[t];
    LBK_TRY(build_eval(net));
    if (objective)
        LBK_TRY(lbk_context(lbk_network_extend(net, objective), "%s", experiment->ini.path));
    if (net->deployment) {
        lbk_graph_destroy(net->eval);
        net->eval = NULL;
        LBK_TRY(build_eval(net));
    }
    return trained ? build_train(net, objective) : LBK_OK;
}

static lbk_status append_optimizer(lbk_network *net) {
    const lbk_optimizer *optimizer = net->role->optimizer;
    cl_mem buffers[LBK_OPTIMIZER_STATES + 4];
    buffers[LBK_OPTIMIZER_PARAMS] = net->weights->params;
    buffers[LBK_OPTIMIZER_GRADS] = net->weights->grads;
    buffers[lbk_optimizer_lr(optimizer)] = lbk_plan_buffer(net->train_plan, net->lr);
    buffers[lbk_optimizer_step_number(optimizer)] = lbk_plan_buffer(net->train_plan, net->step);
    for (int i = 0; i < optimizer->states; i++) {
        LBK_TRY(lbk_buffer_create(net->device, net->weights->param_bytes, &net->optimizer_state[i]));
        buffers[LBK_OPTIMIZER_STATE + i] = net->optimizer_state[i];
    }
    lbk_call call;
    LBK_TRY(lbk_optimizer_call(optimizer, net->role->optimizer_params, &net->device->info.caps,
                               net->weights->param_bytes / sizeof(float), &call));
    return lbk_plan_append(net->train_plan, &call, buffers, optimizer->name);
}

static lbk_status compile(lbk_network *net) {
    lbk_plan_options options = {.profile = true};
    LBK_TRY(lbk_weights_create(net->train ? net->train : net->eval, net->device, net->train != NULL, &net->weights));
    if (net->train) {
        if (net->train->storage != LBK_F32)
            LBK_TRY(role_context(net, lbk_context(lbk_half_check(net->device, net->train->storage), "storage")));
        LBK_TRY(lbk_plan_create(net->train, net->weights, net->device, &options, &net->train_plan));
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
    if (net->train && *net->role->params.init && (!begins_as_teacher(net) || net->teacher_file))
        LBK_TRY(use_init(net, net->weights));
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
