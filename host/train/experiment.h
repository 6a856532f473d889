/* An experiment: everything an INI file says, read, checked and ready, before any device is touched. */
#ifndef LBK_TRAIN_EXPERIMENT_H
#define LBK_TRAIN_EXPERIMENT_H

#include "data/data.h"
#include "distill/objective.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "place/bridge.h"
#include "place/place.h"

typedef enum lbk_timing { LBK_TIMING_SERIAL, LBK_TIMING_CONCURRENT } lbk_timing;

typedef enum lbk_storage { LBK_STORAGE_FLOAT32, LBK_STORAGE_FLOAT16, LBK_STORAGE_BFLOAT16 } lbk_storage;

#define LBK_MAX_ASSISTANTS 8

/* [experiment] */
typedef struct lbk_experiment_params {
    const char *name;
    int seed;
    bool control, student;
    int schedule; /* lbk_timing */
    int bridge;   /* lbk_bridge_mode */
    int slots;    /* steps the teacher may run ahead, plus one */
    double checkpoint;
    const char *kernels;
} lbk_experiment_params;
extern const lbk_param lbk_experiment_table[];

/* [teacher], [teacher.NAME], [assistant.NAME] and [student] */
typedef struct lbk_role_params {
    const char *model, *device, *weights, *parameters, *init;
    lbk_words freeze, init_map, init_except; /* graph/names.h, graph/transfer.h */
    lbk_words methods;                       /* of a teacher */
    int epochs;
    const char *optimizer, *schedule;
    double lr;
    bool recompute;
    int storage;    /* lbk_storage */
    int arithmetic; /* lbk_arithmetic */
    const char *loss_scale;
    const char *head;                 /* of a teacher: the student's output that it teaches */
    int classes;                      /* of a teacher of another output; 0: the data's */
    double share;                     /* of a teacher among several */
    int generations;                  /* of the student: each is taught by the one before */
    int cache, cache_type, cache_top; /* of a teacher: train/teacher_cache.h */
    const char *cache_file;
} lbk_role_params;
extern const lbk_param lbk_teacher_table[], lbk_assistant_table[], lbk_student_table[];

typedef struct lbk_role {
    const char *name; /* the section's */
    lbk_role_params params;
    lbk_model model;
    const lbk_optimizer *optimizer;
    void *optimizer_params;
    const lbk_schedule *schedule;
    void *schedule_params;
    double loss_scale;       /* the first one; 0: the loss is not scaled */
    lbk_objective objective; /* of a teacher that is trained by more than the labels; else without methods */
} lbk_role;

typedef struct lbk_experiment {
    lbk_ini ini;
    char *folder; /* of the INI file: relative paths start here */
    lbk_experiment_params params;
    lbk_data data;
    lbk_role teacher, student;
    /* [teacher.NAME]: they and [teacher] teach the first learner together. [assistant.NAME]: in the order of the file,
     * each taught by the one before; the last one teaches the student. */
    lbk_role more_teachers[LBK_MAX_TEACHERS - 1], assistants[LBK_MAX_ASSISTANTS];
    int more_teacher_count, assistant_count;
    lbk_objective objective;
    lbk_arena arena;
} lbk_experiment;

/* Reads, overrides ("section.key=value"; path NULL: overrides alone), checks. Release in every case. Opens no data and no device. */
lbk_status lbk_experiment_load(lbk_experiment *experiment, const char *path, const char *const *overrides,
                               size_t count);
/* The same with the teachers of an earlier run, in the folder `teachers` (absolute; NULL: as the file says): what says how they would
 * be trained is passed over, and what only a teacher could need. */
lbk_status lbk_experiment_load_with(lbk_experiment *experiment, const char *path, const char *const *overrides,
                                    size_t count, const char *teachers);
void lbk_experiment_release(lbk_experiment *experiment);

/* The experiment with every default written out; loading it gives the same experiment. Model and weights paths are made absolute
 * unless shipped. */
lbk_status lbk_experiment_print(const lbk_experiment *experiment, lbk_text *out);
/* *path, which starts at the experiment's folder, made absolute, in `arena`; a shipped file's name stays where there are such. */
lbk_status lbk_experiment_absolute(const lbk_experiment *experiment, lbk_arena *arena, const char **path,
                                   bool shipped_names);

#endif
