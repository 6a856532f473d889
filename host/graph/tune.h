/* Which variant of an op is fastest on a device, by measuring.
 *
 * Only nodes that several variants of the device's class take are measured: matrix products and convolutions. What is found is kept in
 * <cache>/tune/<hash of platform, device, driver and compute units>.json as {key: {"winner": variant, "ms": {variant: time}}}, where
 * the key is op, parameters, shapes and an arithmetic other than float32; it is written atomically, and a damaged file is measured anew.
 *
 * Every plan looks there (lbk_tune_graph()). Only on a GPU does a plan also measure what is not there yet, since on other
 * devices the order of an op's variants is good enough to begin with; `limbeck tune` measures on any. $LIMBECK_TUNE: "off",
 * plans neither measure nor look; "on", they measure on every kind of device. On a device without a compiler they do
 * neither: its prebuilt programs are those of the order. */
#ifndef LBK_GRAPH_TUNE_H
#define LBK_GRAPH_TUNE_H

#include "graph/graph.h"
#include "ops/emit.h"

/* variants[n]: for lbk_plan_options, in `arena`; NULL when nothing was to be decided. Measures for LBK_TUNE_FIRST_USE_S at most, one
 * variant's compiling more; what is left then is left to the next plan. */
#define LBK_TUNE_FIRST_USE_S 12
lbk_status lbk_tune_graph(const lbk_graph *graph, lbk_device *device, lbk_arena *arena, const char *const **variants);

typedef enum lbk_tune_source {
    LBK_TUNE_KEPT,     /* known from before */
    LBK_TUNE_MEASURED, /* now */
    LBK_TUNE_LEFT      /* to be measured, but the time was up */
} lbk_tune_source;

/* What one key came to. Lives as long as the call that hands it out. */
typedef struct lbk_tune_choice {
    const char *key, *op;
    const char *shapes, *params; /* of the inputs; those that are not the op's defaults */
    int count, winner;           /* winner -1: none is known */
    const char *variant[LBK_MAX_RIVALS];
    double seconds[LBK_MAX_RIVALS]; /* fastest run; 0: unknown, or the variant failed */
    lbk_tune_source source;
} lbk_tune_choice;

typedef struct lbk_tune_options {
    bool measure, again;  /* again: also what is known */
    uint64_t deadline_ns; /* of lbk_clock_ns(): no candidate is begun after it */
    void *context;
    void (*note)(void *context, const lbk_tune_choice *choice); /* once for a key; NULL: nobody wants to know */
} lbk_tune_options;

/* Several graphs of one device. */
typedef struct lbk_tuner lbk_tuner;
lbk_status lbk_tuner_open(lbk_device *device, const lbk_tune_options *options, lbk_tuner **out);
/* variants: as above, or NULL where they are not wanted. */
lbk_status lbk_tuner_graph(lbk_tuner *tuner, const lbk_graph *graph, lbk_arena *arena, const char **variants);
/* Keeps what was found, unless that fails, which is logged. NULL is allowed. */
void lbk_tuner_close(lbk_tuner *tuner);

#endif
