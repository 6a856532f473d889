#define _GNU_SOURCE /* nftw */
#include "device/helpers/sandbox.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[256];
static lbk_text log_lines;
static lbk_device_list list;
static bool listed;

static void collect(void *context, lbk_log_level level, const char *line) {
    (void)context;
    (void)level;
    lbk_text_printf(&log_lines, "%s\n", line);
}

void sandbox_enter(int cores) {
    const char *root = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/limbeck-device-XXXXXX", root && *root ? root : "/tmp");
    cr_assert(mkdtemp(folder) != NULL);
    setenv("LIMBECK_CACHE", sandbox_path("cache"), 1);
    setenv("LIMBECK_KERNELS", LIMBECK_TESTS_DIR "/device/kernels", 1);
    unsetenv("LIMBECK_CLASS");
    setenv("LIMBECK_STORE", "on", 1);
    unsetenv("LIMBECK_NO_COMPILER");
    unsetenv("LIMBECK_MATRIX_UNITS");
    if (cores) {
        char number[16];
        snprintf(number, sizeof number, "%d", cores);
        setenv("POCL_MAX_PTHREAD_COUNT", number, 1); /* up to 3.1 */
        setenv("POCL_CPU_MAX_CU_COUNT", number, 1);  /* from 4.0 */
    }
    lbk_log_set(collect, NULL, LBK_LOG_INFO);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void sandbox_leave(void) {
    lbk_device_list_release(&list);
    lbk_log_set(NULL, NULL, LBK_LOG_WARN);
    lbk_text_release(&log_lines);
    if (folder[0])
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *sandbox_folder(void) {
    return folder;
}

const char *sandbox_path(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

const char *sandbox_log(void) {
    return log_lines.data ? log_lines.data : "";
}

void sandbox_log_clear(void) {
    lbk_text_release(&log_lines);
    memset(&log_lines, 0, sizeof log_lines);
}

const lbk_device_list *sandbox_list(void) {
    if (!listed)
        OK(lbk_device_list_init(&list));
    listed = true;
    if (list.count == 0)
        cr_skip_test("no OpenCL device here");
    return &list;
}

lbk_device *sandbox_open(const char *text, const lbk_open_options *options) {
    lbk_device_spec spec;
    lbk_device *device = NULL;
    OK(lbk_device_spec_parse(sandbox_list(), text, &spec));
    OK(lbk_device_open(sandbox_list(), &spec, options, 1, &device));
    return device;
}

void sandbox_check_scale(lbk_device *device, int factor, size_t count) {
    char options[32];
    cl_kernel kernel = NULL;
    cl_mem x = NULL, y = NULL;
    float *host = malloc(count * sizeof *host);
    cl_int n = (cl_int)count;
    size_t global = (count + 63) / 64 * 64, local = 64;
    cr_assert_not_null(host);
    for (size_t i = 0; i < count; i++)
        host[i] = (float)i - 7;
    snprintf(options, sizeof options, "-DFACTOR=%d", factor);
    OK(lbk_kernel_create(device, "test/scale", "scale", options, &kernel));
    OK(lbk_buffer_create(device, count * sizeof *host, &x));
    OK(lbk_buffer_create(device, count * sizeof *host, &y));
    OK(lbk_buffer_write(device, x, 0, host, count * sizeof *host));
    CL_OK(clSetKernelArg(kernel, 0, sizeof x, &x));
    CL_OK(clSetKernelArg(kernel, 1, sizeof y, &y));
    CL_OK(clSetKernelArg(kernel, 2, sizeof n, &n));
    CL_OK(clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL));
    OK(lbk_buffer_read(device, y, 0, host, count * sizeof *host));
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(host[i], (float)factor * ((float)i - 7), "element %zu is %g", i, (double)host[i]);
    CL_OK(clReleaseKernel(kernel));
    lbk_buffer_destroy(device, &x);
    lbk_buffer_destroy(device, &y);
    free(host);
}

/* Counts the files in <cache>/programs whose names end so, and keeps the last one's path. */
static int scan_cache(const char *end, char **path) {
    int count = 0;
    DIR *open = opendir(sandbox_path("cache/programs"));
    for (struct dirent *file = open ? readdir(open) : NULL; file; file = readdir(open)) {
        size_t length = strlen(file->d_name);
        if (file->d_name[0] == '.' || length < strlen(end) || strcmp(file->d_name + length - strlen(end), end) != 0)
            continue;
        count++;
        if (path) {
            free(*path);
            OK(lbk_path_join(sandbox_path("cache/programs"), file->d_name, path));
        }
    }
    if (open)
        closedir(open);
    return count;
}

char *sandbox_cache_entry(void) {
    char *path = NULL;
    cr_assert_eq(scan_cache("", &path), 1, "the cache should hold one file");
    return path;
}

int sandbox_cache_count(const char *end) {
    return scan_cache(end, NULL);
}

void sandbox_write(const char *path, const void *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "cannot write %s", path);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}
