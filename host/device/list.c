/* What platforms and devices there are, and what each device can do. */
#include "base/log.h"
#include "device/context.h"
#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A string property, cut to `size`. Names come padded with blanks from some drivers. */
static lbk_status device_text(cl_device_id id, cl_device_info what, char *out, size_t size) {
    size_t length = 0;
    char *text = NULL;
    LBK_TRY(LBK_CL(clGetDeviceInfo(id, what, 0, NULL, &length)));
    LBK_TRY(lbk_calloc(length + 1, 1, &text));
    lbk_status status = LBK_CL(clGetDeviceInfo(id, what, length, text, NULL));
    const char *start = text + strspn(text, " \t");
    size_t used = strlen(start);
    while (used && (start[used - 1] == ' ' || start[used - 1] == '\t' || start[used - 1] == '\n'))
        used--;
    snprintf(out, size, "%.*s", (int)used, start);
    free(text);
    return status;
}

static lbk_status has_extension(cl_device_id id, const char *name, bool *out) {
    size_t length = 0;
    char *text = NULL;
    LBK_TRY(LBK_CL(clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 0, NULL, &length)));
    LBK_TRY(lbk_calloc(length + 1, 1, &text));
    lbk_status status = LBK_CL(clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, length, text, NULL));
    *out = false;
    for (const char *found = strstr(text, name); found && !*out; found = strstr(found + 1, name)) {
        char after = found[strlen(name)];
        *out = (found == text || found[-1] == ' ') && (after == ' ' || after == '\0');
    }
    free(text);
    return status;
}

#define GET(what, variable) LBK_TRY(LBK_CL(clGetDeviceInfo(id, what, sizeof(variable), &(variable), NULL)))

static lbk_status get_bool(cl_device_id id, cl_device_info what, bool *out) {
    cl_bool value = CL_FALSE;
    GET(what, value);
    *out = value != CL_FALSE;
    return LBK_OK;
}

static lbk_status get_uint(cl_device_id id, cl_device_info what, uint32_t *out) {
    cl_uint value = 0;
    GET(what, value);
    *out = value;
    return LBK_OK;
}

static lbk_status get_ulong(cl_device_id id, cl_device_info what, uint64_t *out) {
    cl_ulong value = 0;
    GET(what, value);
    *out = value;
    return LBK_OK;
}

static lbk_status read_memory(cl_device_id id, lbk_caps *caps) {
    cl_device_local_mem_type local_type = CL_NONE;
    uint32_t align_bits = 0;
    GET(CL_DEVICE_LOCAL_MEM_TYPE, local_type);
    LBK_TRY(get_ulong(id, CL_DEVICE_LOCAL_MEM_SIZE, &caps->local_bytes));
    if (local_type == CL_NONE)
        caps->local_bytes = 0;
    LBK_TRY(get_ulong(id, CL_DEVICE_GLOBAL_MEM_SIZE, &caps->global_bytes));
    LBK_TRY(get_ulong(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, &caps->max_alloc_bytes));
    LBK_TRY(get_ulong(id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, &caps->cache_bytes));
    LBK_TRY(get_uint(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, &align_bits));
    caps->align_bytes = align_bits >= 8 ? align_bits / 8 : 1;
    return get_bool(id, CL_DEVICE_HOST_UNIFIED_MEMORY, &caps->unified_memory);
}

static lbk_status read_groups(cl_device_id id, lbk_caps *caps) {
    cl_uint dims = 0;
    size_t items[16] = {1, 1, 1}; /* embedded devices may report more dimensions than three */
    GET(CL_DEVICE_MAX_WORK_GROUP_SIZE, caps->max_group);
    GET(CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, dims);
    if (dims >= 3 && dims <= 16)
        LBK_TRY(LBK_CL(clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, dims * sizeof(size_t), items, NULL)));
    memcpy(caps->max_item, items, sizeof caps->max_item);
    return LBK_OK;
}

/* caps->max_sub_devices, 0 unless the device can be split by counts. */
static lbk_status read_partition(cl_device_id id, lbk_caps *caps) {
    cl_device_partition_property kinds[16] = {0};
    size_t bytes = 0;
    LBK_TRY(LBK_CL(clGetDeviceInfo(id, CL_DEVICE_PARTITION_PROPERTIES, 0, NULL, &bytes)));
    if (bytes == 0 || bytes > sizeof kinds)
        return LBK_OK;
    LBK_TRY(LBK_CL(clGetDeviceInfo(id, CL_DEVICE_PARTITION_PROPERTIES, bytes, kinds, NULL)));
    for (size_t i = 0; i < bytes / sizeof *kinds; i++)
        if (kinds[i] == CL_DEVICE_PARTITION_BY_COUNTS)
            return get_uint(id, CL_DEVICE_PARTITION_MAX_SUB_DEVICES, &caps->max_sub_devices);
    return LBK_OK;
}

static lbk_status read_arithmetic(cl_device_id id, lbk_caps *caps) {
    cl_device_fp_config doubles = 0;
    char profile[32] = "";
    bool khr = false, intel = false;
    GET(CL_DEVICE_DOUBLE_FP_CONFIG, doubles);
    caps->fp64 = doubles != 0;
    LBK_TRY(has_extension(id, "cl_khr_fp16", &caps->fp16));
    LBK_TRY(has_extension(id, "cl_khr_subgroups", &khr));
    LBK_TRY(has_extension(id, "cl_intel_subgroups", &intel));
    caps->subgroups = khr || intel;
    LBK_TRY(get_uint(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &caps->vector_width));
    LBK_TRY(device_text(id, CL_DEVICE_PROFILE, profile, sizeof profile));
    caps->full_profile = strcmp(profile, "FULL_PROFILE") == 0;
    return get_bool(id, CL_DEVICE_ENDIAN_LITTLE, &caps->little_endian);
}

static lbk_status read_caps(cl_device_id id, lbk_caps *caps) {
    GET(CL_DEVICE_TYPE, caps->type);
    LBK_TRY(get_uint(id, CL_DEVICE_MAX_COMPUTE_UNITS, &caps->compute_units));
    LBK_TRY(get_uint(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, &caps->clock_mhz));
    LBK_TRY(get_bool(id, CL_DEVICE_COMPILER_AVAILABLE, &caps->compiler));
    LBK_TRY(read_arithmetic(id, caps));
    LBK_TRY(read_groups(id, caps));
    LBK_TRY(read_memory(id, caps));
    LBK_TRY(read_partition(id, caps));
    caps->cls = lbk_class_choose(caps);
    return LBK_OK;
}

static lbk_status read_info(cl_device_id id, lbk_device_info *info) {
    info->id = id;
    LBK_TRY(device_text(id, CL_DEVICE_NAME, info->name, sizeof info->name));
    LBK_TRY(device_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor));
    LBK_TRY(device_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version));
    LBK_TRY(device_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver));
    return read_caps(id, &info->caps);
}

/* Logs what could not be listed and keeps the first for messages that say what is there. */
static void note_problem(lbk_device_list *list, int platform, int device) {
    char where[64];
    if (device < 0)
        snprintf(where, sizeof where, "platform %d", platform);
    else
        snprintf(where, sizeof where, "device %d.%d", platform, device);
    lbk_log(LBK_LOG_WARN, "%s is skipped: %s", where, lbk_error_message());
    if (!list->problem[0])
        snprintf(list->problem, sizeof list->problem, "%s was skipped: %s", where, lbk_error_message());
    lbk_error_clear();
}

static lbk_status list_devices(lbk_device_list *list, const lbk_device_info *base, cl_device_id *ids, cl_uint count) {
    lbk_device_info *items = realloc(list->items, (list->count + count) * sizeof *items);
    if (!items)
        return lbk_fail(LBK_ERR_MEMORY, "out of memory listing %u devices", count);
    list->items = items;
    for (cl_uint i = 0; i < count; i++) {
        lbk_device_info info = *base;
        info.device_index = (int)i;
        if (read_info(ids[i], &info) == LBK_OK)
            list->items[list->count++] = info;
        else
            note_problem(list, base->platform_index, (int)i);
    }
    return LBK_OK;
}

static lbk_status list_platform(lbk_device_list *list, int index, cl_platform_id platform) {
    lbk_device_info base = {.platform_index = index, .platform = platform};
    cl_uint count = 0;
    cl_device_id *ids = NULL;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count);
    if (code == CL_DEVICE_NOT_FOUND || (code == CL_SUCCESS && count == 0))
        return LBK_OK; /* a driver without its hardware */
    if (code != CL_SUCCESS)
        return lbk_cl_fail(code, "clGetDeviceIDs", __FILE__, __LINE__);
    LBK_TRY(
        LBK_CL(clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof base.platform_name - 1, base.platform_name, NULL)));
    LBK_TRY(lbk_calloc(count, sizeof *ids, &ids));
    lbk_status status = LBK_CL(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL));
    if (status == LBK_OK)
        status = list_devices(list, &base, ids, count);
    free(ids);
    return status;
}

lbk_status lbk_device_list_init(lbk_device_list *list) {
    cl_uint count = 0;
    cl_platform_id *platforms = NULL;
    memset(list, 0, sizeof *list);
    cl_int code = clGetPlatformIDs(0, NULL, &count);
    if (code == -1001 || (code == CL_SUCCESS && count == 0)) /* CL_PLATFORM_NOT_FOUND_KHR */
        return LBK_OK;
    if (code != CL_SUCCESS)
        return lbk_cl_fail(code, "clGetPlatformIDs", __FILE__, __LINE__);
    LBK_TRY(lbk_calloc(count, sizeof *platforms, &platforms));
    lbk_status status = LBK_CL(clGetPlatformIDs(count, platforms, NULL));
    for (cl_uint i = 0; status == LBK_OK && i < count; i++) {
        if (list_platform(list, (int)i, platforms[i]) != LBK_OK)
            note_problem(list, (int)i, -1);
    }
    free(platforms);
    return status;
}

void lbk_device_list_release(lbk_device_list *list) {
    free(list->items);
    memset(list, 0, sizeof *list);
}
