/* Inside host/cli: an experiment on images, or whatever else a network reads, that nobody has to have: for commands that are given a model in place of a file. */
#ifndef LBK_CLI_SYNTHETIC_H
#define LBK_CLI_SYNTHETIC_H

#include "cli/cli.h"

typedef struct lbk_synthetic {
    bool distil; /* else `student` trains alone, as the control */
    bool image;  /* the user says what an image is like */
    const char *teacher, *student, *teacher_device, *student_device, *schedule; /* devices NULL: chosen */
    int64_t batch, steps, height, width, channels, classes;
} lbk_synthetic;

/* The experiment as "section.key=value" texts. */
#define LBK_MOST_SETTINGS 48
typedef struct lbk_settings {
    lbk_arena arena;
    const char *items[LBK_MOST_SETTINGS];
    size_t count;
} lbk_settings;

/* --batch, --image, --classes and --set, taken out of the arguments, and what is said there by default. `sets` is to be freed. */
lbk_status lbk_synthetic_args(lbk_args *args, lbk_synthetic *s, const char ***sets, size_t *set_count);
/* Makes `model` train alone, on `device` or, where that is NULL, on the best one that there is. `text` holds its name. */
lbk_status lbk_synthetic_alone(lbk_synthetic *s, const char *model, const char *device, char *text, size_t size);
/* One epoch of `steps` steps, then sets[count] of the user's. Release settings->arena. */
lbk_status lbk_synthetic_settings(const lbk_synthetic *s, const char *const *sets, size_t count, lbk_settings *out);

#endif
