/* tool_clbuild FOLDER NAME...: builds each FOLDER/NAME.cl, or several of them joined by +, on the first CPU device (else the
 * first device), with the options that host/device uses for every kernel and no macro set. A compiler message, a warning
 * too, is a failure. Exit status 0: all compile, 1: some do not, 77: no OpenCL device. */
#include <CL/cl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77, MAX_PLATFORMS = 16, MAX_PARTS = 8 };

static cl_device_id device_find(void) {
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint count = 0;
    const cl_device_type types[] = {CL_DEVICE_TYPE_CPU, CL_DEVICE_TYPE_ALL};
    cl_device_id device = NULL;
    if (clGetPlatformIDs(MAX_PLATFORMS, platforms, &count) != CL_SUCCESS)
        return NULL;
    for (size_t t = 0; t < 2; t++)
        for (cl_uint p = 0; p < count && p < MAX_PLATFORMS; p++)
            if (clGetDeviceIDs(platforms[p], types[t], 1, &device, NULL) == CL_SUCCESS)
                return device;
    return NULL;
}

/* The whole file, NUL-terminated; free() it. NULL when it cannot be read. */
static char *text_read(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long length = -1;
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    if (length >= 0 && fseek(file, 0, SEEK_SET) == 0)
        text = calloc((size_t)length + 1, 1);
    if (text && fread(text, 1, (size_t)length, file) != (size_t)length) {
        free(text);
        text = NULL;
    }
    (void)fclose(file); /* only read from */
    return text;
}

static char *log_get(cl_program program, cl_device_id device) {
    size_t length = 0;
    if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS)
        return NULL;
    char *text = calloc(length + 1, 1);
    if (text && clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, length, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    return text;
}

/* PoCL starts every log with a line that counts warnings; a blank log is a clean one everywhere else. */
static int log_complains(const char *log) {
    return log && (strstr(log, "warning:") || strstr(log, "error:"));
}

/* The texts of a name's parts; how many, or -1 when one cannot be read. */
static int texts_read(const char *folder, const char *name, char *texts[MAX_PARTS]) {
    int count = 0;
    for (const char *end = name; count < MAX_PARTS; name = end + 1, count++) {
        char path[4096];
        end = name + strcspn(name, "+");
        snprintf(path, sizeof path, "%s/%.*s.cl", folder, (int)(end - name), name);
        texts[count] = text_read(path);
        if (!texts[count])
            return -1;
        if (!*end)
            return count + 1;
    }
    return -1;
}

/* 0: compiles without a word. */
static int name_build(const char *folder, const char *name, cl_context context, cl_device_id device) {
    char *texts[MAX_PARTS] = {NULL}, *log = NULL;
    cl_int error = CL_SUCCESS;
    cl_program program = NULL;
    cl_uint kernels = 0;
    int count = texts_read(folder, name, texts);
    if (count > 0)
        program = clCreateProgramWithSource(context, (cl_uint)count, (const char **)texts, NULL, &error);
    if (program)
        error = clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL);
    if (program)
        log = log_get(program, device);
    if (program && error == CL_SUCCESS)
        error = clCreateKernelsInProgram(program, 0, NULL, &kernels);
    int bad = error != CL_SUCCESS || kernels == 0 || log_complains(log);
    printf("%s: %s (%d files, %u kernels, error %d)\n", name, bad ? "FAILED" : "compiles", count, kernels, error);
    if (bad && log)
        printf("%s\n", log);
    if (program)
        clReleaseProgram(program);
    free(log);
    for (int i = 0; i < MAX_PARTS; i++)
        free(texts[i]);
    return bad;
}

int main(int argc, char **argv) {
    int bad = 0;
    cl_int error = CL_SUCCESS;
    cl_device_id device = device_find();
    if (argc < 3) {
        fprintf(stderr, "usage: tool_clbuild FOLDER NAME...\n");
        return 2;
    }
    if (!device) {
        printf("skipped: no OpenCL device\n");
        return SKIPPED;
    }
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (error != CL_SUCCESS) {
        fprintf(stderr, "clCreateContext: error %d\n", error);
        return 1;
    }
    for (int i = 2; i < argc; i++)
        bad += name_build(argv[1], argv[i], context, device);
    clReleaseContext(context);
    printf("%d of %d compile\n", argc - 2 - bad, argc - 2);
    return bad != 0;
}
