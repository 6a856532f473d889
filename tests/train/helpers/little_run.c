#include "train/helpers/little_run.h"

#include "base/file.h"
#include "support/scratch.h"

#include <jansson.h>

const char little_text[] = "[experiment]\nname = little\nseed = 5\n"
                           "[data]\ndataset = digits\nbatch = 128\nlabels = 0.3\n"
                           "[teacher]\nmodel = mlp-wide\nepochs = 2\n"
                           "[student]\nmodel = cnn-tiny\nepochs = 2\n"
                           "[distill]\nmethods = kd\n";

static scratch folder;

void little_enter(void) {
    static const char *const cleared[] = {"LIMBECK_CLASS", "LIMBECK_NO_COMPILER", "LIMBECK_KERNELS", "LIMBECK_TUNE"};
    for (size_t i = 0; i < sizeof cleared / sizeof cleared[0]; i++)
        unsetenv(cleared[i]);
    setenv("LIMBECK_CACHE", LIMBECK_BINARY_DIR "/test-cache", 1);
    setenv("POCL_MAX_PTHREAD_COUNT", "2", 1); /* up to PoCL 3.1 */
    setenv("POCL_CPU_MAX_CU_COUNT", "2", 1);  /* from 4.0 */
    scratch_make(&folder);
    cr_assert_eq(chdir(folder.folder), 0);
    little_write("little.ini", little_text);
}

void little_leave(void) {
    cr_assert_eq(chdir("/"), 0);
    scratch_remove(&folder);
}

void little_write(const char *name, const char *text) {
    scratch_write(&folder, name, text, strlen(text));
}

static lbk_status run(const char *file, const char *const *sets, const lbk_run_options *options,
                      lbk_run_result *result) {
    lbk_experiment experiment;
    size_t count = 0;
    while (sets && sets[count])
        count++;
    lbk_status status = lbk_experiment_load(&experiment, file, sets, count);
    if (status == LBK_OK)
        status = lbk_run(&experiment, options, result);
    lbk_experiment_release(&experiment);
    return status;
}

lbk_status little_run(const char *file, const char *const *sets, const char *out, int64_t max_steps,
                      lbk_run_result *result) {
    return run(file, sets, &(lbk_run_options){.out = out, .max_steps = max_steps}, result);
}

lbk_status little_resume(const char *file, const char *out, int64_t max_steps) {
    lbk_run_result result;
    return run(file, NULL, &(lbk_run_options){.out = out, .max_steps = max_steps, .resume = true}, &result);
}

void little_must_run(const char *file, const char *const *sets, const char *out, int64_t max_steps) {
    lbk_run_result result;
    lbk_status status = little_run(file, sets, out, max_steps, &result);
    cr_assert_eq(status, LBK_OK, "%s: %s", out, lbk_error_message());
}

static char *contents(const char *run, const char *name, size_t *length) {
    char *path = NULL, *text = NULL;
    cr_assert_eq(lbk_path_join(run, name, &path), LBK_OK);
    cr_assert_eq(lbk_file_read(path, &text, length), LBK_OK, "%s", lbk_error_message());
    free(path);
    return text;
}

bool little_same(const char *folder_a, const char *folder_b, const char *name) {
    size_t length_a, length_b;
    char *a = contents(folder_a, name, &length_a), *b = contents(folder_b, name, &length_b);
    bool same = length_a == length_b && length_a > 0 && memcmp(a, b, length_a) == 0;
    free(a);
    free(b);
    return same;
}

void little_expect_same_run(const char *folder_a, const char *folder_b, const char *what) {
    static const char *const files[] = {"teacher.safetensors", "student.safetensors", "control.safetensors",
                                        "metrics.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        cr_expect(little_same(folder_a, folder_b, files[i]), "%s: %s differs", what, files[i]);
}

size_t little_metrics(const char *run, const char *phase, const char *key, double *out, size_t limit) {
    size_t length, count = 0;
    char *text = contents(run, "metrics.jsonl", &length);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        cr_assert(object, "no JSON: %s", line);
        json_t *number = json_object_get(object, key);
        if (strcmp(json_string_value(json_object_get(object, "phase")), phase) == 0 && count < limit) {
            cr_assert(json_is_number(number), "no number %s: %s", key, line);
            out[count++] = json_number_value(number);
        }
        json_decref(object);
    }
    free(text);
    return count;
}
