/* Real files, where LIMBECK_TEST_DATA names a folder that has them: mnist10k/ (MNIST's test pair) and cifar10/
 * (CIFAR-10 as train/CLASS/NNNN.jpg). Without them these tests are skipped. */
#include "data/helpers/box.h"

#include "base/file.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(real, .init = box_make, .fini = box_remove, .timeout = 900);

/* An experiment with `path` set to the folder of that name, or a skipped test. */
static const char *text_for(const char *name, const char *rest) {
    static char text[512];
    const char *root = getenv("LIMBECK_TEST_DATA");
    snprintf(text, sizeof text, "%s/%s", root ? root : "", name);
    if (!root || !lbk_path_is_folder(text))
        cr_skip_test("LIMBECK_TEST_DATA has no %s", name);
    snprintf(text, sizeof text, "[data]\npath = %s/%s\n%s", root, name, rest);
    return text;
}

Test(real, mnist_test_pair) {
    box_data box;
    int counts[10] = {0}, label;
    float pixels[784];
    box_open_ok(&box, text_for("mnist10k", "dataset = idx\ntest_share = 0.2\n"), 1);
    const lbk_source *source = &box.data.source;
    cr_assert(source->height == 28 && source->width == 28 && source->channels == 1 && source->classes == 10);
    cr_assert_eq(source->train_count + source->test_count, 10000);
    cr_assert_leq(abs((int)source->test_count - 2000), 5);
    for (uint32_t i = 0; i < source->train_count; i++) {
        cr_assert_eq(box.data.dataset->read(source, LBK_PART_TRAIN, i, &(lbk_numbers){.f32 = pixels}, &label), LBK_OK);
        counts[label]++;
    }
    cr_assert_eq(counts[0], 784);                          /* of 980 zeros, 20 % are test samples */
    cr_assert_float_eq(box.data.mean[0], 0.1325f, 0.003f); /* of all 10,000 images */
    cr_assert_float_eq(box.data.deviation[0], 0.3105f, 0.003f);
    box_close(&box);
}

Test(real, cifar10_as_jpeg) {
    box_data box;
    static const float mean[] = {0.4914f, 0.4822f, 0.4465f}, deviation[] = {0.2470f, 0.2435f, 0.2616f};
    box_open_ok(&box, text_for("cifar10", "dataset = image_folder\nvalidation = 0.1\n"), 1);
    const lbk_source *source = &box.data.source;
    cr_assert(source->height == 32 && source->width == 32 && source->channels == 3 && source->classes == 10);
    cr_assert(source->train_count == 50000 && source->test_count == 10000);
    cr_assert(box.data.train_count == 45000 && box.data.validation_count == 5000);
    cr_assert_str_eq(source->class_names[0], "airplane");
    cr_assert_str_eq(source->class_names[9], "truck");
    for (int c = 0; c < 3; c++) { /* JPEG smooths a little */
        cr_assert_float_eq(box.data.mean[c], mean[c], 0.002f);
        cr_assert_float_eq(box.data.deviation[c], deviation[c], 0.006f);
    }
    box_close(&box);
}
