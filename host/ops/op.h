/* What an op is.
 *
 * To add one: write host/ops/NAME.c with `const lbk_op *const lbk_ops_NAME[] = {&op, ..., NULL};`, its kernels in
 * kernels/generic/NAME.cl (and cpu/, gpu/ where a different shape of kernel is faster), and the line LBK_OP(NAME) in
 * host/ops/registry.def. Nothing else: tests, benches, `limbeck list ops`, INI checks and the reference docs walk the
 * registry. docs/adding-op.md walks through one.
 *
 * An op is a pure function of tensors. Its derivative is not a second code path but a rule that emits further nodes
 * (often other ops of the same file, say conv2d_backward_data), so every kernel, forward or backward, is an op with its own
 * reference, cost and tests, liveness sees one kind of node, and derivatives of derivatives exist where the
 * backward ops have rules too. */
#ifndef LBK_OPS_OP_H
#define LBK_OPS_OP_H

#include "base/param.h"
#include "device/device.h"
#include "tensor/tensor.h"

#define LBK_MAX_INPUTS 8
#define LBK_MAX_OUTPUTS 6

typedef struct lbk_op lbk_op;
typedef struct lbk_emit lbk_emit;         /* ops/emit.h: turns a node into kernel calls */
typedef struct lbk_gradient lbk_gradient; /* ops/gradient.h: emits the nodes of a derivative */

/* One node's inputs and parameters, seen while its output shapes are found. Fill output[] and output_count; refuse what
 * does not fit with lbk_fail(LBK_ERR_INPUT, ...) saying the shapes and what was expected; no input is empty. */
typedef struct lbk_infer {
    const lbk_op *op; /* set by lbk_op_infer() */
    const void *params;
    int input_count;
    const lbk_tensor_desc *input; /* an absent optional input has shape.rank == -1 */
    int output_count;
    lbk_tensor_desc output[LBK_MAX_OUTPUTS];
} lbk_infer;

typedef struct lbk_cost {
    double flops; /* multiply and add counted separately */
    double bytes; /* each operand read or written once */
} lbk_cost;

/* The float64 reference: plain loops, obviously right, no OpenCL. Integer tensors hold whole doubles. Scalars included.
 * `in[i]` is NULL for an absent optional input. Inputs named in op->updates may be written through `in`. */
typedef struct lbk_reference {
    const lbk_op *op;
    const void *params;
    int input_count, output_count;
    const lbk_tensor_desc *input, *output;
    double *const *in;
    double *const *out; /* zeroed before the call */
} lbk_reference;

/* A weight that a layer op owns when used in a model file: becomes parameter "<node>.<suffix>", wired to input `input`. */
typedef enum lbk_weight_kind {
    LBK_WEIGHT_PARAM,   /* trained */
    LBK_WEIGHT_STATE,   /* running statistics: saved, not trained */
    LBK_WEIGHT_COUNTER, /* int64 scalar on the host that counts training steps (num_batches_tracked); no input */
} lbk_weight_kind;

typedef enum lbk_init {
    LBK_INIT_ZERO,
    LBK_INIT_ONE,
    LBK_INIT_KAIMING_NORMAL_FAN_OUT, /* N(0, 2/fan_out): He et al. 2015, eq. 14; RepDistiller's ResNets */
    LBK_INIT_NORMAL,         /* N(mean, deviation^2): N(0, 1) in PyTorch's embeddings, N(0, 0.02^2) in BERT and ViT */
    LBK_INIT_UNIFORM_FAN_IN, /* U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for conv and linear */
} lbk_init;

typedef struct lbk_weight {
    const char *suffix; /* "weight", "bias", "running_mean"; "": called "<node>" itself */
    lbk_weight_kind kind;
    int input; /* which input of the op it is; -1 for a counter */
    lbk_shape shape;
    lbk_layout layout;
    lbk_init init;
    int64_t fan_in, fan_out; /* of the inits that use them */
    double mean, deviation;  /* of LBK_INIT_NORMAL */
    int64_t zero_row;        /* 1 + index of a row (first dimension in files) that starts at zero; 0: none */
} lbk_weight;

typedef struct lbk_weight_list {
    int count;
    lbk_weight item[LBK_MAX_INPUTS];
} lbk_weight_list;

/* One way to run an op. The plan tries the variants of the device's class in order, then those of generic; emit returns
 * LBK_OK with e->declined set (lbk_emit_decline()) to say "not this shape or device". A generic variant takes everything. */
typedef struct lbk_variant {
    lbk_class cls;
    const char *name; /* "tiled", "clblast", ... */
    lbk_status (*emit)(lbk_emit *e);
} lbk_variant;

/* A case for the tests and benches that walk the registry. Text in the INI syntax of the params. */
typedef struct lbk_op_example {
    const char *params;              /* "out=8 kernel=3 padding=1" */
    lbk_shape input[LBK_MAX_INPUTS]; /* in order; rank -1: absent */
    int input_count;
    double low, high;  /* range of random float inputs; both 0: [-1, 1] */
    int integer_below; /* I32 inputs: uniform in [0, this) */
} lbk_op_example;

struct lbk_op {
    const char *name;    /* "conv2d" */
    const char *summary; /* one line */
    const char *formula; /* y[n,h,w,k] = ... */
    const char *inputs;  /* "x[N,H,W,C] weight[KH,KW,C/g,K] bias[K]?": names, shapes; '?' optional; ":i32" integer */
    const char *outputs; /* "y[N,OH,OW,K]" */
    const lbk_param *params; /* NULL: none */
    size_t params_size;
    int min_inputs, max_inputs;
    unsigned updates;  /* bit i: input i (a STATE) is written in place */
    unsigned integers; /* bit i: input i is I32 */
    lbk_dtype floats;  /* type of all other inputs; F32 where nothing is said */
    unsigned scalars;  /* bit i: input i is a run-time scalar of shape {1} */
    unsigned
        detached; /* bit i: input i is a constant to derivatives: none is asked for, nothing behind it is reached */
    unsigned multiplied; /* bit i: input i is an operand of matrix products or convolutions (lbk_arithmetic) */
    int inplace;         /* 1 + input whose memory output 0 may overwrite; 0: none */
    int alias;           /* 1 + input that output 0 is, unmoved, where a variant emits no call; 0: always some call */
    int addend;          /* 1 + optional input that is added to output 0 (before a relu) in the same pass; 0: none */
    int scale;           /* 1 + optional input pair scale[C], shift[C] applied to output 0 before the addend; 0: none */
    bool layer;          /* usable in model files */
    int data_inputs;     /* layers with weights: how many leading inputs other nodes may feed; 0: one */

    lbk_status (*infer)(lbk_infer *infer);
    void (*cost)(const lbk_infer *shapes, lbk_cost *cost); /* after infer */
    /* NULL: no derivative is defined (asking for one is an error that names the op). */
    lbk_status (*differentiate)(lbk_gradient *gradient);
    void (*reference)(const lbk_reference *reference);
    const lbk_variant *variants; /* ends with {.emit = NULL} */
    const lbk_op_example *examples;
    int example_count;
    /* Layer ops with weights: what they are for input x. `input` is the desc of input 0. NULL: none. */
    lbk_status (*weights)(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list);
    const void *family; /* what tells ops with common functions apart (host/ops/unary.c); NULL: none */
};

/* All ops of all files in registry order, NULL-terminated; find returns NULL when unknown. */
const lbk_op *const *lbk_op_all(void);
const lbk_op *lbk_op_find(const char *name);

static inline lbk_dtype lbk_op_input_dtype(const lbk_op *op, int input) {
    return op->integers >> input & 1u ? LBK_I32 : op->floats;
}

/* op->infer, once no input is empty. The message does not name the op. */
lbk_status lbk_op_infer(const lbk_op *op, lbk_infer *infer);

/* Parses "out=8 kernel=3" into `values` (params_size bytes, defaults first); text lives in `arena`. */
lbk_status lbk_op_params_parse(const lbk_op *op, const char *text, lbk_arena *arena, void *values);

#endif
