/* Models over sequences: sound to spectrogram, spectrogram to attention. */
#include "model/helpers/network.h"
#include "support/scratch.h"

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
