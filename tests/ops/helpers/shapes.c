#include "ops/helpers/shapes.h"

#include <criterion/criterion.h>

static lbk_status infer(const shapes *c, lbk_arena *arena, lbk_infer *out) {
    static lbk_tensor_desc inputs[LBK_MAX_INPUTS];
    const lbk_op *op = lbk_op_find(c->op);
    void *params = NULL;
    cr_assert_not_null(op, "no op %s", c->op);
    cr_assert_eq(lbk_arena_alloc(arena, op->params_size + 1, &params), LBK_OK);
    cr_assert_eq(lbk_op_params_parse(op, c->params, arena, params), LBK_OK, "%s", lbk_error_message());
    *out = (lbk_infer){.params = params, .input = inputs};
    while (out->input_count < LBK_MAX_INPUTS && c->input[out->input_count].rank != 0) {
        int i = out->input_count++;
        inputs[i] = (lbk_tensor_desc){lbk_op_input_dtype(op, i), c->input[i]};
    }
    return lbk_op_infer(op, out);
}

void shapes_check(const shapes *cases, size_t count, bool accepted) {
    for (size_t i = 0; i < count; i++) {
        const shapes *c = &cases[i];
        lbk_arena arena = {0};
        lbk_infer out;
        lbk_text text = {0};
        lbk_status status = infer(c, &arena, &out);
        cr_expect_eq(status, accepted ? LBK_OK : LBK_ERR_INPUT, "%s (%s): %s", c->op, c->params,
                     status == LBK_OK ? "accepted" : lbk_error_message());
        for (int k = 0; status == LBK_OK && k < out.output_count; k++) {
            char shape[LBK_SHAPE_TEXT];
            cr_assert_eq(lbk_text_printf(&text, "%s%s", k > 0 ? " " : "", lbk_shape_print(&out.output[k].shape, shape)),
                         LBK_OK);
        }
        cr_expect_str_eq(status == LBK_OK ? text.data : lbk_error_message(), c->result, "%s (%s)", c->op, c->params);
        lbk_text_release(&text);
        lbk_arena_release(&arena);
    }
}
