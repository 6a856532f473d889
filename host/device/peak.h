/* The roofline of a device (Williams, Waterman, Patterson 2009): what it can do at best, measured. */
#ifndef LBK_DEVICE_PEAK_H
#define LBK_DEVICE_PEAK_H

#include "device/device.h"

typedef struct lbk_peak {
    double flops; /* a second, float32: chains of fused multiply-adds in registers, two FLOPs each */
    double bytes; /* a second, read plus written: a copy of more than caches hold */
} lbk_peak;

/* The fastest of a few runs, because noise only ever adds: well under a second, and a program to compile. */
lbk_status lbk_peak_measure(lbk_device *device, lbk_peak *out);

/* The least time, in seconds, in which the device could do that many FLOPs and move that many bytes, the two overlapping. What
 * stays in caches, and arithmetic that counts FLOPs it does not do (Winograd's), may take less. */
double lbk_peak_seconds(const lbk_peak *peak, double flops, double bytes);

#endif
