/* Device memory and transfers, with memory taken as unified and as not. */
#include "device/helpers/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enter(void) {
    sandbox_enter(0);
}

TestSuite(buffer, .init = enter, .fini = sandbox_leave);

/* Writes, reads back and clears windows of a buffer; what lies around them must stay. */
static void exercise(lbk_device *device) {
    enum { BYTES = 1003 };
    unsigned char host[BYTES], back[BYTES];
    cl_mem buffer = NULL;
    OK(lbk_buffer_create(device, BYTES, &buffer));
    for (int i = 0; i < BYTES; i++)
        host[i] = (unsigned char)(i * 7 + 1);
    OK(lbk_buffer_write(device, buffer, 0, host, BYTES));
    OK(lbk_buffer_write(device, buffer, 101, "window", 6));
    memcpy(host + 101, "window", 6);
    OK(lbk_buffer_read(device, buffer, 0, back, BYTES));
    cr_expect_arr_eq(back, host, BYTES);
    OK(lbk_buffer_read(device, buffer, 99, back, 10));
    cr_expect_arr_eq(back, host + 99, 10);
    const size_t cleared[] = {0, 3, 32, 68, 1003}; /* fills by 1, 16, 4 and 1 bytes */
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++) {
        OK(lbk_buffer_zero(device, buffer, cleared[i]));
        memset(host, 0, cleared[i]);
        OK(lbk_buffer_read(device, buffer, 0, back, BYTES));
        cr_expect_arr_eq(back, host, BYTES, "after clearing %zu bytes", cleared[i]);
    }
    lbk_buffer_destroy(device, &buffer);
    cr_expect_null(buffer);
    lbk_buffer_destroy(device, &buffer);
}

Test(buffer, transfers) {
    lbk_device *device = sandbox_open("0.0", NULL);
    exercise(device);
    device->info.caps.unified_memory = !device->info.caps.unified_memory;
    exercise(device);
    lbk_device_close(device);
}

Test(buffer, nothing_to_transfer) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_mem buffer = NULL;
    OK(lbk_buffer_create(device, 16, &buffer));
    OK(lbk_buffer_write(device, buffer, 0, NULL, 0));
    OK(lbk_buffer_read(device, buffer, 0, NULL, 0));
    OK(lbk_buffer_zero(device, buffer, 0));
    lbk_buffer_destroy(device, &buffer);
    lbk_device_close(device);
}

Test(buffer, accounting) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_mem a = NULL, b = NULL, empty = NULL;
    OK(lbk_buffer_create(device, 1000, &a));
    OK(lbk_buffer_create(device, 500, &b));
    cr_expect_eq(device->allocated_bytes, 1500);
    lbk_buffer_destroy(device, &a);
    cr_expect_eq(device->allocated_bytes, 500);
    cr_expect_eq(device->peak_bytes, 1500);
    OK(lbk_buffer_create(device, 0, &empty));
    cr_expect_eq(device->allocated_bytes, 500 + device->info.caps.align_bytes);
    lbk_buffer_destroy(device, &empty);
    lbk_buffer_destroy(device, &b);
    cr_expect_eq(device->allocated_bytes, 0);
    lbk_device_close(device);
}

Test(buffer, larger_than_the_device_allows) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_mem buffer = (cl_mem)device;
    size_t bytes = (size_t)device->info.caps.max_alloc_bytes + 1;
    char expected[256];
    cr_expect_eq(lbk_buffer_create(device, bytes, &buffer), LBK_ERR_UNSUPPORTED);
    snprintf(expected, sizeof expected, "device 0.0: allocating %zu bytes: its largest buffer is %zu bytes", bytes,
             bytes - 1);
    cr_expect_str_eq(lbk_error_message(), expected);
    cr_expect_null(buffer);
    cr_expect_eq(device->allocated_bytes, 0);
    lbk_device_close(device);
}

Test(buffer, views) {
    lbk_device *device = sandbox_open("0.0", NULL);
    size_t align = device->info.caps.align_bytes;
    cl_mem parent = NULL, view = NULL;
    float value = 42, got = 0;
    OK(lbk_buffer_create(device, 4 * align + 64, &parent));
    OK(lbk_buffer_zero(device, parent, 4 * align + 64));
    OK(lbk_buffer_view(parent, 2 * align, 64, &view));
    OK(lbk_buffer_write(device, view, 8, &value, sizeof value));
    OK(lbk_buffer_read(device, parent, 2 * align + 8, &got, sizeof got));
    cr_expect_eq(got, 42);
    clReleaseMemObject(view);
    cr_expect_eq(lbk_buffer_view(parent, 8 * align, 64, &view), LBK_ERR_DEVICE);
    cr_expect(strstr(lbk_error_message(), "clCreateSubBuffer: CL_INVALID_VALUE") != NULL, "%s", lbk_error_message());
    cr_expect_null(view);
    lbk_buffer_destroy(device, &parent);
    lbk_device_close(device);
}

Test(buffer, transfer_past_the_end) {
    lbk_device *device = sandbox_open("0.0", NULL);
    unsigned char host[32] = {0};
    cl_mem buffer = NULL;
    OK(lbk_buffer_create(device, 16, &buffer));
    cr_expect_eq(lbk_buffer_write(device, buffer, 0, host, 32), LBK_ERR_DEVICE);
    cr_expect(strncmp(lbk_error_message(), "device 0.0: writing 32 bytes: clEnqueue", 39) == 0, "%s",
              lbk_error_message());
    cr_expect_eq(lbk_buffer_read(device, buffer, 8, host, 16), LBK_ERR_DEVICE);
    cr_expect(strncmp(lbk_error_message(), "device 0.0: reading 16 bytes: clEnqueue", 39) == 0, "%s",
              lbk_error_message());
    lbk_buffer_destroy(device, &buffer);
    lbk_device_close(device);
}

Test(buffer, events) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_mem buffer = NULL;
    cl_event event = NULL;
    cl_int code = CL_SUCCESS;
    uint64_t start = 0, end = 0;
    const int zero = 0;
    OK(lbk_buffer_create(device, 1 << 20, &buffer));
    CL_OK(clEnqueueFillBuffer(device->queue, buffer, &zero, sizeof zero, 0, 1 << 20, 0, NULL, &event));
    OK(lbk_event_wait(device, event));
    OK(lbk_event_times(event, &start, &end));
    cr_expect(end >= start && end - start < 10ull * 1000 * 1000 * 1000);
    clReleaseEvent(event);
    event = clCreateUserEvent(device->cl, &code);
    CL_OK(code);
    CL_OK(clSetUserEventStatus(event, CL_OUT_OF_RESOURCES));
    cr_expect_eq(lbk_event_wait(device, event), LBK_ERR_DEVICE);
    cr_expect_str_eq(lbk_error_message(), "device 0.0: a command failed: CL_OUT_OF_RESOURCES (-5)");
    clReleaseEvent(event);
    lbk_buffer_destroy(device, &buffer);
    lbk_device_close(device);
}
