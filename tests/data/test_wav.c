/* The dataset `wav`. */
#include "data/helpers/box.h"
#include "support/wav.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(wav, .init = box_make, .fini = box_remove);

enum { RATE = 1000, HEADER = WAV_HEADER };

/* Number i is first + i. */
static size_t make_wav(unsigned char *bytes, unsigned rate, int first, int count) {
    int16_t numbers[20];
    for (int i = 0; i < count; i++)
        numbers[i] = (int16_t)(first + i);
    return wav_make(bytes, rate, numbers, count);
}

static void write_wav(const char *name, unsigned rate, int first, int count) {
    unsigned char bytes[200];
    box_write(name, bytes, make_wav(bytes, rate, first, count));
}

static lbk_status read_sample(const box_data *box, lbk_part part, uint32_t index, float *waveform, int *label) {
    return box->data.dataset->read(&box->data.source, part, index, &(lbk_numbers){.f32 = waveform}, label);
}

static void expect_sample(const box_data *box, lbk_part part, uint32_t index, int label, int first, int count) {
    float waveform[10];
    int found;
    cr_assert_eq(read_sample(box, part, index, waveform, &found), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(found, label);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(waveform[i], i < count ? (float)(first + i) / 32768.0f : 0.0f, "%u: %d: %g", index, i,
                     (double)waveform[i]);
}

#define HEAD "[data]\ndataset = wav\npath = w\nseconds = 0.01\n"
#define NAMES HEAD "class_from = name\n"

Test(wav, files_of_names_are_cut_and_filled) {
    box_data box;
    write_wav("w/10_ann_0.wav", RATE, 5, 3);
    write_wav("w/9_ann_0.wav", RATE, -32768, 10);
    write_wav("w/9_bob_1.wav", RATE, 32700, 14);
    write_wav("w/10_bob_2.WAV", RATE, -3, 0);
    box_write("w/notes.txt", "", 0);
    box_open_ok(&box, NAMES "test_names = *_[0-1].wav\n", 1);
    const lbk_source *s = &box.data.source;
    cr_assert(s->classes == 2 && s->train_count == 1 && s->test_count == 3 && s->input_count == 1);
    cr_assert_str_eq(s->class_names[0], "9");
    cr_assert(s->sizes[0].value == 10 && s->sizes[1].value == RATE);
    expect_sample(&box, LBK_PART_TRAIN, 0, 1, 0, 0);
    expect_sample(&box, LBK_PART_TEST, 0, 1, 5, 3);
    expect_sample(&box, LBK_PART_TEST, 1, 0, -32768, 10);
    expect_sample(&box, LBK_PART_TEST, 2, 0, 32700, 10);
    box_close(&box);
}

Test(wav, folders_are_classes) {
    box_data box;
    write_wav("w/yes/1.wav", RATE, 1, 2);
    write_wav("w/yes/2.wav", RATE, 1, 2);
    write_wav("w/no/1.wav", RATE, 7, 2);
    write_wav("w/no/2.wav", RATE, 7, 2);
    box_open_ok(&box, HEAD "test_share = 0.5\n", 1);
    cr_assert(box.data.source.train_count == 2 && box.data.source.test_count == 2);
    cr_assert_str_eq(box.data.source.class_names[0], "no");
    expect_sample(&box, LBK_PART_TEST, 0, 0, 7, 2);
    expect_sample(&box, LBK_PART_TEST, 1, 1, 1, 2);
    box_close(&box);
}

/* Chunks that say nothing here are passed over, an odd one with the byte behind it; fmt may be of the longer form. */
Test(wav, other_chunks_are_passed_over) {
    unsigned char bytes[200] = "RIFF....WAVELIST\x03\0\0\0abc.fmt \x28\0\0\0";
    box_data box;
    wav_put(bytes + 32, 0xfffe, 2);
    wav_put(bytes + 34, 1, 2);
    wav_put(bytes + 36, RATE, 4);
    wav_put(bytes + 46, 16, 2);
    wav_put(bytes + 32 + 24, 1, 2);
    memcpy(bytes + 72, "data\x04\0\0\0\x08\0\x09\0", 12);
    write_wav("w/a_1.wav", RATE, 0, 1);
    write_wav("w/a_0.wav", RATE, 0, 1);
    write_wav("w/b_0.wav", RATE, 0, 1);
    box_write("w/b_1.wav", bytes, 84);
    box_open_ok(&box, NAMES "test_names = *_1.wav\n", 1);
    expect_sample(&box, LBK_PART_TEST, 1, 1, 8, 2);
    box_close(&box);
}

/* One byte of a good file changed, or its end missing. The bad file is the only one for testing. */
Test(wav, bad_files_are_named) {
    static const struct {
        int at, byte, length; /* byte -1: nothing is changed; length 0: the whole */
        const char *message;
    } cases[] = {
        {0, 'X', 0, "@/w/b_9.wav: no WAV file: it does not begin with RIFF and WAVE"},
        {0, -1, 0, NULL},
        {0, -1, 5, "@/w/b_9.wav: no WAV file: it does not begin with RIFF and WAVE"},
        {0, -1, 12, "@/w/b_9.wav: has no fmt chunk"},
        {12, 'F', 0, "@/w/b_9.wav: has no fmt chunk"},
        {36, 'D', 0, "@/w/b_9.wav: has no data chunk"},
        {20, 3, 0, "@/w/b_9.wav: byte 20: format 3 of 16 bits, expected plain numbers (1) of 16 bits"},
        {34, 8, 0, "@/w/b_9.wav: byte 20: format 1 of 8 bits, expected plain numbers (1) of 16 bits"},
        {16, 8, 0, "@/w/b_9.wav: byte 20: format 0 of 0 bits, expected plain numbers (1) of 16 bits"},
        {22, 2, 0, "@/w/b_9.wav: 2 channels, expected one"},
        {24, 0xe9, 0, "@/w/b_9.wav: 1001 samples a second, but @/w/a_0.wav has 1000; resample it"},
        {27, 0x7f, 0, "@/w/b_9.wav: 2130707432 samples a second, expected 1 to 1048576"},
        {0, -1, HEADER + 5, "@/w/b_9.wav: byte 36: a chunk of 8 bytes, but the file ends after 5"},
        {43, 0xff, 0, "@/w/b_9.wav: byte 36: a chunk of 4278190088 bytes, but the file ends after 8"},
    };
    write_wav("w/a_0.wav", RATE, 0, 4);
    write_wav("w/b_0.wav", RATE, 0, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[200];
        float waveform[10];
        box_data box;
        int label;
        size_t length = make_wav(bytes, RATE, 0, 4);
        if (cases[i].byte >= 0)
            bytes[cases[i].at] = (unsigned char)cases[i].byte;
        box_write("w/b_9.wav", bytes, cases[i].length ? (size_t)cases[i].length : length);
        box_open_ok(&box, NAMES "test_names = *9.wav\n", 1);
        lbk_status status = read_sample(&box, LBK_PART_TEST, 0, waveform, &label);
        if (cases[i].message)
            box_expect_message(status, LBK_ERR_INPUT, cases[i].message);
        else
            cr_assert_eq(status, LBK_OK);
        box_close(&box);
    }
}

Test(wav, mistakes_are_named) {
    box_expect_error(HEAD, LBK_ERR_INPUT, "dataset wav: no file is for testing: give test_share or test_names");
    box_expect_error(HEAD "test_share = 0.1\ntest_names = *\n", LBK_ERR_INPUT,
                     "dataset wav: test_share has no effect: test_names is given; give one or the other");
    box_expect_error(HEAD "test_share = 0.1\n", LBK_ERR_IO,
                     "dataset wav: cannot list \"@/w\": No such file or directory");
    box_write("w/notes.txt", "", 0);
    box_expect_error(HEAD "test_share = 0.1\n", LBK_ERR_INPUT, "dataset wav: @/w: no class folders");
    box_expect_error(NAMES "test_share = 0.1\n", LBK_ERR_INPUT, "dataset wav: @/w: no .wav files");
    write_wav("w/a_0.wav", RATE, 0, 4);
    box_expect_error(NAMES "test_share = 0.1\n", LBK_ERR_INPUT, "dataset wav: 1 class, expected at least two");
    write_wav("w/b_0.wav", RATE, 0, 4);
    box_expect_error(NAMES "test_names = x\n", LBK_ERR_INPUT,
                     "dataset wav: 2 training and 0 test samples; both parts need at least one");
    box_expect_error(NAMES "test_share = 0.1\nmix = mixup\n", LBK_ERR_INPUT,
                     "@/x.ini:7: [data] mix: is for images; samples of the dataset wav are none");
    write_wav("w/b.wav", RATE, 0, 4);
    box_expect_error(NAMES "test_share = 0.1\n", LBK_ERR_INPUT,
                     "dataset wav: @/w/b.wav: expected a class and a '_' in front of the rest of the name");
}
