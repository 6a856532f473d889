#include "train/run.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static lbk_status build_teacher(lbk_session *s, lbk_network *net, const lbk_role *role) {
    const lbk_objective *own = role->objective.method_count ? &role->objective : NULL;
    return lbk_network_build(net, s->experiment, role, role->name, own, NULL, 0,
                             !*role->params.weights && !s->untrained);
}

static lbk_status build_teachers(lbk_session *s) {
    lbk_experiment *x = s->experiment;
    LBK_TRY(build_teacher(s, &s->teacher, &x->teacher));
    for (int i = 0; i < x->more_teacher_count; i++) {
        s->more_teacher_count = i + 1;
        LBK_TRY(build_teacher(s, &s->more_teachers[i], &x->more_teachers[i]));
    }
    return LBK_OK;
}

/* Whoever stands before the next learner: the teachers together, or the learner that was built last. */
static int teachers_of_next(lbk_session *s, lbk_network **teachers) {
    int count = 0;
    if (s->learner_count) {
        teachers[count++] = &s->learners[s->learner_count - 1];
        return count;
    }
    if (s->teacher.eval)
        teachers[count++] = &s->teacher;
    for (int i = 0; i < s->more_teacher_count; i++)
        teachers[count++] = &s->more_teachers[i];
    return count;
}

static lbk_status build_learner(lbk_session *s, const lbk_role *role, const char *label) {
    lbk_network *teachers[LBK_MAX_TEACHERS];
    int count = teachers_of_next(s, teachers);
    lbk_network *learner = &s->learners[s->learner_count];
    LBK_TRY(lbk_network_build(learner, s->experiment, role, label, &s->experiment->objective, teachers, count, true));
    s->learner_count++; /* from now on it teaches; a learner that failed half-way holds nothing but its graphs */
    return LBK_OK;
}

/* Who stands between the teachers and the student; without a student they would teach nobody. */
static lbk_status build_learners(lbk_session *s) {
    lbk_experiment *x = s->experiment;
    lbk_network *teachers[LBK_MAX_TEACHERS];
    for (int i = 0; i < x->assistant_count && x->params.student; i++)
        LBK_TRY(build_learner(s, &x->assistants[i], x->assistants[i].name));
    for (int g = 1; g < x->student.params.generations && x->params.student; g++) {
        const char *label;
        LBK_TRY(lbk_arena_printf(&x->arena, &label, "student.%d", g));
        LBK_TRY(build_learner(s, &x->student, label));
        s->learners[s->learner_count - 1].start = label; /* only the last one starts as the control does */
    }
    int count = teachers_of_next(s, teachers);
    return lbk_network_build(&s->student, x, &x->student, "student", &x->objective, teachers, count, true);
}

static lbk_status seal_all(lbk_session *s) {
    LBK_TRY(lbk_network_seal(&s->teacher));
    for (int i = 0; i < s->more_teacher_count; i++)
        LBK_TRY(lbk_network_seal(&s->more_teachers[i]));
    for (int i = 0; i < s->learner_count; i++)
        LBK_TRY(lbk_network_seal(&s->learners[i]));
    LBK_TRY(lbk_network_seal(&s->student));
    return lbk_network_seal(&s->control);
}

static lbk_status build_networks(lbk_session *s) {
    lbk_experiment *x = s->experiment;
    if (x->objective.needs_teacher)
        LBK_TRY(build_teachers(s));
    LBK_TRY(build_learners(s));
    if (x->params.control)
        LBK_TRY(lbk_network_build(&s->control, x, &x->student, "control", NULL, NULL, 0, true));
    return seal_all(s);
}

static lbk_status choose_further_devices(lbk_session *s) {
    const lbk_experiment *x = s->experiment;
    for (int i = 0; i < x->more_teacher_count; i++) {
        const lbk_role *role = &x->more_teachers[i];
        s->more_teacher_device[i] = LBK_TEACHER_DEVICE;
        if (lbk_place_is_free(role->params.device))
            continue;
        LBK_TRY(lbk_context(lbk_device_spec_parse(&s->list, role->params.device, &s->specs[s->device_count]),
                            "[%s] device", role->name));
        s->more_teacher_device[i] = s->device_count++;
    }
    return LBK_OK;
}

static lbk_place_job job_of(const lbk_graph *graph, bool with_backward) {
    return (lbk_place_job){.work = lbk_graph_work(graph, with_backward, LBK_PLACE_FLOPS_PER_BYTE),
                           .launches = (int)graph->node_count};
}

static lbk_status choose_devices(lbk_session *s) {
    const lbk_experiment *x = s->experiment;
    LBK_TRY(lbk_device_list_init(&s->list));
    s->device_count = LBK_FURTHER_DEVICES;
    if (!x->objective.needs_teacher)
        return lbk_place_choose_alone(&s->list, x->student.params.device, &s->specs[LBK_STUDENT_DEVICE]);
    lbk_place_jobs jobs = {.teacher = job_of(s->teacher.eval, false), .student = job_of(s->student.train, true)};
    LBK_TRY(lbk_place_choose(&s->list, x->teacher.params.device, x->student.params.device, jobs,
                             &s->specs[LBK_TEACHER_DEVICE], &s->specs[LBK_STUDENT_DEVICE]));
    return choose_further_devices(s);
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
    lbk_open_options options[LBK_SESSION_DEVICES];
    char *kernels = NULL;
    if (*x->params.kernels)
        LBK_TRY(lbk_path_join(x->folder, x->params.kernels, &kernels));
    for (int i = 0; i < LBK_SESSION_DEVICES; i++)
        options[i] = (lbk_open_options){.kernels = kernels};
    int first = x->objective.needs_teacher ? LBK_TEACHER_DEVICE : LBK_STUDENT_DEVICE;
    lbk_status status =
        lbk_device_open(&s->list, s->specs + first, options, s->device_count - first, s->devices + first);
    free(kernels);
    return status;
}

void lbk_session_release(lbk_session *s) {
    lbk_network_release(&s->control);
    lbk_network_release(&s->student);
    for (int i = LBK_MAX_LEARNERS - 1; i >= 0; i--)
        lbk_network_release(&s->learners[i]);
    for (int i = 0; i < LBK_MAX_TEACHERS - 1; i++)
        lbk_network_release(&s->more_teachers[i]);
    lbk_network_release(&s->teacher);
    for (int i = 0; i < LBK_SESSION_DEVICES; i++)
        lbk_device_close(s->devices[i]);
    lbk_device_list_release(&s->list);
    memset(s, 0, sizeof *s);
}
