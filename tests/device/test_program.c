/* Programs: sources, builds, sharing, background builds. */
#include "device/embedded.h"
#include "device/helpers/sandbox.h"

#include "base/file.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enter(void) {
    sandbox_enter(0);
}

TestSuite(program, .init = enter, .fini = sandbox_leave);

Test(program, built_once_per_options) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_program a = NULL, b = NULL, c = NULL;
    OK(lbk_program_get(device, "test/scale", "", &a));
    OK(lbk_program_get(device, "test/scale", "", &b));
    OK(lbk_program_get(device, "test/scale", "-DFACTOR=3", &c));
    cr_expect_eq(a, b);
    cr_expect(a != c);
    lbk_build_stats stats = lbk_device_build_stats(device);
    cr_expect_eq(stats.built, 2);
    cr_expect_eq(stats.from_disk + stats.from_prebuilt, 0);
    cr_expect(stats.seconds > 0);
    sandbox_check_scale(device, 3, 100);
    cr_expect_eq(lbk_device_build_stats(device).built, 2);
    lbk_device_close(device);
}

Test(program, compiler_errors_are_told) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_program program = (cl_program)device;
    char start[512];
    cr_expect_eq(lbk_program_get(device, "test/broken", "-DX=1", &program), LBK_ERR_DEVICE);
    snprintf(start, sizeof start,
             "kernel file test/broken, options \"-DX=1\", device 0.0 (%s): clBuildProgram: CL_BUILD_PROGRAM_FAILURE; "
             "the compiler says:\n",
             device->info.name);
    cr_expect(strncmp(lbk_error_message(), start, strlen(start)) == 0, "%s", lbk_error_message());
    cr_expect(strstr(lbk_error_message(), "no_such_variable") != NULL, "%s", lbk_error_message());
    cr_expect_null(program);
    lbk_error_clear();
    cr_expect_eq(lbk_program_get(device, "test/broken", "-DX=1", &program), LBK_ERR_DEVICE, "and again");
    cr_expect(strstr(lbk_error_message(), "no_such_variable") != NULL);
    sandbox_check_scale(device, 2, 100);
    lbk_device_close(device);
}

Test(program, missing_kernels_are_told) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_program program = NULL;
    cl_kernel kernel = NULL;
    char expected[512];
    cr_expect_eq(lbk_program_get(device, "test/none", "", &program), LBK_ERR_INTERNAL);
    snprintf(expected, sizeof expected,
             "kernel file test/none, options \"\", device 0.0 (%s): there is no kernel file \"test/none\"",
             device->info.name);
    cr_expect_str_eq(lbk_error_message(), expected);
    cr_expect_eq(lbk_kernel_create(device, "test/scale", "skale", "", &kernel), LBK_ERR_DEVICE);
    snprintf(expected, sizeof expected,
             "kernel skale of file test/scale, options \"\", device 0.0 (%s): clCreateKernel: CL_INVALID_KERNEL_NAME",
             device->info.name);
    cr_expect(strncmp(lbk_error_message(), expected, strlen(expected)) == 0, "%s", lbk_error_message());
    cr_expect_null(kernel);
    lbk_device_close(device);
}

Test(program, embedded_sources_are_whole) {
    const char *const *files = lbk_kernel_files();
    size_t count = 0;
    for (; files[count]; count++) {
        char path[512];
        char *text = NULL;
        size_t length = 0;
        snprintf(path, sizeof path, "%s/kernels/%s.cl", LIMBECK_SOURCE_DIR, files[count]);
        OK(lbk_file_read(path, &text, &length));
        cr_expect_str_eq(lbk_kernel_source(files[count]), text, "%s", files[count]);
        free(text);
    }
    cr_expect(count > 0, "kernels/ is embedded");
    cr_expect_null(lbk_kernel_source("generic/no_such_kernel"));
    cr_expect_null(lbk_embedded_kernels[count].name);
}

Test(program, joined_sources) {
    const char *a = lbk_kernel_source("gpu/matrix_units"), *b = lbk_kernel_source("gpu/gemm");
    const char *both = lbk_kernel_source("gpu/matrix_units+gpu/gemm");
    cr_assert(a && b && both);
    cr_expect_eq(strlen(both), strlen(a) + strlen(b));
    cr_expect_eq(strncmp(both, a, strlen(a)), 0);
    cr_expect_str_eq(both + strlen(a), b);
    cr_expect_eq(both, lbk_kernel_source("gpu/matrix_units+gpu/gemm"), "joined once");
    cr_expect_null(lbk_kernel_source("gpu/matrix_units+gpu/no_such_kernel"));
    cr_expect_str_eq(lbk_error_message(), "there is no kernel file \"gpu/no_such_kernel\"");
    cr_expect_null(lbk_kernel_source("gpu/gemm+"));
}

Test(program, folder_replaces_embedded_sources) {
    const char *const *files = lbk_kernel_files();
    char name[256], path[512];
    cr_assert(files[0] && files[1]);
    OK(lbk_path_make_folder(sandbox_path("kernels/cpu")));
    OK(lbk_path_make_folder(sandbox_path("kernels/gpu")));
    OK(lbk_path_make_folder(sandbox_path("kernels/generic")));
    snprintf(name, sizeof name, "kernels/%s.cl", files[0]);
    sandbox_write(sandbox_path(name), "__kernel void mine(void) {}\n", 28);
    setenv("LIMBECK_KERNELS", sandbox_path("kernels"), 1);
    cr_expect_str_eq(lbk_kernel_source(files[0]), "__kernel void mine(void) {}\n");
    snprintf(path, sizeof path, "kernel %s is taken from %s\n", files[0], sandbox_path(name));
    cr_expect_str_eq(sandbox_log(), path);
    sandbox_write(sandbox_path(name), "", 0); /* read once per process */
    cr_expect_str_eq(lbk_kernel_source(files[0]), "__kernel void mine(void) {}\n");
    cr_expect(strlen(lbk_kernel_source(files[1])) > 28, "a file the folder lacks is the embedded one");
    snprintf(name, sizeof name, "%s+%s", files[1], files[0]);
    cr_expect_str_eq(lbk_kernel_source(name) + strlen(lbk_kernel_source(files[1])), "__kernel void mine(void) {}\n");
}

Test(program, folder_of_kernels_must_be_one) {
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_program program = NULL;
    setenv("LIMBECK_KERNELS", "/no/such/folder", 1);
    cr_expect_null(lbk_kernel_source("test/scale"));
    cr_expect_eq(lbk_program_get(device, "test/scale", "", &program), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "$LIMBECK_KERNELS: \"/no/such/folder\" is not a folder") != NULL, "%s",
              lbk_error_message());
    lbk_device_close(device);
}

typedef struct getter {
    lbk_device *device;
    const char *file;
    cl_program program;
    lbk_status status;
    char message[256];
} getter;

static void *get_one(void *argument) {
    getter *g = argument;
    g->status = lbk_program_get(g->device, g->file, "-DFACTOR=11", &g->program);
    snprintf(g->message, sizeof g->message, "%s", lbk_error_message());
    return NULL;
}

static void get_by_threads(lbk_device *device, const char *file, getter *getters, int count) {
    pthread_t threads[16];
    for (int i = 0; i < count; i++) {
        getters[i] = (getter){.device = device, .file = file};
        cr_assert_eq(pthread_create(&threads[i], NULL, get_one, &getters[i]), 0);
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

Test(program, threads_share_one_build) {
    lbk_device *device = sandbox_open("0.0", NULL);
    getter getters[8];
    get_by_threads(device, "test/scale", getters, 8);
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(getters[i].status, LBK_OK, "%s", getters[i].message);
        cr_expect_eq(getters[i].program, getters[0].program);
    }
    cr_expect_eq(lbk_device_build_stats(device).built, 1);
    get_by_threads(device, "test/broken", getters, 8);
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(getters[i].status, LBK_ERR_DEVICE);
        cr_expect(strstr(getters[i].message, "kernel file test/broken") != NULL, "each thread has the message");
    }
    lbk_device_close(device);
}

Test(program, prepared_in_the_background) {
    const lbk_program_request requests[] = {
        {"test/scale", "-DFACTOR=3"}, {"test/broken", ""}, {"test/reverse", ""}, {"test/scale", "-DFACTOR=4"}};
    lbk_device *device = sandbox_open("0.0", NULL);
    cl_program program = NULL;
    OK(lbk_program_prepare(device, requests, 4));
    OK(lbk_program_prepare(device, requests, 4)); /* a second time is no work */
    cr_expect_eq(lbk_program_get(device, "test/broken", "", &program), LBK_ERR_DEVICE);
    cr_expect(strstr(lbk_error_message(), "no_such_variable") != NULL, "%s", lbk_error_message());
    sandbox_check_scale(device, 4, 100);
    sandbox_check_scale(device, 3, 100);
    OK(lbk_program_get(device, "test/reverse", "", &program));
    cr_expect_eq(lbk_device_build_stats(device).built, 3);
    lbk_device_close(device);
}

/* Requests nobody came for do not hold up closing, nor leak. */
Test(program, closing_drops_what_is_queued) {
    char options[20][24];
    lbk_program_request requests[20];
    lbk_device *device = sandbox_open("0.0", NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(options[i], sizeof options[i], "-DFACTOR=%d", i);
        requests[i] = (lbk_program_request){"test/scale", options[i]};
    }
    OK(lbk_program_prepare(device, requests, 20));
    lbk_device_close(device);
}
