/* Whole experiments small enough for a test, in a folder of the test's own that is also its working folder. */
#ifndef LBK_TESTS_TRAIN_LITTLE_RUN_H
#define LBK_TESTS_TRAIN_LITTLE_RUN_H

#include "train/run.h"

#include <criterion/criterion.h>

/* The digits, a wide perceptron as teacher, a tiny convolutional network as student: 11 steps an epoch, two epochs. */
extern const char little_text[];

/* Makes the folder and enters it; sets the environment: two compute units for PoCL, a program cache that all tests share. Call it
 * before OpenCL starts. */
void little_enter(void);
/* Removes the folder. */
void little_leave(void);

/* Writes `text` as "<name>". */
void little_write(const char *name, const char *text);
/* Loads `file` with sets ("section.key=value", NULL-terminated; NULL: none), runs it into the folder `out` and releases everything.
 * max_steps 0: all. */
lbk_status little_run(const char *file, const char *const *sets, const char *out, int64_t max_steps,
                      lbk_run_result *result);
/* The same, must succeed. */
void little_must_run(const char *file, const char *const *sets, const char *out, int64_t max_steps);

/* Goes on with what is in the folder `out`. */
lbk_status little_resume(const char *file, const char *out, int64_t max_steps);

/* Whether two files hold the same bytes; both must exist. */
bool little_same(const char *folder_a, const char *folder_b, const char *name);
/* metrics.jsonl and all weights of two runs must be the same bytes; `what` goes into the message. */
void little_expect_same_run(const char *folder_a, const char *folder_b, const char *what);
/* The numbers under `key` of the lines of `phase` in metrics.jsonl; at most `limit`; returns how many there are. */
size_t little_metrics(const char *folder, const char *phase, const char *key, double *out, size_t limit);

#endif
