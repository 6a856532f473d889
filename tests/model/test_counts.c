/* Sizes of the shipped models. Exact figures were counted in PyTorch 1.13 on the same networks (sum of numel() over
 * parameters(); 2 x multiply-adds of convolutions and dense layers, biases not counted). */
#include "model/helpers/network.h"

#include <math.h>
#include <string.h>

typedef struct expected {
    const char *model;
    bool cifar;
    long long parameters;
    double flops; /* per sample */
} expected;

static const expected shipped[] = {
    {"cnn-cifar-student", true, 41418, 966656},
    {"cnn-cifar-teacher", true, 165642, 3866624},
    {"cnn-tiny", false, 426, 13984},
    {"cnn-wide", false, 56554, 3577088},
    {"mlp-tiny", false, 610, 1184},
    {"mlp-wide", false, 85002, 168960},
    {"resnet", true, 272474, 81626368},
    {"resnet110", true, 1730714, 506299648},
    {"resnet14", true, 175258, 53314816},
    {"resnet20", true, 272474, 81626368},
    {"resnet32", true, 466906, 138249472},
    {"resnet44", true, 661338, 194872576},
    {"resnet56", true, 855770, 251495680},
    {"resnet8", true, 78042, 25003264},
};
enum { SHIPPED = sizeof shipped / sizeof *shipped };

static void shipped_build(const expected *e, network *n) {
    if (e->cifar)
        network_cifar(n);
    else
        network_digits(n);
    network_build(n, e->model);
}

Test(counts, every_shipped_model_is_counted_here) {
    lbk_arena arena = {0};
    const char *const *names = NULL;
    cr_assert_eq(lbk_model_list(&arena, &names), LBK_OK, "%s", lbk_error_message());
    for (int i = 0; i < SHIPPED; i++) {
        cr_assert_not_null(names[i]);
        cr_expect_str_eq(names[i], shipped[i].model);
    }
    cr_expect_null(names[SHIPPED]);
    lbk_arena_release(&arena);
}

Test(counts, parameters) {
    for (int i = 0; i < SHIPPED; i++) {
        network n;
        shipped_build(&shipped[i], &n);
        cr_expect_eq(lbk_graph_parameters(n.graph), shipped[i].parameters, "%s: %lld", shipped[i].model,
                     (long long)lbk_graph_parameters(n.graph));
        network_release(&n);
    }
}

/* Everything else of a network is small against these two ops. */
Test(counts, flops_of_convolutions_and_dense_layers) {
    for (int i = 0; i < SHIPPED; i++) {
        network n;
        shipped_build(&shipped[i], &n);
        double flops = network_flops(&n, "conv2d") + network_flops(&n, "dense");
        double total = lbk_graph_cost(n.graph, false).flops;
        cr_expect_eq(flops, shipped[i].flops, "%s: %.0f", shipped[i].model, flops);
        cr_expect(total >= flops && total < 1.3 * flops, "%s: %.0f of %.0f", shipped[i].model, flops, total);
        network_release(&n);
    }
}

/* He et al. 2016, table 6, in millions as printed there. */
Test(counts, resnets_have_the_published_sizes) {
    static const struct {
        const char *model;
        double millions, digit;
    } published[] = {{"resnet20", 0.27, 0.01},
                     {"resnet32", 0.46, 0.01},
                     {"resnet44", 0.66, 0.01},
                     {"resnet56", 0.85, 0.01},
                     {"resnet110", 1.7, 0.1}};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        network n;
        network_cifar(&n);
        network_build(&n, published[i].model);
        /* Cut, not rounded: 0.4669 is printed as 0.46. */
        double millions = (double)lbk_graph_parameters(n.graph) / 1e6;
        double cut = floor(millions / published[i].digit) * published[i].digit;
        cr_expect(fabs(cut - published[i].millions) < 1e-9, "%s: %.6f million", published[i].model, millions);
        network_release(&n);
    }
}

/* On CIFAR-100 only fc grows: 90 more rows of 64 weights and a bias. */
Test(counts, classes_come_from_the_data) {
    network n;
    network_cifar(&n);
    n.use.classes = 100;
    network_build(&n, "resnet20");
    cr_expect_eq(lbk_graph_parameters(n.graph), 278324);
    cr_expect_eq(lbk_graph_desc(n.graph, n.built.logits)->shape.dim[1], 100);
    network_release(&n);
}

/* Input pixels change the work, not the weights. */
Test(counts, resnet_takes_any_input_size) {
    network n;
    network_digits(&n);
    network_build(&n, "resnet20");
    cr_expect_eq(lbk_graph_parameters(n.graph), 272474 - 2 * 3 * 3 * 16);
    network_release(&n);
}
