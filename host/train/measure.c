/* What a run says of its networks in the end. */
#include "train/run.h"

#include <stdio.h>

static void describe(lbk_model_result *out, const lbk_network *net, const lbk_evaluation *e) {
    out->present = true;
    snprintf(out->label, sizeof out->label, "%s", net->label);
    snprintf(out->device, sizeof out->device, "%s %s", net->device->label, net->device->info.name);
    out->parameters = net->parameters;
    out->flops = net->flops;
    out->accuracy = e->accuracy;
    out->loss = e->loss;
    out->macro_f1 = e->macro_f1;
    out->device_s_per_sample = e->device_s_per_sample;
    out->wall_s_per_sample = e->wall_s_per_sample;
    out->device_bytes = lbk_network_bytes(net);
}

/* How near a learner is to its teacher. */
static void compare(const lbk_evaluation *teacher, const lbk_evaluation *learner, double *agreement, double *error) {
    if (!teacher->count)
        return;
    *agreement = lbk_evaluation_agreement(teacher, learner);
    *error = lbk_evaluation_divergence(teacher, learner);
}

static lbk_status measure_other(lbk_network *net, lbk_model_result *out) {
    lbk_evaluation e;
    if (net->others) {
        snprintf(out->label, sizeof out->label, "%s", net->label);
        return LBK_OK;
    }
    lbk_status status = lbk_evaluate(net, &net->experiment->data, LBK_PART_TEST, &e);
    if (status == LBK_OK)
        describe(out, net, &e);
    lbk_evaluation_release(&e);
    return status;
}

static lbk_status measure_others(lbk_session *s, lbk_run_result *out) {
    int count = 0;
    for (int i = 0; i < s->more_teacher_count; i++)
        LBK_TRY(measure_other(&s->more_teachers[i], &out->others[count++]));
    for (int i = 0; i < s->learner_count; i++)
        LBK_TRY(measure_other(&s->learners[i], &out->others[count++]));
    return LBK_OK;
}

lbk_status lbk_session_measure(lbk_session *s, lbk_run_result *out) {
    const lbk_experiment *x = s->experiment;
    lbk_evaluation teacher = {0}, student = {0}, control = {0};
    lbk_status status = LBK_OK;
    if (s->teacher.eval && !s->teacher.others) {
        LBK_GOTO(lbk_evaluate(&s->teacher, &x->data, LBK_PART_TEST, &teacher));
        describe(&out->teacher, &s->teacher, &teacher);
    }
    LBK_GOTO(measure_others(s, out));
    if (x->params.student) {
        LBK_GOTO(lbk_evaluate(&s->student, &x->data, LBK_PART_TEST, &student));
        describe(&out->student, &s->student, &student);
        compare(&teacher, &student, &out->agreement, &out->distillation_error);
    }
    if (x->params.control) {
        LBK_GOTO(lbk_evaluate(&s->control, &x->data, LBK_PART_TEST, &control));
        describe(&out->control, &s->control, &control);
        compare(&teacher, &control, &out->control_agreement, &out->control_distillation_error);
    }
out:
    lbk_evaluation_release(&teacher);
    lbk_evaluation_release(&student);
    lbk_evaluation_release(&control);
    return status;
}
