/* Opening specs into devices: one context for those of a platform, two in-order queues each. */
#include "base/log.h"
#include "device/context.h"
#include "device/matrix_units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One lbk_device_open() call. */
typedef struct opening {
    const lbk_device_list *list;
    const lbk_device_spec *specs;
    const lbk_open_options *options;
    size_t count;
    cl_device_id *ids; /* [count], resolved specs */
    lbk_device_context *
        *contexts; /* [count]; specs of one context name the same one, each with a reference of its own */
} opening;

static const lbk_open_options *options_of(const opening *o, size_t i) {
    static const lbk_open_options defaults = {0};
    return o->options ? &o->options[i] : &defaults;
}

static bool env_set(const char *name) {
    const char *value = getenv(name);
    return value && *value && strcmp(value, "0") != 0;
}

static lbk_status check_spec(const lbk_device_list *list, const lbk_device_spec *spec) {
    LBK_ENSURE(spec->info >= 0 && (size_t)spec->info < list->count);
    LBK_ENSURE(spec->parts >= 0 && spec->parts <= LBK_MAX_PARTS);
    LBK_ENSURE(spec->parts == 0 || (spec->part >= 0 && spec->part < spec->parts));
    const lbk_caps *caps = &list->items[spec->info].caps;
    uint64_t sum = 0;
    for (int i = 0; i < spec->parts; i++) {
        if (spec->counts[i] == 0)
            return lbk_fail(LBK_ERR_INPUT, "part %d of a split has no compute units", i + 1);
        sum += spec->counts[i];
    }
    if (sum > caps->compute_units)
        return lbk_fail(LBK_ERR_INPUT, "a split wants %llu compute units, the device has %u", (unsigned long long)sum,
                        caps->compute_units);
    if (spec->parts && caps->max_sub_devices < (uint32_t)spec->parts)
        return lbk_fail(LBK_ERR_INPUT, "the driver cannot split it into %d parts (at most %u)", spec->parts,
                        caps->max_sub_devices);
    return LBK_OK;
}

static bool same_split(const lbk_device_spec *a, const lbk_device_spec *b) {
    return a->parts == b->parts && memcmp(a->counts, b->counts, (size_t)a->parts * sizeof *a->counts) == 0;
}

static lbk_status resolve(opening *o, size_t i) {
    const lbk_device_spec *spec = &o->specs[i];
    cl_device_id whole = o->list->items[spec->info].id;
    o->ids[i] = whole;
    if (spec->parts == 0)
        return LBK_OK;
    for (size_t j = 0; j < i; j++)
        if (o->specs[j].info == spec->info && o->specs[j].parts && !same_split(&o->specs[j], spec))
            return lbk_fail(LBK_ERR_INPUT, "it is split in two different ways; all parts must come from one split");
    return lbk_split_part(whole, spec, &o->ids[i]);
}

static bool shares(const opening *o, size_t i, size_t j) {
    return o->list->items[o->specs[i].info].platform == o->list->items[o->specs[j].info].platform &&
           !options_of(o, i)->separate_contexts && !options_of(o, j)->separate_contexts;
}

static bool contains_id(const cl_device_id *ids, size_t count, cl_device_id id) {
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* The context of spec i: that of an earlier spec, or a new one over all later specs that share it. */
static lbk_status provide_context(opening *o, size_t i) {
    cl_device_id *ids = NULL;
    size_t unique = 0;
    for (size_t j = 0; j < i; j++) {
        if (shares(o, i, j)) {
            o->contexts[i] = o->contexts[j];
            lbk_device_context_retain(o->contexts[i]);
            return LBK_OK;
        }
    }
    LBK_TRY(lbk_calloc(o->count, sizeof *ids, &ids));
    for (size_t j = i; j < o->count; j++)
        if ((j == i || shares(o, i, j)) && !contains_id(ids, unique, o->ids[j]))
            ids[unique++] = o->ids[j];
    lbk_status status =
        lbk_device_context_create(o->list->items[o->specs[i].info].platform, ids, unique, &o->contexts[i]);
    free(ids);
    return status;
}

static lbk_status choose_class(const lbk_open_options *options, lbk_caps *caps) {
    const char *forced = options->cls;
    if (forced)
        return lbk_context(lbk_class_parse(forced, &caps->cls), "class");
    forced = getenv("LIMBECK_CLASS");
    return forced && *forced ? lbk_context(lbk_class_parse(forced, &caps->cls), "$LIMBECK_CLASS") : LBK_OK;
}

/* $LIMBECK_MATRIX_UNITS: "off": none; "emulated": all kinds, in OpenCL C; else by trial, once a graph asks. */
static lbk_status choose_units(const lbk_open_options *options, lbk_device *device) {
    const char *wish = getenv("LIMBECK_MATRIX_UNITS");
    bool emulated = options->emulate_units || (wish && strcmp(wish, "emulated") == 0);
    if (wish && *wish && !emulated && strcmp(wish, "off") != 0)
        return lbk_fail(LBK_ERR_INPUT, "$LIMBECK_MATRIX_UNITS is \"%s\"; expected emulated or off", wish);
    if (emulated && device->info.caps.cls == LBK_CLASS_GPU) {
        device->info.caps.matrix_units = LBK_ALL_UNITS;
        device->info.caps.emulated_units = true;
    }
    if (emulated || (wish && *wish))
        device->units_tried = LBK_ALL_UNITS;
    return LBK_OK;
}

static lbk_status describe(const opening *o, size_t i, lbk_device *device) {
    const lbk_device_spec *spec = &o->specs[i];
    device->info = o->list->items[spec->info];
    device->id = o->ids[i];
    int length =
        snprintf(device->label, sizeof device->label, "%d.%d", device->info.platform_index, device->info.device_index);
    if (spec->parts) {
        snprintf(device->label + length, sizeof device->label - (size_t)length, "/%d of %d", spec->part + 1,
                 spec->parts);
        device->info.caps.compute_units = spec->counts[spec->part];
        device->info.caps.max_sub_devices = 0; /* parts are not split again */
    }
    if (options_of(o, i)->no_compiler || env_set("LIMBECK_NO_COMPILER"))
        device->info.caps.compiler = false;
    LBK_TRY(choose_class(options_of(o, i), &device->info.caps));
    return choose_units(options_of(o, i), device);
}

static lbk_status make_queue(const lbk_device *device, cl_command_queue *out) {
    cl_int code = CL_SUCCESS;
    cl_command_queue made = clCreateCommandQueue(device->cl, device->id, CL_QUEUE_PROFILING_ENABLE, &code);
    LBK_TRY(lbk_cl_check(code, "clCreateCommandQueue", __FILE__, __LINE__));
    *out = made;
    return LBK_OK;
}

static lbk_status fill_device(opening *o, size_t i, lbk_device *device) {
    LBK_TRY(describe(o, i, device));
    device->context = o->contexts[i];
    device->cl = device->context->cl;
    o->contexts[i] = NULL; /* the reference is the device's now */
    LBK_TRY(lbk_device_context_target(device->context, device, options_of(o, i)->kernels, &device->target));
    LBK_TRY(make_queue(device, &device->queue));
    return make_queue(device, &device->copy_queue);
}

static lbk_status open_one(opening *o, size_t i, lbk_device **out) {
    lbk_device *device = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *device, &device));
    lbk_status status = fill_device(o, i, device);
    if (status != LBK_OK) {
        lbk_device_close(device);
        return status;
    }
    *out = device;
    return LBK_OK;
}

static lbk_status at_spec(const opening *o, size_t i, lbk_status status) {
    const lbk_device_spec *spec = &o->specs[i];
    if (status == LBK_OK || spec->info < 0 || (size_t)spec->info >= o->list->count)
        return status;
    const lbk_device_info *info = &o->list->items[spec->info];
    return lbk_context(status, "device %d.%d (%s)", info->platform_index, info->device_index, info->name);
}

static lbk_status open_all(opening *o, lbk_device **devices) {
    LBK_TRY(lbk_calloc(o->count, sizeof *o->ids, &o->ids));
    LBK_TRY(lbk_calloc(o->count, sizeof *o->contexts, &o->contexts));
    for (size_t i = 0; i < o->count; i++)
        LBK_TRY(at_spec(o, i, check_spec(o->list, &o->specs[i])));
    for (size_t i = 0; i < o->count; i++)
        LBK_TRY(at_spec(o, i, resolve(o, i)));
    for (size_t i = 0; i < o->count; i++)
        LBK_TRY(at_spec(o, i, provide_context(o, i)));
    for (size_t i = 0; i < o->count; i++)
        LBK_TRY(at_spec(o, i, open_one(o, i, &devices[i])));
    return LBK_OK;
}

lbk_status lbk_device_open(const lbk_device_list *list, const lbk_device_spec *specs, const lbk_open_options *options,
                           size_t count, lbk_device **devices) {
    opening o = {.list = list, .specs = specs, .options = options, .count = count};
    for (size_t i = 0; i < count; i++)
        devices[i] = NULL;
    lbk_status status = open_all(&o, devices);
    for (size_t i = 0; status != LBK_OK && i < count; i++) {
        lbk_device_close(devices[i]);
        devices[i] = NULL;
    }
    for (size_t i = 0; o.contexts && i < count; i++)
        if (o.contexts[i])
            lbk_device_context_release(o.contexts[i]);
    free(o.contexts);
    free(o.ids);
    return status;
}

static void close_queue(const lbk_device *device, cl_command_queue queue) {
    if (!queue)
        return;
    cl_int code = clFinish(queue);
    if (code != CL_SUCCESS)
        lbk_log(LBK_LOG_WARN, "closing device %s: clFinish: %s", device->label, lbk_cl_error_name(code));
    clReleaseCommandQueue(queue);
}

void lbk_device_close(lbk_device *device) {
    if (!device)
        return;
    close_queue(device, device->queue);
    close_queue(device, device->copy_queue);
    if (device->context)
        lbk_device_context_release(device->context);
    free(device);
}
