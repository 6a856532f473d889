#include "distill/meta.h"

#include <string.h>

/* ---- What methods need of two networks ---- */

/* Where `tap` is among what is carried over; added when it is not. */
static lbk_status carry(lbk_bindings *b, const lbk_tap *tap) {
    for (int i = 0; i < b->carried_count; i++)
        if (b->carried[i].value == tap->value)
            return LBK_OK;
    if (b->carried_count == LBK_MAX_CARRIED)
        return lbk_fail(LBK_ERR_INPUT, "more than %d tensors of the teacher are asked for", LBK_MAX_CARRIED);
    b->carried[b->carried_count++] = *tap;
    return LBK_OK;
}

static lbk_status bind_method(const lbk_method *method, const void *params, const lbk_side *student,
                              const lbk_side *teacher, lbk_bindings *out, lbk_needs *needs) {
    if (!method->needs)
        return LBK_OK;
    LBK_TRY(method->needs(params, student, teacher, needs));
    for (int i = 0; i < needs->pair_count; i++)
        LBK_TRY(carry(out, &needs->pair[i].teacher));
    for (int i = 0; i < needs->extra_count; i++)
        LBK_TRY(carry(out, &needs->extra[i]));
    out->samples = out->samples || needs->samples;
    return LBK_OK;
}

lbk_status lbk_objective_bind(const lbk_objective *o, const lbk_side *student, const lbk_side *teacher,
                              lbk_bindings *out) {
    memset(out, 0, sizeof *out);
    if (teacher)
        LBK_TRY(carry(out, &(lbk_tap){.name = "logits", .value = teacher->built->logits}));
    for (int i = 0; i < o->method_count; i++)
        if (o->method[i]->teacherless == !teacher)
            LBK_TRY(lbk_context(bind_method(o->method[i], o->method_params[i], student, teacher, out, &out->needs[i]),
                                "[%s]", o->section[i]));
    return LBK_OK;
}

/* ---- The loss ---- */

/* Further numbers for metrics.jsonl. */
static lbk_status report(lbk_graph *graph, lbk_loss *loss, const char *name, lbk_value value) {
    if (loss->report_count == LBK_MAX_METHODS)
        return lbk_fail(LBK_ERR_INPUT, "more than %d losses, methods times teachers, and learned numbers",
                        LBK_MAX_METHODS);
    loss->report[loss->report_count] = value;
    loss->report_name[loss->report_count++] = name;
    return lbk_graph_keep(graph, value);
}

lbk_status lbk_method_scheduled(lbk_method_context *c, const char *name, lbk_ramp ramp, lbk_value *out) {
    const char *full;
    lbk_loss *loss = c->loss;
    LBK_ENSURE(loss->scheduled_count < (int)(sizeof loss->scheduled / sizeof *loss->scheduled));
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &full, "%s.%s", c->name, name));
    LBK_TRY(lbk_graph_scalar(c->graph, full, LBK_F32, out));
    loss->scheduled[loss->scheduled_count++] = (lbk_scheduled){*out, ramp};
    if (!(loss->learned.what & LBK_META_TEMPERATURE) || strcmp(name, "temperature") != 0)
        return LBK_OK;
    LBK_TRY(lbk_meta_temperature(c->graph, c->name, *out, &loss->learned, out));
    return report(c->graph, loss, full, *out);
}

lbk_status lbk_method_host_input(lbk_method_context *c, const char *name, lbk_dtype dtype, lbk_shape shape,
                                 lbk_fill fill, const void *context, lbk_value *out) {
    const char *full;
    lbk_loss *loss = c->loss;
    if (loss->host_input_count == LBK_MAX_HOST_INPUTS)
        return lbk_fail(LBK_ERR_INPUT, "the methods ask for more than %d inputs of their own", LBK_MAX_HOST_INPUTS);
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &full, "%s.%s", c->name, name));
    LBK_TRY(lbk_graph_input(c->graph, full, dtype, shape, out));
    loss->host_input[loss->host_input_count++] = (lbk_host_input){*out, fill, context};
    return LBK_OK;
}

lbk_status lbk_method_finish(lbk_method_context *c, lbk_value loss) {
    c->report = loss;
    return lbk_graph_apply(c->graph, "weighted_sum", NULL, 2, (lbk_value[]){loss, c->weight}, &c->total);
}

static lbk_tap input_for(const lbk_teaching *teacher, const lbk_tap *tap) {
    lbk_tap out = *tap;
    for (int i = 0; i < teacher->bindings->carried_count; i++)
        if (teacher->bindings->carried[i].value == tap->value)
            out.value = teacher->carried[i];
    return out;
}

/* The method's layers, the teacher's by way of the graph's inputs. */
static lbk_status place_needs(const lbk_needs *needs, const lbk_teaching *teacher, lbk_method_context *c) {
    lbk_pair *pairs = NULL;
    lbk_tap *extras = NULL;
    LBK_TRY(lbk_arena_alloc(&c->graph->arena, ((size_t)needs->pair_count + 1) * sizeof *pairs, &pairs));
    LBK_TRY(lbk_arena_alloc(&c->graph->arena, ((size_t)needs->extra_count + 1) * sizeof *extras, &extras));
    for (int i = 0; i < needs->pair_count; i++) {
        pairs[i] = needs->pair[i];
        if (teacher)
            pairs[i].teacher = input_for(teacher, &needs->pair[i].teacher);
    }
    for (int i = 0; teacher && i < needs->extra_count; i++)
        extras[i] = input_for(teacher, &needs->extra[i]);
    c->pair = pairs;
    c->pair_count = needs->pair_count;
    c->extra = extras;
    c->extra_count = needs->extra_count;
    return LBK_OK;
}

/* The student's output of that name; "": the first. */
static lbk_status find_head(const lbk_site *site, const char *head, lbk_value *out) {
    const lbk_model_built *student = site->student;
    const char *names[LBK_MODEL_OUTPUTS];
    *out = student->logits;
    if (!*head)
        return LBK_OK;
    for (int i = 0; i < student->output_count; i++) {
        names[i] = student->outputs[i].name;
        *out = student->outputs[i].value;
        if (strcmp(names[i], head) == 0)
            return LBK_OK;
    }
    const char *near = lbk_nearest(head, names, (size_t)student->output_count);
    return lbk_fail(LBK_ERR_INPUT, "head: the student has no output \"%s\"%s%s%s", head,
                    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* A head with as many classes as the data is taken to be about the same ones. */
static bool labels_fit(const lbk_site *site, lbk_value logits) {
    const lbk_shape *own = &lbk_graph_desc(site->graph, logits)->shape;
    return own->rank == 2 && (!site->data || lbk_shape_last(own) == site->data->source.classes);
}

static lbk_status context_of(const lbk_site *site, const char *name, int t, lbk_loss *loss, lbk_method_context *out) {
    const lbk_teaching *teacher = t < 0 ? NULL : &site->teacher[t];
    *out = (lbk_method_context){.graph = site->graph,
                                .name = name,
                                .seed = site->seed,
                                .folder = site->folder,
                                .data = site->data,
                                .part = site->part,
                                .input_count = site->input_count,
                                .inputs = site->inputs,
                                .sample_input = site->sample_input,
                                .x = site->x,
                                .labels = site->targets.labels,
                                .targets = site->targets,
                                .samples = site->samples,
                                .teacher_logits = teacher ? teacher->carried[0] : LBK_NONE,
                                .student = site->student,
                                .student_network = site->student_network,
                                .teacher_network = teacher ? &teacher->network : NULL,
                                .teacher = t < 0 ? 0 : t,
                                .teacher_name = teacher ? teacher->name : "",
                                .hard_weight = LBK_NONE,
                                .own = LBK_NONE,
                                .loss = loss};
    LBK_TRY(find_head(site, teacher ? teacher->head : "", &out->student_logits));
    if (!labels_fit(site, out->student_logits))
        out->labels = LBK_NONE;
    return LBK_OK;
}

/* All terms' totals summed; the sum's incoming gradient 1 reaches each of them unchanged. */
static lbk_status sum_terms(lbk_graph *graph, const lbk_value *terms, int count, lbk_value *out) {
    *out = terms[0];
    for (int i = 1; i < count; i++)
        LBK_TRY(lbk_graph_apply(graph, "add", NULL, 2, (lbk_value[]){*out, terms[i]}, out));
    return LBK_OK;
}

static lbk_status build_hard_term(const lbk_site *site, const char *head, lbk_value weight, lbk_loss *out,
                                  lbk_value *term) {
    lbk_value logits;
    LBK_TRY(find_head(site, head, &logits));
    if (!labels_fit(site, logits))
        return lbk_fail(LBK_ERR_INPUT, "head: the output \"%s\" is not [batch, %d], as the labels want it", head,
                        site->data->source.classes);
    LBK_TRY(lbk_hard_loss(site->graph, logits, &site->targets, &out->hard));
    return lbk_graph_apply(site->graph, "weighted_sum", NULL, 2, (lbk_value[]){out->hard, weight}, term);
}

/* Everything that is built, on its way into one sum. */
typedef struct building {
    const lbk_objective *objective;
    const lbk_site *site;
    lbk_loss *loss;
    lbk_value hard_weight;
    lbk_value factor[LBK_MAX_METHODS + 1]; /* where weights are learned: the hard loss's, then as terms are built */
    lbk_value term[LBK_MAX_METHODS + 2];
    int count;
} building;

/* A share is part of the weight's schedule, so it costs nothing. */
static lbk_ramp scaled(lbk_ramp ramp, double share) {
    ramp.from *= share;
    ramp.to *= share;
    return ramp;
}

/* "kd", or "kd.NAME" from [teacher.NAME]. */
static lbk_status name_loss(const building *b, int i, int t, const char **out) {
    *out = b->objective->method[i]->name;
    if (t < 0 || !*b->site->teacher[t].name)
        return LBK_OK;
    return lbk_arena_printf(&b->site->graph->arena, out, "%s.%s", *out, b->site->teacher[t].name);
}

static bool learns_weights(const building *b) {
    return b->loss->learned.what & LBK_META_WEIGHTS;
}

/* One for the hard loss and one for each method, or each with each teacher, in the order of build_for(). */
static lbk_status declare_factors(building *b) {
    const char *names[LBK_MAX_METHODS + 1] = {"hard"};
    int count = 1, teachers = b->site->teacher_count;
    for (int t = 0; t <= teachers; t++)
        for (int i = 0; i < b->objective->method_count; i++)
            if (b->objective->method[i]->teacherless == (t == teachers) && count <= LBK_MAX_METHODS)
                LBK_TRY(name_loss(b, i, t < teachers ? t : -1, &names[count++]));
    return lbk_meta_factors(b->site->graph, names, count, &b->loss->learned, b->factor);
}

/* The weight of the term that is built next, times its factor, which is a constant to derivatives. */
static lbk_status weigh(building *b, const char *name, lbk_value *weight) {
    lbk_graph *graph = b->site->graph;
    const char *full;
    lbk_value factor;
    if (!learns_weights(b))
        return LBK_OK;
    LBK_TRY(lbk_arena_printf(&graph->arena, &full, "%s.weight", name));
    LBK_TRY(lbk_graph_apply(graph, "detach", NULL, 1, &b->factor[b->loss->learned.term_count], &factor));
    LBK_TRY(lbk_graph_apply(graph, "mul", NULL, 2, (lbk_value[]){*weight, factor}, weight));
    return report(graph, b->loss, full, *weight);
}

static void add_term(building *b, lbk_value term) {
    lbk_learned *learned = &b->loss->learned;
    b->term[b->count++] = term;
    if (!learns_weights(b))
        return;
    learned->factor[learned->term_count] = b->factor[learned->term_count];
    learned->term[learned->term_count++] = term;
}

/* Method `i` with teacher `t`; -1: none. */
static lbk_status build_method(building *b, int i, int t) {
    const lbk_method *method = b->objective->method[i];
    const lbk_teaching *teacher = t < 0 ? NULL : &b->site->teacher[t];
    lbk_loss *loss = b->loss;
    const char *name;
    bool heads = *b->objective->params.head || (teacher && *teacher->head);
    bool plain = b->site->teacher_count <= 1 && b->site->targets.share == LBK_NONE && !heads;
    bool absorb = method->absorbs_hard && loss->hard == LBK_NONE && plain && !loss->learned.what;
    lbk_method_context c;
    LBK_TRY(name_loss(b, i, t, &name));
    LBK_TRY(context_of(b->site, name, t, loss, &c));
    c.params = b->objective->method_params[i];
    c.hard_weight = absorb ? b->hard_weight : LBK_NONE;
    LBK_TRY(place_needs(teacher ? &teacher->bindings->needs[i] : &b->site->own->needs[i], teacher, &c));
    lbk_ramp weight = scaled(*(const lbk_ramp *)c.params, teacher ? teacher->share : 1);
    LBK_TRY(lbk_method_scheduled(&c, "weight", weight, &c.weight));
    LBK_TRY(weigh(b, name, &c.weight));
    LBK_TRY(method->build(&c));
    add_term(b, c.total);
    if (c.own != LBK_NONE)
        LBK_TRY(lbk_method_add(&c, &loss->own, c.own));
    if (absorb)
        loss->hard = c.hard;
    return report(b->site->graph, loss, name, c.report);
}

/* exp(-s) * (sum of the teacher's terms, from `first` on) + s in their place. */
static lbk_status learn_weight(building *b, int first, const lbk_teaching *teacher) {
    lbk_graph *graph = b->site->graph;
    const lbk_weight own = {.suffix = "", .kind = LBK_WEIGHT_PARAM, .shape = lbk_shape_1(1), .init = LBK_INIT_ZERO};
    const char *name;
    lbk_value s, negative, factor, sum;
    if (first == b->count)
        return LBK_OK;
    LBK_TRY(lbk_arena_printf(&graph->arena, &name, "distill.teachers.%s.s", *teacher->name ? teacher->name : "0"));
    LBK_TRY(lbk_graph_weight(graph, name, &own, &s));
    LBK_TRY(lbk_graph_apply(graph, "neg", NULL, 1, &s, &negative));
    LBK_TRY(lbk_graph_apply(graph, "exp", NULL, 1, &negative, &factor));
    LBK_TRY(sum_terms(graph, b->term + first, b->count - first, &sum));
    LBK_TRY(lbk_graph_apply(graph, "mul", NULL, 2, (lbk_value[]){sum, factor}, &sum));
    b->count = first + 1;
    return lbk_graph_apply(graph, "add", NULL, 2, (lbk_value[]){sum, s}, &b->term[first]);
}

static lbk_status build_for(building *b, int t) {
    const lbk_objective *o = b->objective;
    int first = b->count;
    for (int i = 0; i < o->method_count; i++)
        if (o->method[i]->teacherless == (t < 0))
            LBK_TRY(lbk_context(build_method(b, i, t), "[%s]", o->section[i]));
    if (t >= 0 && b->site->teacher_count > 1 && o->params.teacher_weights == LBK_TEACHERS_LEARNED)
        LBK_TRY(learn_weight(b, first, &b->site->teacher[t]));
    return LBK_OK;
}

static lbk_status build_hard(building *b) {
    lbk_value term;
    LBK_TRY(build_hard_term(b->site, b->objective->params.head, b->hard_weight, b->loss, &term));
    add_term(b, term);
    return LBK_OK;
}

/* Where weights are learned, the hard loss is a term of its own, and the first. */
static lbk_status build_terms(building *b) {
    lbk_loss *out = b->loss;
    lbk_method_context hard;
    LBK_TRY(context_of(b->site, "hard", -1, out, &hard));
    LBK_TRY(lbk_method_scheduled(&hard, "weight", b->objective->params.hard_weight, &b->hard_weight));
    if (learns_weights(b)) {
        LBK_TRY(declare_factors(b));
        LBK_TRY(weigh(b, "hard", &b->hard_weight));
        LBK_TRY(build_hard(b));
    }
    for (int t = 0; t < b->site->teacher_count; t++)
        LBK_TRY(build_for(b, t));
    LBK_TRY(build_for(b, -1));
    return out->hard == LBK_NONE ? build_hard(b) : LBK_OK;
}

static lbk_status build_total(building *b) {
    lbk_loss *out = b->loss;
    lbk_graph *graph = b->site->graph;
    LBK_TRY(build_terms(b));
    LBK_TRY(lbk_graph_keep(graph, out->hard));
    LBK_TRY(sum_terms(graph, b->term, b->count, &out->total));
    if (out->own != LBK_NONE)
        LBK_TRY(lbk_graph_apply(graph, "add", NULL, 2, (lbk_value[]){out->total, out->own}, &out->total));
    return lbk_graph_keep(graph, out->total);
}

/* What the look-ahead reads besides. */
static lbk_status prepare_learning(const building *b) {
    lbk_learned *learned = &b->loss->learned;
    lbk_method_context held_out;
    if (!learned->what)
        return LBK_OK;
    if (!learned->term_count) { /* one step by all of them */
        learned->factor[0] = LBK_NONE;
        learned->term[learned->term_count++] = b->loss->total;
    }
    if (!learned->state_count)
        return lbk_fail(LBK_ERR_INPUT, "[distill] meta: none of the methods has a temperature");
    LBK_TRY(context_of(b->site, "held_out", -1, b->loss, &held_out));
    return lbk_meta_held_out(&held_out, b->objective->params.meta_every, learned);
}

lbk_status lbk_objective_build(const lbk_objective *o, const lbk_site *site, lbk_loss *out) {
    building b = {.objective = o, .site = site, .loss = out};
    memset(out, 0, sizeof *out);
    out->hard = out->own = LBK_NONE;
    out->learned.what = o->params.meta;
    site->graph->auxiliary = true;
    lbk_status status = build_total(&b);
    if (status == LBK_OK)
        status = prepare_learning(&b);
    site->graph->auxiliary = false;
    return status;
}
