/* Contexts and their targets. */
#include "device/context.h"

#include <stdlib.h>
#include <string.h>

static lbk_status make_context(cl_platform_id platform, const cl_device_id *ids, size_t count, cl_context *out) {
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0};
    cl_int code = CL_SUCCESS;
    cl_context made = clCreateContext(properties, (cl_uint)count, ids, NULL, NULL, &code);
    LBK_TRY(lbk_cl_check(code, "clCreateContext", __FILE__, __LINE__));
    *out = made;
    return LBK_OK;
}

lbk_status lbk_device_context_create(cl_platform_id platform, const cl_device_id *ids, size_t count,
                                     lbk_device_context **out) {
    lbk_device_context *context = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *context, &context));
    lbk_status status = make_context(platform, ids, count, &context->cl);
    if (status != LBK_OK) {
        free(context);
        return status;
    }
    context->references = 1;
    pthread_mutex_init(&context->lock, NULL);
    pthread_cond_init(&context->changed, NULL);
    *out = context;
    return LBK_OK;
}

void lbk_device_context_retain(lbk_device_context *context) {
    pthread_mutex_lock(&context->lock);
    context->references++;
    pthread_mutex_unlock(&context->lock);
}

static void stop_threads(lbk_device_context *context) {
    pthread_mutex_lock(&context->lock);
    context->stopping = true;
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->lock);
    for (int i = 0; i < context->thread_count; i++)
        pthread_join(context->threads[i], NULL);
}

static void release_programs(lbk_program_entry *entry) {
    while (entry) {
        lbk_program_entry *next = entry->next;
        if (entry->program)
            clReleaseProgram(entry->program);
        free(entry->file);
        free(entry->options);
        free(entry->message);
        free(entry);
        entry = next;
    }
}

static void release_target(lbk_target *target) {
    free(target->prebuilt);
    free(target);
}

void lbk_device_context_release(lbk_device_context *context) {
    pthread_mutex_lock(&context->lock);
    bool last = --context->references == 0;
    pthread_mutex_unlock(&context->lock);
    if (!last)
        return;
    stop_threads(context);
    release_programs(context->programs);
    clReleaseContext(context->cl);
    while (context->targets) {
        lbk_target *next = context->targets->next;
        release_target(context->targets);
        context->targets = next;
    }
    pthread_cond_destroy(&context->changed);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

static bool target_matches(const lbk_target *target, const lbk_device *device, const char *prebuilt) {
    bool same_folder =
        prebuilt && target->prebuilt ? strcmp(prebuilt, target->prebuilt) == 0 : !prebuilt && !target->prebuilt;
    return target->id == device->id && target->compiler == device->info.caps.compiler && same_folder;
}

static lbk_status make_target(lbk_device_context *context, const lbk_device *device, const char *prebuilt,
                              lbk_target **out) {
    lbk_target *target = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *target, &target));
    lbk_status status = prebuilt ? lbk_strdup(prebuilt, &target->prebuilt) : LBK_OK;
    if (status != LBK_OK) {
        free(target);
        return status;
    }
    target->context = context;
    target->id = device->id;
    target->compiler = device->info.caps.compiler;
    target->info = device->info;
    memcpy(target->label, device->label, sizeof target->label);
    *out = target;
    return LBK_OK;
}

lbk_status lbk_device_context_target(lbk_device_context *context, const lbk_device *device, const char *prebuilt,
                                     lbk_target **out) {
    for (lbk_target *target = context->targets; target; target = target->next) {
        if (target_matches(target, device, prebuilt)) {
            *out = target;
            return LBK_OK;
        }
    }
    LBK_TRY(make_target(context, device, prebuilt, out));
    (*out)->next = context->targets;
    context->targets = *out;
    return LBK_OK;
}
