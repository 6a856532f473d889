#include "ops/compose.h"

#include "ops/broadcast.h"
#include "ops/unary.h"

lbk_value lbk_compose_apply(lbk_compose *c, const char *op, const void *params, int count, const lbk_value *inputs) {
    lbk_value outputs[LBK_MAX_OUTPUTS];
    if (c->status == LBK_OK)
        c->status = lbk_gradient_emit(c->g, op, params, count, inputs, outputs);
    return c->status == LBK_OK ? outputs[0] : LBK_NONE;
}

static lbk_status emit_text(lbk_gradient *g, const char *name, const char *text, int count, const lbk_value *inputs,
                            lbk_value *outputs) {
    const lbk_op *op = lbk_op_find(name);
    lbk_arena arena = {0};
    void *params = NULL;
    LBK_ENSURE(op);
    lbk_status status = lbk_arena_alloc(&arena, op->params_size, &params);
    if (status == LBK_OK)
        status = lbk_op_params_parse(op, text, &arena, params);
    if (status == LBK_OK)
        status = lbk_gradient_emit(g, name, params, count, inputs, outputs);
    lbk_arena_release(&arena);
    return status;
}

lbk_value lbk_compose_text(lbk_compose *c, const char *op, const char *params, int count, const lbk_value *inputs) {
    lbk_value outputs[LBK_MAX_OUTPUTS] = {LBK_NONE};
    if (c->status == LBK_OK)
        c->status = emit_text(c->g, op, params, count, inputs, outputs);
    return c->status == LBK_OK ? outputs[0] : LBK_NONE;
}

lbk_value lbk_compose_unary(lbk_compose *c, const char *op, lbk_value x) {
    return x == LBK_NONE ? LBK_NONE : lbk_compose_apply(c, op, NULL, 1, &x);
}

lbk_value lbk_compose_add(lbk_compose *c, lbk_value a, lbk_value b) {
    if (a == LBK_NONE || b == LBK_NONE)
        return a == LBK_NONE ? b : a;
    return lbk_compose_apply(c, "add", NULL, 2, (lbk_value[]){a, b});
}

lbk_value lbk_compose_sub(lbk_compose *c, lbk_value a, lbk_value b) {
    if (b == LBK_NONE)
        return a;
    return a == LBK_NONE ? lbk_compose_unary(c, "neg", b) : lbk_compose_apply(c, "sub", NULL, 2, (lbk_value[]){a, b});
}

lbk_value lbk_compose_mul(lbk_compose *c, lbk_value a, lbk_value b) {
    if (a == LBK_NONE || b == LBK_NONE)
        return LBK_NONE;
    return lbk_compose_apply(c, "mul", NULL, 2, (lbk_value[]){a, b});
}

lbk_value lbk_compose_scale(lbk_compose *c, lbk_value x, double factor, double offset) {
    const lbk_unary_params params = {.factor = factor, .offset = offset};
    return x == LBK_NONE ? LBK_NONE : lbk_compose_apply(c, "scale", &params, 1, &x);
}

static lbk_value shaped(lbk_compose *c, const char *op, lbk_value x, const lbk_shape *shape) {
    const lbk_shape_params params = {lbk_ints_of_shape(shape)};
    return lbk_compose_apply(c, op, &params, 1, &x);
}

lbk_value lbk_compose_sum_to(lbk_compose *c, lbk_value x, const lbk_shape *shape) {
    return x == LBK_NONE ? LBK_NONE : shaped(c, "sum_to", x, shape);
}

lbk_value lbk_compose_sum_last(lbk_compose *c, lbk_value x) {
    if (x == LBK_NONE)
        return LBK_NONE;
    lbk_shape shape = lbk_gradient_desc(c->g, x)->shape;
    shape.dim[shape.rank - 1] = 1;
    return lbk_compose_sum_to(c, x, &shape);
}

lbk_value lbk_compose_sum_rows(lbk_compose *c, lbk_value x) {
    return lbk_compose_unary(c, "reduce_rows", x);
}

lbk_value lbk_compose_sum_all(lbk_compose *c, lbk_value x) {
    const lbk_shape one = lbk_shape_1(1);
    return lbk_compose_sum_to(c, x, &one);
}

lbk_value lbk_compose_reshape(lbk_compose *c, lbk_value x, const lbk_shape *shape) {
    return x == LBK_NONE ? LBK_NONE : shaped(c, "reshape", x, shape);
}

lbk_value lbk_compose_expand(lbk_compose *c, lbk_value x, const lbk_shape *shape) {
    if (x == LBK_NONE || lbk_shape_equal(&lbk_gradient_desc(c->g, x)->shape, shape))
        return x;
    return shaped(c, "expand", x, shape);
}
