/* Sub-devices. */
#include "device/context.h"

#include <string.h>

lbk_status lbk_split_create(lbk_split *split, const lbk_device_list *list, const lbk_device_spec *spec) {
    cl_device_partition_property wanted[LBK_MAX_PARTS + 3];
    cl_device_id ids[LBK_MAX_PARTS] = {0};
    cl_uint made = 0;
    int length = 0;
    wanted[length++] = CL_DEVICE_PARTITION_BY_COUNTS;
    for (int i = 0; i < spec->parts; i++)
        wanted[length++] = (cl_device_partition_property)spec->counts[i];
    wanted[length++] = CL_DEVICE_PARTITION_BY_COUNTS_LIST_END;
    wanted[length] = 0;
    LBK_TRY(LBK_CL(clCreateSubDevices(list->items[spec->info].id, wanted, (cl_uint)spec->parts, ids, &made)));
    split->info = spec->info;
    split->parts = spec->parts;
    memcpy(split->counts, spec->counts, sizeof split->counts);
    memcpy(split->ids, ids, sizeof split->ids);
    LBK_ENSURE(made == (cl_uint)spec->parts);
    return LBK_OK;
}

void lbk_split_release(lbk_split *split) {
    for (int i = 0; i < split->parts; i++)
        if (split->ids[i])
            clReleaseDevice(split->ids[i]);
    memset(split, 0, sizeof *split);
}
