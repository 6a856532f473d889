/* Opening: contexts, sub-devices, classes. PoCL is given four compute units where the test needs a split. */
#include "device/helpers/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enter(void) {
    sandbox_enter(4);
}

TestSuite(open, .init = enter, .fini = sandbox_leave);

/* Opens up to four specs together. */
static lbk_status open_specs(const char *const *texts, size_t count, const lbk_open_options *options,
                             lbk_device **devices) {
    lbk_device_spec specs[4];
    for (size_t i = 0; i < count; i++)
        OK(lbk_device_spec_parse(sandbox_list(), texts[i], &specs[i]));
    return lbk_device_open(sandbox_list(), specs, options, count, devices);
}

static void require_split(void) {
    const lbk_caps *caps = &sandbox_list()->items[0].caps;
    if (caps->max_sub_devices < 3 || caps->compute_units < 4)
        cr_skip_test("the first device cannot be split into three");
}

Test(open, whole_device_runs_a_kernel) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cr_expect_str_eq(device->label, "0.0");
    cr_expect_eq(device->id, device->info.id);
    cr_expect(device->queue && device->copy_queue && device->queue != device->copy_queue);
    sandbox_check_scale(device, 3, 1000);
    cr_expect_eq(device->allocated_bytes, 0);
    cr_expect_eq(device->peak_bytes, 8000);
    lbk_device_close(device);
    lbk_device_close(NULL);
}

Test(open, parts_are_sub_devices_of_one_context) {
    const char *texts[] = {"0.0/1 of 3", "0.0/2 of 3", "0.0/3 of 3"};
    const cl_uint units[] = {2, 1, 1};
    lbk_device *devices[3];
    require_split();
    OK(open_specs(texts, 3, NULL, devices));
    for (int i = 0; i < 3; i++) {
        cl_uint got = 0;
        cl_device_id parent = NULL;
        CL_OK(clGetDeviceInfo(devices[i]->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof got, &got, NULL));
        CL_OK(clGetDeviceInfo(devices[i]->id, CL_DEVICE_PARENT_DEVICE, sizeof parent, &parent, NULL));
        cr_expect_eq(got, units[i]);
        cr_expect_eq(devices[i]->info.caps.compute_units, units[i]);
        cr_expect_eq(parent, sandbox_list()->items[0].id);
        cr_expect_eq(devices[i]->cl, devices[0]->cl);
        cr_expect_str_eq(devices[i]->label, texts[i]);
        sandbox_check_scale(devices[i], i + 2, 100);
    }
    cr_expect(devices[0]->id != devices[1]->id && devices[1]->id != devices[2]->id);
    for (int i = 0; i < 3; i++) /* in the order of opening: a context must outlive its first device */
        lbk_device_close(devices[i]);
}

/* A buffer and an event pass between two parts without the host. */
Test(open, parts_share_buffers_and_events) {
    const char *texts[] = {"0.0/1 of 2", "0.0/2 of 2"};
    lbk_device *devices[2];
    cl_mem shared = NULL;
    cl_event written = NULL, read = NULL;
    float out[256], in[256];
    require_split();
    OK(open_specs(texts, 2, NULL, devices));
    for (int i = 0; i < 256; i++)
        in[i] = (float)i;
    OK(lbk_buffer_create(devices[0], sizeof in, &shared));
    CL_OK(clEnqueueWriteBuffer(devices[0]->queue, shared, CL_FALSE, 0, sizeof in, in, 0, NULL, &written));
    CL_OK(clFlush(devices[0]->queue));
    CL_OK(clEnqueueReadBuffer(devices[1]->queue, shared, CL_FALSE, 0, sizeof out, out, 1, &written, &read));
    OK(lbk_event_wait(devices[1], read));
    cr_expect_arr_eq(out, in, sizeof in);
    clReleaseEvent(written);
    clReleaseEvent(read);
    lbk_buffer_destroy(devices[0], &shared);
    lbk_device_close(devices[1]);
    lbk_device_close(devices[0]);
}

Test(open, equal_specs_share_the_device_but_not_the_queue) {
    const char *texts[] = {"0.0/2 of 2", "0.0/2 of 2"};
    lbk_device *devices[2];
    require_split();
    OK(open_specs(texts, 2, NULL, devices));
    cr_expect_eq(devices[0]->id, devices[1]->id);
    cr_expect(devices[0]->queue != devices[1]->queue);
    sandbox_check_scale(devices[0], 5, 64);
    sandbox_check_scale(devices[1], 5, 64);
    cr_expect_eq(lbk_device_build_stats(devices[1]).built, 1, "two devices over one id share programs");
    lbk_device_close(devices[0]);
    lbk_device_close(devices[1]);
}

Test(open, separate_contexts) {
    const char *texts[] = {"0.0", "0.0", "0.0"};
    const lbk_open_options options[3] = {{0}, {.separate_contexts = true}, {0}};
    lbk_device *devices[3];
    OK(open_specs(texts, 3, options, devices));
    cr_expect(devices[0]->cl != devices[1]->cl);
    cr_expect_eq(devices[0]->cl, devices[2]->cl);
    sandbox_check_scale(devices[1], 2, 64);
    for (int i = 0; i < 3; i++)
        lbk_device_close(devices[i]);
}

Test(open, whole_and_part_together) {
    const char *texts[] = {"0.0", "0.0/1 of 2"};
    lbk_device *devices[2];
    require_split();
    OK(open_specs(texts, 2, NULL, devices));
    sandbox_check_scale(devices[0], 2, 64);
    sandbox_check_scale(devices[1], 3, 64);
    lbk_device_close(devices[0]);
    lbk_device_close(devices[1]);
}

Test(open, refuses_two_splits_of_one_device) {
    const char *texts[] = {"0.0/1 of 2", "0.0/1 of 3"};
    lbk_device *devices[2];
    char expected[512];
    require_split();
    cr_expect_eq(open_specs(texts, 2, NULL, devices), LBK_ERR_INPUT);
    snprintf(expected, sizeof expected,
             "device 0.0 (%s): it is split in two different ways; all parts must come from one split",
             sandbox_list()->items[0].name);
    cr_expect_str_eq(lbk_error_message(), expected);
    cr_expect(devices[0] == NULL && devices[1] == NULL);
}

Test(open, refuses_counts_that_do_not_fit) {
    lbk_device_spec spec = {.info = 0, .parts = 2, .part = 0, .counts = {4, 1}};
    lbk_device *device = NULL;
    require_split();
    cr_expect_eq(lbk_device_open(sandbox_list(), &spec, NULL, 1, &device), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "a split wants 5 compute units, the device has 4") != NULL, "%s",
              lbk_error_message());
    spec.counts[0] = 0;
    cr_expect_eq(lbk_device_open(sandbox_list(), &spec, NULL, 1, &device), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "part 1 of a split has no compute units") != NULL, "%s", lbk_error_message());
}

Test(open, one_core_cannot_be_split) {
    lbk_device_spec spec;
    setenv("POCL_MAX_PTHREAD_COUNT", "1", 1);
    setenv("POCL_CPU_MAX_CU_COUNT", "1", 1);
    if (sandbox_list()->items[0].caps.compute_units != 1)
        cr_skip_test("the first device cannot be made to have one core");
    cr_expect_eq(lbk_device_spec_parse(sandbox_list(), "0.0/1 of 2", &spec), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "device \"0.0/1 of 2\": 0.0 has one compute unit and cannot be split");
}

Test(open, class_can_be_forced) {
    const lbk_open_options gpu = {.cls = "gpu"}, bad = {.cls = "fast"};
    lbk_device *device = sandbox_open("0.0", NULL);
    lbk_device_spec spec = {.info = 0};
    cr_expect_eq(device->info.caps.cls, sandbox_list()->items[0].caps.cls);
    lbk_device_close(device);
    setenv("LIMBECK_CLASS", "generic", 1);
    device = sandbox_open("0.0", NULL);
    cr_expect_eq(device->info.caps.cls, LBK_CLASS_GENERIC);
    lbk_device_close(device);
    device = sandbox_open("0.0", &gpu); /* the option goes before the variable */
    cr_expect_eq(device->info.caps.cls, LBK_CLASS_GPU);
    lbk_device_close(device);
    cr_expect_eq(lbk_device_open(sandbox_list(), &spec, &bad, 1, &device), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "class: unknown device class \"fast\"; expected cpu, gpu or generic") !=
              NULL);
    setenv("LIMBECK_CLASS", "quick", 1);
    cr_expect_eq(lbk_device_open(sandbox_list(), &spec, NULL, 1, &device), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "$LIMBECK_CLASS: unknown device class \"quick\"") != NULL);
}
