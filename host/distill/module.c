/* Layers and networks that belong to a method. */
#include "distill/objective.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PARAMS_TEXT 256

const char *const lbk_method_example_sequences[] = {
    "teacher.model=vit", "teacher.parameters=patch=4 width=8 depth=4 heads=2", "student.model=vit",
    "student.parameters=patch=4 width=6 depth=2 heads=2", NULL};

lbk_status lbk_method_op(lbk_method_context *c, const char *name, lbk_value *out, const char *params, int input_count,
                         ...) {
    const lbk_op *op = lbk_op_find(name);
    lbk_value inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    void *values = NULL;
    va_list list;
    LBK_ENSURE(op && input_count <= LBK_MAX_INPUTS);
    va_start(list, input_count);
    for (int i = 0; i < input_count; i++)
        inputs[i] = va_arg(list, lbk_value);
    va_end(list);
    LBK_TRY(lbk_arena_alloc(&c->graph->arena, op->params_size, &values));
    LBK_TRY(lbk_context(lbk_op_params_parse(op, params, &c->graph->arena, values), "%s", name));
    LBK_TRY(lbk_graph_node(c->graph, op, c->name, values, input_count, inputs, outputs));
    *out = outputs[0];
    return LBK_OK;
}

static lbk_status set_training(const lbk_op *op, lbk_arena *arena, void *values) {
    const lbk_param *training = op->params ? lbk_param_find(op->params, "training") : NULL;
    return training ? lbk_param_set(training, "yes", arena, values) : LBK_OK;
}

static lbk_status declare_weights(lbk_method_context *c, const lbk_op *op, const char *path, const void *values,
                                  lbk_value *inputs, int *count) {
    lbk_weight_list list = {0};
    if (op->weights)
        LBK_TRY(op->weights(values, lbk_graph_desc(c->graph, inputs[0]), &list));
    for (int i = 0; i < list.count; i++) {
        const lbk_weight *weight = &list.item[i];
        const char *name = path;
        lbk_value value;
        if (weight->suffix[0])
            LBK_TRY(lbk_arena_printf(&c->graph->arena, &name, "%s.%s", path, weight->suffix));
        LBK_TRY(lbk_graph_weight(c->graph, name, weight, &value));
        if (weight->input < 0)
            continue;
        LBK_ENSURE(weight->input < LBK_MAX_INPUTS);
        inputs[weight->input] = value;
        *count = weight->input >= *count ? weight->input + 1 : *count;
    }
    return LBK_OK;
}

lbk_status lbk_method_layer(lbk_method_context *c, const char *name, const char *op_name, lbk_value x, lbk_value *out,
                            const char *params, ...) {
    const lbk_op *op = lbk_op_find(op_name);
    lbk_arena *arena = &c->graph->arena;
    lbk_value inputs[LBK_MAX_INPUTS] = {x}, outputs[LBK_MAX_OUTPUTS];
    char text[PARAMS_TEXT];
    const char *path;
    void *values = NULL;
    int count = 1;
    va_list list;
    LBK_ENSURE(op && op->layer && !op->scalars);
    for (int i = 1; i < LBK_MAX_INPUTS; i++)
        inputs[i] = LBK_NONE;
    va_start(list, params);
    int length = vsnprintf(text, sizeof text, params, list);
    va_end(list);
    LBK_ENSURE(length >= 0 && length < PARAMS_TEXT);
    LBK_TRY(lbk_arena_printf(arena, &path, "distill.%s.%s", c->name, name));
    LBK_TRY(lbk_arena_alloc(arena, op->params_size, &values));
    LBK_TRY(lbk_context(lbk_op_params_parse(op, text, arena, values), "%s", path));
    LBK_TRY(set_training(op, arena, values));
    LBK_TRY(lbk_context(declare_weights(c, op, path, values, inputs, &count), "%s", path));
    LBK_TRY(lbk_graph_node(c->graph, op, path, values, count, inputs, outputs));
    *out = outputs[0];
    return LBK_OK;
}

/* The convolution from H_s to H_t rows (columns alike). */
static lbk_status regressing_conv(lbk_method_context *c, const char *name, lbk_value x, const lbk_shape *have,
                                  const lbk_shape *want, lbk_value *out) {
    long long s = have->dim[1], t = want->dim[1], width = have->dim[2], k = want->dim[3];
    bool square = s * want->dim[2] == t * width;
    if (square && s == 2 * t)
        return lbk_method_layer(c, name, "conv2d", x, out, "out=%lld kernel=3 stride=2 padding=1", k);
    if (square && 2 * s == t)
        return lbk_method_layer(c, name, "conv_transpose2d", x, out, "out=%lld kernel=4 stride=2 padding=1", k);
    if (s >= t && width >= want->dim[2])
        return lbk_method_layer(c, name, "conv2d", x, out, "out=%lld kernel=%lld,%lld", k, 1 + s - t,
                                1 + width - (long long)want->dim[2]);
    return lbk_fail(LBK_ERR_INPUT, "layers: no convolution makes %lldx%lld of %lldx%lld", t, (long long)want->dim[2], s,
                    width);
}

lbk_status lbk_method_regressor(lbk_method_context *c, const char *name, lbk_value student, lbk_value teacher,
                                bool rectified, lbk_value *out) {
    const lbk_shape have = *lbk_method_shape(c, student), want = *lbk_method_shape(c, teacher);
    char layer[64];
    bool same = have.rank == want.rank;
    for (int i = 0; same && have.rank != 4 && i < have.rank - 1; i++)
        same = have.dim[i] == want.dim[i];
    if (!same)
        return lbk_fail(LBK_ERR_INPUT, "layers: a layer of rank %d cannot be made one of rank %d", have.rank,
                        want.rank);
    snprintf(layer, sizeof layer, "%s.%s", name, have.rank == 4 ? "conv" : "fc");
    if (have.rank == 4)
        LBK_TRY(regressing_conv(c, layer, student, &have, &want, out));
    else
        LBK_TRY(lbk_method_layer(c, layer, "dense", student, out, "out=%lld", (long long)want.dim[want.rank - 1]));
    if (!rectified)
        return LBK_OK;
    snprintf(layer, sizeof layer, "%s.bn", name);
    LBK_TRY(lbk_method_layer(c, layer, "batch_norm", *out, out, "%s", ""));
    return lbk_method_op(c, "relu", out, "", 1, *out);
}

lbk_status lbk_method_connector(lbk_method_context *c, const char *name, lbk_value x, int64_t channels,
                                lbk_value *out) {
    bool image = lbk_method_shape(c, x)->rank == 4;
    char layer[64];
    snprintf(layer, sizeof layer, "%s.%s", name, image ? "conv" : "fc");
    LBK_TRY(lbk_method_layer(c, layer, image ? "conv2d" : "dense", x, out, "out=%lld bias=no", (long long)channels));
    snprintf(layer, sizeof layer, "%s.bn", name);
    return lbk_method_layer(c, layer, "batch_norm", *out, out, "%s", "");
}

lbk_status lbk_method_equal_channels(lbk_method_context *c, int pair, lbk_value *out) {
    const lbk_shape have = *lbk_method_shape(c, c->pair[pair].student.value);
    const lbk_shape want = *lbk_method_shape(c, c->pair[pair].teacher.value);
    char name[24];
    snprintf(name, sizeof name, "connector%d", pair);
    *out = c->pair[pair].student.value;
    if (have.rank != 4 || want.rank != 4)
        return lbk_fail(LBK_ERR_INPUT, "layers: expected images [B,H,W,C], found rank %d and %d", have.rank, want.rank);
    return have.dim[3] == want.dim[3] ? LBK_OK : lbk_method_connector(c, name, *out, want.dim[3], out);
}

lbk_status lbk_method_classify(lbk_method_context *c, int first, lbk_value x, lbk_value *out) {
    lbk_value weight = c->extra[first].value, bias = first + 1 < c->extra_count ? c->extra[first + 1].value : LBK_NONE;
    const lbk_shape *has = lbk_method_shape(c, x), *wants = lbk_method_shape(c, weight);
    char params[48];
    if (has->dim[1] != wants->dim[0])
        return lbk_fail(LBK_ERR_INPUT, "the teacher's classifier reads %lld numbers, its layer has %lld channels",
                        (long long)wants->dim[0], (long long)has->dim[1]);
    snprintf(params, sizeof params, "out=%lld bias=%s", (long long)wants->dim[1], bias == LBK_NONE ? "no" : "yes");
    return lbk_method_op(c, "dense", out, params, bias == LBK_NONE ? 2 : 3, x, weight, bias);
}

lbk_status lbk_method_add(lbk_method_context *c, lbk_value *sum, lbk_value term) {
    if (*sum == LBK_NONE) {
        *sum = term;
        return LBK_OK;
    }
    return lbk_method_op(c, "add", sum, "", 2, *sum, term);
}

lbk_status lbk_method_scale(lbk_method_context *c, lbk_value x, double factor, lbk_value *out) {
    char params[48];
    snprintf(params, sizeof params, "factor=%.17g", factor);
    return lbk_method_op(c, "scale", out, params, 1, x);
}

lbk_status lbk_method_sequences(lbk_method_context *c, const char *name, lbk_value student, lbk_value teacher,
                                lbk_value *out) {
    const lbk_shape a = *lbk_method_shape(c, student), b = *lbk_method_shape(c, teacher);
    *out = student;
    if (a.rank != 3 || b.rank != 3)
        return lbk_fail(LBK_ERR_INPUT, "layers: expected sequences [B,T,C], found rank %d and %d", a.rank, b.rank);
    if (a.dim[1] != b.dim[1])
        return lbk_fail(LBK_ERR_INPUT, "layers: expected sequences of one length, found %lld steps and %lld",
                        (long long)a.dim[1], (long long)b.dim[1]);
    return a.dim[2] == b.dim[2] ? LBK_OK : lbk_method_regressor(c, name, student, teacher, false, out);
}

lbk_status lbk_method_match_sequences(lbk_method_context *c, const char *op) {
    lbk_value sum = LBK_NONE, student, loss;
    for (int i = 0; i < c->pair_count; i++) {
        const lbk_value teacher = c->pair[i].teacher.value;
        char name[24];
        snprintf(name, sizeof name, "regressor%d", i);
        LBK_TRY(lbk_method_sequences(c, name, c->pair[i].student.value, teacher, &student));
        LBK_TRY(lbk_method_op(c, op, &loss, "", 2, student, teacher));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

lbk_status lbk_method_pixels(lbk_method_context *c, lbk_value x, lbk_value *out) {
    const lbk_shape *shape = lbk_method_shape(c, x);
    char params[48];
    LBK_ENSURE(shape->rank == 4);
    snprintf(params, sizeof params, "shape=0,-1,%lld", (long long)shape->dim[3]);
    return lbk_method_op(c, "reshape", out, params, 1, x);
}

lbk_status lbk_method_same_size(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *student_out,
                                lbk_value *teacher_out) {
    const lbk_shape a = *lbk_method_shape(c, student), b = *lbk_method_shape(c, teacher);
    char size[48];
    *student_out = student;
    *teacher_out = teacher;
    if (a.rank != 4 || b.rank != 4)
        return lbk_fail(LBK_ERR_INPUT, "layers: expected images [B,H,W,C], found rank %d and %d", a.rank, b.rank);
    long long h = a.dim[1] < b.dim[1] ? a.dim[1] : b.dim[1], w = a.dim[2] < b.dim[2] ? a.dim[2] : b.dim[2];
    snprintf(size, sizeof size, "size=%lld,%lld", h, w);
    if (a.dim[1] != h || a.dim[2] != w)
        LBK_TRY(lbk_method_op(c, "adaptive_avg_pool2d", student_out, size, 1, student));
    if (b.dim[1] != h || b.dim[2] != w)
        LBK_TRY(lbk_method_op(c, "adaptive_avg_pool2d", teacher_out, size, 1, teacher));
    return LBK_OK;
}

lbk_status lbk_method_derivative(lbk_method_context *c, lbk_value loss, lbk_value x, lbk_value *out) {
    LBK_TRY(lbk_graph_derivative(c->graph, loss, &x, 1, out));
    LBK_ENSURE(*out >= 0);
    return LBK_OK;
}

lbk_status lbk_method_squares_of_rows(lbk_method_context *c, lbk_value x, lbk_value *out) {
    lbk_value squares;
    if (lbk_method_shape(c, x)->rank > 2)
        LBK_TRY(lbk_method_op(c, "flatten", &x, "", 1, x));
    LBK_TRY(lbk_method_op(c, "square", &squares, "", 1, x));
    return lbk_method_op(c, "sum", out, "axes=1 keepdims=yes", 1, squares);
}

/* (1 + factor) * detach(x) - factor * x */
lbk_status lbk_method_reverse(lbk_method_context *c, lbk_value x, double factor, lbk_value *out) {
    lbk_value still, moving;
    LBK_TRY(lbk_method_op(c, "detach", &still, "", 1, x));
    LBK_TRY(lbk_method_scale(c, still, 1 + factor, &still));
    LBK_TRY(lbk_method_scale(c, x, factor, &moving));
    return lbk_method_op(c, "sub", out, "", 2, still, moving);
}
