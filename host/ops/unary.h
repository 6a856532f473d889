/* Parameters of the element-wise functions of unary.def, for rules of differentiation and losses that emit them: fill
 * the fields that the op has, leave the others. */
#ifndef LBK_OPS_UNARY_H
#define LBK_OPS_UNARY_H

typedef struct lbk_unary_params {
    double slope;          /* leaky_relu */
    double alpha;          /* elu */
    double beta;           /* softplus */
    double min, max;       /* clamp */
    double factor, offset; /* scale */
    double exponent;       /* pow */
    int approximate;       /* gelu: 0 exact, 1 tanh */
} lbk_unary_params;

#endif
