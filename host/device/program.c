/* Programs of a context, kernels made from them. */
#include "device/program.h"
#include "device/context.h"

#include <stdlib.h>
#include <string.h>

/* Call with the lock held. */
static lbk_program_entry *find_entry(lbk_device_context *context, const lbk_target *target, const char *file,
                                     const char *options) {
    for (lbk_program_entry *entry = context->programs; entry; entry = entry->next)
        if (entry->target == target && strcmp(entry->file, file) == 0 && strcmp(entry->options, options) == 0)
            return entry;
    return NULL;
}

/* A new QUEUED entry at the end, so that the background threads take the requests in order. Lock held. */
static lbk_status add_entry(lbk_device_context *context, lbk_target *target, const char *file, const char *options,
                            lbk_program_entry **out) {
    lbk_program_entry *entry = NULL, **end = &context->programs;
    LBK_TRY(lbk_calloc(1, sizeof *entry, &entry));
    lbk_status status = lbk_strdup(file, &entry->file);
    if (status == LBK_OK)
        status = lbk_strdup(options, &entry->options);
    if (status != LBK_OK) {
        free(entry->file);
        free(entry);
        return status;
    }
    entry->target = target;
    while (*end)
        end = &(*end)->next;
    *end = entry;
    *out = entry;
    return LBK_OK;
}

/* Builds an entry that nobody is on. Lock held on entry and on return, not while building. */
static lbk_status build_entry(lbk_device_context *context, lbk_program_entry *entry) {
    cl_program program = NULL;
    entry->state = LBK_PROGRAM_BUILDING;
    pthread_mutex_unlock(&context->lock);
    lbk_status status = lbk_program_build(entry->target, entry->file, entry->options, &program);
    char *message = status == LBK_OK ? NULL : strdup(lbk_error_message());
    pthread_mutex_lock(&context->lock);
    free(entry->message);
    entry->message = message;
    entry->failure = status;
    entry->program = program;
    entry->state = status == LBK_OK ? LBK_PROGRAM_READY : LBK_PROGRAM_FAILED;
    pthread_cond_broadcast(&context->changed);
    return status;
}

/* Lock held. A failure that happened before this call is tried again; one that happens while it waits is handed on. */
static lbk_status await_entry(lbk_device_context *context, lbk_program_entry *entry) {
    if (entry->state != LBK_PROGRAM_BUILDING && entry->state != LBK_PROGRAM_READY)
        return build_entry(context, entry);
    while (entry->state == LBK_PROGRAM_BUILDING)
        pthread_cond_wait(&context->changed, &context->lock);
    if (entry->state == LBK_PROGRAM_READY)
        return LBK_OK;
    return lbk_fail(entry->failure, "%s", entry->message ? entry->message : "out of memory building a program");
}

lbk_status lbk_program_get(lbk_device *device, const char *file, const char *options, cl_program *out) {
    lbk_device_context *context = device->context;
    lbk_status status = LBK_OK;
    *out = NULL;
    pthread_mutex_lock(&context->lock);
    lbk_program_entry *entry = find_entry(context, device->target, file, options);
    if (!entry)
        status = add_entry(context, device->target, file, options, &entry);
    if (status == LBK_OK)
        status = await_entry(context, entry);
    if (status == LBK_OK)
        *out = entry->program;
    pthread_mutex_unlock(&context->lock);
    return status;
}

lbk_status lbk_kernel_create(lbk_device *device, const char *file, const char *name, const char *options,
                             cl_kernel *out) {
    cl_program program = NULL;
    cl_int code = CL_SUCCESS;
    *out = NULL;
    LBK_TRY(lbk_program_get(device, file, options, &program));
    cl_kernel made = clCreateKernel(program, name, &code);
    LBK_TRY(lbk_context(lbk_cl_check(code, "clCreateKernel", __FILE__, __LINE__),
                        "kernel %s of file %s, options \"%s\", device %s (%s)", name, file, options, device->label,
                        device->info.name));
    *out = made;
    return LBK_OK;
}

lbk_build_stats lbk_device_build_stats(const lbk_device *device) {
    pthread_mutex_lock(&device->context->lock);
    lbk_build_stats stats = device->context->stats;
    pthread_mutex_unlock(&device->context->lock);
    return stats;
}

static lbk_program_entry *next_queued(lbk_device_context *context) {
    lbk_program_entry *entry = context->programs;
    while (entry && entry->state != LBK_PROGRAM_QUEUED)
        entry = entry->next;
    return entry;
}

/* Failures stay in their entries: whoever wants the program tries again and gets the message. */
static void *build_queued(void *argument) {
    lbk_device_context *context = argument;
    pthread_mutex_lock(&context->lock);
    while (!context->stopping) {
        lbk_program_entry *entry = next_queued(context);
        if (entry)
            build_entry(context, entry);
        else
            pthread_cond_wait(&context->changed, &context->lock);
    }
    pthread_mutex_unlock(&context->lock);
    return NULL;
}

lbk_status lbk_program_prepare(lbk_device *device, const lbk_program_request *requests, size_t count) {
    lbk_device_context *context = device->context;
    lbk_program_entry *entry = NULL;
    lbk_status status = LBK_OK;
    pthread_mutex_lock(&context->lock);
    for (size_t i = 0; i < count && status == LBK_OK; i++)
        if (!find_entry(context, device->target, requests[i].file, requests[i].options))
            status = add_entry(context, device->target, requests[i].file, requests[i].options, &entry);
    /* Without threads nothing is lost: lbk_program_get() builds what is still queued. */
    while (context->thread_count < LBK_BUILD_THREADS &&
           pthread_create(&context->threads[context->thread_count], NULL, build_queued, context) == 0)
        context->thread_count++;
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->lock);
    return status;
}
