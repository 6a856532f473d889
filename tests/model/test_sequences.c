/* Models over sequences: sound to spectrogram, spectrogram to attention; ids to embeddings and norms. */
#include "model/helpers/network.h"
#include "support/scratch.h"

#include <string.h>

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(sequences, .init = setup, .fini = teardown);

static const char text[] = "[model]\nsummary = a block of attention over a spectrogram\ninput = 1000x1x1\n"
                           "[network]\n"
                           "mel  = log_mel n_fft=64 mels=8\n"
                           "qkv  = dense out=24\n"
                           "self = self_attention heads=2\n"
                           "add  = add from=mel,self\n"
                           "q    = dense out=12\n"
                           "kv   = dense from=mel out=12\n"
                           "attn = attention from=q,kv,kv heads=3 causal=yes\n"
                           "flat = flatten\n"
                           "fc   = dense out=10\n";

static lbk_value tap(const network *n, const char *name) {
    lbk_value value = lbk_model_tap(&n->built, name);
    cr_assert_neq(value, LBK_NONE, "no node %s", name);
    return value;
}

static void expect_shape(const network *n, const char *name, const char *shape) {
    char found[LBK_SHAPE_TEXT];
    cr_expect_str_eq(lbk_shape_print(&lbk_graph_desc(n->graph, tap(n, name))->shape, found), shape, "%s", name);
}

/* The weights of both projections are reached through the attentions; nothing is asked of the spectrogram. */
Test(sequences, attention_over_a_spectrogram) {
    network n;
    lbk_value labels, loss;
    network_digits(&n);
    n.use.height = 1000;
    n.use.width = n.use.channels = 1;
    network_build(&n, scratch_write(&s, "speech.ini", text, sizeof text - 1));
    expect_shape(&n, "mel", "1x32x8");
    expect_shape(&n, "self", "1x32x8");
    expect_shape(&n, "attn", "1x32x12");
    cr_assert_eq(lbk_graph_input(n.graph, "labels", LBK_I32, lbk_shape_1(1), &labels), LBK_OK);
    cr_assert_eq(lbk_graph_apply(n.graph, "cross_entropy", NULL, 2, (lbk_value[]){n.built.logits, labels}, &loss),
                 LBK_OK);
    cr_assert_eq(lbk_graph_differentiate(n.graph, loss, NULL, 0, NULL), LBK_OK, "%s", lbk_error_message());
    cr_expect_neq(lbk_graph_gradient(n.graph, lbk_graph_find(n.graph, "qkv.weight")), LBK_NONE);
    cr_expect_neq(lbk_graph_gradient(n.graph, lbk_graph_find(n.graph, "kv.weight")), LBK_NONE);
    network_release(&n);
}

static const char words[] = "[model]\nsummary = ids of words\ninputs = tokens:7:i32 bag:5:i32\n"
                            "[network]\n"
                            "word  = embedding from=tokens vocabulary=50 out=12 padding_idx=3 deviation=0.02\n"
                            "norm  = layer_norm\n"
                            "group = group_norm groups=4\n"
                            "inst  = instance_norm affine=yes\n"
                            "unit  = l2_normalize\n"
                            "pool  = mean axes=1\n"
                            "topic = embedding_bag from=bag vocabulary=30 out=12\n"
                            "add   = add from=pool,topic\n"
                            "fc    = dense out=10\n";

static void expect_weight(const network *n, const char *name, const char *shape, lbk_init init) {
    lbk_value value = lbk_graph_find(n->graph, name);
    char found[LBK_SHAPE_TEXT];
    cr_assert_neq(value, LBK_NONE, "no weight %s", name);
    const lbk_value_info *info = lbk_graph_info(n->graph, value);
    cr_expect_str_eq(lbk_shape_print(&info->desc.shape, found), shape, "%s", name);
    cr_expect_eq(info->init, init, "%s", name);
    cr_expect_neq(lbk_graph_gradient(n->graph, value), LBK_NONE, "%s", name);
}

/* Integers reach the tables; names are PyTorch's; every weight has a gradient. */
Test(sequences, embeddings_and_norms) {
    network n;
    lbk_value labels, loss;
    network_digits(&n);
    n.use.batch = 3;
    network_build(&n, scratch_write(&s, "words.ini", words, sizeof words - 1));
    expect_shape(&n, "unit", "3x7x12");
    expect_shape(&n, "pool", "3x12");
    expect_shape(&n, "topic", "3x12");
    cr_assert_eq(lbk_graph_input(n.graph, "labels", LBK_I32, lbk_shape_1(3), &labels), LBK_OK);
    cr_assert_eq(lbk_graph_apply(n.graph, "cross_entropy", NULL, 2, (lbk_value[]){n.built.logits, labels}, &loss),
                 LBK_OK);
    cr_assert_eq(lbk_graph_differentiate(n.graph, loss, NULL, 0, NULL), LBK_OK, "%s", lbk_error_message());
    expect_weight(&n, "word.weight", "50x12", LBK_INIT_NORMAL);
    expect_weight(&n, "topic.weight", "30x12", LBK_INIT_NORMAL);
    expect_weight(&n, "norm.weight", "12", LBK_INIT_ONE);
    expect_weight(&n, "norm.bias", "12", LBK_INIT_ZERO);
    expect_weight(&n, "group.weight", "12", LBK_INIT_ONE);
    expect_weight(&n, "inst.bias", "12", LBK_INIT_ZERO);
    const lbk_value_info *word = lbk_graph_info(n.graph, lbk_graph_find(n.graph, "word.weight"));
    cr_expect(word->deviation == 0.02 && word->zero_row == 4, "%g %d", word->deviation, (int)word->zero_row);
    network_release(&n);
}

Test(sequences, ids_are_integers) {
    static const char floats[] = "[model]\nsummary = x\n[network]\nword = embedding vocabulary=50 out=12\n"
                                 "flat = flatten\nfc = dense out=10\n";
    network n;
    network_digits(&n);
    cr_assert_eq(network_try(&n, scratch_write(&s, "floats.ini", floats, sizeof floats - 1), NULL), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "input 0 is F32, expected I32"), "%s", lbk_error_message());
}
