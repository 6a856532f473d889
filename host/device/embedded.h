/* The kernel sources carried in the program: cmake/EmbedKernels.cmake writes the array from kernels/. */
#ifndef LBK_DEVICE_EMBEDDED_H
#define LBK_DEVICE_EMBEDDED_H

typedef struct lbk_embedded_kernel {
    const char *name;   /* "cpu/conv2d": path under kernels/ without ".cl" */
    const char *source; /* the whole file */
} lbk_embedded_kernel;

/* Ends with {NULL, NULL}. */
extern const lbk_embedded_kernel lbk_embedded_kernels[];

#endif
