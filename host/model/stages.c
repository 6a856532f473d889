/* Which of a network's tensors stand for its depth. */
#include "model/model.h"

#include <string.h>

static const lbk_shape *shape_of(const lbk_graph *graph, lbk_value value) {
    return &lbk_graph_desc(graph, value)->shape;
}

static const lbk_node *producer(const lbk_graph *graph, lbk_value value) {
    int node = lbk_graph_info(graph, value)->node;
    return node < 0 ? NULL : &graph->nodes[node];
}

static lbk_status append(lbk_tap *stages, int *count, const lbk_tap *tap) {
    if (*count == LBK_MODEL_STAGES)
        return lbk_fail(LBK_ERR_INPUT, "the network has more than %d stages", LBK_MODEL_STAGES);
    stages[(*count)++] = *tap;
    return LBK_OK;
}

/* Of neighbours of one resolution the last. */
static lbk_status image_stages(const lbk_graph *graph, const lbk_model_built *built, lbk_tap *stages, int *count) {
    for (size_t i = 0; i < built->tap_count; i++) {
        const lbk_tap *tap = &built->taps[i];
        const lbk_shape *own = shape_of(graph, tap->value);
        if (!tap->outer || own->rank != 4 || own->dim[1] * own->dim[2] == 1)
            continue;
        const lbk_shape *last = *count ? shape_of(graph, stages[*count - 1].value) : NULL;
        if (last && last->dim[1] == own->dim[1] && last->dim[2] == own->dim[2])
            stages[*count - 1] = *tap;
        else
            LBK_TRY(append(stages, count, tap));
    }
    return LBK_OK;
}

static lbk_status sequence_stages(const lbk_graph *graph, const lbk_model_built *built, lbk_tap *stages, int *count) {
    for (size_t i = 0; i < built->tap_count; i++)
        if (built->taps[i].outer && built->taps[i].repetition && shape_of(graph, built->taps[i].value)->rank == 3)
            LBK_TRY(append(stages, count, &built->taps[i]));
    return LBK_OK;
}

static bool dense_reads(const lbk_graph *graph, lbk_value value) {
    for (size_t n = 0; n < graph->node_count; n++)
        if (strcmp(graph->nodes[n].op->name, "dense") == 0 && graph->nodes[n].input[0] == value)
            return true;
    return false;
}

/* Vectors on their way from one dense layer to the next. */
static lbk_status hidden_stages(const lbk_graph *graph, const lbk_model_built *built, lbk_tap *stages, int *count) {
    bool layer_seen = false;
    for (size_t i = 0; i < built->tap_count; i++) {
        const lbk_tap *tap = &built->taps[i];
        const lbk_node *node = producer(graph, tap->value);
        layer_seen = layer_seen || (node && strcmp(node->op->name, "dense") == 0);
        if (layer_seen && shape_of(graph, tap->value)->rank == 2 && dense_reads(graph, tap->value))
            LBK_TRY(append(stages, count, tap));
    }
    return LBK_OK;
}

lbk_status lbk_model_stages(const lbk_graph *graph, const lbk_model_built *built, lbk_tap *stages, int *count) {
    *count = 0;
    LBK_TRY(sequence_stages(graph, built, stages, count));
    if (!*count) /* a vision transformer begins with an image, too */
        LBK_TRY(image_stages(graph, built, stages, count));
    return *count ? LBK_OK : hidden_stages(graph, built, stages, count);
}

/* The dense layer that computes the logits; NULL: something else does. */
static const lbk_node *classifier(const lbk_graph *graph, const lbk_model_built *built) {
    const lbk_node *node = producer(graph, built->logits);
    return node && strcmp(node->op->name, "dense") == 0 ? node : NULL;
}

lbk_tap lbk_model_feature(const lbk_graph *graph, const lbk_model_built *built) {
    const lbk_node *node = classifier(graph, built);
    lbk_tap feature = {.name = "feature", .value = node ? node->input[0] : LBK_NONE};
    for (size_t i = 0; i < built->tap_count && node; i++)
        if (built->taps[i].value == feature.value)
            return built->taps[i];
    return feature;
}

void lbk_model_classifier(const lbk_graph *graph, const lbk_model_built *built, lbk_value *weight, lbk_value *bias) {
    const lbk_node *node = classifier(graph, built);
    *weight = node ? node->input[1] : LBK_NONE;
    *bias = node && node->input_count > 2 ? node->input[2] : LBK_NONE;
}

lbk_value lbk_model_before_activation(const lbk_graph *graph, lbk_value value) {
    static const char *const activations[] = {"relu", "relu6", "leaky_relu", "elu", "silu", "hard_swish", "gelu"};
    const lbk_node *node = producer(graph, value);
    for (size_t i = 0; node && i < sizeof activations / sizeof *activations; i++)
        if (strcmp(node->op->name, activations[i]) == 0)
            return node->input[0];
    return value;
}

const lbk_node *lbk_model_attention(const lbk_graph *graph, lbk_value value) {
    for (int i = lbk_graph_info(graph, value)->node; i >= 0; i--)
        if (strcmp(graph->nodes[i].op->name, "self_attention") == 0 ||
            strcmp(graph->nodes[i].op->name, "attention") == 0)
            return &graph->nodes[i];
    return NULL;
}
