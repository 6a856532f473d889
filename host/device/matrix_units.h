/* Matrix units: hardware that multiplies small matrices of rounded numbers, summing in float32, many times as fast as float32
 * multiplies. OpenCL C has no word for them, so class gpu reaches them by inline assembly (kernels/gpu/matrix_units.cl), and whether
 * a device has them is found by trying: a small kernel that compiles, runs and gives exact numbers, else not. No vendor is
 * asked for.
 *
 * A trial costs one small program, so it waits until somebody wants such arithmetic, and its outcome is kept in
 * <cache>/programs/<hash of platform, device, driver and kernel>.units, a digit. */
#ifndef LBK_DEVICE_MATRIX_UNITS_H
#define LBK_DEVICE_MATRIX_UNITS_H

#include "device/device.h"

#define LBK_ALL_UNITS (1u << LBK_ARITHMETIC_TF32 | 1u << LBK_ARITHMETIC_FLOAT16 | 1u << LBK_ARITHMETIC_BFLOAT16)

extern const char *const lbk_arithmetic_names[]; /* by lbk_arithmetic: "float32", "tf32", "float16", "bfloat16", NULL */
lbk_status lbk_arithmetic_parse(const char *name, lbk_arithmetic *out);

/* Sets the arithmetic's bit of device->info.caps.matrix_units if the device has such units: by what is known, else by a trial. What
 * goes wrong in a trial means that there are none, and is logged for debugging. FLOAT32, another class than gpu, a device
 * without a compiler: none, without a trial. Not while another thread uses the device. */
void lbk_matrix_units_find(lbk_device *device, lbk_arithmetic arithmetic);

/* The bits that earlier trials found on this device, by any process. */
uint32_t lbk_matrix_units_known(const lbk_device_info *info);

/* The file that holds a trial's outcome, there or not yet; free() *out. */
lbk_status lbk_matrix_units_path(const lbk_device_info *info, lbk_arithmetic arithmetic, char **out);
/* The trial itself, of the emulation where device->info.caps.emulated_units: LBK_OK if it compiled, ran and was exact. */
lbk_status lbk_matrix_units_try(lbk_device *device, lbk_arithmetic arithmetic);

#endif
