/* A whole small experiment in which OpenCL calls are made to fail: a clean error that names the call, or an unharmed
 * result; no hang, no object of ours left, and the experiment works again afterwards.
 *
 * A run makes some 1,500 calls. One a run, the first call of each name is made to fail; then, while there is time (a
 * sanitizer's build is slow), the second and third ones and every 17th. A line says how many were done.
 * With LIMBECK_FAULT_ALL=1 every single call is made to fail, however long that takes. */
#include "train/helpers/little_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "support/clfault.h"
#include "support/sanitized.h"
#include "support/scratch.h"

#define BUDGET_S                                                                                                       \
    LBK_ROUNDS(                                                                                                        \
        6.0,                                                                                                           \
        10.0)       /* of each of the two tests, for more than the first call of each name: sanitizers see more in it */
#define HANGS_S 300 /* a run that has not ended by then never will; it takes less than one second */
#define MAX_CALLS 65536

static const char text[] = "[experiment]\nname = fault\nseed = 4\ncontrol = no\nslots = 2\n"
                           "[data]\ndataset = digits\nbatch = 256\n"
                           "[teacher]\nmodel = mlp-wide\nparameters = width=16\nepochs = 1\n"
                           "[student]\nmodel = mlp-tiny\nepochs = 1\n"
                           "[distill]\nmethods = kd\n";

static void silence(void *context, lbk_log_level level, const char *line) {
    (void)context;
    (void)level;
    (void)line;
}

static void enter(void) {
    little_enter();
    little_write("fault.ini", text);
    lbk_log_set(silence, NULL, LBK_LOG_WARN); /* a cache entry that could not be used is logged */
}

TestSuite(fault_run, .init = enter, .fini = little_leave, .timeout = 900);

/* What a hanging or crashing run was doing, for on_end(). */
static char doing[160];

static void on_end(int number) {
    (void)number;
    if (write(STDERR_FILENO, doing, strlen(doing)) < 0)
        _exit(98);
    _exit(99);
}

typedef struct choice {
    long k;
    const char *name;
} choice;

/* How many of the calls up to the k-th have its name. */
static long count_name(long k) {
    const char *name = clfault_call_name(k);
    long seen = 0;
    for (long i = 1; i <= k; i++)
        seen += strcmp(clfault_call_name(i), name) == 0;
    return seen;
}

/* Which calls fail: the first of each name, *first_count of them; then the others. *count is how many in all. */
static choice *choose(bool all, size_t *first_count, size_t *count) {
    choice *chosen = calloc(MAX_CALLS, sizeof *chosen);
    long calls = clfault_calls();
    cr_assert(chosen);
    cr_assert_leq(calls, MAX_CALLS);
    *count = 0;
    for (long k = 1; k <= calls; k++)
        if (count_name(k) == 1)
            chosen[(*count)++] = (choice){k, clfault_call_name(k)};
    *first_count = *count;
    for (long k = 1; k <= calls; k++) {
        long seen = count_name(k);
        if (seen > 1 && (all || seen <= 3 || seen % 17 == 0))
            chosen[(*count)++] = (choice){k, clfault_call_name(k)};
    }
    return chosen;
}

/* Calls whose failure a run survives: those that let go (clGetMemObjectInfo: of the count of allocated bytes), those of
 * listing (the device is left out, or a capability unknown), those of the program cache, and those of building ahead: a
 * program whose build failed before anybody asked for it is built again. */
static bool may_be_survived(const char *call) {
    static const char *const calls[] = {"clFinish",          "clGetPlatformInfo",         "clGetDeviceIDs",
                                        "clGetDeviceInfo",   "clCreateProgramWithBinary", "clCreateProgramWithSource",
                                        "clBuildProgram",    "clGetProgramInfo",          "clSetUserEventStatus",
                                        "clGetMemObjectInfo"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(call, calls[i]) == 0)
            return true;
    return strncmp(call, "clRelease", 9) == 0;
}

static void check_outcome(lbk_status status, long k, const char *call) {
    if (status == LBK_OK) {
        cr_expect(may_be_survived(call), "call %ld, %s, failed and nobody said so", k, call);
        cr_expect(little_same("good", "faulted", "student.safetensors"), "call %ld, %s: another student", k, call);
        return;
    }
    cr_expect_neq(status, LBK_ERR_INTERNAL, "call %ld, %s: %s", k, call, lbk_error_message());
    bool listing = strstr(lbk_error_message(), "no OpenCL device was found") != NULL;
    cr_expect(listing || strstr(lbk_error_message(), call), "call %ld, %s, is not named: %s", k, call,
              lbk_error_message());
}

static void one(const char *const *sets, long k, const char *name) {
    lbk_run_result result;
    clfault_reset();
    clfault_arm(k, CL_OUT_OF_RESOURCES);
    lbk_error_clear();
    snprintf(doing, sizeof doing, "fault_run: call %ld, %s or thereabouts, failed: the run hangs or crashes\n", k,
             name);
    alarm(HANGS_S);
    lbk_status status = little_run("fault.ini", sets, "faulted", 2, &result);
    alarm(0);
    const char *call = clfault_failed_call();
    clfault_arm(0, CL_SUCCESS);
    cr_expect_eq(clfault_live_objects(), 0, "call %ld, %s: left are %s", k, call ? call : "none", clfault_leaks());
    if (call)
        check_outcome(status, k, call);
    else /* threads and caches: not every run makes the same number of calls */
        cr_expect_eq(status, LBK_OK, "%s", lbk_error_message());
    scratch_remove_tree("faulted");
}

static void sweep(const char *const *sets) {
    bool thorough = getenv("LIMBECK_FAULT_ALL") != NULL;
    size_t first_count, count, done = 0;
    signal(SIGALRM, on_end);
    signal(SIGABRT, on_end);
    signal(SIGSEGV, on_end);
    setenv("LIMBECK_STORE", "on", 1);               /* hundreds of runs: programs had better be read than compiled */
    little_must_run("fault.ini", sets, "first", 2); /* fills the program cache, makes the sub-devices */
    clfault_reset();
    little_must_run("fault.ini", sets, "good", 2);
    cr_expect_eq(clfault_live_objects(), 0, "left are %s", clfault_leaks());
    long all = clfault_calls();
    choice *chosen = choose(thorough, &first_count, &count);
    cr_expect_gt(first_count, 20);
    uint64_t start = lbk_clock_ns();
    for (; done < count && (thorough || done < first_count || lbk_clock_since(start) < BUDGET_S); done++)
        one(sets, chosen[done].k, chosen[done].name);
    fprintf(stderr, "fault_run: %zu of %ld OpenCL calls made to fail in %.1f s%s\n", done, all, lbk_clock_since(start),
            done < count ? ", the rest left out for time" : "");
    free(chosen);
    little_must_run("fault.ini", sets, "last", 2);
    cr_expect(little_same("good", "last", "student.safetensors"));
}

Test(fault_run, bridge_through_the_host) {
    sweep((const char *const[]){"experiment.bridge=host", NULL});
}

/* And a second graph for the student, which looks ahead. */
Test(fault_run, direct_bridge) {
    sweep((const char *const[]){"experiment.bridge=direct", "data.validation=0.1", "distill.meta=weights", NULL});
}
