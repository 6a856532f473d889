/* Every OpenCL call of a small run made to fail in turn: a clean error that names the call, or none where the call is not
 * needed; no object of ours left; and the run works again afterwards. */
#include "device/helpers/sandbox.h"
#include "support/clfault.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enter(void) {
    sandbox_enter(2);
}

TestSuite(fault, .init = enter, .fini = sandbox_leave, .timeout = 900);

enum { COUNT = 64, BYTES = COUNT * sizeof(float) };

typedef struct run {
    lbk_device_list list;
    lbk_device *devices[2];
    cl_kernel kernel;
    cl_mem x, y, view;
    cl_event done;
    float out[COUNT];
} run;

static lbk_status open_devices(run *r) {
    lbk_device_spec specs[2];
    bool split = r->list.count && r->list.items[0].caps.max_sub_devices > 1;
    LBK_TRY(lbk_device_spec_parse(&r->list, split ? "0.0/1 of 2" : "0.0", &specs[0]));
    LBK_TRY(lbk_device_spec_parse(&r->list, split ? "0.0/2 of 2" : "0.0", &specs[1]));
    return lbk_device_open(&r->list, specs, NULL, 2, r->devices);
}

static lbk_status launch(run *r) {
    size_t global = COUNT, local = 16;
    cl_int n = COUNT;
    cl_event made = NULL;
    LBK_TRY(LBK_CL(clSetKernelArg(r->kernel, 0, sizeof r->x, &r->x)));
    LBK_TRY(LBK_CL(clSetKernelArg(r->kernel, 1, sizeof r->y, &r->y)));
    LBK_TRY(LBK_CL(clSetKernelArg(r->kernel, 2, sizeof n, &n)));
    LBK_TRY(LBK_CL(clEnqueueNDRangeKernel(r->devices[1]->queue, r->kernel, 1, NULL, &global, &local, 0, NULL, &made)));
    r->done = made;
    return lbk_event_wait(r->devices[1], r->done);
}

static lbk_status body(run *r) {
    float in[COUNT];
    uint64_t start = 0, end = 0;
    for (int i = 0; i < COUNT; i++)
        in[i] = (float)i;
    LBK_TRY(lbk_device_list_init(&r->list));
    LBK_TRY(open_devices(r));
    LBK_TRY(lbk_kernel_create(r->devices[1], "test/scale", "scale", "-DFACTOR=4", &r->kernel));
    LBK_TRY(lbk_buffer_create(r->devices[1], BYTES, &r->x));
    LBK_TRY(lbk_buffer_create(r->devices[1], BYTES, &r->y));
    LBK_TRY(lbk_buffer_zero(r->devices[1], r->x, BYTES));
    LBK_TRY(lbk_buffer_view(r->x, 0, BYTES, &r->view));
    LBK_TRY(lbk_buffer_write(r->devices[1], r->view, 0, in, BYTES));
    LBK_TRY(launch(r));
    LBK_TRY(lbk_event_times(r->done, &start, &end));
    return lbk_buffer_read(r->devices[1], r->y, 0, r->out, BYTES);
}

static void release(run *r) {
    if (r->done)
        clReleaseEvent(r->done);
    if (r->kernel)
        clReleaseKernel(r->kernel);
    if (r->view)
        clReleaseMemObject(r->view);
    if (r->devices[1]) {
        lbk_buffer_destroy(r->devices[1], &r->x);
        lbk_buffer_destroy(r->devices[1], &r->y);
    }
    lbk_device_close(r->devices[0]);
    lbk_device_close(r->devices[1]);
}

/* Calls whose failure must not fail the run: those of closing, and those of the disk cache. */
static bool may_fail_quietly(const char *call, bool warm) {
    if (strncmp(call, "clRelease", 9) == 0 || strcmp(call, "clFinish") == 0 || strcmp(call, "clGetMemObjectInfo") == 0)
        return true;
    if (warm)
        return strcmp(call, "clCreateProgramWithBinary") == 0 || strcmp(call, "clBuildProgram") == 0;
    return strcmp(call, "clGetProgramInfo") == 0;
}

static void check_outcome(const run *r, lbk_status status, const char *call, bool warm, cl_int error) {
    if (status != LBK_OK) {
        cr_expect(strstr(lbk_error_message(), call) != NULL, "%s is not named: %s", call, lbk_error_message());
        cr_expect(strstr(lbk_error_message(), lbk_cl_error_name(error)) != NULL, "%s", lbk_error_message());
        cr_expect_not(may_fail_quietly(call, warm), "%s failed the run: %s", call, lbk_error_message());
        return;
    }
    for (int i = 0; i < COUNT; i++)
        cr_expect_eq(r->out[i], 4.0f * (float)i, "wrong result after %s", call);
    cr_expect(may_fail_quietly(call, warm) || strstr(r->list.problem, call), "%s failed and nobody said so", call);
}

/* One run with call k made to fail; false when the run has no k calls. */
static bool one(long k, bool warm, cl_int error) {
    run r = {0};
    clfault_reset();
    clfault_arm(k, error);
    lbk_error_clear();
    lbk_status status = body(&r);
    char message[2048];
    snprintf(message, sizeof message, "%s", lbk_error_message());
    release(&r);
    const char *call = clfault_failed_call();
    clfault_arm(0, CL_SUCCESS);
    cr_expect_eq(clfault_live_objects(), 0, "call %ld, %s: left are %s", k, call ? call : "none", clfault_leaks());
    cr_expect_eq(clfault_live_sub_devices(), 0, "sub-devices are made again");
    if (call) {
        lbk_fail(status ? status : LBK_ERR_INTERNAL, "%s", message);
        check_outcome(&r, status, call, warm, error);
    } else {
        cr_expect_eq(status, LBK_OK, "%s", message);
    }
    lbk_device_list_release(&r.list);
    return call != NULL;
}

static void drop_cache(void) {
    if (sandbox_cache_count(".bin")) {
        char *path = sandbox_cache_entry();
        cr_assert_eq(remove(path), 0);
        free(path);
    }
}

/* Makes the sub-devices, which stay: the first time in vain. */
static void first_run(void) {
    run r = {0};
    if (sandbox_list()->items[0].caps.max_sub_devices < 2)
        return;
    clfault_reset();
    OK(lbk_device_list_init(&r.list));
    clfault_arm(1, CL_OUT_OF_RESOURCES);
    cr_expect_eq(open_devices(&r), LBK_ERR_DEVICE);
    cr_expect_str_eq(clfault_failed_call(), "clCreateSubDevices");
    cr_expect(strstr(lbk_error_message(), "clCreateSubDevices: CL_OUT_OF_RESOURCES") != NULL, "%s",
              lbk_error_message());
    cr_expect_eq(clfault_live_objects(), 0);
    cr_expect_eq(clfault_live_sub_devices(), 0);
    OK(open_devices(&r));
    cr_expect_eq(clfault_live_sub_devices(), 2);
    release(&r);
    cr_expect_eq(clfault_live_sub_devices(), 2);
    cr_expect_eq(clfault_live_objects(), 0, "%s", clfault_leaks());
    lbk_device_list_release(&r.list);
}

static void sweep(bool warm, cl_int error) {
    long k = 1;
    first_run();
    one(0, warm, error);
    for (;; k++) {
        if (!warm)
            drop_cache();
        if (!one(k, warm, error))
            break;
    }
    cr_expect(k > 50, "only %ld calls were made to fail", k - 1);
    cr_log_info("%ld calls made to fail", k - 1);
    one(0, warm, error); /* as good as new */
}

Test(fault, every_call_without_cache) {
    sweep(false, CL_OUT_OF_RESOURCES);
}

Test(fault, every_call_with_cache) {
    sweep(true, CL_OUT_OF_HOST_MEMORY);
}

Test(fault, build_failure_by_every_code_that_asks_the_compiler_again) {
    const cl_int codes[] = {CL_BUILD_PROGRAM_FAILURE, CL_INVALID_BUILD_OPTIONS};
    sandbox_list();
    for (size_t i = 0; i < 2; i++) {
        run r = {0};
        OK(body(&r));
        release(&r);
        lbk_device_list_release(&r.list);
        drop_cache();
        memset(&r, 0, sizeof r);
        clfault_reset();
        OK(lbk_device_list_init(&r.list));
        OK(open_devices(&r));
        clfault_arm(2, codes[i]); /* clCreateProgramWithSource, clBuildProgram */
        cr_expect_eq(lbk_kernel_create(r.devices[0], "test/scale", "scale", "", &r.kernel), LBK_ERR_DEVICE);
        cr_expect_str_eq(clfault_failed_call(), "clBuildProgram");
        cr_expect(strstr(lbk_error_message(), lbk_cl_error_name(codes[i])) != NULL, "%s", lbk_error_message());
        OK(lbk_kernel_create(r.devices[0], "test/scale", "scale", "", &r.kernel));
        release(&r);
        cr_expect_eq(clfault_live_objects(), 0, "%s", clfault_leaks());
        lbk_device_list_release(&r.list);
        drop_cache();
    }
}

typedef struct callback {
    sem_t over;
    cl_int result;
} callback;

static void CL_CALLBACK read_status(cl_event event, cl_int status, void *data) {
    callback *c = data;
    c->result = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    sem_post(&c->over);
}

/* The support itself: calls from callbacks are counted and fail, and what is held is told. */
Test(fault, support_sees_callbacks_and_leaks) {
    callback c = {.result = CL_SUCCESS};
    cl_int code = CL_SUCCESS;
    lbk_device *device = sandbox_open("0.0", NULL);
    cr_assert_eq(sem_init(&c.over, 0, 0), 0);
    clfault_reset();
    cl_event event = clCreateUserEvent(device->cl, &code);
    cr_expect_eq(clfault_live_objects(), 1);
    cr_expect_str_eq(clfault_leaks(), "clCreateUserEvent x1");
    CL_OK(clRetainEvent(event));
    cr_expect_str_eq(clfault_leaks(), "clCreateUserEvent x2");
    CL_OK(clReleaseEvent(event));
    cr_expect_eq(clfault_calls(), 3);
    clfault_arm(3, CL_OUT_OF_RESOURCES); /* clSetEventCallback, clSetUserEventStatus, clGetEventInfo */
    CL_OK(clSetEventCallback(event, CL_COMPLETE, read_status, &c));
    CL_OK(clSetUserEventStatus(event, CL_COMPLETE));
    while (sem_wait(&c.over) != 0) /* a signal */
        ;
    cr_expect_eq(c.result, CL_OUT_OF_RESOURCES);
    cr_expect_str_eq(clfault_failed_call(), "clGetEventInfo");
    CL_OK(clReleaseEvent(event));
    cr_expect_eq(clfault_live_objects(), 0);
    clfault_reset();
    lbk_device_close(device);
    cr_expect(strstr(clfault_leaks(), "releases of what was not held") != NULL, "opened before the reset");
}
