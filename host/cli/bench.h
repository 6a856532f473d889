/* Inside host/cli: the kinds of `limbeck bench`. */
#ifndef LBK_CLI_BENCH_H
#define LBK_CLI_BENCH_H

#include "cli/cli.h"
#include "graph/plan.h"
#include "tensor/tensor.h"

/* "128x32x32x16" */
lbk_status lbk_bench_shape(const char *text, lbk_shape *out);
/* Runs the plan until the device is at its pace. A system may have a process' new threads share one core for a tenth of a
 * second, and processors change their clock. */
lbk_status lbk_bench_warm_up(lbk_plan *plan);
/* `bench train` and `bench kd`; args->items[0] says which. */
lbk_status lbk_bench_steps(lbk_args *args, const char *usage);

#endif
