/* Listing, classes, error names. */
#include "device/context.h"
#include "device/helpers/sandbox.h"

#include <stdlib.h>
#include <string.h>

static void enter(void) {
    sandbox_enter(0);
}

TestSuite(list, .init = enter, .fini = sandbox_leave);

Test(list, describes_every_device) {
    const lbk_device_list *list = sandbox_list();
    for (size_t i = 0; i < list->count; i++) {
        const lbk_device_info *info = &list->items[i];
        const lbk_caps *caps = &info->caps;
        cr_expect(info->name[0] && info->platform_name[0] && info->version[0] && info->driver[0]);
        cr_expect(caps->compute_units >= 1 && caps->vector_width >= 1 && caps->max_group >= 1 &&
                  caps->max_item[0] >= 1);
        cr_expect(caps->align_bytes >= 1 && (caps->align_bytes & (caps->align_bytes - 1)) == 0);
        cr_expect(caps->max_alloc_bytes > 0 && caps->max_alloc_bytes <= caps->global_bytes);
        cr_expect(caps->cls == lbk_class_choose(caps));
        for (size_t j = 0; j < i; j++)
            cr_expect(list->items[j].platform_index != info->platform_index ||
                      list->items[j].device_index != info->device_index);
    }
}

Test(list, class_follows_capability) {
    const struct {
        lbk_caps caps;
        lbk_class expected;
    } cases[] = {
        {{.type = CL_DEVICE_TYPE_CPU, .vector_width = 16, .max_group = 4096}, LBK_CLASS_CPU},
        {{.type = CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_DEFAULT, .vector_width = 4, .max_group = 1}, LBK_CLASS_CPU},
        {{.type = CL_DEVICE_TYPE_CPU, .vector_width = 1, .max_group = 1024, .local_bytes = 32768}, LBK_CLASS_GENERIC},
        {{.type = CL_DEVICE_TYPE_CPU, .vector_width = 2, .max_group = 1024}, LBK_CLASS_GENERIC},
        {{.type = CL_DEVICE_TYPE_GPU, .vector_width = 1, .max_group = 64, .local_bytes = 1}, LBK_CLASS_GPU},
        {{.type = CL_DEVICE_TYPE_GPU, .vector_width = 1, .max_group = 63, .local_bytes = 32768}, LBK_CLASS_GENERIC},
        {{.type = CL_DEVICE_TYPE_GPU, .vector_width = 4, .max_group = 1024}, LBK_CLASS_GENERIC},
        {{.type = CL_DEVICE_TYPE_ACCELERATOR, .vector_width = 16, .max_group = 1024, .local_bytes = 32768},
         LBK_CLASS_GENERIC},
        {{.type = CL_DEVICE_TYPE_CUSTOM, .vector_width = 16, .max_group = 1024}, LBK_CLASS_GENERIC},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(lbk_class_choose(&cases[i].caps), cases[i].expected, "case %zu", i);
}

Test(list, class_names) {
    lbk_class cls;
    for (int i = 0; i <= LBK_CLASS_GPU; i++) {
        OK(lbk_class_parse(lbk_class_name((lbk_class)i), &cls));
        cr_expect_eq((int)cls, i);
    }
    cr_expect_eq(lbk_class_parse("GPU", &cls), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "unknown device class \"GPU\"; expected cpu, gpu or generic");
}

Test(list, error_names) {
    cr_expect_str_eq(lbk_cl_error_name(CL_SUCCESS), "CL_SUCCESS");
    cr_expect_str_eq(lbk_cl_error_name(CL_INVALID_VALUE), "CL_INVALID_VALUE");
    cr_expect_str_eq(lbk_cl_error_name(CL_INVALID_DEVICE_PARTITION_COUNT), "CL_INVALID_DEVICE_PARTITION_COUNT");
    cr_expect_str_eq(lbk_cl_error_name(-9999), "unknown OpenCL error");
    cr_expect_eq(lbk_cl_fail(CL_INVALID_VALUE, "clFinish(device->queue)", "/a/b/host/x/y.c", 7), LBK_ERR_DEVICE);
    cr_expect_str_eq(lbk_error_message(), "clFinish: CL_INVALID_VALUE (-30) at host/x/y.c:7");
    cr_expect_eq(lbk_cl_fail(CL_OUT_OF_HOST_MEMORY, "clFlush", "y.c", 8), LBK_ERR_MEMORY);
    cr_expect_str_eq(lbk_error_message(), "clFlush: CL_OUT_OF_HOST_MEMORY (-6) at y.c:8");
}

/* Runs test/reverse (local memory and a barrier) on the device: 64 floats in groups of 16. */
static void reverse(lbk_device *device, float *values) {
    size_t global = 64, local = 16, bytes = 64 * sizeof *values;
    cl_kernel kernel = NULL;
    cl_mem x = NULL, y = NULL;
    OK(lbk_buffer_create(device, bytes, &x));
    OK(lbk_buffer_create(device, bytes, &y));
    OK(lbk_buffer_write(device, x, 0, values, bytes));
    OK(lbk_kernel_create(device, "test/reverse", "reverse", "-DGROUP=16", &kernel));
    CL_OK(clSetKernelArg(kernel, 0, sizeof x, &x));
    CL_OK(clSetKernelArg(kernel, 1, sizeof y, &y));
    CL_OK(clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL));
    OK(lbk_buffer_read(device, y, 0, values, bytes));
    CL_OK(clReleaseKernel(kernel));
    lbk_buffer_destroy(device, &x);
    lbk_buffer_destroy(device, &y);
}

/* Data goes over the host from a device of one platform to one of another and back. */
Test(list, two_platforms_in_one_process) {
    setenv("RUSTICL_ENABLE", "llvmpipe", 1);
    const lbk_device_list *list = sandbox_list();
    size_t second = 1;
    while (second < list->count && list->items[second].platform == list->items[0].platform)
        second++;
    if (second == list->count)
        cr_skip_test("one OpenCL platform only");
    lbk_device_spec specs[2] = {{.info = 0}, {.info = (int)second}};
    lbk_device *devices[2];
    float values[64];
    OK(lbk_device_open(list, specs, NULL, 2, devices));
    cr_expect(devices[0]->cl != devices[1]->cl, "platforms cannot share a context");
    for (int i = 0; i < 64; i++)
        values[i] = (float)i;
    reverse(devices[0], values);
    for (int i = 0; i < 64; i++)
        cr_assert_eq(values[i], (float)(i / 16 * 16 + 15 - i % 16));
    reverse(devices[1], values);
    for (int i = 0; i < 64; i++)
        cr_assert_eq(values[i], (float)i);
    lbk_device_close(devices[0]);
    lbk_device_close(devices[1]);
}
