/* What networks and blocks read and leave: named inputs, several outputs. */
#include "model/helpers/network.h"
#include "support/scratch.h"

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(ends, .init = setup, .fini = teardown);

static void build_text(network *n, const char *text) {
    network_digits(n);
    n->use.batch = 3;
    network_build(n, scratch_write(&s, "x.ini", text, strlen(text)));
}

static void expect_shape(const network *n, lbk_value value, lbk_shape want) {
    const lbk_shape *have = &lbk_graph_desc(n->graph, value)->shape;
    char have_text[LBK_SHAPE_TEXT], want_text[LBK_SHAPE_TEXT];
    cr_expect(lbk_shape_equal(have, &want), "%s, expected %s", lbk_shape_print(have, have_text),
              lbk_shape_print(&want, want_text));
}

static const lbk_node *node_of(const network *n, const char *name) {
    int index = network_node(n, name);
    cr_assert_geq(index, 0, "%s", name);
    return &n->graph->nodes[index];
}

#define HEAD "[model]\nsummary = x\n"

/* Listed before anything is built: the integers would suit no relu. */
Test(ends, inputs_have_names_shapes_and_types) {
    static const char text[] = HEAD "inputs = a:5*w,4 b:w:i32 c:7:f32\noutputs = d, e\n[parameters]\nw = 2\n"
                                    "[network]\nd = relu\ne = add from=b,c\n";
    static const lbk_model_use use = {.batch = 3, .overrides = "w=4"};
    lbk_model model;
    lbk_model_input inputs[LBK_MODEL_INPUTS];
    int count = 0;
    cr_assert_eq(lbk_model_load(&model, scratch_write(&s, "x.ini", text, strlen(text)), NULL), LBK_OK, "%s",
                 lbk_error_message());
    cr_assert_eq(lbk_model_inputs(&model, &use, inputs, &count), LBK_OK);
    cr_assert_eq(count, 3);
    static const struct {
        const char *name;
        lbk_dtype dtype;
        lbk_shape shape;
    } want[] = {{"a", LBK_F32, {3, {3, 20, 4}}}, {"b", LBK_I32, {2, {3, 4}}}, {"c", LBK_F32, {2, {3, 7}}}};
    for (int i = 0; i < count; i++) {
        cr_expect_str_eq(inputs[i].name, want[i].name);
        cr_expect_eq(inputs[i].desc.dtype, want[i].dtype);
        cr_expect(lbk_shape_equal(&inputs[i].desc.shape, &want[i].shape), "%s", want[i].name);
    }
    lbk_model_release(&model);
}

Test(ends, image_models_read_one_input_called_input) {
    network n;
    lbk_model_input inputs[LBK_MODEL_INPUTS];
    int count = 0;
    network_digits(&n);
    network_build(&n, "mlp-tiny");
    cr_assert_eq(lbk_model_inputs(&n.model, &n.use, inputs, &count), LBK_OK);
    cr_assert_eq(count, 1);
    cr_expect_str_eq(inputs[0].name, "input");
    expect_shape(&n, n.input, lbk_shape_4(1, 8, 8, 1));
    cr_expect_eq(n.built.output_count, 1);
    cr_expect_str_eq(n.built.outputs[0].name, "fc2");
    cr_expect_eq(n.built.outputs[0].value, n.built.logits);
    network_release(&n);
}

/* `input` is the first, and what the first line reads; `in` is its channels. */
Test(ends, lines_read_inputs_by_name) {
    network n;
    build_text(&n, HEAD "inputs = a:6 b:6\n[network]\nd = dense out=in\ne = add from=d,b\n"
                        "f = add from=input,e\nfc = dense out=10\n");
    cr_expect_eq(node_of(&n, "d")->input[0], n.inputs[0]);
    cr_expect_eq(node_of(&n, "e")->input[1], n.inputs[1]);
    cr_expect_eq(node_of(&n, "f")->input[0], n.inputs[0]);
    expect_shape(&n, lbk_model_tap(&n.built, "d"), lbk_shape_2(3, 6));
    network_release(&n);
}

/* Only the first input of a repeated block changes; the others are what the caller gave. */
Test(ends, blocks_read_several_inputs) {
    network n;
    build_text(&n, HEAD "inputs = a:6 b:6\n[network]\nd = relu\nblocks = inner from=d,b repeat=2\nfc = dense out=10\n"
                        "[block inner]\ninputs = x mask\nr = relu from=mask\nout = add from=x,r\n"
                        "again = add from=out,input\n");
    lbk_value d = lbk_model_tap(&n.built, "d"), first = lbk_model_tap(&n.built, "blocks.0");
    cr_expect_eq(node_of(&n, "blocks.0.out")->input[0], d);
    cr_expect_eq(node_of(&n, "blocks.1.out")->input[0], first);
    cr_expect_eq(node_of(&n, "blocks.1.again")->input[1], first);
    cr_expect_eq(node_of(&n, "blocks.0.r")->input[0], n.inputs[1]);
    cr_expect_eq(node_of(&n, "blocks.1.r")->input[0], n.inputs[1]);
    network_release(&n);
}

Test(ends, outputs_are_what_the_model_says) {
    network n;
    build_text(&n, HEAD "outputs = fc aux,conv\n[network]\nconv = conv2d out=4\npool = global_avg_pool\n"
                        "fc = dense out=10\naux = dense out=7 from=pool\n");
    static const char *const names[] = {"fc", "aux", "conv"};
    cr_assert_eq(n.built.output_count, 3);
    for (int i = 0; i < 3; i++) {
        cr_expect_str_eq(n.built.outputs[i].name, names[i]);
        cr_expect_eq(n.built.outputs[i].value, lbk_model_tap(&n.built, names[i]));
    }
    cr_expect_eq(n.built.logits, n.built.outputs[0].value);
    network_release(&n);
}

Test(ends, a_model_that_says_so_ends_in_any_shape) {
    network n;
    build_text(&n, HEAD "outputs = conv\n[network]\nconv = conv2d out=4 stride=2\n");
    expect_shape(&n, n.built.logits, lbk_shape_4(3, 4, 4, 4));
    network_release(&n);
}

/* In training batch_norm also leaves the statistics of the batch. */
Test(ends, a_colon_asks_for_further_outputs) {
    network n;
    build_text(&n, HEAD "outputs = fc bn:2 sum\n[network]\nconv = conv2d out=4\nbn = batch_norm\n"
                        "sum = add from=bn:1,bn:2\npool = global_avg_pool from=bn\nfc = dense out=10\n");
    const lbk_node *norm = node_of(&n, "bn"), *sum = node_of(&n, "sum");
    cr_expect_eq(sum->input[0], norm->output[1]);
    cr_expect_eq(sum->input[1], norm->output[2]);
    cr_expect_eq(node_of(&n, "pool")->input[0], norm->output[0]);
    cr_expect_str_eq(n.built.outputs[1].name, "bn:2");
    cr_expect_eq(n.built.outputs[1].value, norm->output[2]);
    network_release(&n);
}

Test(ends, data_tells_the_size_of_images) {
    network n;
    build_text(&n, HEAD "[parameters]\nimage_height = data\nimage_width = data\nclasses = data\n[network]\n"
                        "a = dense out=100*image_height+image_width\npool = global_avg_pool\nfc = dense out=classes\n");
    cr_expect_eq(lbk_shape_last(&lbk_graph_desc(n.graph, lbk_model_tap(&n.built, "a"))->shape), 808);
    network_release(&n);
}
