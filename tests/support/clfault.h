/* OpenCL calls made to fail, and a balance of OpenCL objects.
 *
 * Linked into a test program, clfault.c defines the OpenCL functions itself and forwards them to the loader's. It counts
 * the calls of the program and of the libraries it links, those from callbacks and other threads too, and makes one of
 * them fail. A failed call is not forwarded and leaves its out pointers alone (a creating call stores the error code and
 * returns NULL). Exception: a clRelease* that fails has released its object, since nothing could be done about it else. */
#ifndef LBK_TESTS_CLFAULT_H
#define LBK_TESTS_CLFAULT_H

#include <CL/cl.h>

/* Forgets calls, objects and the armed failure. Call it while no OpenCL object of the program is alive. */
void clfault_reset(void);
/* Call number k from now on, counted from 1, fails with `error`. k 0: none does. */
void clfault_arm(long k, cl_int error);
/* Calls since clfault_reset() or clfault_arm(). */
long clfault_calls(void);
/* The name of call k since clfault_reset() or clfault_arm(); NULL when there were fewer, or k is beyond the first
 * 65536. */
const char *clfault_call_name(long k);
/* The call that was made to fail; NULL when it has not come yet. */
const char *clfault_failed_call(void);
/* References to contexts, queues, buffers, programs, kernels and events that were created or retained and not released,
 * plus releases of what was not held. 0 is balance. */
long clfault_live_objects(void);
/* The same for sub-devices, which host/device keeps to the end of the process: one per part of each way to split. */
long clfault_live_sub_devices(void);
/* What clfault_live_objects() and clfault_live_sub_devices() count, by the call that made it: "clCreateBuffer x2, clEnqueueNDRangeKernel x1". Valid until
 * the next call of this function. */
const char *clfault_leaks(void);

#endif
