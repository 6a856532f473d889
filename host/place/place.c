#include "place/place.h"

#include <string.h>

double lbk_place_speed(const lbk_caps *caps) {
    double lanes = caps->type & CL_DEVICE_TYPE_GPU ? 64.0 : caps->vector_width ? (double)caps->vector_width : 1.0;
    double clock = caps->clock_mhz ? (double)caps->clock_mhz : 1000.0;
    return (double)caps->compute_units * clock * lanes * 2e6;
}

uint32_t lbk_place_share(uint32_t units, double cost_a, double cost_b) {
    uint32_t best = 1;
    double best_time = -1;
    for (uint32_t a = 1; a < units; a++) {
        double time_a = cost_a / a, time_b = cost_b / (units - a);
        double time = time_a > time_b ? time_a : time_b;
        if (best_time < 0 || time < best_time) {
            best_time = time;
            best = a;
        }
    }
    return best;
}

/* The fastest device of a type, not `except`; -1 when there is none. */
static int fastest(const lbk_device_list *list, cl_device_type type, int except) {
    int best = -1;
    for (size_t i = 0; i < list->count; i++) {
        const lbk_caps *caps = &list->items[i].caps;
        bool usable = (caps->type & type) && caps->compiler && (int)i != except;
        if (usable && (best < 0 || lbk_place_speed(caps) > lbk_place_speed(&list->items[best].caps)))
            best = (int)i;
    }
    return best;
}

static lbk_device_spec whole(int info) {
    lbk_device_spec spec;
    memset(&spec, 0, sizeof spec);
    spec.info = info;
    return spec;
}

static bool same_whole(const lbk_device_spec *a, const lbk_device_spec *b) {
    return a->info == b->info && a->parts == 0 && b->parts == 0;
}

/* Splits a CPU that both would use whole. */
static void split_shared_cpu(const lbk_device_list *list, lbk_place_costs costs, lbk_device_spec *teacher,
                             lbk_device_spec *student) {
    const lbk_caps *caps = &list->items[teacher->info].caps;
    if (!(caps->type & CL_DEVICE_TYPE_CPU) || caps->max_sub_devices < 2 || caps->compute_units < 2)
        return;
    uint32_t first = lbk_place_share(caps->compute_units, costs.teacher, costs.student);
    *teacher = whole(teacher->info);
    teacher->parts = 2;
    teacher->part = 0;
    teacher->counts[0] = first;
    teacher->counts[1] = caps->compute_units - first;
    *student = *teacher;
    student->part = 1;
}

static lbk_status no_device(void) {
    return lbk_fail(LBK_ERR_DEVICE, "no OpenCL device was found; `limbeck devices` lists what is there. "
                                    "On a machine without a GPU install PoCL (Debian/Ubuntu: pocl-opencl-icd)");
}

/* The device that should take a job beside one that is placed already: another GPU, else the shared GPU or a CPU by the time
 * both need, else whatever there is. */
static int beside(const lbk_device_list *list, int placed, double placed_cost, double own_cost) {
    int gpu = fastest(list, CL_DEVICE_TYPE_GPU, placed), cpu = fastest(list, CL_DEVICE_TYPE_CPU, -1);
    if (gpu >= 0)
        return gpu;
    if (!(list->items[placed].caps.type & CL_DEVICE_TYPE_GPU))
        return cpu >= 0 ? cpu : placed;
    if (cpu < 0)
        return placed;
    double gpu_speed = lbk_place_speed(&list->items[placed].caps), cpu_speed = lbk_place_speed(&list->items[cpu].caps);
    double together = (placed_cost + own_cost) / gpu_speed;
    double apart_gpu = placed_cost / gpu_speed, apart_cpu = own_cost / cpu_speed;
    double apart = apart_gpu > apart_cpu ? apart_gpu : apart_cpu;
    return apart < together ? cpu : placed;
}

static int best_of_all(const lbk_device_list *list) {
    int gpu = fastest(list, CL_DEVICE_TYPE_GPU, -1);
    return gpu >= 0 ? gpu : fastest(list, CL_DEVICE_TYPE_CPU, -1);
}

lbk_status lbk_place_best(const lbk_device_list *list, lbk_device_spec *spec) {
    int best = best_of_all(list);
    if (best < 0)
        return no_device();
    *spec = whole(best);
    return LBK_OK;
}

static lbk_status choose_one(const lbk_device_list *list, const char *text, const char *role, lbk_device_spec *spec) {
    return lbk_context(lbk_device_spec_parse(list, text, spec), "[%s] device", role);
}

lbk_status lbk_place_choose(const lbk_device_list *list, const char *teacher, const char *student,
                            lbk_place_costs costs, lbk_device_spec *teacher_spec, lbk_device_spec *student_spec) {
    bool auto_teacher = strcmp(teacher, "auto") == 0, auto_student = strcmp(student, "auto") == 0;
    if (!list->count)
        return no_device();
    if (!auto_teacher)
        LBK_TRY(choose_one(list, teacher, "teacher", teacher_spec));
    if (!auto_student)
        LBK_TRY(choose_one(list, student, "student", student_spec));
    if (!auto_teacher && !auto_student)
        return LBK_OK;
    if (auto_teacher && auto_student)
        LBK_TRY(lbk_place_best(list, teacher_spec));
    if (auto_teacher && !auto_student)
        *teacher_spec = whole(beside(list, student_spec->info, costs.student, costs.teacher));
    if (auto_student)
        *student_spec = whole(beside(list, teacher_spec->info, costs.teacher, costs.student));
    if (same_whole(teacher_spec, student_spec) && auto_teacher && auto_student)
        split_shared_cpu(list, costs, teacher_spec, student_spec);
    return LBK_OK;
}

lbk_status lbk_place_choose_alone(const lbk_device_list *list, const char *student, lbk_device_spec *spec) {
    return strcmp(student, "auto") == 0 ? lbk_place_best(list, spec) : choose_one(list, student, "student", spec);
}
