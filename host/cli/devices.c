#include "cli/cli.h"
#include "device/matrix_units.h"

#include <jansson.h>
#include <stdio.h>

static const char *type_name(cl_device_type type) {
    if (type & CL_DEVICE_TYPE_GPU)
        return "gpu";
    if (type & CL_DEVICE_TYPE_CPU)
        return "cpu";
    if (type & CL_DEVICE_TYPE_ACCELERATOR)
        return "accelerator";
    return "custom";
}

/* " tf32 float16": those of the bits; "" for none. */
static const char *units_text(uint32_t bits, char text[64]) {
    int length = 0;
    text[0] = '\0';
    for (int a = LBK_ARITHMETIC_TF32; a <= LBK_ARITHMETIC_BFLOAT16; a++)
        if (bits >> a & 1)
            length += snprintf(text + length, 64 - (size_t)length, " %s", lbk_arithmetic_names[a]);
    return text;
}

static json_t *units_json(uint32_t bits) {
    json_t *array = json_array();
    for (int a = LBK_ARITHMETIC_TF32; a <= LBK_ARITHMETIC_BFLOAT16; a++)
        if (bits >> a & 1)
            json_array_append_new(array, json_string(lbk_arithmetic_names[a]));
    return array;
}

static json_t *device_json(const lbk_device_info *d) {
    const lbk_caps *c = &d->caps;
    char id[32];
    snprintf(id, sizeof id, "%d.%d", d->platform_index, d->device_index);
    return json_pack("{ss ss ss ss ss ss ss ss si si si sI sI sI sb sb sb sb si so}", "id", id, "name", d->name, "type",
                     type_name(c->type), "kernels", lbk_class_name(c->cls), "platform", d->platform_name, "vendor",
                     d->vendor, "version", d->version, "driver", d->driver, "compute_units", (int)c->compute_units,
                     "clock_mhz", (int)c->clock_mhz, "vector_width", (int)c->vector_width, "global_bytes",
                     (json_int_t)c->global_bytes, "local_bytes", (json_int_t)c->local_bytes, "max_work_group",
                     (json_int_t)c->max_group, "unified_memory", c->unified_memory, "compiler", c->compiler, "fp64",
                     c->fp64, "fp16", c->fp16, "max_sub_devices", (int)c->max_sub_devices, "matrix_units",
                     units_json(lbk_matrix_units_known(d)));
}

static lbk_status print_json(const lbk_device_list *list) {
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, device_json(&list->items[i]));
    json_dumpf(array, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(array);
    return LBK_OK;
}

static lbk_status print_text(const lbk_device_list *list) {
    if (!list->count)
        printf("No OpenCL device was found. Without a GPU, PoCL makes the CPU one (Debian/Ubuntu: pocl-opencl-icd).\n");
    for (size_t i = 0; i < list->count; i++) {
        const lbk_device_info *d = &list->items[i];
        const lbk_caps *c = &d->caps;
        printf("%d.%d  %s\n", d->platform_index, d->device_index, d->name);
        printf("     %s, %s kernels; platform %s, driver %s\n", type_name(c->type), lbk_class_name(c->cls),
               d->platform_name, d->driver);
        printf("     %u compute units at %u MHz, float vectors of %u, %.1f GiB memory%s, %llu KiB local\n",
               c->compute_units, c->clock_mhz, c->vector_width, (double)c->global_bytes / (1 << 30),
               c->unified_memory ? " shared with the host" : "", (unsigned long long)(c->local_bytes >> 10));
        char units[64];
        printf("     %s%s%s%ssub-devices: %u\n", c->compiler ? "" : "no compiler, ", c->fp16 ? "fp16, " : "",
               c->fp64 ? "fp64, " : "", c->subgroups ? "sub-groups, " : "", c->max_sub_devices);
        if (*units_text(lbk_matrix_units_known(d), units))
            printf("     matrix units:%s\n", units);
    }
    return LBK_OK;
}

static lbk_status run_devices(lbk_args *args) {
    bool json = lbk_args_flag(args, "--json");
    LBK_TRY(lbk_args_finish(args, 0, 0, "limbeck devices [--json]"));
    lbk_device_list list;
    LBK_TRY(lbk_device_list_init(&list));
    lbk_status status = json ? print_json(&list) : print_text(&list);
    lbk_device_list_release(&list);
    return status;
}

const lbk_command lbk_command_devices = {
    .name = "devices",
    .usage = "devices [--json]",
    .summary = "list every OpenCL platform and device and what it can do",
    .help = "Matrix units are listed once an experiment or a benchmark has asked for their arithmetic, which tries "
            "them out.\n",
    .run = run_devices,
};
