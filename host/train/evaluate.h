/* Measures of a network on a part of the data. Everything is computed on the host in double from the logits. */
#ifndef LBK_TRAIN_EVALUATE_H
#define LBK_TRAIN_EVALUATE_H

#include "train/network.h"

typedef struct lbk_evaluation {
    uint32_t count;
    int classes;
    float *logits;              /* [count, classes] */
    int32_t *labels;            /* [count] */
    double accuracy;            /* share of right answers */
    double loss;                /* mean cross entropy */
    double macro_f1;            /* mean over classes of F1; a class that neither occurs nor is predicted is left out */
    double device_s_per_sample; /* kernel time */
    double wall_s_per_sample;   /* with loading and transfers */
} lbk_evaluation;

/* Runs the eval plan over the whole part, training samples unshuffled and not augmented. Release in every case. */
lbk_status lbk_evaluate(lbk_network *network, const lbk_data *data, lbk_part part, lbk_evaluation *evaluation);
void lbk_evaluation_release(lbk_evaluation *evaluation);

/* Fills accuracy, loss and macro_f1 from logits and labels (in [0, classes)). */
lbk_status lbk_evaluation_score(lbk_evaluation *evaluation);
/* Share of samples on which both choose the same class; both over the same part. */
double lbk_evaluation_agreement(const lbk_evaluation *a, const lbk_evaluation *b);
/* Mean over samples of KL(softmax(teacher) || softmax(student)), nats. */
double lbk_evaluation_divergence(const lbk_evaluation *teacher, const lbk_evaluation *student);

#endif
