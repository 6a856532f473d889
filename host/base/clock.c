#define _POSIX_C_SOURCE 200809L
#include "base/clock.h"

#include <time.h>

uint64_t lbk_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double lbk_clock_since(uint64_t start_ns) {
    return (double)(lbk_clock_ns() - start_ns) * 1e-9;
}

static double taken_s(clockid_t clock) {
    struct timespec taken;
    clock_gettime(clock, &taken);
    return (double)taken.tv_sec + (double)taken.tv_nsec * 1e-9;
}

double lbk_clock_cpu_s(void) {
    return taken_s(CLOCK_PROCESS_CPUTIME_ID);
}

double lbk_clock_thread_s(void) {
    return taken_s(CLOCK_THREAD_CPUTIME_ID);
}
