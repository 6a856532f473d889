/* One program: loaded from a prebuilt folder or the disk cache, else compiled. */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "device/context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_CHARACTERS 4000
/* Some drivers compile a program once more to give its binary (PoCL: every kernel of it, for any work-group size), and
 * some keep a cache of their own, from which compiling takes next to no time. An entry of ours is worth nothing there: none
 * is stored for a program that was compiled in less than STORE_LEAST_SECONDS, nor after one whose storing took more than
 * STORE_SHARE of its compiling, by this process or, as a file in the cache's folder says, by an earlier one. */
#define STORE_LEAST_SECONDS 0.1
#define STORE_SHARE 0.2
#define STD_OPTION "-cl-std=CL1.2 "

/* One call of the compiler. */
typedef struct attempt {
    cl_program program; /* NULL when it failed */
    cl_int code;
    const char *call; /* that failed */
    lbk_text log;
} attempt;

static void read_log(attempt *a, const lbk_target *target, cl_program program) {
    size_t length = 0;
    char *text = NULL;
    if (clGetProgramBuildInfo(program, target->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS || length == 0)
        return;
    if (lbk_calloc(length + 1, 1, &text) != LBK_OK)
        return;
    if (clGetProgramBuildInfo(program, target->id, CL_PROGRAM_BUILD_LOG, length, text, NULL) == CL_SUCCESS)
        lbk_text_printf(&a->log, "%.*s", LOG_CHARACTERS, text);
    free(text);
}

static void try_build(attempt *a, const lbk_target *target, cl_program program, const char *options) {
    a->code = clBuildProgram(program, 1, &target->id, options, NULL, NULL);
    if (a->code == CL_SUCCESS) {
        a->program = program;
        return;
    }
    a->call = "clBuildProgram";
    read_log(a, target, program);
    clReleaseProgram(program);
}

static void try_compile(attempt *a, const lbk_target *target, const char *source, const char *options) {
    memset(a, 0, sizeof *a);
    cl_program program = clCreateProgramWithSource(target->context->cl, 1, &source, NULL, &a->code);
    if (a->code != CL_SUCCESS)
        a->call = "clCreateProgramWithSource";
    else
        try_build(a, target, program, options);
}

static void forget(attempt *a) {
    if (a->program)
        clReleaseProgram(a->program);
    lbk_text_release(&a->log);
}

static int std_state(lbk_target *target) {
    pthread_mutex_lock(&target->context->lock);
    int state = target->std;
    pthread_mutex_unlock(&target->context->lock);
    return state;
}

static void set_std_state(lbk_target *target, int state) {
    pthread_mutex_lock(&target->context->lock);
    target->std = state;
    pthread_mutex_unlock(&target->context->lock);
}

static bool compiler_takes_std(lbk_target *target) {
    attempt a;
    try_compile(&a, target, "__kernel void probe(__global int *x) { x[0] = 1; }\n", STD_OPTION);
    bool taken = a.program != NULL;
    forget(&a);
    return taken;
}

/* -cl-std=CL1.2 goes first, unless the compiler is known to refuse it; whether it does is asked only once a build has
 * failed for a reason that the option could be. */
static void compile_best(attempt *a, lbk_target *target, const char *source, const char *with_std,
                         const char *without) {
    int state = std_state(target);
    try_compile(a, target, source, state == LBK_STD_REFUSED ? without : with_std);
    if (state != LBK_STD_UNKNOWN)
        return;
    if (a->program) {
        set_std_state(target, LBK_STD_TAKEN);
        return;
    }
    if (a->code != CL_BUILD_PROGRAM_FAILURE && a->code != CL_INVALID_BUILD_OPTIONS)
        return;
    if (compiler_takes_std(target)) {
        set_std_state(target, LBK_STD_TAKEN);
        return;
    }
    set_std_state(target, LBK_STD_REFUSED);
    forget(a);
    try_compile(a, target, source, without);
}

static lbk_status compile(lbk_target *target, const char *source, const char *options, cl_program *out) {
    attempt a;
    lbk_text with_std = {0};
    LBK_TRY(lbk_text_printf(&with_std, STD_OPTION "%s", options));
    compile_best(&a, target, source, with_std.data, options);
    lbk_text_release(&with_std);
    lbk_status status = LBK_OK;
    if (a.program)
        *out = a.program;
    else if (a.log.length)
        status =
            lbk_fail(LBK_ERR_DEVICE, "%s: %s; the compiler says:\n%s", a.call, lbk_cl_error_name(a.code), a.log.data);
    else
        status = lbk_cl_fail(a.code, a.call, __FILE__, __LINE__);
    a.program = NULL;
    forget(&a);
    return status;
}

static lbk_status use_binary(lbk_target *target, const lbk_binary *binary, cl_program *out) {
    attempt a = {0};
    cl_int refused = CL_SUCCESS;
    const unsigned char *bytes = binary->bytes;
    cl_program program =
        clCreateProgramWithBinary(target->context->cl, 1, &target->id, &binary->length, &bytes, &refused, &a.code);
    if (a.code != CL_SUCCESS)
        return lbk_cl_fail(a.code, "clCreateProgramWithBinary", __FILE__, __LINE__);
    try_build(&a, target, program, "");
    *out = a.program;
    a.program = NULL;
    forget(&a);
    return lbk_cl_check(a.code, "clBuildProgram", __FILE__, __LINE__);
}

/* *out NULL and LBK_OK: the folder has no entry. */
static lbk_status load(lbk_target *target, const char *folder, const lbk_cache_key *key, cl_program *out) {
    lbk_binary binary = {0};
    bool found = false;
    LBK_TRY(lbk_cache_load(folder, key, &found, &binary));
    if (!found)
        return LBK_OK;
    lbk_status status = lbk_context(use_binary(target, &binary, out), "%s/%s", folder, key->name);
    free(binary.bytes);
    return status;
}

static size_t find_id(const cl_device_id *ids, size_t count, cl_device_id id) {
    size_t at = 0;
    while (at < count && ids[at] != id)
        at++;
    return at;
}

/* The row of `target` in clGetProgramInfo()'s arrays, which have one per device of the program. Some drivers (PoCL 3.1)
 * list the whole device in place of its parts. */
static lbk_status binary_row(const lbk_target *target, cl_program program, cl_uint count, size_t *row) {
    cl_device_id *ids = NULL;
    LBK_TRY(lbk_calloc(count, sizeof *ids, &ids));
    lbk_status status = LBK_CL(clGetProgramInfo(program, CL_PROGRAM_DEVICES, count * sizeof *ids, ids, NULL));
    *row = find_id(ids, count, target->id);
    if (*row == count)
        *row = find_id(ids, count, target->info.id);
    free(ids);
    if (status == LBK_OK && *row == count)
        status = lbk_fail(LBK_ERR_DEVICE, "the driver does not list the device among the program's");
    return status;
}

lbk_status lbk_program_binary(const lbk_target *target, cl_program program, lbk_binary *out) {
    cl_uint count = 0;
    size_t row = 0, *lengths = NULL;
    unsigned char **all = NULL;
    lbk_status status = LBK_OK;
    memset(out, 0, sizeof *out);
    LBK_GOTO(LBK_CL(clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof count, &count, NULL)));
    LBK_GOTO(binary_row(target, program, count, &row));
    LBK_GOTO(lbk_calloc(count, sizeof *lengths, &lengths));
    LBK_GOTO(lbk_calloc(count, sizeof *all, &all));
    LBK_GOTO(LBK_CL(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, count * sizeof *lengths, lengths, NULL)));
    if (lengths[row] == 0) {
        status = lbk_fail(LBK_ERR_UNSUPPORTED, "the driver gives no binary of the program");
        goto out;
    }
    LBK_GOTO(lbk_calloc(lengths[row], 1, &all[row])); /* rows left NULL are skipped */
    LBK_GOTO(LBK_CL(clGetProgramInfo(program, CL_PROGRAM_BINARIES, count * sizeof *all, all, NULL)));
    out->bytes = all[row];
    out->length = lengths[row];
    all[row] = NULL;
out:
    if (all)
        free(all[row]);
    free(all);
    free(lengths);
    return status;
}

/* The file that says that the driver's binaries are dear; free() *out. */
static lbk_status dear_path(const lbk_target *target, const char *folder, char **out) {
    const lbk_device_info *info = &target->info;
    char name[32];
    uint64_t hash = lbk_hash_text(lbk_hash_text(LBK_HASH_START, info->platform_name), info->version);
    hash = lbk_hash_text(lbk_hash_text(hash, info->name), info->driver);
    snprintf(name, sizeof name, "%016" PRIx64 ".dear", hash);
    return lbk_path_join(folder, name, out);
}

static bool are_known_dear(const lbk_target *target, const char *folder) {
    char *path = NULL;
    bool known = dear_path(target, folder, &path) == LBK_OK && lbk_path_exists(path);
    free(path);
    return known;
}

static lbk_status note_dear(const lbk_target *target, const char *folder) {
    char *path = NULL;
    LBK_TRY(dear_path(target, folder, &path));
    lbk_status status = lbk_file_write_atomic(path, "", 0);
    free(path);
    return status;
}

/* $LIMBECK_STORE; "": none. */
static const char *store_wish(void) {
    const char *wish = getenv("LIMBECK_STORE");
    return wish ? wish : "";
}

/* As wished, else by what it costs: one at a time, until one was dear. */
static bool store_begins(const lbk_target *target, const char *folder, double compiled) {
    lbk_device_context *context = target->context;
    if (*store_wish())
        return strcmp(store_wish(), "off") != 0;
    pthread_mutex_lock(&context->lock);
    bool wanted = !context->store_held && compiled >= STORE_LEAST_SECONDS;
    context->store_held = context->store_held || wanted;
    pthread_mutex_unlock(&context->lock);
    return wanted && !are_known_dear(target, folder); /* the context then asks no more */
}

static lbk_status store(lbk_target *target, const char *folder, const lbk_cache_key *key, double compiled,
                        cl_program program) {
    lbk_binary binary = {0};
    uint64_t start = lbk_clock_ns();
    lbk_status status = lbk_program_binary(target, program, &binary);
    if (status == LBK_OK)
        status = lbk_cache_store(folder, key, &binary);
    free(binary.bytes);
    bool dear = lbk_clock_since(start) > STORE_SHARE * compiled;
    if (status == LBK_OK && dear && !*store_wish())
        status = note_dear(target, folder);
    pthread_mutex_lock(&target->context->lock);
    target->context->store_held = dear;
    pthread_mutex_unlock(&target->context->lock);
    return status;
}

static lbk_status missing_prebuilt(const lbk_target *target, lbk_status why) {
    if (why != LBK_OK)
        return lbk_context(why, "the device has no compiler and its prebuilt program cannot be used");
    if (!target->prebuilt)
        return lbk_fail(LBK_ERR_UNSUPPORTED,
                        "the device has no compiler: prebuilt programs are needed (kernels = FOLDER)");
    return lbk_fail(LBK_ERR_UNSUPPORTED, "the device has no compiler and \"%s\" has no program for it",
                    target->prebuilt);
}

/* The disk cache is a help, never a reason to fail: what goes wrong with it is logged. */
static void log_cache(const char *what) {
    lbk_log(LBK_LOG_WARN, "program cache: %s%s", lbk_error_message(), what);
    lbk_error_clear();
}

static lbk_status load_or_compile(lbk_target *target, const lbk_cache_key *key, const char *source, const char *options,
                                  lbk_build_stats *stats, cl_program *out) {
    char *folder = NULL;
    if (lbk_cache_folder(&folder) != LBK_OK)
        log_cache("; programs are not kept");
    else if (load(target, folder, key, out) != LBK_OK)
        log_cache("; it is built again");
    if (*out) {
        stats->from_disk++;
        free(folder);
        return LBK_OK;
    }
    uint64_t start = lbk_clock_ns();
    lbk_status status = compile(target, source, options, out);
    double compiled = lbk_clock_since(start);
    if (status == LBK_OK) {
        stats->built++;
        bool keep = folder && store_begins(target, folder, compiled);
        if (keep && store(target, folder, key, compiled, *out) != LBK_OK)
            log_cache("; the program is not kept");
    }
    free(folder);
    return status;
}

static lbk_status provide(lbk_target *target, const char *file, const char *options, lbk_build_stats *stats,
                          cl_program *out) {
    const char *source = NULL;
    lbk_cache_key key;
    lbk_status status = LBK_OK;
    LBK_TRY(lbk_kernel_source_get(file, &source));
    LBK_TRY(lbk_cache_key_make(target, file, options, source, &key));
    if (target->prebuilt)
        status = load(target, target->prebuilt, &key, out);
    if (*out)
        stats->from_prebuilt++;
    else if (!target->compiler)
        status = missing_prebuilt(target, status);
    else {
        if (status != LBK_OK)
            log_cache("; it is built from source");
        status = load_or_compile(target, &key, source, options, stats, out);
    }
    lbk_cache_key_release(&key);
    return status;
}

lbk_status lbk_program_build(lbk_target *target, const char *file, const char *options, cl_program *out) {
    lbk_build_stats stats = {0};
    lbk_device_context *context = target->context;
    uint64_t start = lbk_clock_ns();
    *out = NULL;
    lbk_status status = provide(target, file, options, &stats, out);
    pthread_mutex_lock(&context->lock);
    context->stats.built += stats.built;
    context->stats.from_disk += stats.from_disk;
    context->stats.from_prebuilt += stats.from_prebuilt;
    context->stats.seconds += lbk_clock_since(start);
    pthread_mutex_unlock(&context->lock);
    if (status == LBK_OK)
        lbk_log(LBK_LOG_DEBUG, "program %s, options \"%s\": %s in %.3f s", file, options,
                stats.built ? "compiled" : "loaded", lbk_clock_since(start));
    return lbk_context(status, "kernel file %s, options \"%s\", device %s (%s)", file, options, target->label,
                       target->info.name);
}
