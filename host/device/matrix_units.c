#include "device/matrix_units.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "device/context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_FILE "gpu/matrix_units"
#define SIZE 32 /* of the kernel's C */
#define DEPTH 64

const char *const lbk_arithmetic_names[] = {
    [LBK_ARITHMETIC_FLOAT32] = "float32",
    [LBK_ARITHMETIC_TF32] = "tf32",
    [LBK_ARITHMETIC_FLOAT16] = "float16",
    [LBK_ARITHMETIC_BFLOAT16] = "bfloat16",
    NULL,
};

lbk_status lbk_arithmetic_parse(const char *name, lbk_arithmetic *out) {
    for (int a = LBK_ARITHMETIC_FLOAT32; a <= LBK_ARITHMETIC_BFLOAT16; a++)
        if (strcmp(name, lbk_arithmetic_names[a]) == 0) {
            *out = (lbk_arithmetic)a;
            return LBK_OK;
        }
    return lbk_fail(LBK_ERR_INPUT, "unknown arithmetic \"%s\"; expected float32, tf32, float16 or bfloat16", name);
}

/* What is multiplied, and what must come out. */
typedef struct trial {
    float a[SIZE * DEPTH], b[DEPTH * SIZE], c[SIZE * SIZE], expected[SIZE * SIZE];
} trial;

/* Numbers in 1..2 whose last bit and the two behind it are those of `pattern`, in 0..7: exact ones, ties of either parity, and
 * what lies off a tie; and what they are to nearest even. */
static float fraction(int bits, unsigned pattern, unsigned leading, float *rounded) {
    float last = 1 / (float)(1 << bits);
    unsigned up = (pattern & 3) == 3 || pattern == 6;
    float whole = 1 + (float)(2 * leading + (pattern >> 2)) * last;
    *rounded = whole + (float)up * last;
    return whole + (float)(pattern & 3) * last / 4;
}

/* One factor of each product is a fraction, of A in the first half of the depth and of B in the second, the other an integer from
 * -2 to 2: whatever the order of the sum, it is exact in float32, and different wherever a number was taken from another place. */
static void fill(trial *t, int bits) {
    float rounded_a[SIZE * DEPTH], rounded_b[DEPTH * SIZE];
    uint32_t state = 1;
    for (int i = 0; i < SIZE * DEPTH; i++) {
        bool first = i % DEPTH < DEPTH / 2, second = i / SIZE >= DEPTH / 2; /* the fraction is A's, B's */
        state = state * 1664525u + 1013904223u;                             /* Numerical Recipes, "quick and dirty" */
        unsigned draw = state >> 16;
        float whole = (float)(int)(draw / 64 % 5) - 2, nearest;
        float fractional = fraction(bits, draw & 7, draw / 8 & 7, &nearest);
        t->a[i] = first ? fractional : whole;
        rounded_a[i] = first ? nearest : whole;
        t->b[i] = second ? fractional : whole;
        rounded_b[i] = second ? nearest : whole;
    }
    for (int m = 0; m < SIZE; m++)
        for (int n = 0; n < SIZE; n++) {
            double sum = 0;
            for (int k = 0; k < DEPTH; k++)
                sum += (double)rounded_a[m * DEPTH + k] * (double)rounded_b[k * SIZE + n];
            t->expected[m * SIZE + n] = (float)sum;
        }
}

static lbk_status launch(lbk_device *device, cl_kernel kernel, const cl_mem buffers[3]) {
    const size_t warp = 32;
    const cl_int depth = DEPTH;
    cl_event done = NULL;
    for (cl_uint i = 0; i < 3; i++)
        LBK_TRY(LBK_CL(clSetKernelArg(kernel, i, sizeof buffers[i], &buffers[i])));
    LBK_TRY(LBK_CL(clSetKernelArg(kernel, 3, sizeof depth, &depth)));
    LBK_TRY(LBK_CL(clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &warp, &warp, 0, NULL, &done)));
    lbk_status status = lbk_event_wait(device, done);
    clReleaseEvent(done);
    return status;
}

static lbk_status run(lbk_device *device, cl_kernel kernel, trial *t) {
    cl_mem buffers[3] = {NULL, NULL, NULL};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_buffer_create(device, sizeof t->c, &buffers[0]));
    LBK_GOTO(lbk_buffer_create(device, sizeof t->a, &buffers[1]));
    LBK_GOTO(lbk_buffer_create(device, sizeof t->b, &buffers[2]));
    LBK_GOTO(lbk_buffer_write(device, buffers[1], 0, t->a, sizeof t->a));
    LBK_GOTO(lbk_buffer_write(device, buffers[2], 0, t->b, sizeof t->b));
    LBK_GOTO(launch(device, kernel, buffers));
    LBK_GOTO(lbk_buffer_read(device, buffers[0], 0, t->c, sizeof t->c));
out:
    for (int i = 0; i < 3; i++)
        lbk_buffer_destroy(device, &buffers[i]);
    return status;
}

static lbk_status compare(const trial *t) {
    for (int i = 0; i < SIZE * SIZE; i++)
        if (t->c[i] != t->expected[i])
            return lbk_fail(LBK_ERR_DEVICE, "element %d,%d is %.9g, expected %.9g", i / SIZE, i % SIZE, (double)t->c[i],
                            (double)t->expected[i]);
    return LBK_OK;
}

lbk_status lbk_matrix_units_try(lbk_device *device, lbk_arithmetic arithmetic) {
    static const int fraction_bits[] = {23, 10, 10, 7};
    char options[64];
    trial *t = NULL;
    cl_kernel kernel = NULL;
    lbk_status status = LBK_OK;
    snprintf(options, sizeof options, "-DMATRIX=%d -DPTX=%d", arithmetic, !device->info.caps.emulated_units);
    LBK_GOTO(lbk_calloc(1, sizeof *t, &t));
    LBK_GOTO(lbk_kernel_create(device, KERNEL_FILE, "matrix_units_trial", options, &kernel));
    fill(t, fraction_bits[arithmetic]);
    LBK_GOTO(run(device, kernel, t));
    LBK_GOTO(compare(t));
out:
    if (kernel)
        clReleaseKernel(kernel);
    free(t);
    return lbk_context(status, "matrix units for %s", lbk_arithmetic_names[arithmetic]);
}

lbk_status lbk_matrix_units_path(const lbk_device_info *info, lbk_arithmetic arithmetic, char **out) {
    char name[40], *folder = NULL;
    const char *source = NULL;
    LBK_TRY(lbk_kernel_source_get(KERNEL_FILE, &source));
    LBK_TRY(lbk_cache_folder(&folder));
    uint64_t hash = lbk_hash_text(lbk_hash_text(LBK_HASH_START, info->platform_name), info->version);
    hash = lbk_hash_text(lbk_hash_text(lbk_hash_text(hash, info->name), info->driver), source);
    snprintf(name, sizeof name, "%016" PRIx64 ".units", lbk_hash_text(hash, lbk_arithmetic_names[arithmetic]));
    lbk_status status = lbk_path_join(folder, name, out);
    free(folder);
    return status;
}

/* *known false: no trial is on record. */
static lbk_status read_outcome(const lbk_device_info *info, lbk_arithmetic arithmetic, bool *known, bool *found) {
    char *path = NULL, *text = NULL;
    size_t length = 0;
    *known = *found = false;
    LBK_TRY(lbk_matrix_units_path(info, arithmetic, &path));
    lbk_status status = lbk_path_exists(path) ? lbk_file_read(path, &text, &length) : LBK_OK;
    *known = text && (strcmp(text, "0\n") == 0 || strcmp(text, "1\n") == 0);
    *found = *known && text[0] == '1';
    free(text);
    free(path);
    return status;
}

static lbk_status write_outcome(const lbk_device_info *info, lbk_arithmetic arithmetic, bool found) {
    char *path = NULL;
    LBK_TRY(lbk_matrix_units_path(info, arithmetic, &path));
    lbk_status status = lbk_file_write_atomic(path, found ? "1\n" : "0\n", 2);
    free(path);
    return status;
}

static void log_quietly(const char *what) {
    lbk_log(LBK_LOG_DEBUG, "matrix units: %s: %s", what, lbk_error_message());
    lbk_error_clear();
}

static bool try_quietly(lbk_device *device, lbk_arithmetic arithmetic) {
    if (lbk_matrix_units_try(device, arithmetic) == LBK_OK)
        return true;
    log_quietly("none");
    return false;
}

void lbk_matrix_units_find(lbk_device *device, lbk_arithmetic arithmetic) {
    lbk_caps *caps = &device->info.caps;
    uint32_t bit = 1u << arithmetic;
    bool known = false, found = false;
    if (arithmetic == LBK_ARITHMETIC_FLOAT32 || caps->cls != LBK_CLASS_GPU || !caps->compiler ||
        (device->units_tried & bit))
        return;
    device->units_tried |= bit;
    if (read_outcome(&device->info, arithmetic, &known, &found) != LBK_OK)
        log_quietly("what earlier trials found");
    if (!known) {
        /* A processor that was made to run class gpu has none, and PoCL writes a line where a program does not compile. */
        if (caps->type & CL_DEVICE_TYPE_GPU)
            found = try_quietly(device, arithmetic);
        if (write_outcome(&device->info, arithmetic, found) != LBK_OK)
            log_quietly("the outcome is not kept");
    }
    caps->matrix_units |= found ? bit : 0;
    lbk_log(LBK_LOG_DEBUG, "device %s: %s matrix units for %s", device->label, found ? "has" : "no",
            lbk_arithmetic_names[arithmetic]);
}

uint32_t lbk_matrix_units_known(const lbk_device_info *info) {
    uint32_t bits = 0;
    for (int a = LBK_ARITHMETIC_TF32; a <= LBK_ARITHMETIC_BFLOAT16; a++) {
        bool known, found;
        if (read_outcome(info, (lbk_arithmetic)a, &known, &found) != LBK_OK)
            log_quietly("what earlier trials found");
        bits |= found ? 1u << a : 0;
    }
    return bits;
}
