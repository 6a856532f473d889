/* What the device tests share: a folder of their own for caches, the test kernels, the log, short cuts to open and run. */
#ifndef LBK_TESTS_DEVICE_SANDBOX_H
#define LBK_TESTS_DEVICE_SANDBOX_H

#include "device/program.h"

#include <criterion/criterion.h>

#define OK(call) cr_assert_eq((call), LBK_OK, "%s: %s", #call, lbk_error_message())
#define CL_OK(call) cr_assert_eq((call), CL_SUCCESS, "%s", #call)

/* Makes the folder, points $LIMBECK_CACHE to <folder>/cache and $LIMBECK_KERNELS to tests/device/kernels, clears the other
 * LIMBECK_ variables, starts logging. Call it before OpenCL starts: PoCL is given `cores` compute units (0: as it likes). */
void sandbox_enter(int cores);
/* Removes the folder. */
void sandbox_leave(void);
const char *sandbox_folder(void);
/* "<folder>/<name>", one of eight rotating buffers. */
const char *sandbox_path(const char *name);
/* All lines logged so far, each with its newline. */
const char *sandbox_log(void);
void sandbox_log_clear(void);

/* The list of this process; the test is skipped where there is no device. */
const lbk_device_list *sandbox_list(void);
/* Opens `text` of sandbox_list(); options may be NULL. */
lbk_device *sandbox_open(const char *text, const lbk_open_options *options);
/* Runs test/scale with -DFACTOR=<factor> over `count` floats on the device and checks the result. */
void sandbox_check_scale(lbk_device *device, int factor, size_t count);
/* The only file in <cache>/programs; free() it. */
char *sandbox_cache_entry(void);
/* Files there whose names end so. */
int sandbox_cache_count(const char *end);
void sandbox_write(const char *path, const void *bytes, size_t length);

#endif
