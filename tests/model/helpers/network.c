#include "model/helpers/network.h"

#include <string.h>

void network_sized(network *n, int height, int width, int channels) {
    memset(n, 0, sizeof *n);
    n->use = (lbk_model_use){
        .batch = 1, .height = height, .width = width, .channels = channels, .classes = 10, .training = true};
}

void network_cifar(network *n) {
    network_sized(n, 32, 32, 3);
}

void network_digits(network *n) {
    network_sized(n, 8, 8, 1);
}

static lbk_status graph_fill(network *n) {
    lbk_model_input inputs[LBK_MODEL_INPUTS];
    int count = 0;
    LBK_TRY(lbk_graph_create(&n->graph));
    LBK_TRY(lbk_model_inputs(&n->model, &n->use, inputs, &count));
    for (int i = 0; i < count; i++)
        LBK_TRY(lbk_graph_input(n->graph, inputs[i].name, inputs[i].desc.dtype, inputs[i].desc.shape, &n->inputs[i]));
    n->input = n->inputs[0];
    LBK_TRY(lbk_graph_scalar(n->graph, "step", LBK_I32, &n->step));
    n->use.step = n->use.training ? n->step : LBK_NONE;
    return lbk_model_build(&n->model, n->graph, n->inputs, &n->use, &n->built);
}

lbk_status network_try(network *n, const char *name, const char *folder) {
    LBK_TRY(lbk_model_load(&n->model, name, folder));
    lbk_status status = graph_fill(n);
    if (status != LBK_OK)
        network_release(n);
    return status;
}

void network_build(network *n, const char *name) {
    cr_assert_eq(network_try(n, name, NULL), LBK_OK, "%s: %s", name, lbk_error_message());
}

void network_release(network *n) {
    lbk_graph_destroy(n->graph);
    lbk_model_release(&n->model);
    n->graph = NULL;
}

int network_node(const network *n, const char *name) {
    for (size_t i = 0; i < n->graph->node_count; i++)
        if (strcmp(n->graph->nodes[i].name, name) == 0)
            return (int)i;
    return -1;
}

double network_flops(const network *n, const char *op) {
    double flops = 0;
    for (size_t i = 0; i < n->graph->node_count; i++)
        if (strcmp(n->graph->nodes[i].op->name, op) == 0)
            flops += lbk_graph_node_cost(n->graph, &n->graph->nodes[i]).flops;
    return flops;
}

static double elements(const network *n, lbk_value value) {
    return (double)lbk_shape_count(&lbk_graph_desc(n->graph, value)->shape);
}

double network_products(const network *n) {
    double flops = network_flops(n, "conv1d") + network_flops(n, "conv2d") + network_flops(n, "dense");
    for (size_t i = 0; i < n->graph->node_count; i++) {
        const lbk_node *node = &n->graph->nodes[i];
        if (strcmp(node->op->name, "lstm") != 0 && strcmp(node->op->name, "gru") != 0)
            continue;
        const lbk_shape *x = &lbk_graph_desc(n->graph, node->input[0])->shape; /* [N,T,C]; then lengths, two weights */
        flops += 2 * (double)(x->dim[0] * x->dim[1]) * (elements(n, node->input[2]) + elements(n, node->input[3]));
    }
    return flops;
}
