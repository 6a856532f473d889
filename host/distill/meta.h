/* Weights and temperatures that are learned while the student trains: those that would have made its next step better for samples
 * held out.
 *
 * With terms L_k(theta), the hard loss among them, and a look-ahead by plain gradient descent,
 *
 *     theta'  = theta - lr * sum_k f_k dL_k/dtheta          on the training batch, whatever the optimiser
 *     a      <- a - meta_lr * dV(theta')/da                 V: cross entropy of held-out samples
 *     b      <- b - meta_lr * dV(theta')/db
 *
 * where a_k gives the factor f_k = n exp(a_k) / sum_j exp(a_j) of term k's weight, n terms, and b the factor exp(b) of a temperature. All
 * begin at 0, so that the factors begin at 1. Factors of weights have a fixed sum: what is learned is a balance, not a longer step,
 * which a look-ahead of one step would always ask for. Ren, Zeng, Yang, Urtasun 2018, "Learning to reweight examples for robust
 * deep learning", equations 4 to 6, for losses in place of samples; Franceschi et al. 2018 for hyper-parameters in general.
 *
 * dV/da needs first derivatives alone: dV/df_k = -lr <dV/dtheta', dL_k/dtheta>. dV/db differentiates the gradients dL_k/dtheta. */
#ifndef LBK_DISTILL_META_H
#define LBK_DISTILL_META_H

#include "distill/objective.h"

/* Declares the states of `count` terms; names[k]: "hard", "kd", ...; factors[k] {1}: f_k. */
lbk_status lbk_meta_factors(lbk_graph *graph, const char *const *names, int count, lbk_learned *learned,
                            lbk_value *factors);
/* temperature * exp(b), b the state of `name`. */
lbk_status lbk_meta_temperature(lbk_graph *graph, const char *name, lbk_value temperature, lbk_learned *learned,
                                lbk_value *out);
/* Inputs of held-out samples, drawn by (seed, step) from the validation part: learned->inputs, as the student sees what it is evaluated
 * on, and learned->labels [B]:i32. Filled in every `every`th step, from the first on. */
lbk_status lbk_meta_held_out(lbk_method_context *c, int every, lbk_learned *learned);

/* Adds the look-ahead to a clone of the graph in which the objective was built, nothing differentiated yet. The student at theta' is
 * in training mode: batch norm by the held-out batch's statistics. Running it moves states (running statistics, banks) as a step does:
 * the caller puts them back. next[k] {1}, kept: what state k becomes; *held_out {1}, kept: V. */
typedef struct lbk_meta_setting {
    lbk_companion student;
    const char *head; /* the output that the labels are about; "": the first */
    lbk_value lr;     /* {1} */
    double meta_lr;
} lbk_meta_setting;
lbk_status lbk_meta_look_ahead(lbk_graph *graph, const lbk_learned *learned, const lbk_meta_setting *setting,
                               lbk_value *next, lbk_value *held_out);

#endif
