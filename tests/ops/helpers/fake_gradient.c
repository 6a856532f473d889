#include "ops/helpers/fake_gradient.h"

#include <stdio.h>
#include <string.h>

fake_node fake_nodes[16];
int fake_node_count;

lbk_status lbk_gradient_emit(lbk_gradient *g, const char *op, const void *params, int input_count,
                             const lbk_value *inputs, lbk_value *outputs) {
    (void)g;
    (void)params;
    LBK_ENSURE(fake_node_count < 16 && lbk_op_find(op) != NULL);
    fake_node *node = &fake_nodes[fake_node_count];
    snprintf(node->op, sizeof node->op, "%s", op);
    node->input_count = input_count;
    for (int i = 0; i < input_count; i++)
        node->input[i] = inputs[i];
    int count = strcmp(op, "batch_norm_backward") == 0 ? input_count == 7 ? 4 : 3 : strcmp(op, "kl_div") == 0 ? 2 : 1;
    for (int i = 0; i < count; i++)
        outputs[i] = FAKE_OUTPUT(fake_node_count, i);
    fake_node_count++;
    return LBK_OK;
}

const lbk_tensor_desc *lbk_gradient_desc(lbk_gradient *g, lbk_value value) {
    return &g->input_desc[value];
}
