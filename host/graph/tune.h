/* Which variant of an op is fastest on a device, by measuring once.
 *
 * Only nodes that several variants of the device's class take are measured (on a GPU: our GEMM against CLBlast's). A winner is kept in
 * <cache>/tune/<hash of device and driver>.json under (op, parameters, shapes), written atomically; a damaged file is measured anew.
 * $LIMBECK_TUNE: "off" never measures (the op's own order), "on" measures on every kind of device; default: GPUs only, since
 * the other classes have one variant a shape. */
#ifndef LBK_GRAPH_TUNE_H
#define LBK_GRAPH_TUNE_H

#include "graph/graph.h"

/* variants[n]: for lbk_plan_options, in `arena`; NULL when nothing was to be decided. */
lbk_status lbk_tune_graph(const lbk_graph *graph, lbk_device *device, lbk_arena *arena, const char *const **variants);

#endif
