/* OpenCL platforms, devices, contexts, queues and buffers.
 *
 * A *spec* names a device or a part of one. lbk_device_open() turns a list of specs into opened devices; those of one
 * platform share one cl_context (buffers and events can then pass between them), each has its own in-order compute queue
 * and its own in-order copy queue, both with profiling. Every OpenCL call is checked with LBK_CL(). */
#ifndef LBK_DEVICE_DEVICE_H
#define LBK_DEVICE_DEVICE_H

#include "base/memory.h"

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>
#include <stdbool.h>
#include <stdint.h>

/* Which family of kernels a device runs; chosen by capability, never by vendor. */
typedef enum lbk_class {
    LBK_CLASS_GENERIC, /* correct on any OpenCL 1.2 device */
    LBK_CLASS_CPU,     /* explicit wide vectors, one work-item per work-group, no barriers */
    LBK_CLASS_GPU,     /* local-memory tiles */
} lbk_class;
const char *lbk_class_name(lbk_class cls); /* "generic", "cpu", "gpu": also the kernel folder's name */
lbk_status lbk_class_parse(const char *name, lbk_class *out);

/* What the two operands of a product are rounded to, to nearest even, before a matrix product or a convolution multiplies them; sums
 * are float32 throughout. TF32 is float32 with 10 bits of fraction. */
typedef enum lbk_arithmetic {
    LBK_ARITHMETIC_FLOAT32, /* no rounding */
    LBK_ARITHMETIC_TF32,
    LBK_ARITHMETIC_FLOAT16,
    LBK_ARITHMETIC_BFLOAT16,
} lbk_arithmetic;

/* What a device can do, read once. Plain data: ops choose variants by this, and tests can make one up. */
typedef struct lbk_caps {
    lbk_class cls;
    cl_device_type type;
    uint32_t compute_units, clock_mhz, vector_width; /* native float vector width; 1 when scalar */
    size_t max_group, max_item[3];                   /* work-group limits, work-items */
    uint64_t local_bytes, global_bytes, max_alloc_bytes, cache_bytes;
    uint32_t align_bytes; /* sub-buffer alignment */
    bool unified_memory, compiler, fp64, fp16, subgroups, full_profile, little_endian;
    uint32_t max_sub_devices; /* > 1: can be partitioned by counts */
    uint32_t matrix_units;    /* bit 1 << lbk_arithmetic: units for such products (matrix_units.h) */
    bool emulated_units;      /* those are emulated in OpenCL C, for tests */
} lbk_caps;

typedef struct lbk_device_info {
    int platform_index, device_index; /* "P.D" */
    cl_platform_id platform;
    cl_device_id id;
    char platform_name[128], name[160], vendor[128], version[128], driver[128];
    lbk_caps caps;
} lbk_device_info;

typedef struct lbk_device_list {
    lbk_device_info *items;
    size_t count;
    char problem[256]; /* the first platform or device that could not be listed, and why; "" when all could */
} lbk_device_list;

/* Every device of every platform, platforms in loader order. A platform or device that fails to list is logged, noted in
 * `problem` and skipped. No platform at all gives an empty list and LBK_OK. */
lbk_status lbk_device_list_init(lbk_device_list *list);
void lbk_device_list_release(lbk_device_list *list);

/* One device, or part `part` (0-based) of the split of its compute units into counts[0..parts). parts 0: whole device. */
#define LBK_MAX_PARTS 64
typedef struct lbk_device_spec {
    int info; /* index into the list */
    int parts, part;
    uint32_t counts[LBK_MAX_PARTS];
} lbk_device_spec;

/* Reads the user's words: "cpu", "gpu", "accelerator" (the first of that type; a device with kernels of its own class
 * goes before one that runs the generic ones), "P.D", "P.D/K of N" (part K, 1-based, of N equal ones: they differ by one
 * compute unit at most; also "cpu/K of N" and "NAME/K of N"), or part of a device's name (case-insensitive; must match
 * exactly one device, else the matches are named). "auto" is host/place's business and refused here. LBK_ERR_INPUT lists
 * what is there. */
lbk_status lbk_device_spec_parse(const lbk_device_list *list, const char *text, lbk_device_spec *out);

typedef struct lbk_device_context lbk_device_context; /* shared by the devices of one platform; reference counted */
struct lbk_target;

typedef struct lbk_device {
    lbk_device_info info; /* caps.compute_units is that of the part */
    char label[64];       /* "0.0", "0.0/1 of 2": for messages and reports */
    cl_device_id id;      /* sub-device where part of one */
    lbk_device_context *context;
    cl_context cl; /* context's */
    cl_command_queue queue, copy_queue;
    uint64_t allocated_bytes, peak_bytes; /* by lbk_buffer_create() */
    uint32_t units_tried;                 /* bits, as in caps.matrix_units, whose trial is over */
    struct lbk_target *target;            /* what programs are built for: host/device's own (context.h) */
} lbk_device;

typedef struct lbk_open_options {
    const char *kernels;    /* folder of prebuilt binaries (`limbeck kernels build`), or NULL */
    const char *cls;        /* force a class: "cpu", "gpu", "generic"; NULL: $LIMBECK_CLASS, else by capability */
    bool emulate_units;     /* class gpu: every kind of matrix units, emulated ($LIMBECK_MATRIX_UNITS=emulated too) */
    bool no_compiler;       /* treat the device as one without a compiler ($LIMBECK_NO_COMPILER sets it too) */
    bool separate_contexts; /* a context per device even on one platform (tests of the host bridge) */
} lbk_open_options;

/* Opens specs[count] into devices[count] (pointers; destroy each). Equal specs give two devices over one cl_device_id.
 * Specs that split the same device must use the same counts; the sub-devices live as long as the process (split.c).
 * options NULL: defaults; else options[count]. */
lbk_status lbk_device_open(const lbk_device_list *list, const lbk_device_spec *specs, const lbk_open_options *options,
                           size_t count, lbk_device **devices);
/* Waits for its queues, releases everything. NULL is allowed. */
void lbk_device_close(lbk_device *device);

/* Device memory, counted in device->allocated_bytes. bytes 0 allocates one alignment unit. */
lbk_status lbk_buffer_create(lbk_device *device, size_t bytes, cl_mem *out);
void lbk_buffer_destroy(lbk_device *device, cl_mem *buffer); /* sets NULL; NULL is allowed */
/* A window of `parent`; offset must be a multiple of caps.align_bytes. Release with clReleaseMemObject. */
lbk_status lbk_buffer_view(cl_mem parent, size_t offset, size_t bytes, cl_mem *out);
/* Blocking transfers on the compute queue, mapped where memory is unified: for set-up and results, never in a step. */
lbk_status lbk_buffer_write(lbk_device *device, cl_mem buffer, size_t offset, const void *host, size_t bytes);
lbk_status lbk_buffer_read(lbk_device *device, cl_mem buffer, size_t offset, void *host, size_t bytes);
lbk_status lbk_buffer_zero(lbk_device *device, cl_mem buffer, size_t bytes);

/* Waits for one event and turns a failed command into an error. The event is not released. */
lbk_status lbk_event_wait(lbk_device *device, cl_event event);
/* start and end of a finished command, device nanoseconds (CL_PROFILING_COMMAND_START/END). */
lbk_status lbk_event_times(cl_event event, uint64_t *start_ns, uint64_t *end_ns);

const char *lbk_cl_error_name(cl_int code); /* "CL_INVALID_VALUE" */
lbk_status lbk_cl_fail(cl_int code, const char *call, const char *file, int line);
/* LBK_TRY(LBK_CL(clFinish(queue))) */
#define LBK_CL(call) lbk_cl_check((call), #call, __FILE__, __LINE__)
static inline lbk_status lbk_cl_check(cl_int code, const char *call, const char *file, int line) {
    return code == CL_SUCCESS ? LBK_OK : lbk_cl_fail(code, call, file, line);
}

#endif
