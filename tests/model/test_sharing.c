/* `weights=`: other names for a node's weights, and several nodes on the same ones; and parameters that are frozen. */
#include "model/helpers/network.h"
#include "support/scratch.h"

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(sharing, .init = setup, .fini = teardown);

static void build_text(network *n, const char *text) {
    network_digits(n);
    n->use.batch = 3;
    network_build(n, scratch_write(&s, "x.ini", text, strlen(text)));
}

/* The declared weights are exactly these, in this order. */
static void expect_weights(const network *n, const char *const *want) {
    size_t count = 0;
    for (size_t v = 0; v < n->graph->value_count; v++) {
        if (!lbk_graph_is_weight(n->graph, (lbk_value)v))
            continue;
        cr_assert_not_null(want[count], "%s is too many", n->graph->values[v].name);
        cr_expect_str_eq(n->graph->values[v].name, want[count]);
        count++;
    }
    cr_expect_null(want[count], "%s is missing", want[count]);
}

static lbk_value input_of(const network *n, const char *node, int input) {
    int index = network_node(n, node);
    cr_assert_geq(index, 0, "%s", node);
    return n->graph->nodes[index].input[input];
}

#define HEAD "[model]\nsummary = x\n"
#define TAIL "pool = global_avg_pool\nfc = dense out=10 bias=no\n"

Test(sharing, the_suffix_takes_the_place_of_the_star) {
    network n;
    build_text(&n, HEAD "[network]\na = b\n" TAIL "[block b]\nq = conv2d out=4 weights=attn.in_*_x\n"
                        "p = conv2d out=4 weights=attn.out\nr = conv2d out=4 bias=no weights=/top.level\n");
    expect_weights(&n, (const char *[]){"a.attn.in_weight_x", "a.attn.in_bias_x", "a.attn.out.weight",
                                        "a.attn.out.bias", "top.level.weight", "fc.weight", NULL});
    cr_expect_neq(lbk_model_tap(&n.built, "a.q"), LBK_NONE);
    network_release(&n);
}

/* Two layers in both directions, as torch.nn.LSTM(3, 5, 2, bidirectional=True) names them. */
Test(sharing, directions_and_layers_of_a_recurrent_network) {
    network n;
    build_text(&n, "[model]\nsummary = x\ninputs = x:7,3 lengths:1:i32\n[network]\n"
                   "f0 = lstm from=x,lengths hidden=5 weights=lstm.*_l0\n"
                   "r0 = lstm from=x,lengths hidden=5 reverse=yes weights=lstm.*_l0_reverse\n"
                   "c0 = concat from=f0,r0\n"
                   "f1 = lstm from=c0,lengths hidden=5 weights=lstm.*_l1\n"
                   "r1 = lstm from=c0,lengths hidden=5 reverse=yes weights=lstm.*_l1_reverse\n"
                   "hf = last_step from=f1,lengths\nhr = last_step from=r1,lengths reverse=yes\n"
                   "h = concat from=hf,hr\nfc = dense out=10\n");
    expect_weights(
        &n, (const char *[]){"lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0",
                             "lstm.weight_ih_l0_reverse", "lstm.weight_hh_l0_reverse", "lstm.bias_ih_l0_reverse",
                             "lstm.bias_hh_l0_reverse", "lstm.weight_ih_l1", "lstm.weight_hh_l1", "lstm.bias_ih_l1",
                             "lstm.bias_hh_l1", "lstm.weight_ih_l1_reverse", "lstm.weight_hh_l1_reverse",
                             "lstm.bias_ih_l1_reverse", "lstm.bias_hh_l1_reverse", "fc.weight", "fc.bias", NULL});
    lbk_shape shape = lbk_graph_desc(n.graph, input_of(&n, "f1", 2))->shape;
    cr_expect(shape.rank == 2 && shape.dim[0] == 10 && shape.dim[1] == 20);
    network_release(&n);
}

Test(sharing, a_prefix_stands_before_the_root) {
    network n;
    network_digits(&n);
    static const char text[] = HEAD "[network]\na = conv2d out=4 bias=no weights=/x.y\n" TAIL;
    n.use.prefix = "teacher.";
    network_build(&n, scratch_write(&s, "x.ini", text, strlen(text)));
    expect_weights(&n, (const char *[]){"teacher.x.y.weight", "teacher.fc.weight", NULL});
    network_release(&n);
}

Test(sharing, repetitions_are_numbered_where_the_star_is) {
    network n;
    build_text(&n, HEAD "[network]\na = b repeat=2 weights=features.*.conv\nc = b repeat=2 weights=more\n"
                        "d = b weights=last\n" TAIL "[block b]\nc = conv2d out=4 bias=no\n");
    expect_weights(&n, (const char *[]){"features.0.conv.c.weight", "features.1.conv.c.weight", "more.0.c.weight",
                                        "more.1.c.weight", "last.c.weight", "fc.weight", NULL});
    cr_expect_neq(lbk_model_tap(&n.built, "a.1.c"), LBK_NONE);
    network_release(&n);
}

Test(sharing, two_lines_share_weights_of_one_name) {
    network n;
    build_text(&n, HEAD "[network]\na = conv2d out=1\nb = conv2d out=1 weights=a\n" TAIL);
    expect_weights(&n, (const char *[]){"a.weight", "a.bias", "fc.weight", NULL});
    cr_expect_eq(input_of(&n, "a", 1), input_of(&n, "b", 1));
    cr_expect_eq(input_of(&n, "a", 2), input_of(&n, "b", 2));
    network_release(&n);
}

/* A language model's output layer on its embedding: the table lies as [words, width], so dense must read it transposed. */
Test(sharing, an_output_layer_shares_the_embedding) {
    network n;
    build_text(&n, HEAD "inputs = tokens:5:i32\noutputs = decoder\n[network]\nembed = embedding vocabulary=12 out=4\n"
                        "decoder = dense out=12 bias=no transposed=yes weights=embed\n");
    expect_weights(&n, (const char *[]){"embed.weight", NULL});
    cr_expect_eq(input_of(&n, "embed", 1), input_of(&n, "decoder", 1));
    network_release(&n);
}

/* Siamese branches: the whole block is there twice, its weights and counters once. */
Test(sharing, two_blocks_share_everything_below_them) {
    network n;
    build_text(&n, HEAD "inputs = x:8,8,1 y:8,8,1\n[network]\na = branch from=x\nb = branch from=y weights=a\n"
                        "sum = add from=a,b\nfc = dense out=10 bias=no\n"
                        "[block branch]\nconv = conv2d out=4\nbn = batch_norm\npool = global_avg_pool\n");
    expect_weights(&n, (const char *[]){"a.conv.weight", "a.conv.bias", "a.bn.weight", "a.bn.bias", "a.bn.running_mean",
                                        "a.bn.running_var", "fc.weight", NULL});
    cr_expect_eq(n.graph->counter_count, 1);
    cr_expect_eq(input_of(&n, "a.bn", 3), input_of(&n, "b.bn", 3));
    network_release(&n);
}

/* A repeated block may go to one and the same place each time. */
Test(sharing, repetitions_share_through_an_inner_block) {
    network n;
    build_text(&n, HEAD "[network]\nlayers = outer repeat=3\n" TAIL
                        "[block outer]\none = inner weights=/shared\n[block inner]\nconv = conv2d out=1 bias=no\n");
    expect_weights(&n, (const char *[]){"shared.conv.weight", "fc.weight", NULL});
    cr_expect_eq(input_of(&n, "layers.0.one.conv", 1), input_of(&n, "layers.2.one.conv", 1));
    network_release(&n);
}

/* The gradient of a shared weight is the sum over its readers: of y = (w x) w, w [1,1], it is 2 w x. */
Test(sharing, gradients_of_all_readers_are_added) {
    network n;
    lbk_arena arena = {0};
    lbk_value loss;
    build_text(&n, HEAD
               "inputs = x:1\noutputs = b\n[network]\na = dense out=1 bias=no\nb = dense out=1 bias=no weights=a\n");
    cr_assert_eq(lbk_graph_apply(n.graph, "mean", NULL, 1, &n.built.logits, &loss), LBK_OK);
    cr_assert_eq(lbk_graph_differentiate(n.graph, loss, NULL, 0, NULL), LBK_OK, "%s", lbk_error_message());
    double **memory = calloc(n.graph->value_count, sizeof *memory), x[] = {1, 2, 6}, w = 5, step = 0;
    memory[n.input] = x;
    memory[lbk_graph_find(n.graph, "a.weight")] = &w;
    memory[n.step] = &step;
    cr_assert_eq(lbk_graph_interpret(n.graph, memory, &arena), LBK_OK);
    cr_expect_float_eq(memory[loss][0], 25 * 3, 1e-12);
    cr_expect_float_eq(memory[lbk_graph_gradient(n.graph, lbk_graph_find(n.graph, "a.weight"))][0], 2 * 5 * 3, 1e-12);
    free(memory);
    lbk_arena_release(&arena);
    network_release(&n);
}

Test(sharing, frozen_parameters_are_saved_but_not_trained) {
    static const char *const frozen[] = {"conv1", "bn2.weight"};
    network n;
    lbk_value loss, labels;
    network_digits(&n);
    n.use.freeze = (lbk_words){2, frozen};
    network_build(&n, "cnn-wide");
    cr_expect_eq(lbk_graph_info(n.graph, lbk_graph_find(n.graph, "conv1.weight"))->kind, LBK_VALUE_STATE);
    cr_expect_eq(lbk_graph_info(n.graph, lbk_graph_find(n.graph, "bn2.weight"))->kind, LBK_VALUE_STATE);
    cr_expect_eq(lbk_graph_info(n.graph, lbk_graph_find(n.graph, "bn2.bias"))->kind, LBK_VALUE_PARAM);
    cr_expect_eq(lbk_graph_parameters(n.graph), 56554 - 32 * 9 - 64);
    cr_assert_eq(lbk_graph_input(n.graph, "labels", LBK_I32, lbk_shape_1(1), &labels), LBK_OK);
    cr_assert_eq(lbk_graph_apply(n.graph, "cross_entropy", NULL, 2, (lbk_value[]){n.built.logits, labels}, &loss),
                 LBK_OK);
    cr_assert_eq(lbk_graph_differentiate(n.graph, loss, NULL, 0, NULL), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(lbk_graph_gradient(n.graph, lbk_graph_find(n.graph, "bn2.weight")), LBK_NONE);
    cr_expect_neq(lbk_graph_gradient(n.graph, lbk_graph_find(n.graph, "bn2.bias")), LBK_NONE);
    network_release(&n);
}
