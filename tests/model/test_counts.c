/* Sizes of the shipped models. Exact figures were counted in PyTorch 1.13 on the same networks (sum of numel() over
 * parameters(); 2 x multiply-adds of convolutions, dense and recurrent layers, biases not counted): tests/model/check_zoo.py --counts. */
#include "model/helpers/network.h"

#include <math.h>
#include <string.h>

typedef struct expected {
    const char *model; /* for the input and the classes that its file calls typical */
    long long parameters;
    double flops; /* per sample */
} expected;

/* In the order of lbk_model_list(). */
static const expected shipped[] = {
    {"acoustic-parallel", 1952977, 1134690304},
    {"bert", 109483778, 21744454656},
    {"bert-base", 109483778, 21744454656},
    {"bert-mini", 11171074, 805438464},
    {"bert-small", 28764674, 3221751808},
    {"bert-tiny", 4386178, 100696576},
    {"bilstm", 6603002, 69240800},
    {"cnn-cifar-student", 41418, 966656},
    {"cnn-cifar-teacher", 165642, 3866624},
    {"cnn-tiny", 426, 13984},
    {"cnn-wide", 56554, 3577088},
    {"deepfm", 488744, 952826},
    {"deit-distilled", 5910800, 2160703488},
    {"deit-small-distilled-16", 22436432, 8525672448},
    {"deit-tiny-distilled-16", 5910800, 2160703488},
    {"distilbert", 66955010, 10872818688},
    {"efficientnet-b0", 5288548, 771629504},
    {"kws-cnn", 1376124, 249187328},
    {"kws-gru", 78572, 3943632},
    {"mlp-table", 33870, 51200},
    {"mlp-tiny", 610, 1184},
    {"mlp-wide", 85002, 168960},
    {"mobilenet-v2", 3504872, 601548544},
    {"mobilenet-v2-half", 812836, 13047296},
    {"mobilenet-v3-small", 2542856, 113020800},
    {"resnet", 278324, 81637888},
    {"resnet-cifar", 11220132, 1110937600},
    {"resnet-imagenet", 11689512, 3628146688},
    {"resnet110", 1736564, 506311168},
    {"resnet14", 181108, 53326336},
    {"resnet18", 11689512, 3628146688},
    {"resnet18-cifar", 11220132, 1110937600},
    {"resnet20", 278324, 81637888},
    {"resnet32", 472756, 138260992},
    {"resnet32x4", 7433860, 2166081536},
    {"resnet34", 21797672, 7327522816},
    {"resnet34-cifar", 21328292, 2318897152},
    {"resnet44", 667188, 194884096},
    {"resnet50", 25557032, 8178368512},
    {"resnet50-cifar", 23705252, 2596028416},
    {"resnet56", 861620, 251507200},
    {"resnet8", 83892, 25014784},
    {"resnet8x4", 1233540, 354142208},
    {"shufflenet-v1", 949258, 77382912},
    {"shufflenet-v2", 1355528, 89008896},
    {"tacotron", 26679617, 22780837888},
    {"textcnn", 6360902, 43801200},
    {"vgg", 3965028, 192385024},
    {"vgg11", 9277284, 418877440},
    {"vgg13", 9462180, 569872384},
    {"vgg16", 14774436, 796364800},
    {"vgg19", 20086692, 1022857216},
    {"vgg8", 3965028, 192385024},
    {"vit", 5717416, 2149702656},
    {"vit-small-16", 22050664, 8482437120},
    {"vit-tiny-16", 5717416, 2149702656},
    {"wide-deep", 959954, 1848320},
    {"wrn", 180916, 53326336},
    {"wrn-16-1", 180916, 53326336},
    {"wrn-16-2", 703284, 202236928},
    {"wrn-40-1", 569780, 166572544},
    {"wrn-40-2", 2255156, 655221760},
};
enum { SHIPPED = sizeof shipped / sizeof *shipped };

static void shipped_build(const expected *e, network *n) {
    lbk_model model;
    cr_assert_eq(lbk_model_load(&model, e->model, NULL), LBK_OK, "%s", lbk_error_message());
    network_sized(n, model.typical.height, model.typical.width, model.typical.channels);
    n->use.classes = model.typical.classes;
    n->use.training = false; /* a batch norm of numbers wants more than one sample */
    lbk_model_release(&model);
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

/* Everything else of a network is small against these ops. */
Test(counts, flops_of_products) {
    for (int i = 0; i < SHIPPED; i++) {
        network n;
        shipped_build(&shipped[i], &n);
        double flops = network_products(&n);
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

static void published_build(network *n, const char *model, int samples, int classes, const char *overrides) {
    network_sized(n, samples, 1, 1);
    n->use.classes = classes;
    n->use.overrides = overrides;
    n->use.training = false;
    network_build(n, model);
}

/* Devlin et al. 2018, section 3; Turc et al. 2019; Sanh et al. 2019, table 3; FLOPs of texts of 128 tokens: Jiao et al. 2020
 * (TinyBERT), table 1. */
Test(counts, berts_have_the_published_sizes) {
    static const struct {
        const char *model;
        double millions, digit, gigaflops, flops_digit;
    } published[] = {{"bert-base", 110, 1, 22.5, 0.2},
                     {"bert-small", 0, 0, 3.4, 0.1},
                     {"bert-tiny", 4.4, 0.1, 0, 0},
                     {"distilbert", 66, 1, 11.3, 0.1}};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        network n;
        published_build(&n, published[i].model, 0, 2, "");
        double millions = (double)lbk_graph_parameters(n.graph) / 1e6,
               giga = lbk_graph_cost(n.graph, false).flops / 1e9;
        if (published[i].millions > 0)
            cr_expect_lt(fabs(millions - published[i].millions), published[i].digit, "%s: %.6f million",
                         published[i].model, millions);
        if (published[i].gigaflops > 0)
            cr_expect_lt(fabs(giga - published[i].gigaflops), published[i].flops_digit, "%s: %.3f G",
                         published[i].model, giga);
        network_release(&n);
    }
}

/* Tang et al. 2019: 0.96 million beside the embedding, whose two channels of 300 are one of 600 here. */
Test(counts, bilstm_has_the_published_size) {
    network n;
    published_build(&n, "bilstm", 0, 2, "width=600 vocabulary=1");
    double millions = ((double)lbk_graph_parameters(n.graph) - 600) / 1e6;
    cr_expect_lt(fabs(millions - 0.96), 0.01, "%.6f million", millions);
    network_release(&n);
}

/* Sainath and Parada 2015, table 1: 244.2 thousand weights (without biases) and 9.7 million multiplications, on 32 frames and for
 * 4 classes; on 101 frames and for 12 classes Tang and Lin 2018 (arXiv 1710.10361): 1.37 million and 125 million. */
Test(counts, kws_cnn_has_the_published_sizes) {
    network n;
    published_build(&n, "kws-cnn", 0, 4, "samples=31*160");
    double weights = (double)lbk_graph_parameters(n.graph) - (64 + 64 + 32 + 128 + 4) - 2 * 40;
    cr_expect_lt(fabs(weights / 1e3 - 244.2), 0.1, "%.0f weights", weights);
    cr_expect_lt(fabs(network_products(&n) / 2e6 - 9.7), 0.05, "%.0f", network_products(&n) / 2);
    network_release(&n);
    published_build(&n, "kws-cnn", 0, 12, "");
    cr_expect_lt(fabs((double)lbk_graph_parameters(n.graph) / 1e6 - 1.37), 0.01);
    cr_expect_lt(fabs(network_products(&n) / 2e6 - 125), 1, "%.0f", network_products(&n) / 2);
    network_release(&n);
}

/* Zhang et al. 2017: 3.8 million operations on 25 frames. */
Test(counts, kws_gru_has_the_published_size) {
    network n;
    published_build(&n, "kws-gru", 0, 12, "samples=24*640");
    cr_expect_lt(fabs(network_products(&n) / 1e6 - 3.8), 0.05, "%.0f", network_products(&n));
    network_release(&n);
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
