/* A network that makes images out of noise. */
#include "distill/method.h"

#include <stdio.h>

#define SLOPE "slope=0.2" /* of leaky ReLUs: the code of both */

static lbk_status normed_conv(lbk_method_context *c, int layer, double eps, long long channels, lbk_value *x) {
    char name[32];
    snprintf(name, sizeof name, "generator.conv%d", layer);
    LBK_TRY(lbk_method_layer(c, name, "conv2d", *x, x, "out=%lld kernel=3 padding=1", channels));
    snprintf(name, sizeof name, "generator.bn%d", layer);
    LBK_TRY(lbk_method_layer(c, name, "batch_norm", *x, x, "eps=%g", eps));
    return lbk_method_op(c, "leaky_relu", x, SLOPE, 1, *x);
}

static lbk_status enlarge(lbk_method_context *c, long long height, long long width, lbk_value *x) {
    char size[64];
    snprintf(size, sizeof size, "size=%lld,%lld mode=nearest", height, width);
    return lbk_method_op(c, "resize2d", x, size, 1, *x);
}

/* Batch norm without weights of its own, after tanh. */
static lbk_status standardise(lbk_method_context *c, long long channels, lbk_value *x) {
    char shape[32];
    lbk_value one, ones, zeros, y;
    snprintf(shape, sizeof shape, "shape=%lld", channels);
    LBK_TRY(lbk_method_op(c, "constant", &one, "value=1", 0));
    LBK_TRY(lbk_method_op(c, "expand", &ones, shape, 1, one));
    LBK_TRY(lbk_method_scale(c, ones, 0, &zeros));
    LBK_TRY(lbk_method_op(c, "tanh", &y, "", 1, *x));
    return lbk_method_op(c, "batch_norm", x, "training=yes", 3, y, ones, zeros);
}

lbk_status lbk_method_generator(lbk_method_context *c, const lbk_generator *g, lbk_value *out) {
    const lbk_shape image = *lbk_method_shape(c, c->x);
    long long height = (image.dim[1] + 3) / 4, width = (image.dim[2] + 3) / 4, channels = image.dim[3];
    char shape[80];
    lbk_value z, x;
    snprintf(shape, sizeof shape, "shape=0,%lld,%lld,%d", height, width, g->width);
    LBK_TRY(lbk_method_noise(c, "z", LBK_NOISE_NORMAL, lbk_shape_2(image.dim[0], g->noise), &z));
    LBK_TRY(lbk_method_layer(c, "generator.fc", "dense", z, &x, "out=%lld", height * width * g->width));
    LBK_TRY(lbk_method_op(c, "reshape", &x, shape, 1, x));
    LBK_TRY(lbk_method_layer(c, "generator.bn0", "batch_norm", x, &x, "%s", ""));
    LBK_TRY(enlarge(c, (image.dim[1] + 1) / 2, (image.dim[2] + 1) / 2, &x));
    LBK_TRY(normed_conv(c, 1, g->eps, g->width, &x));
    LBK_TRY(enlarge(c, image.dim[1], image.dim[2], &x));
    LBK_TRY(normed_conv(c, 2, g->eps, g->width / 2, &x));
    LBK_TRY(lbk_method_layer(c, "generator.conv3", "conv2d", x, &x, "out=%lld kernel=3 padding=1", channels));
    if (g->bounded)
        LBK_TRY(standardise(c, channels, &x));
    else
        LBK_TRY(lbk_method_layer(c, "generator.bn3", "batch_norm", x, &x, "%s", ""));
    *out = x;
    return LBK_OK;
}
