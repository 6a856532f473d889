/* Time. */
#ifndef LBK_BASE_CLOCK_H
#define LBK_BASE_CLOCK_H

#include <stdint.h>

/* Monotonic nanoseconds since an arbitrary start. */
uint64_t lbk_clock_ns(void);
/* Seconds since `start_ns`, a value of lbk_clock_ns(). */
double lbk_clock_since(uint64_t start_ns);
/* Seconds of processor time that all threads of this process have taken, user and system. */
double lbk_clock_cpu_s(void);
/* The same of this thread alone. */
double lbk_clock_thread_s(void);

#endif
