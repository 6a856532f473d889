/* From a node to kernel calls.
 *
 * A variant's emit() describes its kernel launches as data: which kernel of which file with which build options, which
 * arguments, which sizes. The plan turns the description into bound cl_kernel objects. So ops hold no OpenCL objects,
 * allocate nothing, and the list of programs a network needs can be had without running it. */
#ifndef LBK_OPS_EMIT_H
#define LBK_OPS_EMIT_H

#include "ops/op.h"

#define LBK_MAX_ARGS 32

typedef enum lbk_arg_kind {
    LBK_ARG_INPUT,   /* index: which input of the node -> __global buffer */
    LBK_ARG_OUTPUT,  /* index: which output of the node -> __global buffer */
    LBK_ARG_SCRATCH, /* index: from lbk_emit_scratch() -> __global buffer */
    LBK_ARG_INT,     /* int */
    LBK_ARG_FLOAT,   /* float */
    LBK_ARG_LOCAL,   /* index: bytes of __local memory */
} lbk_arg_kind;

typedef struct lbk_arg {
    lbk_arg_kind kind;
    int index;
    float number;
} lbk_arg;

typedef enum lbk_call_kind { LBK_CALL_KERNEL, LBK_CALL_CLBLAST_GEMM } lbk_call_kind;

typedef struct lbk_call {
    lbk_call_kind kind;
    const char *file;  /* "cpu/conv2d" (lives as long as the program: a literal) */
    const char *name;  /* kernel function; a literal */
    char options[256]; /* -D... ; "" */
    lbk_arg arg[LBK_MAX_ARGS];
    int arg_count;
    int dims;
    size_t global[3], local[3]; /* global is a multiple of local in every dimension */
    /* CLBLAST_GEMM: row-major C[m,n] = alpha op(A) op(B) + beta C; arg[0] = C, arg[1] = A, arg[2] = B. */
    int m, n, k, lda, ldb, ldc;
    bool trans_a, trans_b;
    float alpha, beta;
} lbk_call;

struct lbk_emit {
    const lbk_caps *caps;
    const lbk_op *op;
    const void *params;
    int input_count, output_count;
    const lbk_tensor_desc *input; /* rank -1: absent */
    const lbk_tensor_desc *output;
    bool declined;
    lbk_call *calls; /* grows */
    size_t call_count, call_capacity;
    size_t scratch_bytes[4]; /* live during this node only */
    int scratch_count;
    lbk_arithmetic arithmetic; /* of products, where a variant has it and the device its units: the graph's */
    const char *only; /* "gpu/clblast": the tuner's choice; NULL: the first variant of the class that takes the node */
    char variant[48]; /* which variant took it */
};

/* "Not me": the next variant is tried. Returns LBK_OK. */
lbk_status lbk_emit_decline(lbk_emit *e);
static inline bool lbk_emit_has(const lbk_emit *e, int input) {
    return input < e->input_count && e->input[input].shape.rank >= 0;
}

/* Begins a call; arguments are added in the kernel's order. *call is valid until the next begin. */
lbk_status lbk_emit_kernel(lbk_emit *e, const char *file, const char *name, lbk_call **call);
lbk_status lbk_call_option(lbk_call *call, const char *fmt, ...) LBK_PRINTF(2, 3); /* appends, space-separated */
void lbk_call_input(lbk_call *call, int input);
void lbk_call_output(lbk_call *call, int output);
void lbk_call_scratch(lbk_call *call, int scratch);
void lbk_call_int(lbk_call *call, int64_t value); /* must fit an int */
void lbk_call_float(lbk_call *call, double value);
void lbk_call_local_memory(lbk_call *call, size_t bytes);
/* Scratch memory for this node; returns its index. */
int lbk_emit_scratch(lbk_emit *e, size_t bytes);

/* Sizes. `items` is what must be covered; it is rounded up to the local size, so kernels guard their ids. */
void lbk_call_range_1d(lbk_call *call, size_t items, size_t local);
void lbk_call_range_2d(lbk_call *call, size_t items0, size_t items1, size_t local0, size_t local1);
void lbk_call_range_3d(lbk_call *call, const size_t items[3], const size_t local[3]);
/* A good fixed local size for element-wise kernels on this device (power of two, at most the device's limit). */
size_t lbk_emit_local(const lbk_emit *e);

/* Tries op->variants for the class, then generic; e's inputs, outputs, params, caps and op are set by the caller.
 * Fails when even generic declines. Release with lbk_emit_release(). */
lbk_status lbk_emit_node(lbk_emit *e);
/* The variants of the class that take the node, in the op's order: what the tuner may choose from. `node`: as above, no calls. */
#define LBK_MAX_RIVALS 8
lbk_status lbk_emit_rivals(const lbk_emit *node, const lbk_variant *rivals[LBK_MAX_RIVALS], int *count);
void lbk_emit_release(lbk_emit *e);

#endif
