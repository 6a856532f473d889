/* Sizes of the shipped models. Exact figures were counted in PyTorch 1.13 on the same networks (sum of numel() over
 * parameters(); 2 x multiply-adds of convolutions and dense layers, biases not counted). */
#include "model/helpers/network.h"

#include <math.h>
#include <string.h>

typedef struct expected {
    const char *model;
    int size[3], classes; /* height, width, channels */
    long long parameters;
    double flops; /* per sample */
} expected;

/* In the order of lbk_model_list(). */
static const expected shipped[] = {
    {"cnn-cifar-student", {32, 32, 3}, 10, 41418, 966656},
    {"cnn-cifar-teacher", {32, 32, 3}, 10, 165642, 3866624},
    {"cnn-tiny", {8, 8, 1}, 10, 426, 13984},
    {"cnn-wide", {8, 8, 1}, 10, 56554, 3577088},
    {"deit-distilled", {224, 224, 3}, 1000, 5910800, 2160703488},
    {"deit-small-distilled-16", {224, 224, 3}, 1000, 22436432, 8525672448},
    {"deit-tiny-distilled-16", {224, 224, 3}, 1000, 5910800, 2160703488},
    {"efficientnet-b0", {224, 224, 3}, 1000, 5288548, 771629504},
    {"mlp-tiny", {8, 8, 1}, 10, 610, 1184},
    {"mlp-wide", {8, 8, 1}, 10, 85002, 168960},
    {"mobilenet-v2", {224, 224, 3}, 1000, 3504872, 601548544},
    {"mobilenet-v2-half", {32, 32, 3}, 100, 812836, 13047296},
    {"mobilenet-v3-small", {224, 224, 3}, 1000, 2542856, 113020800},
    {"resnet", {32, 32, 3}, 10, 272474, 81626368},
    {"resnet-cifar", {32, 32, 3}, 100, 11220132, 1110937600},
    {"resnet-imagenet", {224, 224, 3}, 1000, 11689512, 3628146688},
    {"resnet110", {32, 32, 3}, 100, 1736564, 506311168},
    {"resnet14", {32, 32, 3}, 100, 181108, 53326336},
    {"resnet18", {224, 224, 3}, 1000, 11689512, 3628146688},
    {"resnet18-cifar", {32, 32, 3}, 100, 11220132, 1110937600},
    {"resnet20", {32, 32, 3}, 100, 278324, 81637888},
    {"resnet32", {32, 32, 3}, 100, 472756, 138260992},
    {"resnet32x4", {32, 32, 3}, 100, 7433860, 2166081536},
    {"resnet34", {224, 224, 3}, 1000, 21797672, 7327522816},
    {"resnet34-cifar", {32, 32, 3}, 100, 21328292, 2318897152},
    {"resnet44", {32, 32, 3}, 100, 667188, 194884096},
    {"resnet50", {224, 224, 3}, 1000, 25557032, 8178368512},
    {"resnet50-cifar", {32, 32, 3}, 100, 23705252, 2596028416},
    {"resnet56", {32, 32, 3}, 100, 861620, 251507200},
    {"resnet8", {32, 32, 3}, 100, 83892, 25014784},
    {"resnet8x4", {32, 32, 3}, 100, 1233540, 354142208},
    {"shufflenet-v1", {32, 32, 3}, 100, 949258, 77382912},
    {"shufflenet-v2", {32, 32, 3}, 100, 1355528, 89008896},
    {"vgg", {32, 32, 3}, 100, 3965028, 192385024},
    {"vgg11", {32, 32, 3}, 100, 9277284, 418877440},
    {"vgg13", {32, 32, 3}, 100, 9462180, 569872384},
    {"vgg16", {32, 32, 3}, 100, 14774436, 796364800},
    {"vgg19", {32, 32, 3}, 100, 20086692, 1022857216},
    {"vgg8", {32, 32, 3}, 100, 3965028, 192385024},
    {"vit", {224, 224, 3}, 1000, 5717416, 2149702656},
    {"vit-small-16", {224, 224, 3}, 1000, 22050664, 8482437120},
    {"vit-tiny-16", {224, 224, 3}, 1000, 5717416, 2149702656},
    {"wrn", {32, 32, 3}, 100, 180916, 53326336},
    {"wrn-16-1", {32, 32, 3}, 100, 180916, 53326336},
    {"wrn-16-2", {32, 32, 3}, 100, 703284, 202236928},
    {"wrn-40-1", {32, 32, 3}, 100, 569780, 166572544},
    {"wrn-40-2", {32, 32, 3}, 100, 2255156, 655221760},
};
enum { SHIPPED = sizeof shipped / sizeof *shipped };

static void shipped_build(const expected *e, network *n) {
    network_sized(n, e->size[0], e->size[1], e->size[2]);
    n->use.classes = e->classes;
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

/* Millions of parameters as printed, rounded or cut: He et al. 2016, table 6; Zagoruyko and Komodakis 2016, table 4. */
Test(counts, networks_have_the_published_sizes) {
    static const struct {
        const char *model;
        double millions, digit;
    } published[] = {{"resnet20", 0.27, 0.01}, {"resnet32", 0.46, 0.01}, {"resnet44", 0.66, 0.01},
                     {"resnet56", 0.85, 0.01}, {"resnet110", 1.7, 0.1},  {"wrn-40-1", 0.6, 0.1},
                     {"wrn-40-2", 2.2, 0.1}};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        network n;
        network_cifar(&n);
        network_build(&n, published[i].model);
        double millions = (double)lbk_graph_parameters(n.graph) / 1e6;
        cr_expect_lt(fabs(millions - published[i].millions), published[i].digit, "%s: %.6f million", published[i].model,
                     millions);
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
