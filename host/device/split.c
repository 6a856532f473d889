/* Sub-devices. They are made once per process for each way a device is split, and kept to its end: PoCL 3.1 frees a
 * sub-device at its last release while a worker thread may still be letting go of the last command's event, which reads
 * it (seen as a crash in about one of a thousand closes on a busy machine; clFinish does not wait for the worker). */
#include "device/context.h"

#include <stdlib.h>
#include <string.h>

typedef struct split {
    struct split *next;
    cl_device_id whole;
    int parts;
    uint32_t counts[LBK_MAX_PARTS];
    cl_device_id ids[LBK_MAX_PARTS];
} split;

static pthread_mutex_t splits_lock = PTHREAD_MUTEX_INITIALIZER;
static split *splits;

static lbk_status make_parts(split *made) {
    cl_device_partition_property wanted[LBK_MAX_PARTS + 3];
    cl_uint count = 0;
    int length = 0;
    wanted[length++] = CL_DEVICE_PARTITION_BY_COUNTS;
    for (int i = 0; i < made->parts; i++)
        wanted[length++] = (cl_device_partition_property)made->counts[i];
    wanted[length++] = CL_DEVICE_PARTITION_BY_COUNTS_LIST_END;
    wanted[length] = 0;
    LBK_TRY(LBK_CL(clCreateSubDevices(made->whole, wanted, (cl_uint)made->parts, made->ids, &count)));
    LBK_ENSURE(count == (cl_uint)made->parts);
    return LBK_OK;
}

static lbk_status make_split(cl_device_id whole, const lbk_device_spec *spec, split **out) {
    split *made = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *made, &made));
    made->whole = whole;
    made->parts = spec->parts;
    memcpy(made->counts, spec->counts, (size_t)spec->parts * sizeof *spec->counts);
    lbk_status status = make_parts(made);
    if (status != LBK_OK) {
        free(made);
        return status;
    }
    made->next = splits;
    splits = made;
    *out = made;
    return LBK_OK;
}

lbk_status lbk_split_part(cl_device_id whole, const lbk_device_spec *spec, cl_device_id *out) {
    size_t bytes = (size_t)spec->parts * sizeof *spec->counts;
    lbk_status status = LBK_OK;
    pthread_mutex_lock(&splits_lock);
    split *found = splits;
    while (found &&
           (found->whole != whole || found->parts != spec->parts || memcmp(found->counts, spec->counts, bytes) != 0))
        found = found->next;
    if (!found)
        status = make_split(whole, spec, &found);
    if (status == LBK_OK)
        *out = found->ids[spec->part];
    pthread_mutex_unlock(&splits_lock);
    return status;
}
