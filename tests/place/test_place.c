/* Placement rules on machines made up for the purpose. */
#include "place/place.h"

#include <criterion/criterion.h>
#include <string.h>

static lbk_device_info device(cl_device_type type, uint32_t units, uint32_t clock, uint32_t width, int platform) {
    lbk_device_info info;
    memset(&info, 0, sizeof info);
    info.platform_index = platform;
    info.caps.type = type;
    info.caps.compute_units = units;
    info.caps.clock_mhz = clock;
    info.caps.vector_width = width;
    info.caps.compiler = true;
    info.caps.max_sub_devices = type & CL_DEVICE_TYPE_CPU ? units : 1;
    strcpy(info.name, type & CL_DEVICE_TYPE_GPU ? "Some GPU" : "Some CPU");
    return info;
}

#define CPU(units) device(CL_DEVICE_TYPE_CPU, units, 3000, 16, 0)
#define GPU(units) device(CL_DEVICE_TYPE_GPU, units, 1500, 1, 1)

static lbk_device_spec teacher, student;

static lbk_status choose_for(lbk_device_info *items, size_t count, const char *t, const char *s, lbk_place_jobs jobs) {
    lbk_device_list list = {.items = items, .count = count};
    return lbk_place_choose(&list, t, s, jobs, &teacher, &student);
}

static lbk_status choose(lbk_device_info *items, size_t count, const char *t, const char *s, double wt, double ws) {
    return choose_for(items, count, t, s, (lbk_place_jobs){{wt, 0}, {ws, 0}});
}

Test(place, one_cpu_is_split_by_work) {
    lbk_device_info items[] = {CPU(8)};
    cr_assert_eq(choose(items, 1, "auto", "auto", 3e9, 1e9), LBK_OK);
    cr_expect_eq(teacher.parts, 2);
    cr_expect_eq(teacher.part, 0);
    cr_expect_eq(student.part, 1);
    cr_expect_eq(teacher.counts[0], 6);
    cr_expect_eq(teacher.counts[1], 2);
}

/* Of two units one would wait for the other half of the time. */
Test(place, work_that_no_split_fits_shares_the_whole_cpu) {
    lbk_device_info items[] = {CPU(2)};
    cr_assert_eq(choose_for(items, 1, "auto", "auto", (lbk_place_jobs){{1e10, 60}, {3e10, 200}}), LBK_OK);
    cr_expect_eq(teacher.parts, 0);
    cr_expect_eq(student.parts, 0);
}

Test(place, apart_is_obeyed) {
    lbk_device_info items[] = {CPU(2), GPU(132)};
    cr_assert_eq(choose(items, 1, "apart", "auto", 1e10, 3e10), LBK_OK);
    cr_expect(teacher.parts == 2 && student.parts == 2 && teacher.part != student.part);
    cr_assert_eq(choose(items, 2, "auto", "apart", 1e9, 1e9), LBK_OK);
    cr_expect(teacher.info == 1 && student.info == 0);
}

Test(place, small_launches_are_not_worth_two_units) {
    lbk_device_info items[] = {CPU(2)};
    cr_assert_eq(choose_for(items, 1, "auto", "auto", (lbk_place_jobs){{1e7, 60}, {3e7, 200}}), LBK_OK);
    cr_expect_eq(teacher.parts, 2);
    cr_expect_eq(student.part, 1);
}

Test(place, a_one_unit_cpu_is_shared_whole) {
    lbk_device_info items[] = {CPU(1)};
    cr_assert_eq(choose(items, 1, "auto", "auto", 1, 1), LBK_OK);
    cr_expect_eq(teacher.parts, 0);
    cr_expect_eq(student.parts, 0);
}

Test(place, two_gpus_take_one_model_each_the_faster_one_the_teacher) {
    lbk_device_info items[] = {CPU(8), GPU(40), GPU(80)};
    cr_assert_eq(choose(items, 3, "auto", "auto", 1, 1), LBK_OK);
    cr_expect_eq(teacher.info, 2);
    cr_expect_eq(student.info, 1);
}

Test(place, beside_one_fast_gpu_a_slow_cpu_is_left_idle) {
    lbk_device_info items[] = {CPU(2), GPU(132)};
    cr_assert_eq(choose(items, 2, "auto", "auto", 1e9, 1e9), LBK_OK);
    cr_expect_eq(teacher.info, 1);
    cr_expect_eq(student.info, 1);
}

Test(place, a_cpu_as_fast_as_the_gpu_takes_the_student) {
    lbk_device_info items[] = {CPU(64), GPU(16)};
    cr_assert_eq(choose(items, 2, "auto", "auto", 1e9, 1e9), LBK_OK);
    cr_expect_eq(teacher.info, 1);
    cr_expect_eq(student.info, 0);
}

Test(place, a_named_device_is_obeyed) {
    lbk_device_info items[] = {CPU(8), GPU(40)};
    cr_assert_eq(choose(items, 2, "cpu", "gpu", 1, 1), LBK_OK);
    cr_expect_eq(teacher.info, 0);
    cr_expect_eq(student.info, 1);
}

Test(place, nothing_to_run_on_is_said) {
    cr_assert_eq(choose(NULL, 0, "auto", "auto", 1, 1), LBK_ERR_DEVICE);
    cr_expect_str_eq(lbk_error_message(),
                     "no OpenCL device was found; `limbeck devices` lists what is there. On a machine without a GPU "
                     "install PoCL (Debian/Ubuntu: pocl-opencl-icd)");
}

Test(place, accelerators_are_used_by_name_only) {
    lbk_device_info items[] = {device(CL_DEVICE_TYPE_ACCELERATOR, 1, 200, 1, 0), CPU(4)};
    items[0].caps.compiler = false;
    cr_assert_eq(choose(items, 2, "auto", "auto", 1, 1), LBK_OK);
    cr_expect_eq(teacher.info, 1);
    cr_assert_eq(choose(items, 2, "auto", "accelerator", 1, 1), LBK_OK);
    cr_expect_eq(student.info, 0);
    cr_expect_eq(teacher.info, 1);
}

Test(share, no_split_finishes_sooner) {
    for (uint32_t units = 2; units < 20; units++) {
        for (double ratio = 0.1; ratio < 10; ratio *= 1.3) {
            uint32_t a = lbk_place_share(units, ratio, 1);
            double chosen = ratio / a > 1.0 / (units - a) ? ratio / a : 1.0 / (units - a);
            for (uint32_t b = 1; b < units; b++) {
                double other = ratio / b > 1.0 / (units - b) ? ratio / b : 1.0 / (units - b);
                cr_expect_leq(chosen, other + 1e-12);
            }
        }
    }
}
