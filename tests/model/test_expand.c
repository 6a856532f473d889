/* Blocks, names, overrides, `when`, `from`, and what depends on training. */
#include "model/helpers/network.h"
#include "support/scratch.h"

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(expand, .init = setup, .fini = teardown);

/* A file's text as a network over 8x8x1. */
static void build_text(network *n, const char *text) {
    network_build(n, scratch_write(&s, "x.ini", text, strlen(text)));
}

static void expect_taps(const network *n, const char *const *want) {
    size_t count = 0;
    for (; want[count] && count < n->built.tap_count; count++)
        cr_expect_str_eq(n->built.taps[count].name, want[count]);
    cr_expect_null(want[count]);
    cr_expect_eq(count, n->built.tap_count);
}

static int64_t channels(const network *n, const char *tap) {
    lbk_value value = lbk_model_tap(&n->built, tap);
    cr_assert_neq(value, LBK_NONE, "%s", tap);
    return lbk_shape_last(&lbk_graph_desc(n->graph, value)->shape);
}

#define HEAD "[model]\nsummary = x\n"
#define TAIL "pool = global_avg_pool\nfc = dense out=10\n"

Test(expand, a_block_without_repeat_has_no_number) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[network]\nlayer1 = b\n" TAIL "[block b]\nconv = conv2d out=4\nrelu = relu\n");
    expect_taps(&n, (const char *[]){"layer1.conv", "layer1.relu", "layer1", "pool", "fc", NULL});
    cr_expect_neq(lbk_graph_find(n.graph, "layer1.conv.weight"), LBK_NONE);
    network_release(&n);
}

Test(expand, a_block_repeated_once_has_a_number) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[network]\nlayer1 = b repeat=1\n" TAIL "[block b]\nconv = conv2d out=4\nrelu = relu\n");
    expect_taps(&n, (const char *[]){"layer1.0.conv", "layer1.0.relu", "layer1.0", "layer1", "pool", "fc", NULL});
    network_release(&n);
}

Test(expand, repetitions_read_each_other_and_see_their_index_and_input) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[network]\na = b repeat=3 w=index+2\n" TAIL
                        "[block b]\nparameters = w\nconv = conv2d out=10*in+w+index\n");
    /* in is 1, then what the repetition before made; w and index say which repetition. */
    cr_expect_eq(channels(&n, "a.0"), 10 * 1 + 2 + 0);
    cr_expect_eq(channels(&n, "a.1"), 10 * 12 + 3 + 1);
    cr_expect_eq(channels(&n, "a.2"), 10 * 124 + 4 + 2);
    cr_expect_eq(lbk_model_tap(&n.built, "a"), lbk_model_tap(&n.built, "a.2.conv"));
    network_release(&n);
}

Test(expand, repetitions_may_be_numbered_from_elsewhere) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[parameters]\nk = 2\n[network]\na.1 = conv2d out=5\na = b repeat=2 first=k w=10*index\n"
                        "c = b repeat=1 first=4 w=1 weights=d*\n" TAIL
                        "[block b]\nparameters = w\nconv = conv2d out=w+index\n");
    expect_taps(&n, (const char *[]){"a.1", "a.2.conv", "a.2", "a.3.conv", "a.3", "a", "c.4.conv", "c.4", "c", "pool",
                                     "fc", NULL});
    cr_expect_eq(channels(&n, "a.3"), 33);
    cr_expect_neq(lbk_graph_find(n.graph, "d4.conv.weight"), LBK_NONE);
    network_release(&n);
}

Test(expand, blocks_contain_blocks) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[parameters]\nw = 3\n[network]\nouter = o repeat=2 w=w+index\n" TAIL
                        "[block o]\nparameters = w\ninner = i repeat=2 out=10*w+index\nrelu = relu\n"
                        "[block i]\nparameters = out\nconv = conv2d out=out\n");
    expect_taps(&n,
                (const char *[]){"outer.0.inner.0.conv", "outer.0.inner.0", "outer.0.inner.1.conv", "outer.0.inner.1",
                                 "outer.0.inner", "outer.0.relu", "outer.0", "outer.1.inner.0.conv", "outer.1.inner.0",
                                 "outer.1.inner.1.conv", "outer.1.inner.1", "outer.1.inner", "outer.1.relu", "outer.1",
                                 "outer", "pool", "fc", NULL});
    cr_expect_eq(channels(&n, "outer.0.inner.1"), 31);
    cr_expect_eq(channels(&n, "outer.1.inner.0"), 40);
    network_release(&n);
}

/* The inputs of node `name` are the outputs of the nodes or the input named. */
static void expect_inputs(const network *n, const char *name, const char *first, const char *second) {
    int index = network_node(n, name);
    cr_assert_geq(index, 0, "%s", name);
    const lbk_node *node = &n->graph->nodes[index];
    lbk_value want = strcmp(first, "input") == 0 ? n->input : lbk_model_tap(&n->built, first);
    cr_expect_eq(node->input[0], want, "%s", name);
    if (second)
        cr_expect_eq(node->input[1], lbk_model_tap(&n->built, second), "%s", name);
}

Test(expand, a_line_left_out_stands_for_its_input) {
    network n;
    network_cifar(&n);
    network_build(&n, "resnet8");
    expect_inputs(&n, "layer1.0.add", "layer1.0.bn2", "relu");
    expect_inputs(&n, "layer2.0.add", "layer2.0.bn2", "layer2.0.downsample.1");
    expect_inputs(&n, "layer2.0.downsample.0", "layer1", NULL);
    expect_inputs(&n, "layer2.0.bn2", "layer2.0.conv2", NULL);
    expect_inputs(&n, "conv1", "input", NULL);
    cr_expect_eq(lbk_model_tap(&n.built, "layer1.0.downsample.0"), LBK_NONE);
    cr_expect_eq(lbk_model_tap(&n.built, "nobody"), LBK_NONE);
    network_release(&n);
}

Test(expand, from_names_lines_above_and_the_input) {
    network n;
    network_digits(&n);
    build_text(
        &n,
        HEAD "[network]\na = conv2d out=1\nb = conv2d out=1 from=input\nc = add from=a,b\nd = add from=c,input\n" TAIL);
    expect_inputs(&n, "b", "input", NULL);
    expect_inputs(&n, "c", "a", "b");
    const lbk_node *d = &n.graph->nodes[network_node(&n, "d")];
    cr_expect_eq(d->input[1], n.input);
    network_release(&n);
}

Test(expand, parameters_may_be_set_and_see_those_above) {
    static const char text[] = HEAD "[parameters]\nw = 2\nv = 3*w\nclasses = data\n[network]\na = conv2d out=v\n"
                                    "pool = global_avg_pool\nfc = dense out=classes\n";
    network n;
    network_digits(&n);
    build_text(&n, text);
    cr_expect_eq(channels(&n, "a"), 6);
    network_release(&n);
    network_digits(&n);
    n.use.overrides = " w=4 ";
    build_text(&n, text);
    cr_expect_eq(channels(&n, "a"), 12);
    network_release(&n);
    network_digits(&n);
    n.use.overrides = "v=w*w*w classes=data";
    build_text(&n, text);
    cr_expect_eq(channels(&n, "a"), 8);
    network_release(&n);
}

Test(expand, overrides_reach_a_derived_model) {
    network n;
    network_cifar(&n);
    n.use.overrides = "n=2 width=32";
    network_build(&n, "resnet20");
    cr_expect_eq(channels(&n, "layer3.1"), 128);
    cr_expect_eq(lbk_model_tap(&n.built, "layer3.2"), LBK_NONE);
    cr_expect_str_eq(n.model.name, "resnet20");
    cr_expect_str_eq(n.model.summary, "ResNet-20 for CIFAR");
    network_release(&n);
}

Test(expand, a_derived_file_of_a_derived_file) {
    static const char base[] =
        HEAD "source = s\ninput = 8x8x1\ntypical = 8x8x1 12\n[parameters]\nw = 2\nv = 5\n[network]\n"
             "a = conv2d out=w\nb = conv2d out=v\n" TAIL;
    static const char middle[] = "[model]\nbase = ./base.ini\nsummary = m\n[parameters]\nw = 3\n";
    static const char top[] = "[model]\nbase = middle.ini\nsummary = t\nsource = u\n[parameters]\nv = w+1\n";
    network n;
    network_digits(&n);
    scratch_write(&s, "base.ini", base, strlen(base));
    scratch_write(&s, "middle.ini", middle, strlen(middle));
    scratch_write(&s, "top.ini", top, strlen(top));
    cr_assert_eq(network_try(&n, "top.ini", s.folder), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(channels(&n, "a"), 3);
    cr_expect_eq(channels(&n, "b"), 4);
    cr_expect_str_eq(n.model.name, "top");
    cr_expect_str_eq(n.model.summary, "t");
    cr_expect_str_eq(n.model.source, "u");
    cr_expect_eq(n.model.height, 8);
    cr_expect_eq(n.model.typical.height, 8);
    cr_expect_eq(n.model.typical.classes, 12);
    network_release(&n);
}

/* What the base's last lines are for is gone; its parameters and blocks are there. */
Test(expand, a_derived_file_goes_on_behind_its_base) {
    static const char base[] = HEAD "[parameters]\nw = 2\nclasses = data\n[network]\na = b w=w\nd = b repeat=2 w=w\n"
                                    "pool = global_avg_pool\nhidden = dense out=5\nfc = dense out=classes\n"
                                    "[block b]\nparameters = w\nconv = conv2d out=w\n";
    static const char middle[] = "[model]\nbase = ./base.ini\nsummary = m\noutputs = head other\n[parameters]\nw = 3\n"
                                 "[network]\nc = b from=a w=w+1\nmean = global_avg_pool\nhead = dense out=classes\n"
                                 "other = dense from=mean out=4\n";
    static const char top[] =
        "[model]\nbase = ./middle.ini\nsummary = t\n[network]\nlast = dense from=pool out=classes\n";
    network n;
    network_digits(&n);
    scratch_write(&s, "base.ini", base, strlen(base));
    scratch_write(&s, "middle.ini", middle, strlen(middle));
    scratch_write(&s, "top.ini", top, strlen(top));
    cr_assert_eq(network_try(&n, "middle.ini", s.folder), LBK_OK, "%s", lbk_error_message());
    expect_taps(&n, (const char *[]){"a.conv", "a", "c.conv", "c", "mean", "head", "other", NULL});
    network_release(&n);
    cr_assert_eq(network_try(&n, "top.ini", s.folder), LBK_OK, "%s", lbk_error_message());
    expect_taps(&n, (const char *[]){"a.conv", "a", "d.0.conv", "d.0", "d.1.conv", "d.1", "d", "pool", "last", NULL});
    network_release(&n);
}

Test(expand, pairs_are_two_expressions) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[parameters]\nk = 2\n[network]\na = conv2d out=k kernel=k+1,(k-1) padding=1,0\n" TAIL);
    const lbk_shape *weight = &lbk_graph_desc(n.graph, lbk_graph_find(n.graph, "a.weight"))->shape;
    cr_expect_eq(weight->dim[0], 3);
    cr_expect_eq(weight->dim[1], 1);
    network_release(&n);
}

Test(expand, a_weight_that_is_switched_off_is_not_declared) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[network]\na = conv2d out=2 bias=no\nb = conv2d out=2\n" TAIL);
    cr_expect_eq(lbk_graph_find(n.graph, "a.bias"), LBK_NONE);
    cr_expect_neq(lbk_graph_find(n.graph, "b.bias"), LBK_NONE);
    network_release(&n);
}

/* The value of a parameter of node `name`, printed. */
static void expect_param(const network *n, const char *name, const char *param, const char *want) {
    const lbk_node *node = &n->graph->nodes[network_node(n, name)];
    lbk_text text = {0};
    cr_assert_eq(lbk_param_print(lbk_param_find(node->op->params, param), node->params, &text), LBK_OK);
    cr_expect_str_eq(text.data, want, "%s.%s = %s", name, param, text.data);
    lbk_text_release(&text);
}

Test(expand, training_makes_noise_and_batch_statistics) {
    network n;
    network_digits(&n);
    n.use.seed = 7;
    network_build(&n, "mlp-wide");
    const lbk_node *drop = &n.graph->nodes[network_node(&n, "drop1")];
    cr_expect_eq(drop->input[1], n.step);
    expect_param(&n, "drop1", "training", "yes");
    expect_param(&n, "drop1", "p", "0.2");
    expect_param(&n, "drop1", "seed", "7");
    expect_param(&n, "drop1", "node", "4");
    expect_param(&n, "drop2", "node", "7");
    network_release(&n);
    network_digits(&n);
    network_build(&n, "cnn-wide");
    expect_param(&n, "bn1", "training", "yes");
    network_release(&n);
}

Test(expand, evaluation_leaves_noise_out) {
    network n;
    network_digits(&n);
    n.use.training = false;
    network_build(&n, "mlp-wide");
    cr_expect_eq(network_node(&n, "drop1"), -1);
    cr_expect_eq(lbk_model_tap(&n.built, "drop1"), lbk_model_tap(&n.built, "relu1"));
    network_release(&n);
    network_digits(&n);
    n.use.training = false;
    network_build(&n, "cnn-wide");
    expect_param(&n, "bn1", "training", "no");
    network_release(&n);
}

/* Training and evaluation plans share weights by name and order. */
Test(expand, training_and_evaluation_declare_the_same_weights) {
    network train, eval;
    network_digits(&train);
    network_digits(&eval);
    eval.use.training = false;
    network_build(&train, "cnn-wide");
    network_build(&eval, "cnn-wide");
    cr_assert_eq(lbk_graph_parameters(train.graph), lbk_graph_parameters(eval.graph));
    cr_assert_eq(train.graph->counter_count, eval.graph->counter_count);
    for (size_t i = 0; i < train.graph->value_count; i++) {
        const lbk_value_info *info = &train.graph->values[i];
        if (info->kind == LBK_VALUE_PARAM || info->kind == LBK_VALUE_STATE)
            cr_expect_neq(lbk_graph_find(eval.graph, info->name), LBK_NONE, "%s", info->name);
    }
    network_release(&train);
    network_release(&eval);
}

Test(expand, numbers_may_be_quotients) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[parameters]\nk = 3\n[network]\na = b repeat=2\nd = dropout p=k/4\n" TAIL
                        "[block b]\nc = conv2d out=2\nbn = batch_norm momentum=(1+index)/8\n");
    expect_param(&n, "a.0.bn", "momentum", "0.125");
    expect_param(&n, "a.1.bn", "momentum", "0.25");
    expect_param(&n, "d", "p", "0.75");
    network_release(&n);
}

Test(expand, values_that_are_not_integers_are_literal) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[network]\nc = conv2d out=2\nb = batch_norm momentum=0.25\n" TAIL);
    expect_param(&n, "b", "momentum", "0.25");
    network_release(&n);
}

Test(expand, lists_are_as_many_expressions) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[parameters]\nk = 2\n[network]\na = reshape shape=0,k*(k+2),-1,k>1?k:1\n"
                        "b = reshape shape=0,8,8,1\n" TAIL);
    expect_param(&n, "a", "shape", "0, 8, -1, 2");
    const lbk_shape *a = &lbk_graph_desc(n.graph, lbk_model_tap(&n.built, "a"))->shape;
    cr_expect(a->rank == 4 && a->dim[1] == 8 && a->dim[2] == 4 && a->dim[3] == 2);
    network_release(&n);
}

/* The unit of docs/adding-model.md: both parts of a split are read. */
Test(expand, parts_of_a_split) {
    network n;
    network_digits(&n);
    build_text(&n, HEAD "[network]\na = conv2d out=6\nu = unit repeat=2\n" TAIL
                        "[block unit]\ns = split sizes=in/2,in/2\nc = conv2d out=in/2 from=s:1\n"
                        "cat = concat from=s,c\nshuffle = channel_shuffle groups=2\n");
    const lbk_node *split = &n.graph->nodes[network_node(&n, "u.1.s")];
    const lbk_node *conv = &n.graph->nodes[network_node(&n, "u.1.c")];
    const lbk_node *cat = &n.graph->nodes[network_node(&n, "u.1.cat")];
    cr_expect(conv->input[0] == split->output[1] && cat->input[0] == split->output[0]);
    cr_expect_eq(cat->input[1], conv->output[0]);
    cr_expect_eq(channels(&n, "u.1.c"), 3);
    cr_expect_eq(channels(&n, "u"), 6);
    network_release(&n);
}
