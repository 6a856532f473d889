/* The UCI digits that the program carries (host/data/digits/, CC BY 4.0): 8x8 grey images of ten classes, enough to try
 * anything without a download.
 *
 * UCI gives no split of this part, so it is ours: 36 test samples of each class, 360 in all, chosen with LBK_SPLIT_SEED
 * and therefore the same in every experiment; the other 1,437 are the training part. */
#include "data/embedded.h"
#include "data/gzip.h"
#include "data/images.h"

#include <ctype.h>
#include <stdlib.h>

enum { SIDE = 8, CLASSES = 10, WHITE = 16, TEST_PER_CLASS = 36 };

static const char *const class_names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

static uint32_t count_lines(const unsigned char *text, size_t length) {
    uint32_t lines = 0;
    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    return lines;
}

/* One number of at most `most` and the `end` character behind it; -1 when the text is something else. */
static int next_number(const unsigned char **at, int most, char end) {
    int value = 0, digits = 0;
    for (; isdigit(**at) && digits < 3; digits++)
        value = value * 10 + *(*at)++ - '0';
    if (digits == 0 || value > most || *(*at)++ != (unsigned char)end)
        return -1;
    return value;
}

/* `text` is 64 pixels and a label a line, separated by commas, and ends with NUL. */
static lbk_status parse(const unsigned char *text, lbk_images_part *part) {
    for (uint32_t line = 0; line < part->count; line++) {
        for (int i = 0; i < SIDE * SIDE; i++) {
            int value = next_number(&text, WHITE, ',');
            LBK_ENSURE(value >= 0);
            part->pixels[line * SIDE * SIDE + i] = (unsigned char)value;
        }
        int label = next_number(&text, CLASSES - 1, '\n');
        LBK_ENSURE(label >= 0);
        part->labels[line] = (unsigned char)label;
    }
    LBK_ENSURE(*text == '\0');
    return LBK_OK;
}

static lbk_status open_digits(const void *params, const char *folder, lbk_source *source) {
    (void)params;
    (void)folder;
    lbk_status status = LBK_OK;
    lbk_images *images = NULL;
    unsigned char *text = NULL;
    size_t length = 0, capacity = 0;
    LBK_GOTO(lbk_gzip_inflate("embedded digits.csv.gz", lbk_data_digits_csv_gz, lbk_data_digits_csv_gz_size, &text,
                              &length));
    capacity = length;
    LBK_GOTO(lbk_grow(&text, &capacity, length + 1, 1));
    text[length] = '\0';
    *source =
        (lbk_source){.height = SIDE, .width = SIDE, .channels = 1, .classes = CLASSES, .class_names = class_names};
    LBK_GOTO(lbk_images_create(source, WHITE, &images));
    LBK_GOTO(lbk_images_part_alloc(images, count_lines(text, length), &images->train));
    LBK_GOTO(parse(text, &images->train));
    LBK_GOTO(lbk_images_split(source, 0.0, TEST_PER_CLASS));
    lbk_images_finish(source);
out:
    free(text);
    return status;
}

const lbk_dataset lbk_dataset_digits = {
    .name = "digits",
    .summary = "1,797 handwritten digits, 8x8 grey, inside the program: 1,437 for training, 360 for testing",
    .origin = "UCI Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998), CC BY 4.0; split by Limbeck",
    .open = open_digits,
    .read = lbk_images_read,
    .close = lbk_images_close,
};
