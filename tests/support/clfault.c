#define _GNU_SOURCE /* RTLD_NEXT */
#include "clfault.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OBJECTS 65536
#define MAX_NAMES 65536

typedef struct object {
    const void *handle;
    const char *creator; /* the call that made it */
    long references;
} object;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static object objects[MAX_OBJECTS];
static size_t object_count;
static long calls, armed, over_released;
static cl_int armed_error;
static const char *failed_call, *names[MAX_NAMES];

void clfault_arm(long k, cl_int error) {
    pthread_mutex_lock(&lock);
    calls = 0;
    armed = k;
    armed_error = error;
    failed_call = NULL;
    pthread_mutex_unlock(&lock);
}

void clfault_reset(void) {
    clfault_arm(0, CL_SUCCESS);
    pthread_mutex_lock(&lock);
    object_count = 0;
    over_released = 0;
    pthread_mutex_unlock(&lock);
}

long clfault_calls(void) {
    pthread_mutex_lock(&lock);
    long count = calls;
    pthread_mutex_unlock(&lock);
    return count;
}

const char *clfault_call_name(long k) {
    pthread_mutex_lock(&lock);
    const char *name = k >= 1 && k <= calls && k <= MAX_NAMES ? names[k - 1] : NULL;
    pthread_mutex_unlock(&lock);
    return name;
}

const char *clfault_failed_call(void) {
    pthread_mutex_lock(&lock);
    const char *name = failed_call;
    pthread_mutex_unlock(&lock);
    return name;
}

static bool is_sub_device(const object *held) {
    return strcmp(held->creator, "clCreateSubDevices") == 0;
}

static long count_references(bool sub_devices) {
    long live = 0;
    for (size_t i = 0; i < object_count; i++)
        if (is_sub_device(&objects[i]) == sub_devices)
            live += objects[i].references;
    return live;
}

long clfault_live_objects(void) {
    pthread_mutex_lock(&lock);
    long live = over_released + count_references(false);
    pthread_mutex_unlock(&lock);
    return live;
}

long clfault_live_sub_devices(void) {
    pthread_mutex_lock(&lock);
    long live = count_references(true);
    pthread_mutex_unlock(&lock);
    return live;
}

/* Sums object i with the later ones of the same creator; 0 when an earlier one had them. Lock held. */
static long sum_of_creator(size_t i) {
    long sum = 0;
    for (size_t j = 0; j < i; j++)
        if (strcmp(objects[j].creator, objects[i].creator) == 0)
            return 0;
    for (size_t j = i; j < object_count; j++)
        if (strcmp(objects[j].creator, objects[i].creator) == 0)
            sum += objects[j].references;
    return sum;
}

const char *clfault_leaks(void) {
    static char text[2048];
    size_t used = 0;
    text[0] = '\0';
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < object_count && used < sizeof text; i++) {
        long sum = sum_of_creator(i);
        if (sum)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s x%ld", used ? ", " : "", objects[i].creator,
                                     sum);
    }
    if (over_released && used < sizeof text)
        snprintf(text + used, sizeof text - used, "%sreleases of what was not held x%ld", used ? ", " : "",
                 over_released);
    pthread_mutex_unlock(&lock);
    return text;
}

/* Counts a call; true when it is the one to fail. */
static bool fails(const char *name, cl_int *error) {
    pthread_mutex_lock(&lock);
    if (calls < MAX_NAMES)
        names[calls] = name;
    bool now = ++calls == armed;
    if (now) {
        failed_call = name;
        *error = armed_error;
    }
    pthread_mutex_unlock(&lock);
    return now;
}

static object *find(const void *handle) {
    for (size_t i = 0; i < object_count; i++)
        if (objects[i].handle == handle)
            return &objects[i];
    return NULL;
}

static void hold(const char *creator, const void *handle) {
    if (!handle)
        return;
    pthread_mutex_lock(&lock);
    object *held = find(handle);
    if (!held && object_count == MAX_OBJECTS) {
        fprintf(stderr, "clfault: more than %d live OpenCL objects\n", MAX_OBJECTS);
        abort();
    }
    if (!held) {
        held = &objects[object_count++];
        *held = (object){handle, creator, 0};
    }
    held->references++;
    pthread_mutex_unlock(&lock);
}

/* Before the call is forwarded: afterwards another thread may own the same address. */
static void drop(const void *handle) {
    pthread_mutex_lock(&lock);
    object *held = find(handle);
    if (!held)
        over_released++;
    else if (--held->references == 0)
        *held = objects[--object_count];
    pthread_mutex_unlock(&lock);
}

/* A linker that drops unused libraries drops the OpenCL loader too, since this file satisfies every use of it. */
static void *next_symbol(const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol) {
        void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_GLOBAL);
        symbol = library ? dlsym(library, name) : NULL;
    }
    if (!symbol) {
        fprintf(stderr, "clfault: no %s in the OpenCL library\n", name);
        abort();
    }
    return symbol;
}

/* `real` is the loader's function of this name. The union turns an object pointer into a function pointer. */
#define REAL(name)                                                                                                     \
    static union {                                                                                                     \
        void *symbol;                                                                                                  \
        __typeof__(&name) call;                                                                                        \
    } real;                                                                                                            \
    cl_int fault = CL_SUCCESS;                                                                                         \
    if (!__atomic_load_n(&real.symbol, __ATOMIC_ACQUIRE))                                                              \
    __atomic_store_n(&real.symbol, next_symbol(#name), __ATOMIC_RELEASE)

/* Calls that neither make nor release anything. */
#define PLAIN(name, parameters, arguments)                                                                             \
    cl_int name parameters {                                                                                           \
        REAL(name);                                                                                                    \
        if (fails(#name, &fault))                                                                                      \
            return fault;                                                                                              \
        return real.call arguments;                                                                                    \
    }

/* Calls that return an object and store a code through their parameter `code`. */
#define CREATE(type, name, parameters, arguments)                                                                      \
    type name parameters {                                                                                             \
        REAL(name);                                                                                                    \
        if (fails(#name, &fault)) {                                                                                    \
            if (code)                                                                                                  \
                *code = fault;                                                                                         \
            return NULL;                                                                                               \
        }                                                                                                              \
        type made = real.call arguments;                                                                               \
        hold(#name, made);                                                                                             \
        return made;                                                                                                   \
    }

/* Calls that may store an event through their parameter `event`. */
#define ENQUEUE(name, parameters, arguments)                                                                           \
    cl_int name parameters {                                                                                           \
        REAL(name);                                                                                                    \
        if (fails(#name, &fault))                                                                                      \
            return fault;                                                                                              \
        cl_int result = real.call arguments;                                                                           \
        if (result == CL_SUCCESS && event)                                                                             \
            hold(#name, *event);                                                                                       \
        return result;                                                                                                 \
    }

#define RETAIN(type, name)                                                                                             \
    cl_int name(type held) {                                                                                           \
        REAL(name);                                                                                                    \
        if (fails(#name, &fault))                                                                                      \
            return fault;                                                                                              \
        cl_int result = real.call(held);                                                                               \
        if (result == CL_SUCCESS)                                                                                      \
            hold(#name, held);                                                                                         \
        return result;                                                                                                 \
    }

#define RELEASE(type, name)                                                                                            \
    cl_int name(type held) {                                                                                           \
        REAL(name);                                                                                                    \
        bool failed = fails(#name, &fault);                                                                            \
        drop(held);                                                                                                    \
        cl_int result = real.call(held);                                                                               \
        return failed ? fault : result;                                                                                \
    }

#define WAITS cl_uint waits, const cl_event *wait_list, cl_event *event

/* clang-format off */
PLAIN(clGetPlatformIDs, (cl_uint n, cl_platform_id *ids, cl_uint *count), (n, ids, count))
PLAIN(clGetPlatformInfo, (cl_platform_id id, cl_platform_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetDeviceIDs, (cl_platform_id id, cl_device_type type, cl_uint n, cl_device_id *ids, cl_uint *count),
      (id, type, n, ids, count))
PLAIN(clGetDeviceInfo, (cl_device_id id, cl_device_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetContextInfo, (cl_context id, cl_context_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetCommandQueueInfo, (cl_command_queue id, cl_command_queue_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetMemObjectInfo, (cl_mem id, cl_mem_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetProgramInfo, (cl_program id, cl_program_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetProgramBuildInfo,
      (cl_program id, cl_device_id device, cl_program_build_info what, size_t size, void *value, size_t *got),
      (id, device, what, size, value, got))
PLAIN(clGetKernelInfo, (cl_kernel id, cl_kernel_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetKernelWorkGroupInfo,
      (cl_kernel id, cl_device_id device, cl_kernel_work_group_info what, size_t size, void *value, size_t *got),
      (id, device, what, size, value, got))
PLAIN(clGetEventInfo, (cl_event id, cl_event_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clGetEventProfilingInfo, (cl_event id, cl_profiling_info what, size_t size, void *value, size_t *got),
      (id, what, size, value, got))
PLAIN(clBuildProgram,
      (cl_program id, cl_uint n, const cl_device_id *devices, const char *options,
       void(CL_CALLBACK *notify)(cl_program, void *), void *data),
      (id, n, devices, options, notify, data))
PLAIN(clSetKernelArg, (cl_kernel id, cl_uint index, size_t size, const void *value), (id, index, size, value))
PLAIN(clWaitForEvents, (cl_uint n, const cl_event *events), (n, events))
PLAIN(clSetUserEventStatus, (cl_event id, cl_int status), (id, status))
PLAIN(clSetEventCallback,
      (cl_event id, cl_int type, void(CL_CALLBACK *notify)(cl_event, cl_int, void *), void *data),
      (id, type, notify, data))
PLAIN(clFlush, (cl_command_queue queue), (queue))
PLAIN(clFinish, (cl_command_queue queue), (queue))

CREATE(cl_context, clCreateContext,
       (const cl_context_properties *properties, cl_uint n, const cl_device_id *devices,
        void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data, cl_int *code),
       (properties, n, devices, notify, data, code))
CREATE(cl_command_queue, clCreateCommandQueue,
       (cl_context context, cl_device_id device, cl_command_queue_properties properties, cl_int *code),
       (context, device, properties, code))
CREATE(cl_mem, clCreateBuffer, (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *code),
       (context, flags, size, host, code))
CREATE(cl_mem, clCreateSubBuffer,
       (cl_mem parent, cl_mem_flags flags, cl_buffer_create_type type, const void *region, cl_int *code),
       (parent, flags, type, region, code))
CREATE(cl_program, clCreateProgramWithSource,
       (cl_context context, cl_uint n, const char **texts, const size_t *lengths, cl_int *code),
       (context, n, texts, lengths, code))
CREATE(cl_program, clCreateProgramWithBinary,
       (cl_context context, cl_uint n, const cl_device_id *devices, const size_t *lengths, const unsigned char **binaries,
        cl_int *status, cl_int *code),
       (context, n, devices, lengths, binaries, status, code))
CREATE(cl_kernel, clCreateKernel, (cl_program program, const char *name, cl_int *code), (program, name, code))
CREATE(cl_event, clCreateUserEvent, (cl_context context, cl_int *code), (context, code))

ENQUEUE(clEnqueueReadBuffer,
        (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size, void *to, WAITS),
        (queue, buffer, blocking, offset, size, to, waits, wait_list, event))
ENQUEUE(clEnqueueWriteBuffer,
        (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size, const void *from, WAITS),
        (queue, buffer, blocking, offset, size, from, waits, wait_list, event))
ENQUEUE(clEnqueueFillBuffer,
        (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t length, size_t offset, size_t size, WAITS),
        (queue, buffer, pattern, length, offset, size, waits, wait_list, event))
ENQUEUE(clEnqueueCopyBuffer,
        (cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset, size_t size, WAITS),
        (queue, from, to, from_offset, to_offset, size, waits, wait_list, event))
ENQUEUE(clEnqueueUnmapMemObject, (cl_command_queue queue, cl_mem buffer, void *mapped, WAITS),
        (queue, buffer, mapped, waits, wait_list, event))
ENQUEUE(clEnqueueMigrateMemObjects,
        (cl_command_queue queue, cl_uint n, const cl_mem *buffers, cl_mem_migration_flags flags, WAITS),
        (queue, n, buffers, flags, waits, wait_list, event))
ENQUEUE(clEnqueueNDRangeKernel,
        (cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset, const size_t *global,
         const size_t *local, WAITS),
        (queue, kernel, dims, offset, global, local, waits, wait_list, event))
ENQUEUE(clEnqueueMarkerWithWaitList, (cl_command_queue queue, WAITS), (queue, waits, wait_list, event))
ENQUEUE(clEnqueueBarrierWithWaitList, (cl_command_queue queue, WAITS), (queue, waits, wait_list, event))

RETAIN(cl_device_id, clRetainDevice)
RETAIN(cl_context, clRetainContext)
RETAIN(cl_command_queue, clRetainCommandQueue)
RETAIN(cl_mem, clRetainMemObject)
RETAIN(cl_program, clRetainProgram)
RETAIN(cl_kernel, clRetainKernel)
RETAIN(cl_event, clRetainEvent)
RELEASE(cl_device_id, clReleaseDevice)
RELEASE(cl_context, clReleaseContext)
RELEASE(cl_command_queue, clReleaseCommandQueue)
RELEASE(cl_mem, clReleaseMemObject)
RELEASE(cl_program, clReleaseProgram)
RELEASE(cl_kernel, clReleaseKernel)
RELEASE(cl_event, clReleaseEvent)
/* clang-format on */

cl_int clCreateSubDevices(cl_device_id id, const cl_device_partition_property *properties, cl_uint n, cl_device_id *ids,
                          cl_uint *count) {
    REAL(clCreateSubDevices);
    if (fails("clCreateSubDevices", &fault))
        return fault;
    cl_uint made = 0;
    cl_int result = real.call(id, properties, n, ids, &made);
    for (cl_uint i = 0; result == CL_SUCCESS && ids && i < made && i < n; i++)
        hold("clCreateSubDevices", ids[i]);
    if (count)
        *count = made;
    return result;
}

void *clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking, cl_map_flags flags, size_t offset,
                         size_t size, WAITS, cl_int *code) {
    REAL(clEnqueueMapBuffer);
    if (fails("clEnqueueMapBuffer", &fault)) {
        if (code)
            *code = fault;
        return NULL;
    }
    void *mapped = real.call(queue, buffer, blocking, flags, offset, size, waits, wait_list, event, code);
    if (mapped && event)
        hold("clEnqueueMapBuffer", *event);
    return mapped;
}
