#include "train/run.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static lbk_status build_networks(lbk_session *s) {
    lbk_experiment *x = s->experiment;
    bool taught = x->objective.needs_teacher, trained = !*x->teacher.params.weights && !s->untrained;
    if (taught)
        LBK_TRY(lbk_network_build(&s->teacher, x, &x->teacher, "teacher", NULL, NULL, trained));
    LBK_TRY(
        lbk_network_build(&s->student, x, &x->student, "student", &x->objective, taught ? &s->teacher : NULL, true));
    if (x->params.control)
        LBK_TRY(lbk_network_build(&s->control, x, &x->student, "control", NULL, NULL, true));
    LBK_TRY(lbk_network_seal(&s->teacher));
    LBK_TRY(lbk_network_seal(&s->student));
    return lbk_network_seal(&s->control);
}

static lbk_status choose_devices(lbk_session *s) {
    const lbk_experiment *x = s->experiment;
    LBK_TRY(lbk_device_list_init(&s->list));
    if (!x->objective.needs_teacher)
        return lbk_place_choose_alone(&s->list, x->student.params.device, &s->student_spec);
    lbk_place_costs costs = {.teacher = lbk_graph_cost(s->teacher.eval, false).flops,
                             .student = lbk_graph_cost(s->student.train, true).flops};
    return lbk_place_choose(&s->list, x->teacher.params.device, x->student.params.device, costs, &s->teacher_spec,
                            &s->student_spec);
}

lbk_status lbk_session_prepare(lbk_session *s, lbk_experiment *x) {
    s->experiment = x;
    LBK_TRY(lbk_context(lbk_data_open(&x->data, x->folder), "%s: [data]", x->ini.path));
    LBK_TRY(build_networks(s));
    lbk_status status = choose_devices(s);
    return status == LBK_ERR_INPUT ? lbk_context(status, "%s", x->ini.path) : status;
}

lbk_status lbk_session_open(lbk_session *s) {
    const lbk_experiment *x = s->experiment;
    char *kernels = NULL;
    if (*x->params.kernels)
        LBK_TRY(lbk_path_join(x->folder, x->params.kernels, &kernels));
    lbk_open_options options[2] = {{.kernels = kernels}, {.kernels = kernels}};
    lbk_device_spec specs[2] = {s->teacher_spec, s->student_spec};
    int first = x->objective.needs_teacher ? 0 : 1;
    lbk_status status = lbk_device_open(&s->list, specs + first, options, 2 - first, s->devices + first);
    free(kernels);
    return status;
}

void lbk_session_release(lbk_session *s) {
    lbk_network_release(&s->control);
    lbk_network_release(&s->student);
    lbk_network_release(&s->teacher);
    lbk_device_close(s->devices[0]);
    lbk_device_close(s->devices[1]);
    lbk_device_list_release(&s->list);
    memset(s, 0, sizeof *s);
}
