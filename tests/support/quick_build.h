/* PoCL leaves out its optimiser for what this process builds from now on, which takes a fifth of the time: for emulated matrix units, whose
 * numbers are tested and never their speed. A test is a process of its own; other drivers do not look. */
#ifndef LBK_TESTS_QUICK_BUILD_H
#define LBK_TESTS_QUICK_BUILD_H

#include <stdlib.h>

static inline void build_quickly(void) {
    setenv("POCL_EXTRA_BUILD_FLAGS", "-cl-opt-disable", 1);
}

#endif
