/* Damaged model files: each is read and built, or refused with a message; the sanitizers watch. */
#include "model/helpers/network.h"
#include "support/mutate.h"
#include "support/scratch.h"

static const char *const seeds[] = {
    "[model]\nsummary = x\ninput = 8x8x1\n"
    "[parameters]\nn = 2\nwidth = 2*n\nclasses = data\n"
    "[network]\nconv = conv2d out=width kernel=3,1 padding=1,0 bias=no\nbn = batch_norm\n"
    "a = b repeat=n width=index==0?2:width\nd = dropout p=0.5\npool = global_avg_pool\n"
    "fc = dense out=classes\n"
    "[block b]\nparameters = width\nc = c\nconv1 = conv2d out=width\n"
    "side = conv2d from=input out=width when=in!=width\nadd = add from=conv1,side\n"
    "[block c]\nrelu = relu\n",
    "[model]\nsummary = x\ninputs = u:8,n v:4*n,n:f32\noutputs = fc bn:1\n"
    "[parameters]\nn = 2\nclasses = data\n"
    "[network]\na = dense out=n weights=q.*_a\nbn = batch_norm\n"
    "b = both from=bn,v repeat=2 weights=b_*\nc = dense out=n weights=/q.*_a\nfc = dense out=3*classes\n"
    "[block both]\ninputs = x y\nw = dense from=y out=in\nz = add from=x,w\n",
};
enum { SEEDS = sizeof seeds / sizeof *seeds };

Test(fuzz, damaged_files_are_read_or_refused, .timeout = 900) {
    scratch s;
    lbk_rng rng;
    int accepted = 0, refused = 0;
    scratch_make(&s);
    lbk_rng_init(&rng, 1, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < 3000; i++) {
        const char *seed = seeds[i % SEEDS];
        size_t length = strlen(seed);
        char text[4096];
        network n;
        memcpy(text, seed, length);
        if (i >= SEEDS)
            mutate(&rng, text, &length, sizeof text, "abcnx0129=[]()?:<!+-*/%.,_ \n");
        network_digits(&n);
        lbk_status status = network_try(&n, scratch_write(&s, "x.ini", text, length), NULL);
        cr_assert(status == LBK_OK || status == LBK_ERR_INPUT, "%d: %s\n%.*s", (int)status, lbk_error_message(),
                  (int)length, text);
        cr_assert(i >= SEEDS || status == LBK_OK, "%s", lbk_error_message());
        if (status == LBK_OK) {
            accepted++;
            network_release(&n);
        } else {
            refused++;
            cr_assert_gt(strlen(lbk_error_message()), 0);
        }
    }
    cr_expect_gt(accepted, 20);
    cr_expect_gt(refused, 100);
    scratch_remove(&s);
}
