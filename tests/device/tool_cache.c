/* device_tool_cache OPTIONS: builds test/scale with OPTIONS on the first device and prints "built" or "disk". Exit status 1
 * and a message on failure. */
#include "device/program.h"

#include <stdio.h>

static lbk_status build(const lbk_device_list *list, const char *options, lbk_build_stats *stats) {
    lbk_device_spec spec;
    lbk_device *device = NULL;
    cl_program program = NULL;
    LBK_TRY(lbk_device_spec_parse(list, "0.0", &spec));
    LBK_TRY(lbk_device_open(list, &spec, NULL, 1, &device));
    lbk_status status = lbk_program_get(device, "test/scale", options, &program);
    *stats = lbk_device_build_stats(device);
    lbk_device_close(device);
    return status;
}

int main(int argc, char **argv) {
    lbk_device_list list;
    lbk_build_stats stats = {0};
    lbk_status status = argc == 2 ? lbk_device_list_init(&list) : lbk_fail(LBK_ERR_INPUT, "one argument");
    if (status == LBK_OK) {
        status = build(&list, argv[1], &stats);
        lbk_device_list_release(&list);
    }
    if (status != LBK_OK) {
        fprintf(stderr, "%s\n", lbk_error_message());
        return 1;
    }
    puts(stats.from_disk ? "disk" : "built");
    return 0;
}
