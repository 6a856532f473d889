/* A dataset ready for training: parts, label budget, normalisation, augmentation, mixing. Reads sections [data],
 * [augment.NAME] and [mix.NAME] of an experiment. */
#ifndef LBK_DATA_DATA_H
#define LBK_DATA_DATA_H

#include "base/ini.h"
#include "data/dataset.h"

#define LBK_MAX_AUGMENTATIONS 16 /* different ones in an experiment */

typedef struct lbk_data_params {
    const char *dataset;
    int batch;
    bool shuffle;
    lbk_words augment; /* "none" or a list of augmentations, applied in order to training views */
    const char *mix;   /* "none" or a way of mixing training batches */
    /* "same" or a list of augmentations of one network's own after `augment`; "plain" in front: without `augment` */
    lbk_words student_view, teacher_view;
    double
        subset; /* share of the training part that is used at all, chosen by seed from what validation leaves. A larger
                    * share contains every smaller one */
    bool subset_balanced; /* of each class the rounded share, at least one sample; otherwise of all samples alike */
    double labels; /* share of the training labels the student may see, class-balanced, chosen by seed: of each class
                    * the rounded share, at least one; 0: none. A larger share contains every smaller one */
    double validation; /* share of the training part held out for choosing settings: class-balanced, the same for every
                        * seed, so that a teacher of another run has not seen it; each class keeps a training sample */
    bool normalize;
} lbk_data_params;
extern const lbk_param lbk_data_table[];

/* Augmentations in the order in which they are applied. */
typedef struct lbk_chain {
    int items[LBK_MAX_AUGMENTATIONS]; /* places in lbk_data.augmentation */
    int count;
} lbk_chain;

typedef enum lbk_viewer { LBK_VIEWER_STUDENT, LBK_VIEWER_TEACHER } lbk_viewer;

/* What one network sees. Training views: `augment` unless it is plain, then `chain`. The teacher's own training is not
 * plain: that is for the teacher who is asked. Evaluated samples: those of `chain` that are fixed;
 * `augment` has none such. */
typedef struct lbk_own_view {
    bool plain;
    lbk_chain chain;
} lbk_own_view;

typedef struct lbk_data {
    lbk_data_params params;
    const lbk_dataset *dataset;
    void *dataset_params;
    lbk_source source;
    uint64_t seed;
    uint32_t *train, *validation; /* indices into the dataset's train part */
    uint32_t *known;              /* those of `train` whose label is known: all, unless the dataset has others */
    uint32_t train_count, validation_count, known_count;
    bool *labelled; /* per dataset train index: the student may see its label, which is known */
    float mean[4], deviation[4];
    const lbk_augmentation *augmentation[LBK_MAX_AUGMENTATIONS]; /* in use, each once */
    void *augmentation_params[LBK_MAX_AUGMENTATIONS];
    int augmentation_count;
    lbk_chain augment;
    lbk_own_view own[2]; /* by lbk_viewer */
    bool same_views;     /* both networks see the same */
    const lbk_mix *mix;  /* NULL: none */
    void *mix_params;
    lbk_arena arena;
} lbk_data;

/* Reads and checks [data] and the [augment.*] and [mix.*] sections in use (one that [data] does not name is refused as
 * having no effect), without opening any data file. Text in `params` lives in `ini`, which must outlive `data`. Release
 * `data` in every case. */
lbk_status lbk_data_read(lbk_data *data, lbk_ini *ini, uint64_t seed);
/* Opens the files; splits; computes images' mean and deviation from the dataset's training part (validation samples
 * included, so that the split does not move the scale) when the dataset knows none; reads one training view, so that an
 * augmentation that does not fit the images fails here. `folder`: where relative paths start, NULL for the current one.
 */
lbk_status lbk_data_open(lbk_data *data, const char *folder);
void lbk_data_release(lbk_data *data);
/* The sections [data], [augment.*] and [mix.*] with every default written out, as for a run folder. Paths relative to `folder` become
 * absolute, but for that of what the run keeps. */
lbk_status lbk_data_print(const lbk_data *data, const char *folder, lbk_text *out);

/* What a run keeps of opened data (dataset.h): the file's name and text. *name NULL: nothing. */
lbk_status lbk_data_keep(const lbk_data *data, const char **name, lbk_text *out);

/* Samples, and their indices [count] within the dataset's train part; NULL for the test part, which is whole. */
uint32_t lbk_data_count(const lbk_data *data, lbk_part part);
const uint32_t *lbk_data_samples(const lbk_data *data, lbk_part part);
/* Floats in an image; 0 where samples are something else. */
size_t lbk_data_image_size(const lbk_data *data);
/* Whether a training sample looks different to the teacher from epoch to epoch. */
bool lbk_data_views_vary(const lbk_data *data);

/* A batch on the host. Rows beyond `valid` are zeros with label -1. */
typedef struct lbk_batch {
    /* Of each of the source's inputs [batch,...]; an image's pixels are normalised. As the student sees them, in part TEACHER as
     * the teacher does. */
    lbk_numbers inputs[LBK_SAMPLE_INPUTS];
    lbk_numbers
        teacher_inputs[LBK_SAMPLE_INPUTS]; /* as the teacher sees them: `inputs` themselves when both see the same */
    int32_t *labels;                       /* [batch]; the true class, -1 where nobody knows it and beyond `valid` */
    int32_t *seen_labels; /* [batch]; as `labels`, but in part TRAIN -1 where the student may not see it */
    uint32_t *samples;    /* [batch]; index within the dataset's test part (TEST) or train part; 0 beyond `valid` */
    /* Row i shows share[i] of its own sample, with labels[i], and 1 - share[i] of another, with partner_labels[i]. */
    uint32_t *partners;           /* [batch]; the other's row of this batch: its own where nothing is mixed */
    int32_t *partner_labels;      /* [batch]; labels[partners[i]] */
    int32_t *partner_seen_labels; /* [batch]; seen_labels[partners[i]] */
    float *share;                 /* [batch]; in [0, 1]; 1 where nothing is mixed */
    int valid;
    uint32_t epoch, index; /* which batch of which epoch */
} lbk_batch;

typedef struct lbk_loader lbk_loader;

/* Batches of one part, in order, prefetched by `threads` threads into `depth` slots.
 * Training (parts TRAIN and TEACHER): shuffled by (seed, epoch) when data->params.shuffle, augmented by (seed, epoch,
 * sample), mixed by (seed, epoch, index); the last incomplete batch of an epoch is left out (a plan has one batch size),
 * unless the part is smaller than one batch.
 * Other parts: in order, not augmented, the last batch padded; one epoch only (start_epoch; end_epoch is not looked
 * at), then end. Starts at (epoch, index), so that resume needs no replay; `end_epoch` is exclusive. A batch depends on
 * neither `threads` nor `depth`, both at least 1. */
lbk_status lbk_loader_create(const lbk_data *data, lbk_part part, uint32_t start_epoch, uint32_t start_index,
                             uint32_t end_epoch, int depth, int threads, lbk_loader **out);
/* The next batch, or *out = NULL at the end. It stays valid until lbk_loader_release_batch(). Several may be held (up
 * to depth; asking for one more is LBK_ERR_INTERNAL, not a deadlock). Errors of the reading threads come out here, in
 * order: batches before the bad one are delivered first, and every later call fails like the first. */
lbk_status lbk_loader_next(lbk_loader *loader, lbk_batch **out);
void lbk_loader_release_batch(lbk_loader *loader, lbk_batch *batch);
uint32_t lbk_loader_batches_per_epoch(const lbk_loader *loader);
void lbk_loader_destroy(lbk_loader *loader); /* stops the threads at once; NULL is allowed */

uint32_t lbk_data_batches_per_epoch(const lbk_data *data, lbk_part part);

#endif
