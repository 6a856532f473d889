#include "place/place.h"

#include <math.h>
#include <string.h>

/* Seconds that a launch takes longer because several units are to begin and to be waited for; measured on two cores. */
#define LAUNCH_S 1e-5

#define APART "apart"

bool lbk_place_is_free(const char *device) {
    return strcmp(device, "auto") == 0 || strcmp(device, APART) == 0;
}

double lbk_place_speed(const lbk_caps *caps) {
    double lanes = caps->type & CL_DEVICE_TYPE_GPU ? 64.0 : caps->vector_width ? (double)caps->vector_width : 1.0;
    double clock = caps->clock_mhz ? (double)caps->clock_mhz : 1000.0;
    return (double)caps->compute_units * clock * lanes * 2e6;
}

uint32_t lbk_place_share(uint32_t units, double work_a, double work_b) {
    uint32_t best = 1;
    double best_time = -1;
    for (uint32_t a = 1; a < units; a++) {
        double time_a = work_a / a, time_b = work_b / (units - a);
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

static double seconds(const lbk_caps *caps, uint32_t units, lbk_place_job job) {
    double speed = lbk_place_speed(caps) / caps->compute_units;
    return job.work / (units * speed) + (units > 1 ? job.launches * LAUNCH_S : 0);
}

/* Splits a CPU that both would use whole, unless in turn they finish sooner, or `always`. */
static void split_shared_cpu(const lbk_device_list *list, lbk_place_jobs jobs, bool always, lbk_device_spec *teacher,
                             lbk_device_spec *student) {
    const lbk_caps *caps = &list->items[teacher->info].caps;
    uint32_t units = caps->compute_units;
    if (!(caps->type & CL_DEVICE_TYPE_CPU) || caps->max_sub_devices < 2 || units < 2)
        return;
    uint32_t first = lbk_place_share(units, jobs.teacher.work, jobs.student.work);
    double slower = fmax(seconds(caps, first, jobs.teacher), seconds(caps, units - first, jobs.student));
    if (!always && seconds(caps, units, jobs.teacher) + seconds(caps, units, jobs.student) < slower)
        return;
    *teacher = whole(teacher->info);
    teacher->parts = 2;
    teacher->part = 0;
    teacher->counts[0] = first;
    teacher->counts[1] = units - first;
    *student = *teacher;
    student->part = 1;
}

static lbk_status no_device(void) {
    return lbk_fail(LBK_ERR_DEVICE, "no OpenCL device was found; `limbeck devices` lists what is there. "
                                    "On a machine without a GPU install PoCL (Debian/Ubuntu: pocl-opencl-icd)");
}

/* The device that should take a job beside one that is placed already: another GPU, else the shared GPU or a CPU by the time
 * both need, else whatever there is. */
static int beside(const lbk_device_list *list, int placed, lbk_place_job placed_job, lbk_place_job own, bool apart) {
    int gpu = fastest(list, CL_DEVICE_TYPE_GPU, placed), cpu = fastest(list, CL_DEVICE_TYPE_CPU, -1);
    if (gpu >= 0)
        return gpu;
    if (!(list->items[placed].caps.type & CL_DEVICE_TYPE_GPU))
        return cpu >= 0 ? cpu : placed;
    if (cpu < 0)
        return placed;
    double gpu_speed = lbk_place_speed(&list->items[placed].caps), cpu_speed = lbk_place_speed(&list->items[cpu].caps);
    double together = (placed_job.work + own.work) / gpu_speed;
    return apart || fmax(placed_job.work / gpu_speed, own.work / cpu_speed) < together ? cpu : placed;
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

lbk_status lbk_place_choose(const lbk_device_list *list, const char *teacher, const char *student, lbk_place_jobs jobs,
                            lbk_device_spec *teacher_spec, lbk_device_spec *student_spec) {
    bool auto_teacher = lbk_place_is_free(teacher), auto_student = lbk_place_is_free(student);
    bool apart = strcmp(teacher, APART) == 0 || strcmp(student, APART) == 0;
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
        *teacher_spec = whole(beside(list, student_spec->info, jobs.student, jobs.teacher, apart));
    if (auto_student)
        *student_spec = whole(beside(list, teacher_spec->info, jobs.teacher, jobs.student, apart));
    if (same_whole(teacher_spec, student_spec) && auto_teacher && auto_student)
        split_shared_cpu(list, jobs, apart, teacher_spec, student_spec);
    return LBK_OK;
}

lbk_status lbk_place_choose_alone(const lbk_device_list *list, const char *student, lbk_device_spec *spec) {
    return lbk_place_is_free(student) ? lbk_place_best(list, spec) : choose_one(list, student, "student", spec);
}
