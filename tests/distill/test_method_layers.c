/* What methods that read layers refuse, and in which words. */
#include "distill/helpers/rig.h"

#include "support/scratch.h"

/* The method with "section.key=value" (NULL: its defaults) must be refused with `message` in the text. */
static void expect_refused(const char *method, const char *set, const char *message) {
    char methods[64], start[64];
    const char *sets[] = {methods, set, NULL};
    rig r;
    snprintf(methods, sizeof methods, "distill.methods=%s", method);
    snprintf(start, sizeof start, "[distill.%s]: ", method);
    cr_expect_eq(rig_build(&r, sets, 1), LBK_ERR_INPUT, "%s %s", method, set);
    cr_expect(strstr(lbk_error_message(), start) && strstr(lbk_error_message(), message),
              "%s %s: expected \"%s\", found \"%s\"", method, set, message, lbk_error_message());
    rig_release(&r);
}

Test(method_layers, vectors_are_no_images) {
    expect_refused("ab", "distill.ab.layers=feature", "layers: expected images [B,H,W,C], found rank 2 and 2");
    expect_refused("ofd", "distill.ofd.layers=layer1:layer1.0.conv1",
                   "layers: expected layers of the teacher that a "
                   "batch norm makes, found \"layer1.0.conv1\"");
    expect_refused("fsp", "distill.fsp.layers=1, feature", "layers: expected images [B,H,W,C], found rank 2 and 2");
    expect_refused("kdsvd", "distill.kdsvd.layers=feature, 1", "layers: expected images [B,H,W,C], found rank 2 and 2");
    expect_refused("ft", "distill.ft.layers=feature", "layers: expected images [B,H,W,C], found \"avgpool\"");
    expect_refused("simkd", "student.model=mlp-tiny", "layers: expected images [B,H,W,C], found rank 2 and 4");
}

Test(method_layers, successive_layers_are_two) {
    expect_refused("fsp", "distill.fsp.layers=last", "layers: expected at least two, found \"layer3\" alone");
    expect_refused("kdsvd", "distill.kdsvd.layers=1", "layers: expected at least two, found \"layer1\" alone");
}

/* A teacher whose classifier reads a hidden vector, not the pooled map. */
Test(method_layers, classifier_of_other_numbers) {
    static const char model[] = "[model]\nsummary = hidden layer\n[parameters]\nclasses = data\nwidth = 8\n[network]\n"
                                "conv = conv2d out=width kernel=3\npool = global_avg_pool\nhidden = dense out=5\n"
                                "fc = dense out=classes\n";
    scratch folder;
    char set[600];
    scratch_make(&folder);
    snprintf(set, sizeof set, "teacher.model=%s", scratch_write(&folder, "hidden.ini", model, strlen(model)));
    expect_refused("simkd", set, "the teacher's classifier reads 5 numbers, its layer has 4 channels");
    scratch_remove(&folder);
}
