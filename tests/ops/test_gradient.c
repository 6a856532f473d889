/* Which nodes the rules ask for: that the constant 1 costs none, and that what has no derivative is refused. The derivatives'
 * values are the gradient check's business. */
#include "ops/helpers/fake_gradient.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A node whose inputs are the values 0, 1, ... and whose outputs are 100, 101, ...; only input 0 is wanted. */
static lbk_gradient gradient_of(const char *op, const char *params, int inputs, int outputs,
                                const lbk_tensor_desc *descs) {
    static char values[256];
    static lbk_arena arena;
    lbk_gradient g = {
        .op = lbk_op_find(op), .params = values, .input_count = inputs, .output_count = outputs, .input_desc = descs};
    fake_node_count = 0;
    cr_assert(lbk_op_params_parse(lbk_op_find(op), params, &arena, values) == LBK_OK, "%s", lbk_error_message());
    for (int i = 0; i < LBK_MAX_INPUTS; i++) {
        g.input[i] = i;
        g.input_grad[i] = LBK_NONE;
    }
    for (int i = 0; i < LBK_MAX_OUTPUTS; i++) {
        g.output[i] = 100 + i;
        g.output_grad[i] = LBK_NONE;
    }
    g.wanted[0] = true;
    return g;
}

static lbk_status differentiate(const char *op, lbk_gradient *g) {
    return lbk_op_find(op)->differentiate(g);
}

/* Rows of logits, and what stands beside them. */
static const lbk_tensor_desc rows[LBK_MAX_INPUTS] = {
    {LBK_F32, {2, {3, 5}}}, {LBK_F32, {2, {3, 5}}}, {LBK_F32, {1, {5}}},
    {LBK_F32, {1, {1}}},    {LBK_F32, {1, {1}}},    {LBK_F32, {1, {1}}},
};

/* Losses hand their saved derivative on when the incoming gradient is 1, and scale it otherwise. */
static void check_loss(const char *op, int inputs, int saved) {
    lbk_gradient g = gradient_of(op, "", inputs, saved + 1, rows);
    g.output_grad[0] = LBK_ONE;
    cr_assert(differentiate(op, &g) == LBK_OK, "%s", lbk_error_message());
    cr_expect(g.input_grad[0] == 100 + saved && fake_node_count == 0, "%s with gradient 1", op);
    g = gradient_of(op, "", inputs, saved + 1, rows);
    g.output_grad[0] = 77;
    cr_assert(differentiate(op, &g) == LBK_OK, "%s", lbk_error_message());
    cr_expect_str_eq(fake_nodes[0].op, "scale_by");
    cr_expect(fake_nodes[0].input[0] == 100 + saved && fake_nodes[0].input[1] == 77);
    cr_expect_eq(g.input_grad[0], FAKE_OUTPUT(0, 0));
}

/* Where that of the derivative is not defined. */
static void check_refusal(const char *op, const char *params, int inputs, int saved) {
    lbk_gradient g = gradient_of(op, params, inputs, saved + 1, rows);
    g.output_grad[saved] = 77;
    cr_expect(differentiate(op, &g) == LBK_ERR_UNSUPPORTED, "%s: the derivative has no derivative", op);
}

Test(gradient, losses) {
    check_loss("cross_entropy", 2, 1);
    check_loss("distill_loss", 6, 3);
    check_loss("mse_loss", 2, 1);
    check_loss("bce_with_logits", 3, 1);
    check_loss("kl_div", 3, 1);
    check_refusal("distill_loss", "", 6, 3);
    check_refusal("bce_with_logits", "", 3, 1);
    check_refusal("kl_div", "operand=second", 3, 1);
    check_refusal("cross_entropy", "ignore_index=3", 2, 1);
    check_refusal("cross_entropy", "", 3, 1);
}

/* The derivative that the pass did not save is that of the same loss with the other operand. */
Test(gradient, losses_of_the_second_operand) {
    lbk_gradient g = gradient_of("kl_div", "reduction=sum", 3, 2, rows);
    g.output_grad[0] = LBK_ONE;
    g.wanted[1] = true;
    cr_assert(differentiate("kl_div", &g) == LBK_OK, "%s", lbk_error_message());
    cr_expect(fake_node_count == 1 && fake_nodes[0].input_count == 3 && fake_nodes[0].input[1] == 1);
    cr_expect_str_eq(fake_nodes[0].op, "kl_div");
    cr_expect(g.input_grad[0] == 101 && g.input_grad[1] == FAKE_OUTPUT(0, 1));
    g = gradient_of("bce_with_logits", "", 3, 2, rows);
    g.output_grad[0] = LBK_ONE;
    g.wanted[2] = true;
    cr_expect(differentiate("bce_with_logits", &g) == LBK_ERR_UNSUPPORTED);
    g = gradient_of("cross_entropy", "", 3, 2, rows);
    g.output_grad[0] = LBK_ONE;
    g.wanted[2] = true;
    cr_expect(differentiate("cross_entropy", &g) == LBK_ERR_UNSUPPORTED);
    cr_expect_str_eq(lbk_error_message(), "no derivative with respect to weight");
}

Test(gradient, distill_loss_refuses_the_teacher) {
    lbk_gradient g = gradient_of("distill_loss", "", 6, 4, rows);
    g.output_grad[0] = LBK_ONE;
    g.wanted[1] = true;
    cr_expect(differentiate("distill_loss", &g) == LBK_ERR_UNSUPPORTED);
    cr_expect(strstr(lbk_error_message(), "teacher") != NULL);
}

Test(gradient, weighted_sum) {
    lbk_gradient g = gradient_of("weighted_sum", "", 4, 1, NULL);
    g.wanted[2] = true;
    g.output_grad[0] = LBK_ONE;
    cr_assert(differentiate("weighted_sum", &g) == LBK_OK);
    cr_expect(g.input_grad[0] == 1 && g.input_grad[2] == 3 && fake_node_count == 0);
    cr_expect(g.input_grad[1] == LBK_NONE && g.input_grad[3] == LBK_NONE);
    g.output_grad[0] = 77;
    cr_assert(differentiate("weighted_sum", &g) == LBK_OK);
    cr_expect(fake_node_count == 2 && fake_nodes[1].input[0] == 3 && fake_nodes[1].input[1] == 77);
    g.wanted[1] = true;
    cr_expect(differentiate("weighted_sum", &g) == LBK_ERR_UNSUPPORTED);
}

Test(gradient, add_passes_on) {
    const lbk_tensor_desc x = {LBK_F32, {2, {2, 3}}}, descs[] = {x, x, x};
    lbk_gradient g = gradient_of("add", "", 3, 1, descs);
    g.output_desc = &x;
    g.wanted[2] = true;
    g.output_grad[0] = 77;
    cr_assert(differentiate("add", &g) == LBK_OK);
    cr_expect(g.input_grad[0] == 77 && g.input_grad[1] == LBK_NONE && g.input_grad[2] == 77 && fake_node_count == 0);
}

Test(gradient, mean) {
    const lbk_tensor_desc x = {LBK_F32, {3, {2, 3, 5}}};
    lbk_gradient g = gradient_of("mean", "", 1, 1, &x);
    g.output_grad[0] = LBK_ONE;
    cr_assert(differentiate("mean", &g) == LBK_OK);
    cr_expect(fake_nodes[0].input_count == 0);
    g.output_grad[0] = 77;
    cr_assert(differentiate("mean", &g) == LBK_OK);
    cr_expect(fake_nodes[1].input_count == 1 && fake_nodes[1].input[0] == 77);
}

/* The addend's gradient is an output of the op behind a relu, and dy itself without one. */
Test(gradient, batch_norm_addend) {
    const lbk_tensor_desc x = {LBK_F32, {4, {2, 3, 3, 5}}}, c = {LBK_F32, {1, {5}}}, descs[] = {x, c, c, c, c, x};
    lbk_gradient g = gradient_of("batch_norm", "relu=yes", 6, 3, descs);
    g.output_grad[0] = 77;
    g.wanted[1] = g.wanted[2] = g.wanted[5] = true;
    cr_assert(differentiate("batch_norm", &g) == LBK_OK);
    cr_expect(fake_nodes[0].input_count == 7 && fake_nodes[0].input[6] == 100 && fake_nodes[0].input[4] == 101);
    cr_expect_eq(g.input_grad[5], FAKE_OUTPUT(0, 3));
    cr_expect(g.input_grad[0] == FAKE_OUTPUT(0, 0) && g.input_grad[1] == FAKE_OUTPUT(0, 1) &&
              g.input_grad[2] == FAKE_OUTPUT(0, 2) && g.input_grad[3] == LBK_NONE);
    g = gradient_of("batch_norm", "", 6, 3, descs);
    g.output_grad[0] = 77;
    g.wanted[5] = true;
    cr_assert(differentiate("batch_norm", &g) == LBK_OK);
    cr_expect(g.input_grad[5] == 77 && fake_nodes[0].input_count == 6);
    g = gradient_of("batch_norm", "training=no", 6, 1, descs);
    g.output_grad[0] = 77;
    cr_assert(differentiate("batch_norm", &g) == LBK_OK);
    cr_expect(fake_nodes[0].input[4] == 3 && fake_nodes[0].input[5] == 4, "the running statistics");
}

Test(gradient, dropout_repeats_itself) {
    lbk_gradient g = gradient_of("dropout", "p=0.2 seed=3", 2, 1, NULL);
    g.output_grad[0] = 77;
    cr_assert(differentiate("dropout", &g) == LBK_OK);
    cr_expect_str_eq(fake_nodes[0].op, "dropout");
    cr_expect(fake_nodes[0].input[0] == 77 && fake_nodes[0].input[1] == 1);
}

/* The recurrence first, then one product each; what is not wanted costs no node, absent lengths are not passed on. */
Test(gradient, lstm) {
    lbk_gradient g = gradient_of("lstm", "hidden=3", 6, 3, NULL);
    g.output_grad[0] = 77;
    cr_assert(differentiate("lstm", &g) == LBK_OK, "%s", lbk_error_message());
    cr_expect(fake_node_count == 2 && fake_nodes[0].input_count == 5 && fake_nodes[0].input[4] == 1);
    cr_expect_str_eq(fake_nodes[0].op, "lstm_backward");
    cr_expect_str_eq(fake_nodes[1].op, "dense_backward_data");
    g = gradient_of("lstm", "hidden=3 bias=no", 4, 3, NULL);
    g.output_grad[0] = 77;
    g.input[1] = LBK_NONE;
    g.wanted[0] = false;
    g.wanted[3] = true;
    cr_assert(differentiate("lstm", &g) == LBK_OK, "%s", lbk_error_message());
    cr_expect(fake_node_count == 3 && fake_nodes[0].input_count == 4);
    cr_expect_str_eq(fake_nodes[1].op, "shift_steps");
    cr_expect(fake_nodes[2].input[0] == FAKE_OUTPUT(1, 0) && fake_nodes[2].input[1] == FAKE_OUTPUT(0, 0));
    g.output_grad[2] = 78;
    cr_expect(differentiate("lstm", &g) == LBK_ERR_UNSUPPORTED);
}

/* The saved log-sum-exp goes to the derivative. Its own, of a gradient's gradient, causal attention lacks. */
Test(gradient, attention) {
    const lbk_tensor_desc qkv = {LBK_F32, {3, {2, 5, 24}}}, mask = {LBK_I32, {2, {2, 5}}}, descs[] = {qkv, mask};
    lbk_gradient g = gradient_of("self_attention", "heads=2", 2, 2, descs);
    g.output_grad[0] = 77;
    cr_assert(differentiate("self_attention", &g) == LBK_OK, "%s", lbk_error_message());
    cr_expect_str_eq(fake_nodes[0].op, "self_attention_backward");
    cr_expect(fake_nodes[0].input_count == 5 && fake_nodes[0].input[0] == 77 && fake_nodes[0].input[2] == 101 &&
              fake_nodes[0].input[4] == 1);
    cr_expect(g.input_grad[0] == FAKE_OUTPUT(0, 0) && g.input_grad[1] == LBK_NONE);
    g = gradient_of("self_attention", "heads=2 causal=yes", 2, 2, descs);
    g.output_grad[1] = 78;
    cr_expect(differentiate("self_attention", &g) == LBK_ERR_UNSUPPORTED);
    cr_expect_str_eq(lbk_error_message(), "causal attention has no second derivative");
}

Test(gradient, log_mel_has_none) {
    lbk_gradient g = gradient_of("log_mel", "", 1, 1, NULL);
    g.output_grad[0] = 77;
    cr_expect(differentiate("log_mel", &g) == LBK_ERR_UNSUPPORTED && fake_node_count == 0);
}
