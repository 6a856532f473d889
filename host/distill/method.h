/* What a distillation method is.
 *
 * To add one: write host/distill/NAME.c with `const lbk_method lbk_method_NAME = {...};` and the line LBK_METHOD(NAME) in
 * host/distill/registry.def. docs/adding-method.md walks through one.
 *
 * A method says what it needs (taps) and adds its loss to the student's graph out of ordinary ops. The loop, the loader
 * and the bridge act on needs; nobody but this folder's registry knows a method by name. */
#ifndef LBK_DISTILL_METHOD_H
#define LBK_DISTILL_METHOD_H

#include "model/model.h"

/* A number that changes over the run: a scalar of the graph and where its value comes from. */
typedef struct lbk_scheduled {
    lbk_value scalar;
    lbk_ramp ramp;
} lbk_scheduled;

#define LBK_MAX_NEEDED_TAPS 16

/* Taps a method reads besides both networks' logits: names of nodes. */
typedef struct lbk_needs {
    int teacher_count, student_count;
    const char *teacher[LBK_MAX_NEEDED_TAPS], *student[LBK_MAX_NEEDED_TAPS];
} lbk_needs;

/* While a method builds its loss. */
typedef struct lbk_method_context {
    lbk_graph *graph;
    const char *name; /* the method's; prefix of its scalars */
    const void *params;
    lbk_value labels;                           /* [B]:i32, -1 where the student has no label */
    lbk_value student_logits;                   /* [B,K] */
    lbk_value teacher_logits;                   /* [B,K], an input of the graph */
    const lbk_tap *student_taps, *teacher_taps; /* in the order of needs */
    lbk_value weight;                           /* {1}: the method's weight */
    lbk_value hard_weight;    /* {1}, when this method is to compute the hard loss too (absorbs_hard); else LBK_NONE */
    lbk_scheduled *scheduled; /* grows through lbk_method_scheduled() */
    size_t scheduled_count, scheduled_capacity;
    /* To fill: */
    lbk_value total;  /* {1}: weight * loss (+ hard_weight * hard loss when asked to); differentiable */
    lbk_value report; /* {1}: the unweighted loss, for metrics.jsonl */
    lbk_value hard;   /* {1}: the unweighted hard loss, when asked for it */
} lbk_method_context;

typedef struct lbk_method {
    const char *name, *summary, *formula, *source;
    const lbk_param
        *params; /* keys of [distill.NAME]; every table has `weight` (a schedule) at offset 0 of its struct */
    size_t params_size;
    bool absorbs_hard; /* computes the cross entropy in the same pass when asked (hard_weight given) */
    lbk_status (*needs)(const void *params, lbk_needs *needs); /* NULL: logits only */
    lbk_status (*build)(lbk_method_context *context);
} lbk_method;

const lbk_method *const *lbk_method_all(void); /* NULL-terminated */
const lbk_method *lbk_method_find(const char *name);

/* A scalar "<method>.<name>" that follows `ramp` over the run. */
lbk_status lbk_method_scheduled(lbk_method_context *context, const char *name, lbk_ramp ramp, lbk_value *out);
/* Most methods' last line: total = weight * loss, report = loss. */
lbk_status lbk_method_finish(lbk_method_context *context, lbk_value loss);

#endif
