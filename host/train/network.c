#include "train/network_build.h"

#include "train/bind.h"
#include "train/deployed.h"
#include "train/role.h"

#include <math.h>
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

lbk_status lbk_network_context(const lbk_network *net, lbk_status status) {
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

lbk_status lbk_network_build_model(const lbk_network *net, lbk_graph *graph, const lbk_value *inputs, lbk_value step,
                                   bool training, lbk_model_built *built) {
    lbk_model_use use = model_use(net, training, step);
    LBK_TRY(lbk_network_context(net, lbk_model_build(net->model, graph, inputs, &use, built)));
    return lbk_network_context(net, classifier_check(net, graph, built, use.classes));
}

lbk_status lbk_network_declare_inputs(lbk_network *net, lbk_graph *graph, lbk_value *inputs) {
    const lbk_model_use use = model_use(net, false, LBK_NONE);
    lbk_model_input want[LBK_MODEL_INPUTS];
    LBK_TRY(lbk_network_context(net, lbk_model_inputs(net->model, &use, want, &net->input_count)));
    LBK_TRY(lbk_network_context(
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
    net->eval->arithmetic = (lbk_arithmetic)net->role->params.arithmetic;
    LBK_TRY(lbk_network_declare_inputs(net, net->eval, net->eval_inputs));
    LBK_TRY(lbk_network_build_model(net, net->eval, net->eval_inputs, LBK_NONE, false, &net->built));
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
                     .input_count = net->input_count,
                     .inputs = net->inputs,
                     .sample_input = net->sample_input,
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

static lbk_status declare_state(lbk_graph *graph, const char *name, int64_t count, double start, lbk_value *out) {
    const lbk_weight state = {
        .suffix = "", .kind = LBK_WEIGHT_STATE, .shape = lbk_shape_1(count), .init = LBK_INIT_NORMAL, .mean = start};
    graph->auxiliary = true;
    lbk_status status = lbk_graph_weight(graph, name, &state, out);
    graph->auxiliary = false;
    return status;
}

/* The loss as it is, or times its scale. */
static lbk_status differentiate(lbk_network *net) {
    lbk_graph *graph = net->train;
    lbk_value loss = net->loss.total;
    int exponent;
    if (net->role->loss_scale > 0) {
        frexp(net->role->loss_scale, &exponent);
        LBK_TRY(declare_state(graph, "training.loss_scale", 1, ldexp(1, exponent - 1), &net->loss_scale));
        LBK_TRY(declare_state(graph, "training.guard", LBK_GUARD_COUNT, 0, &net->guard));
        LBK_TRY(lbk_graph_apply(graph, "scale_by", NULL, 2, (lbk_value[]){loss, net->loss_scale}, &loss));
    }
    return lbk_graph_differentiate(graph, loss, NULL, 0, NULL);
}

static lbk_status build_train(lbk_network *net, const lbk_objective *objective) {
    lbk_model_built built;
    LBK_TRY(lbk_graph_create(&net->train));
    lbk_graph *graph = net->train;
    graph->storage = storage_of(net);
    graph->arithmetic = net->eval->arithmetic;
    LBK_TRY(lbk_network_declare_inputs(net, graph, net->inputs));
    LBK_TRY(declare_targets(net, graph));
    LBK_TRY(lbk_graph_scalar(graph, "lr", LBK_F32, &net->lr));
    LBK_TRY(lbk_graph_scalar(graph, "step", LBK_I32, &net->step));
    LBK_TRY(lbk_network_build_model(net, graph, net->inputs, net->step, true, &built));
    size_t own = graph->value_count; /* what follows belongs to the losses */
    net->frozen = net->parameters - lbk_graph_parameters(graph);
    if (net->frozen == net->parameters)
        return lbk_network_context(net, lbk_fail(LBK_ERR_INPUT, "freeze leaves nothing to train"));
    if (*net->role->params.init)
        LBK_TRY(lbk_network_use_init(net, NULL));
    if (objective)
        LBK_TRY(lbk_context(build_objective(net, objective, &built), "%s", net->experiment->ini.path));
    else
        LBK_TRY(lbk_loss_build_hard(graph, built.logits, &net->targets, &net->loss));
    if (net->loss.learned.what)
        LBK_TRY(lbk_context(build_look_ahead(net, objective), "%s", net->experiment->ini.path));
    LBK_TRY(freeze_other_heads(graph, &built, net->loss.total));
    LBK_TRY(lbk_graph_fuse(graph));
    LBK_TRY(differentiate(net));
    LBK_TRY(lbk_graph_fuse(graph));
    if (net->role->params.recompute)
        LBK_TRY(lbk_graph_recompute(graph));
    return graph->storage == LBK_F32 ? LBK_OK : lbk_graph_store(graph, own);
}

static lbk_status build_deployed(lbk_network *net) {
    lbk_graph *plain = net->eval;
    net->eval = NULL;
    lbk_status status = build_eval(net);
    if (status == LBK_OK)
        status = lbk_network_forget_replaced(net, plain);
    lbk_graph_destroy(plain);
    return status;
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
    net->init_except = role->params.init_except;
    net->viewer = lbk_section_is_teacher(role->name) ? LBK_VIEWER_TEACHER : LBK_VIEWER_STUDENT;
    net->batch = experiment->data.params.batch;
    net->samples = net->loss_scale = net->guard = LBK_NONE;
    net->teacher_count = teacher_count;
    for (int t = 0; t < teacher_count; t++)
        net->teacher[t].network = teachers[t];
    LBK_TRY(build_eval(net));
    if (objective)
        LBK_TRY(lbk_context(lbk_network_extend(net, objective), "%s", experiment->ini.path));
    if (net->deployment)
        LBK_TRY(build_deployed(net));
    return trained ? build_train(net, objective) : LBK_OK;
}
