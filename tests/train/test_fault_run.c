/* A whole small experiment in which OpenCL calls are made to fail: a clean error that names the call, or an unharmed
 * result; no hang, no object of ours left, and the experiment works again afterwards.
 *
 * A run makes some 1,500 calls. Of the calls of each name the first three and every seventh are made to fail, one a run;
 * once the time is up (a sanitizer's build is slow) the remaining ones are left out, and a line says how many were done.
 * With LIMBECK_FAULT_ALL=1 every single call is made to fail, however long that takes. */
#include "train/helpers/little_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "support/clfault.h"
#include "support/scratch.h"

#define BUDGET_S 25.0 /* of each of the two tests */
#define MAX_CALLS 65536
#define MAX_NAMES 64

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

/* Which calls fail: by name, the first three and every seventh. *count is how many. */
static choice *choose(bool all, size_t *count) {
    static struct {
        const char *name;
        long seen;
    } names[MAX_NAMES];
    size_t name_count = 0;
    choice *chosen = calloc(MAX_CALLS, sizeof *chosen);
    cr_assert(chosen);
    *count = 0;
    for (long k = 1; k <= clfault_calls() && k <= MAX_CALLS; k++) {
        const char *name = clfault_call_name(k);
        size_t n = 0;
        while (n < name_count && strcmp(names[n].name, name) != 0)
            n++;
        if (n == name_count) {
            cr_assert_lt(name_count, MAX_NAMES);
            names[name_count++].name = name;
        }
        long seen = ++names[n].seen;
        if (all || seen <= 3 || seen % 17 == 0)
            chosen[(*count)++] = (choice){k, name};
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
    alarm(40);
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
    size_t count;
    signal(SIGALRM, on_end);
    signal(SIGABRT, on_end);
    signal(SIGSEGV, on_end);
    setenv("LIMBECK_STORE", "on", 1);               /* hundreds of runs: programs had better be read than compiled */
    little_must_run("fault.ini", sets, "first", 2); /* fills the program cache, makes the sub-devices */
    clfault_reset();
    little_must_run("fault.ini", sets, "good", 2);
    cr_expect_eq(clfault_live_objects(), 0, "left are %s", clfault_leaks());
    long all = clfault_calls();
    choice *chosen = choose(thorough, &count);
    uint64_t start = lbk_clock_ns();
    size_t done = 0;
    for (; done < count && (thorough || lbk_clock_since(start) < BUDGET_S); done++)
        one(sets, chosen[done].k, chosen[done].name);
    fprintf(stderr, "fault_run: %zu of %ld OpenCL calls made to fail in %.1f s%s\n", done, all, lbk_clock_since(start),
            done < count ? ", the rest left out for time" : "");
    cr_expect_gt(done, 100);
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
