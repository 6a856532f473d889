/* What attention and its derivative share: parameters, sizes, the scores of the references, and the arguments of the
 * kernels. Each exists in two forms that differ in how q, k and v come: as three tensors, or side by side in one. */
#ifndef LBK_OPS_ATTENTION_H
#define LBK_OPS_ATTENTION_H

#include "ops/gradient.h"
#include "ops/support.h"

typedef struct lbk_attention_params {
    int heads;
    bool causal;
    double scale;
} lbk_attention_params;

extern const lbk_param lbk_attention_table[];

/* q[n,tq,heads*d], k[n,tk,heads*d], v[n,tk,heads*d]; packed: qkv[n,t,3*heads*d], tq = tk = t. */
typedef struct lbk_attention_sizes {
    int64_t n, tq, tk, heads, d;
    bool packed, causal, masked;
    int q, k, v, mask; /* inputs; packed: q, k and v are one */
    double scale;      /* of a score: what `scale` says, or 1/sqrt(d) */
} lbk_attention_sizes;

/* Inputs `first` and those behind it are q, k, v and perhaps a mask, or (if no more than two) qkv and perhaps a mask.
 * LBK_ERR_INPUT when their shapes do not fit each other or the number of heads. */
lbk_status lbk_attention_check(const lbk_infer *infer, int first);
/* From inputs that fit. */
lbk_attention_sizes lbk_attention_sizes_of(const lbk_attention_params *params, const lbk_tensor_desc *input,
                                           int input_count, int first);
/* The shape of y: [n,tq,heads*d]; and of lse: [n,heads,tq]. */
lbk_shape lbk_attention_shape(const lbk_attention_sizes *s);
lbk_shape lbk_attention_lse_shape(const lbk_attention_sizes *s);

/* For the references. Where head h's features of row t of sample n begin in q ('q'), k ('k'), v ('v') or y ('y'). */
int64_t lbk_attention_at(const lbk_attention_sizes *s, char tensor, int64_t n, int64_t t, int64_t h);
/* Whether query i may look at key j. */
bool lbk_attention_sees(const lbk_attention_sizes *s, const double *mask, int64_t n, int64_t i, int64_t j);
double lbk_attention_dot(const double *a, const double *b, int64_t d);

/* Begins a call of kernel `name` of class `cls`, with the arguments that every such kernel begins with: q, k, v, mask. */
lbk_status lbk_attention_begin(lbk_emit *e, lbk_class cls, const lbk_attention_sizes *s, const char *name,
                               lbk_call **call);
/* Whether the class's kernels take these sizes on this device. */
bool lbk_attention_fits(const lbk_emit *e, lbk_class cls, const lbk_attention_sizes *s);
/* Ends it: the numbers heads, d, tq, tk, packed, causal, masked, scale, and a global size for `rows` rows of every head. */
void lbk_attention_end(const lbk_emit *e, lbk_class cls, const lbk_attention_sizes *s, int64_t rows, lbk_call *call);

/* The gradient of attention's output lse, in g->output_grad[1], as those of q, k and v, or of qkv. */
lbk_status lbk_attention_lse_differentiate(lbk_gradient *g, lbk_value out[3]);
/* The rule of attention_backward and self_attention_backward. */
lbk_status lbk_attention_backward_differentiate(lbk_gradient *g);

/* The variants of an op whose name##_emit(e, class) exists. */
#define LBK_ATTENTION_VARIANTS(name)                                                                                   \
    static lbk_status name##_emit_generic(lbk_emit *e) {                                                               \
        return name##_emit(e, LBK_CLASS_GENERIC);                                                                      \
    }                                                                                                                  \
    static lbk_status name##_emit_cpu(lbk_emit *e) {                                                                   \
        return name##_emit(e, LBK_CLASS_CPU);                                                                          \
    }                                                                                                                  \
    static lbk_status name##_emit_gpu(lbk_emit *e) {                                                                   \
        return name##_emit(e, LBK_CLASS_GPU);                                                                          \
    }                                                                                                                  \
    static const lbk_variant name##_variants[] = {{LBK_CLASS_CPU, "lanes", name##_emit_cpu},                           \
                                                  {LBK_CLASS_GPU, "tiles", name##_emit_gpu},                           \
                                                  {LBK_CLASS_GENERIC, "rows", name##_emit_generic},                    \
                                                  {.emit = NULL}};

#endif
