/* ofd's margins: the mean of what is negative of a normal distribution, whatever the teacher's batch norm says. */
#include "distill/helpers/rig.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { CHANNELS = 16 };

static double expected(double mean, double deviation) {
    double s = fabs(deviation), u = -mean / s, part = 0.5 * erfc(-u * sqrt(0.5));
    return part > 0.001 ? mean - s * exp(-u * u / 2) / sqrt(2 * acos(-1)) / part : -3 * s;
}

/* The margin: what the teacher's layer [B,H,W,C] is brought up to. */
static const double *margin_of(const rig *r) {
    const lbk_graph *graph = r->student.train;
    for (size_t n = 0; n < graph->node_count; n++)
        if (strcmp(graph->nodes[n].op->name, "maximum") == 0 &&
            lbk_graph_desc(graph, graph->nodes[n].input[1])->shape.rank == 1)
            return r->memory[graph->nodes[n].input[1]];
    return NULL;
}

Test(ofd, margins) {
    rig r;
    int rare = 0;
    cr_assert_eq(rig_build(&r, (const char *const[]){"distill.methods=ofd", "distill.ofd.layers=last", NULL}, 1),
                 LBK_OK, "%s", lbk_error_message());
    double *deviation = r.teacher_memory[lbk_graph_find(r.teacher.eval, "layer3.0.bn2.weight")];
    double *mean = r.teacher_memory[lbk_graph_find(r.teacher.eval, "layer3.0.bn2.bias")];
    for (int c = 0; c < CHANNELS; c++) { /* from 8 deviations below 0 to 7 above; every other deviation is negative */
        deviation[c] = (c % 2 ? -0.3 : 0.7) * (1 + c);
        mean[c] = (c - 8) * fabs(deviation[c]);
    }
    cr_assert_eq(rig_step(&r, 0), LBK_OK, "%s", lbk_error_message());
    const double *margin = margin_of(&r);
    cr_assert_not_null(margin);
    for (int c = 0; c < CHANNELS; c++) {
        double want = expected(mean[c], deviation[c]);
        rare += want == -3 * fabs(deviation[c]);
        cr_expect(fabs(margin[c] - want) <= 1e-12 * fabs(want), "%g +- %g: %.15g, expected %.15g", mean[c],
                  deviation[c], margin[c], want);
    }
    cr_expect(rare > 2 && rare < CHANNELS / 2, "%d channels are hardly ever negative", rare);
    rig_release(&r);
}
