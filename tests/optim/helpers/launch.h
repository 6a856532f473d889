/* One described call run on a device, without a plan. */
#ifndef LBK_TESTS_OPTIM_LAUNCH_H
#define LBK_TESTS_OPTIM_LAUNCH_H

#include "device/program.h"
#include "ops/emit.h"

#include <criterion/criterion.h>

#define OK(call) cr_assert_eq((call), LBK_OK, "%s: %s", #call, lbk_error_message())
#define CL_OK(call) cr_assert_eq((call), CL_SUCCESS, "%s", #call)

/* Calls `visit` for every device there is in every class it can be opened in; skips the test where there is none. */
void launch_each_device(void (*visit)(lbk_device *device));

typedef struct launch {
    lbk_device *device;
    lbk_call call;
    cl_kernel kernel;
} launch;

/* Builds the kernel and sets its arguments; INPUT arguments index buffers[]. */
void launch_make(launch *l, lbk_device *device, const lbk_call *call, const cl_mem *buffers);
void launch_run(launch *l);
void launch_release(launch *l);

#endif
