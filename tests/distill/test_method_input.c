/* What methods refuse, and in which words. */
#include "distill/helpers/rig.h"

#include <criterion/criterion.h>
#include <string.h>

/* The status of `method` with its defaults, but `set` when not NULL, on logits of `classes` classes. */
static lbk_status build(const char *name, const char *set, int64_t classes) {
    const lbk_method *method = lbk_method_find(name);
    lbk_method_context c = {.name = name, .hard_weight = LBK_NONE};
    lbk_loss loss = {0};
    c.loss = &loss;
    void *params = NULL;
    LBK_TRY(lbk_graph_create(&c.graph));
    lbk_status status = lbk_arena_alloc(&c.graph->arena, method->params_size, &params);
    if (status == LBK_OK)
        status = lbk_param_defaults(method->params, &c.graph->arena, params);
    if (status == LBK_OK && set)
        status = lbk_param_set(lbk_param_find(method->params, set), "yes", &c.graph->arena, params);
    c.params = params;
    if (status == LBK_OK)
        status = lbk_graph_input(c.graph, "student", LBK_F32, lbk_shape_2(4, classes), &c.student_logits);
    if (status == LBK_OK)
        status = lbk_graph_input(c.graph, "teacher", LBK_F32, lbk_shape_2(4, classes), &c.teacher_logits);
    if (status == LBK_OK)
        status = lbk_graph_input(c.graph, "labels", LBK_I32, lbk_shape_1(4), &c.labels);
    c.targets = (lbk_targets){c.labels, LBK_NONE, LBK_NONE};
    if (status == LBK_OK)
        status = lbk_method_scheduled(&c, "weight", *(const lbk_ramp *)params, &c.weight);
    if (status == LBK_OK)
        status = method->build(&c);
    lbk_graph_destroy(c.graph);
    return status;
}

static void expect_two_classes(const char *method, const char *set) {
    cr_expect_eq(build(method, set, 2), LBK_OK, "%s: %s", method, lbk_error_message());
    cr_expect_eq(build(method, set, 1), LBK_ERR_INPUT, "%s", method);
    cr_expect(strstr(lbk_error_message(), "expected two classes or more"), "%s: %s", method, lbk_error_message());
}

/* One class has no standard deviation, and leaves a virtual teacher nobody to be wrong with. */
Test(method_input, one_class_is_too_few) {
    expect_two_classes("logit_std", NULL);
    expect_two_classes("dkd", "standardise");
    expect_two_classes("tf_kd", NULL);
}

static void expect_refused(const char *const *sets, const char *words) {
    rig r;
    lbk_status status = rig_build(&r, sets, 1);
    cr_expect_eq(status, LBK_ERR_INPUT, "%s", sets[0]);
    cr_expect(strstr(lbk_error_message(), words), "%s: %s", sets[0], lbk_error_message());
    rig_release(&r);
}

Test(method_input, second_images_need_plain_batches) {
    expect_refused((const char *const[]){"distill.methods=cs_kd", "data.mix=mixup", "teacherless", NULL},
                   "[distill.cs_kd]: a second image of a row that is mixed of two is not defined");
    expect_refused((const char *const[]){"distill.methods=ema", "data.mix=mixup", "teacherless", NULL},
                   "expected [data] mix = none");
}

Test(method_input, exits_need_stages) {
    expect_refused((const char *const[]){"distill.methods=byot", "student.model=mlp-tiny",
                                         "student.parameters=", "teacherless", NULL},
                   "[distill.byot]: expected a student with two stages or more");
}

/* Two networks cannot take the student's place, nor half of two teachers one's. */
Test(method_input, one_network_is_deployed) {
    lbk_method twin = *lbk_method_find("simkd");
    lbk_objective o = {.method_count = 1};
    lbk_model_built built = {.output_count = 1};
    const lbk_side side = {"student", NULL, &built};
    lbk_deployment d = {.method = "simkd"};
    twin.name = "twin";
    o.method[0] = &twin;
    cr_expect_eq(lbk_objective_deploy(&o, &side, &side, 1, &d), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "methods: simkd and twin each deploy a network of their own"), "%s",
              lbk_error_message());
    d.method = NULL;
    cr_expect_eq(lbk_objective_deploy(&o, &side, &side, 2, &d), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "takes one teacher, not 2"), "%s", lbk_error_message());
    built.output_count = 2;
    built.outputs[1].name = "other";
    cr_expect_eq(lbk_objective_deploy(&o, &side, &side, 1, &d), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "the student's model has 2, \"other\" among them"), "%s",
              lbk_error_message());
}

/* The plain student's classifier, which simkd takes away: an experiment's control has it. */
Test(method_input, paths_may_lead_to_what_is_replaced) {
    static const char *const fits[] = {"distill.methods=simkd",          "student.parameters=width=4",
                                       "student.freeze=fc, conv1",       "student.init=teacher",
                                       "student.init_except=fc, layer2", NULL};
    rig r;
    cr_assert_eq(rig_build(&r, fits, 1), LBK_OK, "%s", lbk_error_message());
    const lbk_words *freeze = &r.student.freeze;
    cr_expect(freeze->count > 1 && strcmp(freeze->items[0], "conv1") == 0);
    cr_expect_eq(r.student.init_except.count, 1);
    rig_release(&r);
    expect_refused((const char *const[]){"distill.methods=simkd", "student.freeze=fx", NULL},
                   "freeze: no weight of the network is called \"fx\"");
    expect_refused((const char *const[]){"distill.methods=kd", "student.freeze=fd", NULL}, "did you mean \"fc\"?");
}

Test(method_input, peers_read_what_the_student_reads) {
    expect_refused(
        (const char *const[]){"distill.methods=dml", "distill.dml.peer_model=textcnn", "teacherless", "table", NULL},
        "[distill.dml]: model textcnn reads \"tokens\", which the student does not");
}

Test(method_input, peers_are_models) {
    expect_refused((const char *const[]){"distill.methods=dml", "distill.dml.peer_model=resnet9", "teacherless", NULL},
                   "resnet9");
}
