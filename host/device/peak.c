#include "device/peak.h"

#include "base/clock.h"
#include "device/program.h"

#include <stdio.h>

#define RUNS 8
#define LEAST_S 0.25
#define CHAINS 12 /* of the kernel */
#define ROUNDS 4096
#define LOCAL 256
#define COPY_BYTES ((size_t)96 << 20)

/* Seconds of the fastest run. For a while, since a system may have new threads share one core in the beginning. */
static lbk_status fastest(lbk_device *device, cl_kernel kernel, size_t global, size_t local, double *seconds) {
    *seconds = 1e30;
    uint64_t begin = lbk_clock_ns();
    for (int run = 0; run < RUNS || lbk_clock_since(begin) < LEAST_S; run++) {
        cl_event done = NULL;
        uint64_t start = 0, end = 0;
        LBK_TRY(LBK_CL(clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &global, &local, 0, NULL, &done)));
        lbk_status status = lbk_event_wait(device, done);
        if (status == LBK_OK)
            status = lbk_event_times(done, &start, &end);
        clReleaseEvent(done);
        LBK_TRY(status);
        double taken = (double)(end - start) * 1e-9;
        *seconds = taken < *seconds && taken > 0 ? taken : *seconds;
    }
    return LBK_OK;
}

static lbk_status measure_flops(lbk_device *device, cl_kernel kernel, cl_mem y, int width, double *rate) {
    const lbk_caps *caps = &device->info.caps;
    bool cpu = caps->cls == LBK_CLASS_CPU;
    size_t local = cpu ? 1 : caps->max_group < LOCAL ? caps->max_group : LOCAL;
    size_t global = caps->compute_units * (cpu ? 16 : 16 * local);
    cl_float scale = 0.999F, shift = 0.001F;
    cl_int rounds = ROUNDS;
    double seconds;
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 0, sizeof y, &y)));
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 1, sizeof scale, &scale)));
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 2, sizeof shift, &shift)));
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 3, sizeof rounds, &rounds)));
    LBK_TRY(fastest(device, kernel, global, local, &seconds));
    *rate = 2.0 * CHAINS * ROUNDS * width * (double)global / seconds;
    return LBK_OK;
}

static lbk_status measure_copy(lbk_device *device, cl_kernel kernel, const cl_mem buffers[2], size_t bytes,
                               double *rate) {
    size_t count = bytes / sizeof(float), most = device->info.caps.max_group;
    cl_int n = (cl_int)count;
    double seconds;
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 0, sizeof buffers[0], &buffers[0])));
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 1, sizeof buffers[1], &buffers[1])));
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 2, sizeof n, &n)));
    LBK_TRY(fastest(device, kernel, count, most < LOCAL ? most : LOCAL, &seconds));
    *rate = 2.0 * (double)bytes / seconds;
    return LBK_OK;
}

lbk_status lbk_peak_measure(lbk_device *device, lbk_peak *out) {
    const lbk_caps *caps = &device->info.caps;
    int width = caps->cls != LBK_CLASS_CPU ? 1 : caps->vector_width >= 16 ? 16 : caps->vector_width >= 8 ? 8 : 4;
    size_t bytes = caps->max_alloc_bytes < COPY_BYTES ? caps->max_alloc_bytes & ~(size_t)0xFFFF : COPY_BYTES;
    cl_kernel chains = NULL, copy = NULL;
    cl_mem buffers[2] = {NULL, NULL};
    char options[32];
    lbk_status status = LBK_OK;
    snprintf(options, sizeof options, "-DWIDTH=%d", width);
    LBK_GOTO(lbk_kernel_create(device, "generic/peak", "fma_chains", options, &chains));
    LBK_GOTO(lbk_kernel_create(device, "generic/peak", "copy", options, &copy));
    for (int i = 0; i < 2; i++) {
        LBK_GOTO(lbk_buffer_create(device, bytes, &buffers[i]));
        LBK_GOTO(lbk_buffer_zero(device, buffers[i], bytes));
    }
    LBK_GOTO(measure_flops(device, chains, buffers[0], width, &out->flops));
    LBK_GOTO(measure_copy(device, copy, buffers, bytes, &out->bytes));
out:
    for (int i = 0; i < 2; i++)
        lbk_buffer_destroy(device, &buffers[i]);
    if (chains)
        clReleaseKernel(chains);
    if (copy)
        clReleaseKernel(copy);
    return lbk_context(status, "measuring what device %s can do", device->label);
}

double lbk_peak_seconds(const lbk_peak *peak, double flops, double bytes) {
    double computing = flops / peak->flops, moving = bytes / peak->bytes;
    return computing > moving ? computing : moving;
}
