/* Prebuilt folders and devices without a compiler. */
#include "device/helpers/sandbox.h"

#include "base/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enter(void) {
    sandbox_enter(0);
}

TestSuite(prebuilt, .init = enter, .fini = sandbox_leave);

static const lbk_program_request requests[] = {{"test/scale", "-DFACTOR=6"}, {"test/reverse", "-DGROUP=16 -DQ=\\\"\""}};

static void export_requests(size_t first, size_t count, const char *folder) {
    lbk_device *device = sandbox_open("0.0", NULL);
    OK(lbk_program_export(device, requests + first, count, folder));
    lbk_device_close(device);
}

static json_t *read_index(const char *folder) {
    json_error_t error;
    char path[512];
    snprintf(path, sizeof path, "%s/index.json", folder);
    json_t *index = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(index, "%s: %s", path, error.text);
    return index;
}

static const char *member(const json_t *entry, const char *name) {
    const char *text = json_string_value(json_object_get(entry, name));
    cr_assert_not_null(text, "%s is missing", name);
    return text;
}

Test(prebuilt, index_lists_what_is_there) {
    const lbk_device_info *info = &sandbox_list()->items[0];
    const char *folder = sandbox_path("prebuilt");
    export_requests(0, 1, folder);
    export_requests(1, 1, folder); /* exports add up */
    json_t *index = read_index(folder), *entries = json_object_get(index, "limbeck_programs");
    cr_assert_eq(json_array_size(entries), 2);
    bool seen[2] = {false, false};
    for (size_t i = 0; i < 2; i++) {
        const json_t *entry = json_array_get(entries, i);
        int which = strcmp(member(entry, "file"), "test/scale") == 0 ? 0 : 1;
        char path[512];
        cr_expect_str_eq(member(entry, "file"), requests[which].file);
        cr_expect_str_eq(member(entry, "options"), requests[which].options);
        cr_expect_str_eq(member(entry, "device"), info->name);
        cr_expect_str_eq(member(entry, "platform"), info->platform_name);
        cr_expect_str_eq(member(entry, "version"), info->version);
        cr_expect_str_eq(member(entry, "driver"), info->driver);
        snprintf(path, sizeof path, "%s/%s", folder, member(entry, "entry"));
        cr_expect(lbk_path_exists(path));
        seen[which] = true;
    }
    cr_expect(seen[0] && seen[1]);
    json_decref(index);
}

/* Damage and foreign files are left out of the index, not fatal. */
Test(prebuilt, index_leaves_out_damage) {
    const char *folder = sandbox_path("prebuilt");
    OK(lbk_path_make_folder(folder));
    sandbox_write(sandbox_path("prebuilt/0123456789abcdef.bin"), "rubbish", 7);
    sandbox_write(sandbox_path("prebuilt/readme.txt"), "hello", 5);
    export_requests(0, 1, folder);
    json_t *index = read_index(folder);
    cr_expect_eq(json_array_size(json_object_get(index, "limbeck_programs")), 1);
    cr_expect(strstr(sandbox_log(), "index.json leaves out ") != NULL, "%s", sandbox_log());
    json_decref(index);
}

Test(prebuilt, device_without_compiler_runs_from_it) {
    const char *folder = sandbox_path("prebuilt");
    const lbk_open_options options = {.kernels = folder, .no_compiler = true};
    export_requests(0, 1, folder);
    setenv("LIMBECK_CACHE", sandbox_path("other-cache"), 1);
    lbk_device *device = sandbox_open("0.0", &options);
    cr_expect_not(device->info.caps.compiler);
    sandbox_check_scale(device, 6, 1000);
    lbk_build_stats stats = lbk_device_build_stats(device);
    cr_expect_eq(stats.from_prebuilt, 1);
    cr_expect_eq(stats.built + stats.from_disk, 0);
    lbk_device_close(device);
}

static void expect_refusal(lbk_device *device, const char *reason) {
    char expected[1024];
    cl_program program = NULL;
    cr_expect_eq(lbk_program_get(device, "test/scale", "-DFACTOR=8", &program), LBK_ERR_UNSUPPORTED);
    snprintf(expected, sizeof expected, "kernel file test/scale, options \"-DFACTOR=8\", device 0.0 (%s): %s",
             device->info.name, reason);
    cr_expect_str_eq(lbk_error_message(), expected);
    cr_expect_null(program);
    lbk_device_close(device);
}

/* Even where the disk cache has the program: a device said to have no compiler gets none of its work. */
Test(prebuilt, missing_program_is_an_error_without_compiler) {
    const char *folder = sandbox_path("prebuilt");
    const lbk_open_options options = {.kernels = folder, .no_compiler = true};
    char reason[512];
    export_requests(0, 1, folder);
    lbk_device *device = sandbox_open("0.0", NULL);
    sandbox_check_scale(device, 8, 10);
    lbk_device_close(device);
    snprintf(reason, sizeof reason, "the device has no compiler and \"%s\" has no program for it", folder);
    expect_refusal(sandbox_open("0.0", &options), reason);
    setenv("LIMBECK_NO_COMPILER", "1", 1);
    expect_refusal(sandbox_open("0.0", NULL),
                   "the device has no compiler: prebuilt programs are needed (kernels = FOLDER)");
}

Test(prebuilt, missing_program_is_built_where_there_is_a_compiler) {
    const char *folder = sandbox_path("prebuilt");
    const lbk_open_options options = {.kernels = folder};
    export_requests(0, 1, folder);
    setenv("LIMBECK_CACHE", sandbox_path("other-cache"), 1);
    lbk_device *device = sandbox_open("0.0", &options);
    sandbox_check_scale(device, 6, 100);
    sandbox_check_scale(device, 8, 100);
    lbk_build_stats stats = lbk_device_build_stats(device);
    cr_expect_eq(stats.from_prebuilt, 1);
    cr_expect_eq(stats.built, 1);
    lbk_device_close(device);
}

Test(prebuilt, damaged_program) {
    const char *folder = sandbox_path("prebuilt");
    const lbk_open_options with = {.kernels = folder}, without = {.kernels = folder, .no_compiler = true};
    char path[512];
    cl_program program = NULL;
    export_requests(0, 1, folder);
    json_t *index = read_index(folder);
    snprintf(path, sizeof path, "%s/%s", folder,
             member(json_array_get(json_object_get(index, "limbeck_programs"), 0), "entry"));
    sandbox_write(path, "LBKPROG\n", 8);
    json_decref(index);
    lbk_device *device = sandbox_open("0.0", &without);
    cr_expect_eq(lbk_program_get(device, "test/scale", "-DFACTOR=6", &program), LBK_ERR_IO);
    cr_expect(strstr(lbk_error_message(), "the device has no compiler and its prebuilt program cannot be used: ") !=
              NULL);
    cr_expect(strstr(lbk_error_message(), "not a program file") != NULL, "%s", lbk_error_message());
    lbk_device_close(device);
    device = sandbox_open("0.0", &with);
    sandbox_check_scale(device, 6, 100);
    cr_expect(strstr(sandbox_log(), "; it is built from source\n") != NULL, "%s", sandbox_log());
    lbk_device_close(device);
}

Test(prebuilt, folder_that_cannot_be_made) {
    lbk_device *device = sandbox_open("0.0", NULL);
    sandbox_write(sandbox_path("file"), "x", 1);
    cr_expect_eq(lbk_program_export(device, requests, 1, sandbox_path("file/below")), LBK_ERR_IO);
    lbk_device_close(device);
}
