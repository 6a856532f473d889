#include "report/report.h"

#include <stdlib.h>

/* All launches of one node. */
typedef struct layer {
    lbk_plan_launch_info info; /* of the launch that took longest */
    double seconds, flops, bytes;
    uint64_t runs;
} layer;

static int longest_first(const void *a, const void *b) {
    double x = ((const layer *)a)->seconds, y = ((const layer *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static size_t gather(const lbk_plan *plan, layer *layers) {
    size_t count = 0;
    double longest = 0;
    for (size_t i = 0; i < lbk_plan_launch_count(plan); i++) {
        lbk_plan_launch_info info = lbk_plan_launch(plan, i);
        if (info.first) {
            layers[count++] = (layer){.info = info, .runs = info.runs};
            longest = 0;
        }
        layer *l = &layers[count - 1];
        l->seconds += info.seconds;
        l->flops += info.flops;
        l->bytes += info.bytes;
        if (info.seconds > longest) {
            longest = info.seconds;
            l->info = info;
        }
    }
    return count;
}

static lbk_status print_layer(const layer *l, const lbk_peak *peak, lbk_text *out) {
    char time[24], shape[LBK_SHAPE_TEXT] = "";
    double seconds = l->runs ? l->seconds / (double)l->runs : 0, least = lbk_peak_seconds(peak, l->flops, l->bytes);
    if (seconds <= 0)
        return LBK_OK;
    if (l->info.shape)
        lbk_shape_print(l->info.shape, shape);
    return lbk_text_printf(out, "  %9s %9.1f %8.1f %8.0f %%  %s %s%s%s%s%s\n", lbk_report_time(seconds, time),
                           l->flops / seconds * 1e-9, l->bytes / seconds * 1e-9, 100 * least / seconds, l->info.op,
                           l->info.variant, *shape ? " " : "", shape, *l->info.node ? ", " : "", l->info.node);
}

lbk_status lbk_report_explain(const lbk_plan *plan, const lbk_peak *peak, lbk_text *out) {
    layer *layers = NULL;
    double seconds = 0, least = 0;
    LBK_TRY(lbk_calloc(lbk_plan_launch_count(plan) + 1, sizeof *layers, &layers));
    size_t count = gather(plan, layers);
    qsort(layers, count, sizeof *layers, longest_first);
    lbk_status status = lbk_text_printf(out, "  %9s %9s %8s %10s  %s\n", "time", "GFLOP/s", "GB/s", "roofline",
                                        "op, variant, first input, layer");
    for (size_t i = 0; i < count && status == LBK_OK; i++) {
        seconds += layers[i].runs ? layers[i].seconds / (double)layers[i].runs : 0;
        least += lbk_peak_seconds(peak, layers[i].flops, layers[i].bytes);
        status = print_layer(&layers[i], peak, out);
    }
    free(layers);
    if (status != LBK_OK || seconds <= 0)
        return status;
    return lbk_text_printf(out, "  all: %.3f ms, %.0f %% of the roofline (%.1f GFLOP/s, %.1f GB/s)\n", seconds * 1e3,
                           100 * least / seconds, peak->flops * 1e-9, peak->bytes * 1e-9);
}
