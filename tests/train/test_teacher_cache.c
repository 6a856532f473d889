/* The teacher's outputs on disk: what comes back, what is refused, and that a run does not notice. */
#include "train/helpers/little_run.h"

#include "base/file.h"
#include "train/teacher_cache.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

TestSuite(teacher_cache, .init = little_enter, .fini = little_leave, .timeout = 900);

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

enum { BATCH = 3, LOGITS = 5, TAP = 7 };

static lbk_cache_layout layout_of(const char *key) {
    return (lbk_cache_layout){.key = key, .tensor_count = 2, .floats = {LOGITS, TAP}, .samples = 10, .epochs = 2};
}

static uint32_t samples[BATCH] = {9, 0, 4};

static lbk_batch batch_of(uint32_t epoch, int valid) {
    return (lbk_batch){.samples = samples, .epoch = epoch, .valid = valid};
}

static void numbers(float *to, size_t count, float start) {
    for (size_t i = 0; i < count; i++)
        to[i] = start + 0.37f * (float)(i * i % 11) - 1;
}

Test(teacher_cache, rows_come_back) {
    lbk_cache_layout layout = layout_of("a = 1\n");
    lbk_teacher_cache *cache;
    float in[2][BATCH * TAP], out[2][BATCH * TAP];
    const lbk_batch first = batch_of(0, BATCH), second = batch_of(1, BATCH), part = batch_of(1, 1);
    numbers(in[0], BATCH * LOGITS, 2);
    numbers(in[1], BATCH * TAP, 5);
    must(lbk_teacher_cache_open("cache", &layout, &cache));
    cr_expect_not(lbk_teacher_cache_has(cache, &first));
    must(lbk_teacher_cache_write(cache, &first, (const float *const[]){in[0], in[1]}));
    must(lbk_teacher_cache_write(cache, &part, (const float *const[]){in[0], in[1]}));
    lbk_teacher_cache_close(cache);
    must(lbk_teacher_cache_open("cache", &layout, &cache));
    cr_expect(lbk_teacher_cache_has(cache, &first));
    cr_expect(lbk_teacher_cache_has(cache, &part));
    cr_expect_not(lbk_teacher_cache_has(cache, &second), "another epoch has other views");
    lbk_teacher_cache_read(cache, &first, (float *const[]){out[0], out[1]});
    cr_expect_arr_eq(out[0], in[0], BATCH * LOGITS * sizeof(float));
    cr_expect_arr_eq(out[1], in[1], BATCH * TAP * sizeof(float));
    lbk_teacher_cache_close(cache);
}

static void flip_byte(const char *path, off_t from_end) {
    int file = open(path, O_RDWR);
    unsigned char byte;
    off_t at = lseek(file, -from_end, SEEK_END);
    cr_assert_eq(pread(file, &byte, 1, at), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(file, &byte, 1, at), 1);
    close(file);
}

/* A record that does not fit its sum is computed again; a file of another key, or no cache at all, is refused. */
Test(teacher_cache, damage_and_strangers) {
    lbk_cache_layout layout = layout_of("model = a\nseed = 1\n"), other = layout_of("model = a\nseed = 2\n");
    lbk_teacher_cache *cache;
    float in[2][BATCH * TAP];
    const lbk_batch batch = batch_of(1, BATCH); /* its first sample is the file's last record */
    numbers(in[0], BATCH * LOGITS, 2);
    numbers(in[1], BATCH * TAP, 5);
    must(lbk_teacher_cache_open("cache", &layout, &cache));
    must(lbk_teacher_cache_write(cache, &batch, (const float *const[]){in[0], in[1]}));
    lbk_teacher_cache_close(cache);
    flip_byte("cache", 3);
    must(lbk_teacher_cache_open("cache", &layout, &cache));
    cr_expect_not(lbk_teacher_cache_has(cache, &batch));
    lbk_teacher_cache_close(cache);
    cr_expect_eq(lbk_teacher_cache_open("cache", &other, &cache), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(),
                     "cache: made for \"seed = 1\", the run has \"seed = 2\"; name another file, or "
                     "leave cache_file to Limbeck");
    cr_assert_eq(truncate("cache", 9000), 0);
    cr_expect_eq(lbk_teacher_cache_open("cache", &layout, &cache), LBK_ERR_INPUT);
    little_write("text", "hello");
    cr_expect_eq(lbk_teacher_cache_open("text", &layout, &cache), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "text: is no teacher cache, or of another version; name another file");
}

/* The largest stay, the others share their probability. */
Test(teacher_cache, top) {
    lbk_cache_layout layout = layout_of("a = 1\n");
    lbk_teacher_cache *cache;
    float in[2][BATCH * TAP] = {{0.5f, 3, -1, 2, 0}}, out[2][BATCH * TAP];
    const lbk_batch batch = batch_of(0, 1);
    layout.top = 2;
    layout.precision = LBK_CACHE_FLOAT16;
    numbers(in[1], BATCH * TAP, 5);
    must(lbk_teacher_cache_open("cache", &layout, &cache));
    must(lbk_teacher_cache_write(cache, &batch, (const float *const[]){in[0], in[1]}));
    lbk_teacher_cache_read(cache, &batch, (float *const[]){out[0], out[1]});
    lbk_teacher_cache_close(cache);
    double rest = (exp(0.5) + exp(-1) + 1) / 3;
    cr_expect(out[0][1] == 3 && out[0][3] == 2);
    for (int i = 0; i < LOGITS; i++)
        cr_expect(i == 1 || i == 3 || fabs(out[0][i] - log(rest)) < 1e-6, "%g", (double)out[0][i]);
    for (int i = 0; i < TAP; i++)
        cr_expect(fabsf(out[1][i] - in[1][i]) <= 0.001f * fabsf(in[1][i]));
}

/* Filled or found, for logits and taps, with views that vary and without: the same bytes as without a cache. */
Test(teacher_cache, runs_are_the_same) {
    static const char *const none[] = {"data.augment=crop",          "augment.crop.padding=1",
                                       "distill.methods=kd, fitnet", "distill.fitnet.layers=fc1:fc1",
                                       "student.model=mlp-tiny",     NULL};
    static const char *const taps[] = {"data.augment=crop",          "augment.crop.padding=1",
                                       "distill.methods=kd, fitnet", "distill.fitnet.layers=fc1:fc1",
                                       "student.model=mlp-tiny",     "teacher.cache=taps",
                                       "teacher.cache_file=outputs", NULL};
    static const char *const logits[] = {"teacher.cache=logits", "teacher.cache_file=logits", NULL};
    lbk_run_result result;
    little_must_run("little.ini", none, "none", 0);
    little_must_run("little.ini", taps, "filled", 0);
    must(little_run("little.ini", taps, "found", 0, &result));
    cr_expect_eq(result.distillation.teacher_busy_s, 0, "the teacher worked although all was there");
    little_expect_same_run("none", "filled", "filling the cache");
    little_expect_same_run("none", "found", "reading the cache");
    little_must_run("little.ini", NULL, "plain", 0);
    little_must_run("little.ini", logits, "kept", 0);
    little_expect_same_run("plain", "kept", "logits");
    static const char *const seed[] = {"teacher.cache=logits", "teacher.cache_file=logits", "experiment.seed=6", NULL};
    cr_expect_eq(little_run("little.ini", seed, "seed", 0, &result), LBK_ERR_INPUT);
    cr_expect_not_null(strstr(lbk_error_message(), "made for"), "%s", lbk_error_message());
}
