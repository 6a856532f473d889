#include "optim/helpers/launch.h"

static void visit_class(const lbk_device_list *list, size_t index, lbk_class cls, void (*visit)(lbk_device *)) {
    lbk_device_spec spec = {.info = (int)index};
    lbk_open_options options = {.cls = lbk_class_name(cls)};
    lbk_device *device = NULL;
    if (lbk_device_open(list, &spec, &options, 1, &device) == LBK_ERR_UNSUPPORTED)
        return; /* the device lacks what the class needs */
    cr_assert_not_null(device, "%s", lbk_error_message());
    visit(device);
    lbk_device_close(device);
}

void launch_each_device(void (*visit)(lbk_device *)) {
    lbk_device_list list;
    OK(lbk_device_list_init(&list));
    if (list.count == 0)
        cr_skip("no OpenCL device");
    for (size_t i = 0; i < list.count; i++)
        for (int cls = LBK_CLASS_GENERIC; cls <= LBK_CLASS_GPU; cls++)
            visit_class(&list, i, (lbk_class)cls, visit);
    lbk_device_list_release(&list);
}

static void arg_set(const launch *l, cl_uint at, const lbk_arg *arg, const cl_mem *buffers) {
    if (arg->kind == LBK_ARG_INPUT)
        CL_OK(clSetKernelArg(l->kernel, at, sizeof *buffers, &buffers[arg->index]));
    else if (arg->kind == LBK_ARG_INT)
        CL_OK(clSetKernelArg(l->kernel, at, sizeof arg->index, &arg->index));
    else if (arg->kind == LBK_ARG_FLOAT)
        CL_OK(clSetKernelArg(l->kernel, at, sizeof arg->number, &arg->number));
    else
        cr_assert_fail("argument %u is of kind %d", at, (int)arg->kind);
}

void launch_make(launch *l, lbk_device *device, const lbk_call *call, const cl_mem *buffers) {
    *l = (launch){.device = device, .call = *call};
    OK(lbk_kernel_create(device, call->file, call->name, call->options, &l->kernel));
    for (int i = 0; i < call->arg_count; i++)
        arg_set(l, (cl_uint)i, &call->arg[i], buffers);
}

void launch_run(launch *l) {
    CL_OK(clEnqueueNDRangeKernel(l->device->queue, l->kernel, (cl_uint)l->call.dims, NULL, l->call.global,
                                 l->call.local, 0, NULL, NULL));
}

void launch_release(launch *l) {
    CL_OK(clReleaseKernel(l->kernel));
}
