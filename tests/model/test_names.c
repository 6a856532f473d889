/* Weights have the names and file shapes of PyTorch's state_dict. */
#include "model/helpers/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rule of the published ResNet, written out: what state_dict() of depth 6n+2 lists. */
typedef struct names {
    char text[1000][64];
    int count;
} names;

static void add(names *list, const char *prefix, const char *suffix) {
    snprintf(list->text[list->count++], sizeof list->text[0], "%s%s", prefix, suffix);
}

static void add_batch_norm(names *list, const char *prefix, const char *name) {
    static const char *const suffixes[] = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
    for (int i = 0; i < 5; i++) {
        char full[64];
        snprintf(full, sizeof full, "%s.%s", name, suffixes[i]);
        add(list, prefix, full);
    }
}

static void add_block(names *list, int layer, int index) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "layer%d.%d.", layer, index);
    add(list, prefix, "conv1.weight");
    add_batch_norm(list, prefix, "bn1");
    add(list, prefix, "conv2.weight");
    add_batch_norm(list, prefix, "bn2");
    if (layer == 1 || index > 0)
        return;
    add(list, prefix, "downsample.0.weight");
    add_batch_norm(list, prefix, "downsample.1");
}

static names *resnet_names(int n) {
    names *list = calloc(1, sizeof *list);
    cr_assert_not_null(list);
    add(list, "", "conv1.weight");
    add_batch_norm(list, "", "bn1");
    for (int layer = 1; layer <= 3; layer++)
        for (int index = 0; index < n; index++)
            add_block(list, layer, index);
    add(list, "", "fc.weight");
    add(list, "", "fc.bias");
    return list;
}

/* Every declared name of the graph in the order of declaration. Counters have a list of their own: kept apart. */
static void expect_names(const network *n, const names *list) {
    size_t value = 0, counter = 0;
    for (int i = 0; i < list->count; i++) {
        const char *want = list->text[i], *have = "(none)";
        if (strstr(want, "num_batches_tracked")) {
            if (counter < n->graph->counter_count)
                have = n->graph->counters[counter++];
        } else {
            while (value < n->graph->value_count && n->graph->values[value].kind != LBK_VALUE_PARAM &&
                   n->graph->values[value].kind != LBK_VALUE_STATE)
                value++;
            if (value < n->graph->value_count)
                have = n->graph->values[value++].name;
        }
        cr_assert_str_eq(have, want);
    }
    for (; value < n->graph->value_count; value++)
        cr_expect(n->graph->values[value].kind != LBK_VALUE_PARAM && n->graph->values[value].kind != LBK_VALUE_STATE,
                  "%s is too many", n->graph->values[value].name);
    cr_expect_eq(counter, n->graph->counter_count);
}

/* Entries of state_dict() by depth, counted in PyTorch. */
Test(names, resnets_have_the_names_of_state_dict) {
    static const struct {
        const char *model;
        int n, entries;
    } cases[] = {{"resnet8", 1, 56},   {"resnet14", 2, 92},  {"resnet20", 3, 128},  {"resnet32", 5, 200},
                 {"resnet44", 7, 272}, {"resnet56", 9, 344}, {"resnet110", 18, 668}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        network n;
        names *list = resnet_names(cases[i].n);
        cr_expect_eq(list->count, cases[i].entries);
        network_cifar(&n);
        network_build(&n, cases[i].model);
        expect_names(&n, list);
        network_release(&n);
        free(list);
    }
}

static void expect_file_shape(const network *n, const char *name, lbk_shape want) {
    lbk_value value = lbk_graph_find(n->graph, name);
    cr_assert_neq(value, LBK_NONE, "%s", name);
    const lbk_value_info *info = lbk_graph_info(n->graph, value);
    lbk_shape have = lbk_layout_file_shape(info->layout, &info->desc.shape);
    char have_text[LBK_SHAPE_TEXT], want_text[LBK_SHAPE_TEXT];
    cr_expect(lbk_shape_equal(&have, &want), "%s: %s, expected %s", name, lbk_shape_print(&have, have_text),
              lbk_shape_print(&want, want_text));
}

Test(names, resnet20_has_the_file_shapes_of_state_dict) {
    network n;
    network_cifar(&n);
    network_build(&n, "resnet20");
    expect_file_shape(&n, "conv1.weight", lbk_shape_4(16, 3, 3, 3));
    expect_file_shape(&n, "layer2.0.conv1.weight", lbk_shape_4(32, 16, 3, 3));
    expect_file_shape(&n, "layer2.0.downsample.0.weight", lbk_shape_4(32, 16, 1, 1));
    expect_file_shape(&n, "layer3.2.conv2.weight", lbk_shape_4(64, 64, 3, 3));
    expect_file_shape(&n, "layer3.0.downsample.1.running_var", lbk_shape_1(64));
    expect_file_shape(&n, "fc.weight", lbk_shape_2(10, 64));
    expect_file_shape(&n, "fc.bias", lbk_shape_1(10));
    network_release(&n);
}

/* He et al. 2015, eq. 14 with fan_out = out * kh * kw, as the published ResNet initialises its convolutions. */
Test(names, resnet20_initialises_convolutions_by_fan_out) {
    network n;
    int convolutions = 0;
    network_cifar(&n);
    network_build(&n, "resnet20");
    for (size_t i = 0; i < n.graph->value_count; i++) {
        const lbk_value_info *info = &n.graph->values[i];
        if (info->kind != LBK_VALUE_PARAM || info->desc.shape.rank != 4)
            continue;
        const int64_t *d = info->desc.shape.dim; /* HWIO */
        convolutions++;
        cr_expect_eq(info->init, LBK_INIT_KAIMING_NORMAL_FAN_OUT, "%s", info->name);
        cr_expect_eq(info->fan_out, d[0] * d[1] * d[3], "%s", info->name);
    }
    cr_expect_eq(convolutions, 21);
    cr_expect_eq(lbk_graph_info(n.graph, lbk_graph_find(n.graph, "fc.weight"))->init, LBK_INIT_UNIFORM_FAN_IN);
    cr_expect_eq(lbk_graph_info(n.graph, lbk_graph_find(n.graph, "bn1.weight"))->init, LBK_INIT_ONE);
    cr_expect_eq(lbk_graph_info(n.graph, lbk_graph_find(n.graph, "bn1.running_mean"))->init, LBK_INIT_ZERO);
    network_release(&n);
}

Test(names, a_prefix_goes_before_names_in_the_graph_and_not_before_taps) {
    network n;
    network_cifar(&n);
    n.use.prefix = "teacher.";
    network_build(&n, "resnet8");
    cr_expect_neq(lbk_graph_find(n.graph, "teacher.layer1.0.conv1.weight"), LBK_NONE);
    cr_expect_eq(lbk_graph_find(n.graph, "layer1.0.conv1.weight"), LBK_NONE);
    cr_expect_geq(network_node(&n, "teacher.layer1.0.conv1"), 0);
    cr_expect_str_eq(n.graph->counters[0], "teacher.bn1.num_batches_tracked");
    cr_expect_neq(lbk_model_tap(&n.built, "layer1.0.conv1"), LBK_NONE);
    network_release(&n);
}
