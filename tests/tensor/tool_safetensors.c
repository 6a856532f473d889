/* Helper of check_safetensors.py.
 *
 *   tool_safetensors write FILE       writes tensors whose contents the script knows
 *   tool_safetensors copy FROM TO     reads one file (any dtype) and writes what was read
 *   tool_safetensors layout FROM TO   reads "conv" [O][I][H][W] and "fc" [O][I], brings both to the device's layout, and
 *                                     writes "conv.device", "fc.device" and, brought back, "conv" and "fc" */
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lbk_status write_known(const char *path) {
    float ramp[24];
    int64_t large[2] = {-9000000000000000000, 9000000000000000000};
    int32_t small[3] = {-2147483647 - 1, 0, 2147483647};
    for (int i = 0; i < 24; i++)
        ramp[i] = (float)i * 0.1f - 1;
    const lbk_st_entry entries[] = {{"layer1.0.conv1.weight", LBK_F32, {4, {2, 3, 2, 2}}, ramp},
                                    {"scalar", LBK_F32, {0, {0}}, ramp + 7},
                                    {"labels", LBK_I32, {1, {3}}, small},
                                    {"steps", LBK_I64, {1, {2}}, large},
                                    {"nothing", LBK_F32, {2, {0, 5}}, NULL}};
    const char *const metadata[] = {"format", "pt", "note", "\"quoted\" \xC3\xA9", NULL};
    return lbk_st_write(path, entries, 5, metadata);
}

static lbk_status copy(const char *from, const char *to) {
    lbk_st_file file;
    LBK_TRY(lbk_st_open(&file, from));
    lbk_status status = lbk_st_write(to, file.entries, file.count, file.metadata);
    lbk_st_close(&file);
    return status;
}

/* One weight there and back; both copies are appended to out[2]. */
static lbk_status turn(const lbk_st_file *file, const char *name, const char *device_name, lbk_layout layout,
                       lbk_shape device, lbk_st_entry *out) {
    const lbk_st_entry *entry = lbk_st_find(file, name);
    void *on_device, *back;
    LBK_ENSURE(entry != NULL);
    lbk_shape in_file = lbk_layout_file_shape(layout, &device);
    LBK_ENSURE(lbk_shape_equal(&in_file, &entry->shape));
    LBK_TRY(lbk_calloc((size_t)lbk_shape_count(&device), 4, &on_device));
    out[0] = (lbk_st_entry){device_name, entry->dtype, device, on_device};
    LBK_TRY(lbk_calloc((size_t)lbk_shape_count(&device), 4, &back));
    out[1] = (lbk_st_entry){name, entry->dtype, in_file, back};
    lbk_layout_to_device(layout, &device, entry->data, on_device);
    lbk_layout_to_file(layout, &device, on_device, back);
    return LBK_OK;
}

static lbk_status layout(const char *from, const char *to) {
    lbk_st_file file;
    lbk_st_entry out[4] = {{0}};
    LBK_TRY(lbk_st_open(&file, from));
    const lbk_st_entry *conv = lbk_st_find(&file, "conv"), *fc = lbk_st_find(&file, "fc");
    LBK_ENSURE(conv && fc && conv->shape.rank == 4 && fc->shape.rank == 2);
    const int64_t *c = conv->shape.dim, *f = fc->shape.dim;
    lbk_status status = turn(&file, "conv", "conv.device", LBK_LAYOUT_OIHW, lbk_shape_4(c[2], c[3], c[1], c[0]), out);
    if (status == LBK_OK)
        status = turn(&file, "fc", "fc.device", LBK_LAYOUT_OI, lbk_shape_2(f[1], f[0]), out + 2);
    if (status == LBK_OK)
        status = lbk_st_write(to, out, 4, NULL);
    for (int i = 0; i < 4; i++)
        free((void *)out[i].data);
    lbk_st_close(&file);
    return status;
}

int main(int argc, char **argv) {
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "usage: tool_safetensors write FILE | copy FROM TO | layout FROM TO");
    if (argc == 3 && strcmp(argv[1], "write") == 0)
        status = write_known(argv[2]);
    else if (argc == 4 && strcmp(argv[1], "copy") == 0)
        status = copy(argv[2], argv[3]);
    else if (argc == 4 && strcmp(argv[1], "layout") == 0)
        status = layout(argv[2], argv[3]);
    if (status != LBK_OK)
        fprintf(stderr, "%s\n", lbk_error_message());
    return lbk_status_exit_code(status);
}
