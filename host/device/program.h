/* Programs and kernels: sources embedded at build time (or from $LIMBECK_KERNELS, a folder with the same layout),
 * compiled per device, binaries cached on disk.
 *
 * Disk cache: <cache>/programs/<16 hex digits>.bin, keyed by FNV-1a over (format version, platform name, device version,
 * device name, driver version, kernel file, options, source). File: magic, version, key text (compared in full, so that
 * a hash collision is a miss), payload length, checksum, payload. Written to a temporary name and renamed: several
 * processes may share it. A damaged, truncated or refused entry is rebuilt from source, logged, never fatal. Storing is
 * held to a share of the time spent compiling (build.c), because some drivers compile again to give a binary.
 * Prebuilt folder (`kernels = DIR`): the same files plus index.json; with no_compiler a missing entry is an error that
 * names kernel file, options and device. */
#ifndef LBK_DEVICE_PROGRAM_H
#define LBK_DEVICE_PROGRAM_H

#include "device/device.h"

/* The text of kernels/<file>.cl, e.g. file = "cpu/conv2d": from $LIMBECK_KERNELS where that folder has the file, else the
 * embedded one. "gpu/a+gpu/b": the text of one before that of the other. NULL when there is none (or $LIMBECK_KERNELS is no
 * folder; lbk_error_message() says which). */
const char *lbk_kernel_source(const char *file);
/* Names of all embedded kernel files, NULL-terminated. */
const char *const *lbk_kernel_files(void);

/* The built program for (file, options) on the device's context; owned by the context, built once per context and device
 * configuration. Errors carry the compiler's log. Thread-safe. */
lbk_status lbk_program_get(lbk_device *device, const char *file, const char *options, cl_program *out);
/* A fresh kernel object (clReleaseKernel it). */
lbk_status lbk_kernel_create(lbk_device *device, const char *file, const char *name, const char *options,
                             cl_kernel *out);

typedef struct lbk_build_stats {
    int built, from_disk, from_prebuilt; /* programs */
    double seconds;                      /* in builds and loads */
} lbk_build_stats;
/* Since the context was opened. */
lbk_build_stats lbk_device_build_stats(const lbk_device *device);

/* Starts compiling (file, options) for the device on background threads where that helps; lbk_program_get() waits for it. */
typedef struct lbk_program_request {
    const char *file, *options;
} lbk_program_request;
lbk_status lbk_program_prepare(lbk_device *device, const lbk_program_request *requests, size_t count);

/* Writes the binaries of all requests for the device into `folder` in prebuilt form. */
lbk_status lbk_program_export(lbk_device *device, const lbk_program_request *requests, size_t count,
                              const char *folder);

#endif
