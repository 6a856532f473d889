/* What the convolution ops share. There is one convolution, y = x * weight, of one or two dimensions; every op computes one
 * of its three tensors from the other two: conv its y, conv_backward_data and conv_transpose its x, conv_backward_weights
 * its weight. So each op file says only what its inputs, parameters and shapes are; checks, cost, reference, derivative
 * and kernel calls are here, for an lbk_conv. */
#ifndef LBK_OPS_CONV_H
#define LBK_OPS_CONV_H

#include "ops/support.h"

/* How the kernel moves over x, each as height,width in pixels. In one dimension index 1 counts and index 0 is not read. */
typedef struct lbk_conv_window {
    int stride[2], padding[2], dilation[2];
    int groups;
} lbk_conv_window;

typedef enum lbk_conv_init { LBK_CONV_INIT_DEFAULT, LBK_CONV_INIT_KAIMING } lbk_conv_init;

/* Parameters of conv1d, conv2d, conv_transpose1d and conv_transpose2d. */
typedef struct lbk_conv_params {
    int out, kernel[2];
    lbk_conv_window window;
    int output_padding[2]; /* of conv_transpose */
    bool bias;             /* only says whether a model's layer owns one; the op looks at its inputs */
    bool relu;
    int init; /* lbk_conv_init */
} lbk_conv_params;

/* Parameters of conv*_backward_data (extent: height,width of x) and conv*_backward_weights (extent: of the kernel). */
typedef struct lbk_conv_backward_params {
    int extent[2];
    lbk_conv_window window;
} lbk_conv_backward_params;

/* A row of a parameter table: for two dimensions a pair, the field S.f; for one an integer, S.f[1]. */
#define LBK_CONV_ROW_2D(S, f, name, def, lo, hi, text, src)                                                            \
    { name, LBK_TYPE_PAIR, offsetof(S, f), def, lo, hi, NULL, "pixels", text, src }
#define LBK_CONV_ROW_1D(S, f, name, def, lo, hi, text, src)                                                            \
    { name, LBK_TYPE_INT, offsetof(S, f[1]), def, lo, hi, NULL, "steps", text, src }
/* The rows that describe `window`, a field of the struct S. */
#define LBK_CONV_WINDOW_ROWS(ROW, S)                                                                                   \
    ROW(S, window.stride, "stride", "1", 1, 1024, "step of the kernel", NULL),                                         \
        ROW(S, window.padding, "padding", "0", 0, 1024, "zeros around x, on each side", NULL),                         \
        ROW(S, window.dilation, "dilation", "1", 1, 1024, "distance of the kernel's taps",                             \
            "Yu and Koltun 2016, arXiv 1511.07122"),                                                                   \
    {                                                                                                                  \
        "groups", LBK_TYPE_INT, offsetof(S, window.groups), "1", 1, 1 << 20, NULL, NULL,                               \
            "channels are split into this many independent convolutions", NULL                                         \
    }
/* The rows of a layer, lbk_conv_params. */
#define LBK_CONV_LAYER_ROWS(ROW)                                                                                       \
    LBK_PARAM_INT(lbk_conv_params, out, NULL, 1, 1 << 20, "channels", "output channels", NULL),                        \
        ROW(lbk_conv_params, kernel, "kernel", "1", 1, 1024, "size of the kernel", NULL),                              \
        LBK_CONV_WINDOW_ROWS(ROW, lbk_conv_params),                                                                    \
        LBK_PARAM_BOOL(lbk_conv_params, bias, "yes", "add a bias per output channel", NULL),                           \
        LBK_PARAM_BOOL(lbk_conv_params, relu, "no", "y = max(y, 0) in the same pass", NULL),                           \
        LBK_PARAM_CHOICE(                                                                                              \
            lbk_conv_params, init, "default", lbk_conv_init_names,                                                     \
            "start of the weights: default: uniform in +-1/sqrt(fan_in); kaiming: normal, variance 2/fan_out",         \
            "He et al. 2015, arXiv 1502.01852, section 2.2")
extern const char *const lbk_conv_init_names[];

/* x[n,h,w,c], weight[kh,kw,c/groups,k], y[n,oh,ow,k]; s, p, d: stride, padding, dilation. With dims 1 the tensors lack h, kh
 * and oh, which are 1. */
typedef struct lbk_conv_sizes {
    int dims;
    int64_t n, h, w, c, oh, ow, k, kh, kw, sh, sw, ph, pw, dh, dw, groups;
} lbk_conv_sizes;

/* The tensor of a convolution that an op computes. */
typedef enum lbk_conv_result {
    LBK_CONV_Y,      /* inputs x, weight */
    LBK_CONV_X,      /* inputs y (or dL/dy), weight */
    LBK_CONV_WEIGHT, /* inputs x, y (or dL/dy) */
} lbk_conv_result;

/* What a node computes. The epilogue, in this order: + bias; * scale + shift; + addend; relu. Each is the number of an input,
 * LBK_NONE where absent; shift is the input behind scale. */
typedef struct lbk_conv {
    lbk_conv_result result;
    lbk_conv_sizes s;
    int bias, scale, addend;
    bool relu;
    int aside; /* 1 + the number of scratch memory that gets the result in place of output 0; 0: none */
} lbk_conv;

/* From shapes of ranks dims + 2. */
lbk_conv_sizes lbk_conv_sizes_of(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                                 const lbk_shape *y);
lbk_shape lbk_conv_image_shape(int dims, int64_t n, int64_t h, int64_t w, int64_t channels);
lbk_shape lbk_conv_weight_shape(int dims, const int kernel[2], int64_t each, int64_t channels);
/* Output pixels of one dimension; 0 or less when the dilated kernel does not fit. */
int64_t lbk_conv_extent(int64_t extent, int kernel, int stride, int padding, int dilation);
lbk_status lbk_conv_check_groups(int groups, int64_t in, int64_t out);
/* LBK_ERR_INPUT unless x, weight and y fit each other. */
lbk_status lbk_conv_check(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                          const lbk_shape *y);
/* LBK_ERR_INPUT unless input 0 and input 1 have the ranks of the op, named so in the message. */
lbk_status lbk_conv_infer_ranks(const lbk_infer *infer, int dims, const char *first, const char *second);

/* The inputs of a layer: x, weight, then these. They go into the epilogue. */
enum { LBK_CONV_BIAS = 2, LBK_CONV_SCALE, LBK_CONV_SHIFT, LBK_CONV_ADDEND };
/* LBK_ERR_INPUT unless they fit an output of this shape. */
lbk_status lbk_conv_infer_epilogue(const lbk_infer *infer, const lbk_shape *y);
/* Fills the epilogue of a layer. */
void lbk_conv_layer_epilogue(lbk_conv *conv, const lbk_conv_params *p, int input_count, const lbk_tensor_desc *input);
/* What a layer owns in a model: its weight [kernel, each, channels] and, if p->bias, a bias[p->out]. */
void lbk_conv_layer_weights(const lbk_conv_params *p, int dims, int64_t each, int64_t channels, lbk_weight_list *list);

void lbk_conv_cost(const lbk_conv *conv, const lbk_infer *shapes, lbk_cost *cost); /* taps on padding are counted */
void lbk_conv_reference(const lbk_conv *conv, const lbk_reference *r);
lbk_status lbk_conv_differentiate(const lbk_conv *conv, lbk_gradient *g);

/* Ways to compute it. */
typedef enum lbk_conv_way {
    LBK_CONV_GENERIC,
    LBK_CONV_CPU_DEPTHWISE,
    LBK_CONV_CPU_LANES, /* few channels per group: each lane of a vector its own group */
    LBK_CONV_CPU_WINOGRAD_ROWS,
    LBK_CONV_CPU_WINOGRAD,
    LBK_CONV_CPU_POINTWISE, /* 1x1 of stride 1 */
    LBK_CONV_CPU_DIRECT,
    LBK_CONV_GPU_NARROW, /* few channels per group */
    LBK_CONV_GPU_UNITS,  /* as the next one, by matrix units */
    LBK_CONV_GPU_GEMM,
} lbk_conv_way;
/* Appends the calls. Declines what cannot, or should not, be computed that way. */
lbk_status lbk_conv_emit(lbk_emit *e, lbk_conv_way way, const lbk_conv *conv);

/* The functions of an op: name##_of(params, input_count, input, output), which returns its lbk_conv, must exist. */
#define LBK_CONV_WAY_(name, suffix, way)                                                                               \
    static lbk_status name##_emit_##suffix(lbk_emit *e) {                                                              \
        lbk_conv conv = name##_of(e->params, e->input_count, e->input, e->output);                                     \
        return lbk_conv_emit(e, way, &conv);                                                                           \
    }
#define LBK_CONV_FUNCTIONS(name)                                                                                       \
    static void name##_cost(const lbk_infer *shapes, lbk_cost *cost) {                                                 \
        lbk_conv conv = name##_of(shapes->params, shapes->input_count, shapes->input, shapes->output);                 \
        lbk_conv_cost(&conv, shapes, cost);                                                                            \
    }                                                                                                                  \
    static void name##_reference(const lbk_reference *r) {                                                             \
        lbk_conv conv = name##_of(r->params, r->input_count, r->input, r->output);                                     \
        lbk_conv_reference(&conv, r);                                                                                  \
    }                                                                                                                  \
    static lbk_status name##_differentiate(lbk_gradient *g) {                                                          \
        lbk_conv conv = name##_of(g->params, g->input_count, g->input_desc, g->output_desc);                           \
        return lbk_conv_differentiate(&conv, g);                                                                       \
    }                                                                                                                  \
    LBK_CONV_WAY_(name, generic, LBK_CONV_GENERIC)                                                                     \
    LBK_CONV_WAY_(name, cpu_depthwise, LBK_CONV_CPU_DEPTHWISE)                                                         \
    LBK_CONV_WAY_(name, cpu_lanes, LBK_CONV_CPU_LANES)                                                                 \
    LBK_CONV_WAY_(name, cpu_winograd_rows, LBK_CONV_CPU_WINOGRAD_ROWS)                                                 \
    LBK_CONV_WAY_(name, cpu_winograd, LBK_CONV_CPU_WINOGRAD)                                                           \
    LBK_CONV_WAY_(name, cpu_pointwise, LBK_CONV_CPU_POINTWISE)                                                         \
    LBK_CONV_WAY_(name, cpu_direct, LBK_CONV_CPU_DIRECT)                                                               \
    LBK_CONV_WAY_(name, gpu_narrow, LBK_CONV_GPU_NARROW)                                                               \
    LBK_CONV_WAY_(name, gpu_units, LBK_CONV_GPU_UNITS)                                                                 \
    LBK_CONV_WAY_(name, gpu_gemm, LBK_CONV_GPU_GEMM)                                                                   \
    static const lbk_variant name##_variants[] = {{LBK_CLASS_CPU, "depthwise", name##_emit_cpu_depthwise},             \
                                                  {LBK_CLASS_CPU, "lanes", name##_emit_cpu_lanes},                     \
                                                  {LBK_CLASS_CPU, "winograd-rows", name##_emit_cpu_winograd_rows},     \
                                                  {LBK_CLASS_CPU, "winograd", name##_emit_cpu_winograd},               \
                                                  {LBK_CLASS_CPU, "pointwise", name##_emit_cpu_pointwise},             \
                                                  {LBK_CLASS_CPU, "direct", name##_emit_cpu_direct},                   \
                                                  {LBK_CLASS_GPU, "narrow", name##_emit_gpu_narrow},                   \
                                                  {LBK_CLASS_GPU, "matrix-units", name##_emit_gpu_units},              \
                                                  {LBK_CLASS_GPU, "implicit-gemm", name##_emit_gpu_gemm},              \
                                                  {LBK_CLASS_GENERIC, "loop", name##_emit_generic},                    \
                                                  {.emit = NULL}};

/* For conv_emit*.c and conv_winograd*.c. */

/* Begins a call of a kernel that computes y or x: output (or conv->aside), input 0, scratch memory `weights` (-1: input 1), and the epilogue. */
lbk_status lbk_conv_begin(lbk_emit *e, const lbk_conv *conv, const char *file, const char *name, int weights,
                          lbk_call **call);
/* Begins a call of a kernel that computes the weight in `parts` partial sums, and asks for scratch memory for them where
 * there is more than one; lbk_conv_reduce(), after the call is complete, adds them up in a fixed order with the kernel
 * conv2d_backward_weights_reduce of the same file. */
lbk_status lbk_conv_begin_weight(lbk_emit *e, const char *file, const char *name, int64_t parts, lbk_call **call);
lbk_status lbk_conv_reduce(lbk_emit *e, int64_t parts);
/* The fifteen sizes from n to dw, and groups. */
void lbk_conv_call_sizes(lbk_call *call, const lbk_conv_sizes *s);

/* The result y or x in gather form, as the tuned kernels compute it: output o of one dimension meets, at tap t, the input at
 * (o * gather + first + t * apart) / divide, where that is whole and inside. */
typedef struct lbk_conv_axis {
    int64_t in, out, taps, gather, divide, first, apart;
} lbk_conv_axis;
typedef struct lbk_conv_gather {
    int64_t n, c, k; /* images, channels of input 0 and of the output */
    lbk_conv_axis h, w;
} lbk_conv_gather;
lbk_conv_gather lbk_conv_gather_of(const lbk_conv *conv);
/* A 1x1 convolution of stride 1 knows no images and rows: makes them one long row. false: it is another. */
bool lbk_conv_flatten(lbk_conv_gather *g);
/* N, H, W, C, OH, OW, K, KH, KW, GH, GW, TH, TW, FH, FW, DH, DW: in, out, taps, gather, divide, first and apart. */
void lbk_conv_call_gather(lbk_call *call, const lbk_conv_gather *g);

/* Groups of class cpu's kernels, width floats to a vector. Returns LANES, the channels of a group that goes into a lane each; or
 * 0, and *together, how many groups fill a vector of output channels: the weights between them are 0. */
int64_t lbk_conv_lanes(int width, int64_t groups, int64_t in, int64_t out, int64_t *together);
lbk_status lbk_conv_emit_cpu(lbk_emit *e, const lbk_conv *conv, bool lanes);
/* Backward data on few channels: all columns of the kernel as output channels of one, whose sums are then put in place. */
lbk_status lbk_conv_emit_folded(lbk_emit *e, const lbk_conv *conv);
bool lbk_conv_folds(const lbk_conv *conv);
lbk_status lbk_conv_emit_cpu_weight(lbk_emit *e, const lbk_conv *conv, bool lanes);
lbk_status lbk_conv_emit_depthwise(lbk_emit *e, const lbk_conv *conv);
/* 1x1, stride 1, one group, operands read in place. */
lbk_status lbk_conv_emit_pointwise(lbk_emit *e, const lbk_conv *conv);
lbk_status lbk_conv_emit_pointwise_weight(lbk_emit *e, const lbk_conv *conv);
/* What Winograd's convolutions can compute: a 3x3 kernel of stride 1, whole blocks of 16 channels, no output that sees nothing
 * but padding, images of less than 2^31 elements. */
bool lbk_conv_winograd_fits(const lbk_conv_sizes *s);
/* Backward data as the forward convolution that it is, of dy with the weights turned by 180 degrees and transposed. Stride 1. */
lbk_conv_sizes lbk_conv_turned(const lbk_conv_sizes *s);
lbk_status lbk_conv_emit_winograd(lbk_emit *e, const lbk_conv *conv);
lbk_status lbk_conv_emit_winograd_rows(lbk_emit *e, const lbk_conv *conv);
lbk_status lbk_conv_emit_winograd_weight(lbk_emit *e, const lbk_conv *conv);
/* arithmetic other than FLOAT32: by matrix units. */
lbk_status lbk_conv_emit_gpu(lbk_emit *e, const lbk_conv *conv, lbk_arithmetic arithmetic);
lbk_status lbk_conv_emit_gpu_narrow(lbk_emit *e, const lbk_conv *conv);
int64_t lbk_conv_local_floats(const lbk_emit *e); /* local memory that class cpu's kernels may use, floats */

#endif
