/* Device memory, blocking transfers, events. */
#include "base/log.h"
#include "device/device.h"

#include <string.h>

static lbk_status at_device(const lbk_device *device, lbk_status status, const char *what, size_t bytes) {
    return lbk_context(status, "device %s: %s %zu bytes", device->label, what, bytes);
}

static lbk_status create(lbk_device *device, size_t bytes, cl_mem *out) {
    cl_int code = CL_SUCCESS;
    /* Where memory is unified, host-visible memory is what lets a map go without a copy. */
    cl_mem_flags flags = CL_MEM_READ_WRITE | (device->info.caps.unified_memory ? CL_MEM_ALLOC_HOST_PTR : 0);
    if (bytes > device->info.caps.max_alloc_bytes)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "its largest buffer is %llu bytes",
                        (unsigned long long)device->info.caps.max_alloc_bytes);
    cl_mem made = clCreateBuffer(device->cl, flags, bytes, NULL, &code);
    LBK_TRY(lbk_cl_check(code, "clCreateBuffer", __FILE__, __LINE__));
    *out = made;
    return LBK_OK;
}

lbk_status lbk_buffer_create(lbk_device *device, size_t bytes, cl_mem *out) {
    if (bytes == 0)
        bytes = device->info.caps.align_bytes;
    *out = NULL;
    LBK_TRY(at_device(device, create(device, bytes, out), "allocating", bytes));
    device->allocated_bytes += bytes;
    if (device->peak_bytes < device->allocated_bytes)
        device->peak_bytes = device->allocated_bytes;
    return LBK_OK;
}

void lbk_buffer_destroy(lbk_device *device, cl_mem *buffer) {
    size_t bytes = 0;
    if (!*buffer)
        return;
    if (clGetMemObjectInfo(*buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL) != CL_SUCCESS)
        lbk_log(LBK_LOG_WARN, "device %s: a buffer would not tell its size; the count of used memory is off",
                device->label);
    else
        device->allocated_bytes -= bytes;
    clReleaseMemObject(*buffer);
    *buffer = NULL;
}

lbk_status lbk_buffer_view(cl_mem parent, size_t offset, size_t bytes, cl_mem *out) {
    cl_buffer_region region = {.origin = offset, .size = bytes};
    cl_int code = CL_SUCCESS;
    *out = NULL;
    cl_mem made = clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    LBK_TRY(lbk_context(lbk_cl_check(code, "clCreateSubBuffer", __FILE__, __LINE__), "a window of %zu bytes at %zu",
                        bytes, offset));
    *out = made;
    return LBK_OK;
}

/* Waits for a command of ours and releases its event. */
static lbk_status finish(lbk_device *device, cl_event event) {
    lbk_status status = lbk_event_wait(device, event);
    clReleaseEvent(event);
    return status;
}

/* Copies through a mapping: no second copy inside the driver. Exactly one of `from` and `to` is not NULL. */
static lbk_status copy_mapped(lbk_device *device, cl_mem buffer, size_t offset, size_t bytes, const void *from,
                              void *to) {
    cl_int code = CL_SUCCESS;
    cl_event unmapped = NULL;
    cl_map_flags flags = from ? CL_MAP_WRITE_INVALIDATE_REGION : CL_MAP_READ;
    void *mapped = clEnqueueMapBuffer(device->queue, buffer, CL_TRUE, flags, offset, bytes, 0, NULL, NULL, &code);
    LBK_TRY(lbk_cl_check(code, "clEnqueueMapBuffer", __FILE__, __LINE__));
    if (from)
        memcpy(mapped, from, bytes);
    else
        memcpy(to, mapped, bytes);
    LBK_TRY(LBK_CL(clEnqueueUnmapMemObject(device->queue, buffer, mapped, 0, NULL, &unmapped)));
    return finish(device, unmapped);
}

lbk_status lbk_buffer_write(lbk_device *device, cl_mem buffer, size_t offset, const void *host, size_t bytes) {
    lbk_status status = LBK_OK;
    if (bytes == 0)
        return LBK_OK;
    if (device->info.caps.unified_memory)
        status = copy_mapped(device, buffer, offset, bytes, host, NULL);
    else
        status = LBK_CL(clEnqueueWriteBuffer(device->queue, buffer, CL_TRUE, offset, bytes, host, 0, NULL, NULL));
    return at_device(device, status, "writing", bytes);
}

lbk_status lbk_buffer_read(lbk_device *device, cl_mem buffer, size_t offset, void *host, size_t bytes) {
    lbk_status status = LBK_OK;
    if (bytes == 0)
        return LBK_OK;
    if (device->info.caps.unified_memory)
        status = copy_mapped(device, buffer, offset, bytes, NULL, host);
    else
        status = LBK_CL(clEnqueueReadBuffer(device->queue, buffer, CL_TRUE, offset, bytes, host, 0, NULL, NULL));
    return at_device(device, status, "reading", bytes);
}

lbk_status lbk_buffer_zero(lbk_device *device, cl_mem buffer, size_t bytes) {
    static const unsigned char zeros[16] = {0};
    cl_event filled = NULL;
    if (bytes == 0)
        return LBK_OK;
    size_t pattern = bytes % 16 == 0 ? 16 : bytes % 4 == 0 ? 4 : 1;
    lbk_status status = LBK_CL(clEnqueueFillBuffer(device->queue, buffer, zeros, pattern, 0, bytes, 0, NULL, &filled));
    if (status == LBK_OK)
        status = finish(device, filled);
    return at_device(device, status, "clearing", bytes);
}

/* How the command of a finished event ended. */
static lbk_status event_outcome(cl_event event) {
    cl_int state = CL_COMPLETE;
    LBK_TRY(LBK_CL(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL)));
    if (state < 0)
        return lbk_fail(LBK_ERR_DEVICE, "a command failed: %s (%d)", lbk_cl_error_name(state), (int)state);
    return LBK_OK;
}

lbk_status lbk_event_wait(lbk_device *device, cl_event event) {
    cl_int code = clWaitForEvents(1, &event);
    lbk_status status = LBK_OK;
    /* A failed command shows as this code, on some drivers as success: its own code says more. */
    if (code == CL_SUCCESS || code == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
        status = event_outcome(event);
    if (status == LBK_OK && code != CL_SUCCESS)
        status = lbk_cl_fail(code, "clWaitForEvents", __FILE__, __LINE__);
    return lbk_context(status, "device %s", device->label);
}

lbk_status lbk_event_times(cl_event event, uint64_t *start_ns, uint64_t *end_ns) {
    cl_ulong start = 0, end = 0;
    LBK_TRY(LBK_CL(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL)));
    LBK_TRY(LBK_CL(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL)));
    *start_ns = start;
    *end_ns = end;
    return LBK_OK;
}
