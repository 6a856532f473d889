/* Device classes: which family of kernels a device runs. */
#include "device/context.h"
#include "device/device.h"

#include <string.h>

static const char *const class_names[] = {
    [LBK_CLASS_GENERIC] = "generic",
    [LBK_CLASS_CPU] = "cpu",
    [LBK_CLASS_GPU] = "gpu",
};

const char *lbk_class_name(lbk_class cls) {
    return class_names[cls];
}

lbk_status lbk_class_parse(const char *name, lbk_class *out) {
    for (int i = 0; i <= LBK_CLASS_GPU; i++) {
        if (strcmp(name, class_names[i]) == 0) {
            *out = (lbk_class)i;
            return LBK_OK;
        }
    }
    return lbk_fail(LBK_ERR_INPUT, "unknown device class \"%s\"; expected cpu, gpu or generic", name);
}

/* The cpu kernels need vector registers; the gpu kernels need local memory and work-groups of 64. What has neither
 * (scalar software renderers, FPGA boards, simulators) runs the generic ones. */
lbk_class lbk_class_choose(const lbk_caps *caps) {
    if (caps->type & CL_DEVICE_TYPE_GPU)
        return caps->local_bytes > 0 && caps->max_group >= 64 ? LBK_CLASS_GPU : LBK_CLASS_GENERIC;
    if ((caps->type & CL_DEVICE_TYPE_CPU) && caps->vector_width >= 4)
        return LBK_CLASS_CPU;
    return LBK_CLASS_GENERIC;
}
