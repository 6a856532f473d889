/* Networks that a loss runs besides the student. */
#include "base/hash.h"
#include "distill/objective.h"

#include <string.h>

/* Noise differs from network to network and from pass to pass. */
static lbk_status companion_build(lbk_method_context *c, const lbk_model *model, lbk_model_use *use,
                                  const lbk_value *inputs, lbk_model_built *out) {
    int number = ++c->loss->companion_count;
    use->seed = lbk_hash_bytes(LBK_HASH_START ^ use->seed, &number, sizeof number);
    return lbk_model_build(model, c->graph, inputs, use, out);
}

lbk_status lbk_method_student(lbk_method_context *c, const lbk_value *inputs, bool training, lbk_model_built *out) {
    lbk_model_use use = c->student_network.use;
    use.training = training;
    use.shared = true;
    LBK_TRY(companion_build(c, c->student_network.model, &use, inputs, out));
    for (int i = 0; i < out->output_count; i++) /* the output that this teacher teaches */
        if (c->student->outputs[i].value == c->student_logits)
            out->logits = out->outputs[i].value;
    return LBK_OK;
}

/* What another model reads, by the names that the student's has for it. An image is an image, whatever it is called. */
static lbk_status match_inputs(lbk_method_context *c, const lbk_model *model, const lbk_model_use *use,
                               const lbk_value *inputs, lbk_value *out) {
    lbk_model_input own[LBK_MODEL_INPUTS], wanted[LBK_MODEL_INPUTS];
    int count, wanted_count;
    out[0] = inputs[0];
    if (c->x != LBK_NONE)
        return LBK_OK;
    LBK_TRY(lbk_model_inputs(c->student_network.model, &c->student_network.use, own, &count));
    LBK_TRY(lbk_model_inputs(model, use, wanted, &wanted_count));
    for (int i = 0; i < wanted_count; i++) {
        int k = 0;
        while (k < count && strcmp(own[k].name, wanted[i].name) != 0)
            k++;
        if (k == count)
            return lbk_fail(LBK_ERR_INPUT, "model %s reads \"%s\", which the student does not", model->name,
                            wanted[i].name);
        out[i] = inputs[k];
    }
    return LBK_OK;
}

/* The graph keeps nothing of the model. */
static lbk_status build_other(lbk_method_context *c, const char *name, lbk_model_use *use, const lbk_value *inputs,
                              lbk_model_built *out) {
    lbk_value own[LBK_MODEL_INPUTS];
    lbk_model model;
    LBK_TRY(lbk_model_load(&model, name, c->folder));
    use->overrides = NULL;
    lbk_status status = match_inputs(c, &model, use, inputs, own);
    if (status == LBK_OK)
        status = companion_build(c, &model, use, own, out);
    lbk_model_release(&model);
    return status;
}

lbk_status lbk_method_peer(lbk_method_context *c, const char *name, const char *model, bool frozen,
                           const lbk_value *inputs, lbk_model_built *out) {
    lbk_model_use use = c->student_network.use;
    use.freeze = (lbk_words){0, NULL};
    use.frozen = frozen;
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &use.prefix, "distill.%s.%s.", c->name, name));
    if (model && *model)
        return build_other(c, model, &use, inputs, out);
    return companion_build(c, c->student_network.model, &use, inputs, out);
}

/* State "<prefix><name>" follows the student's weight `from`. */
static lbk_status follow(lbk_method_context *c, lbk_value from, const char *prefix, lbk_value decay) {
    const lbk_value_info own = *lbk_graph_info(c->graph, from);
    const lbk_weight weight = {.suffix = "", .kind = LBK_WEIGHT_STATE, .shape = own.desc.shape, .layout = own.layout};
    const char *name;
    lbk_value state, out;
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &name, "%s%s", prefix, own.name));
    LBK_TRY(lbk_graph_weight(c->graph, name, &weight, &state));
    return lbk_method_op(c, "ema_update", &out, "", 3, state, from, decay);
}

lbk_status lbk_method_average(lbk_method_context *c, const char *name, lbk_value decay, const lbk_value *inputs,
                              lbk_model_built *out) {
    lbk_model_use use = c->student_network.use;
    size_t count = c->graph->value_count;
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &use.prefix, "distill.%s.%s.", c->name, name));
    for (size_t v = 0; v < count; v++) {
        const lbk_value_info *info = lbk_graph_info(c->graph, (lbk_value)v);
        bool wanted =
            info->kind == LBK_VALUE_PARAM || (info->kind == LBK_VALUE_STATE && lbk_model_is_frozen(&use, info->name));
        if (wanted && !info->auxiliary)
            LBK_TRY(follow(c, (lbk_value)v, use.prefix, decay));
    }
    use.freeze = (lbk_words){0, NULL};
    use.frozen = true;
    use.shared = true; /* what follows the student is there already, running statistics are not */
    return companion_build(c, c->student_network.model, &use, inputs, out);
}

lbk_status lbk_method_teacher(lbk_method_context *c, lbk_value x, lbk_model_built *out) {
    LBK_ENSURE(c->teacher_network);
    lbk_model_use use = c->teacher_network->use;
    const char **prefix = &c->loss->copy_prefix[c->teacher];
    use.training = false;
    use.step = LBK_NONE;
    use.freeze = (lbk_words){0, NULL};
    use.frozen = true;
    use.shared = *prefix; /* one copy, however many inputs */
    if (!*prefix)
        LBK_TRY(lbk_arena_printf(&c->graph->arena, prefix, LBK_TEACHER_COPY "%s%s.", *c->teacher_name ? "-" : "",
                                 c->teacher_name));
    use.prefix = *prefix;
    return companion_build(c, c->teacher_network->model, &use, &x, out);
}
