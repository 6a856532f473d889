#include "report/report.h"

#include <stdlib.h>
#include <string.h>

/* All launches of one kernel for one op and variant. */
typedef struct bucket {
    lbk_plan_launch_info info;
    double seconds, flops, bytes;
    uint64_t runs;
    int launches;
} bucket;

static bool same(const lbk_plan_launch_info *a, const lbk_plan_launch_info *b) {
    return strcmp(a->op, b->op) == 0 && strcmp(a->variant, b->variant) == 0 && strcmp(a->kernel, b->kernel) == 0;
}

static int longest_first(const void *a, const void *b) {
    double x = ((const bucket *)a)->seconds, y = ((const bucket *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static size_t gather(const lbk_plan *plan, bucket *buckets, double *total) {
    size_t count = 0;
    for (size_t i = 0; i < lbk_plan_launch_count(plan); i++) {
        lbk_plan_launch_info info = lbk_plan_launch(plan, i);
        size_t at = 0;
        while (at < count && !same(&buckets[at].info, &info))
            at++;
        if (at == count)
            buckets[count++].info = info;
        buckets[at].seconds += info.seconds;
        buckets[at].flops += info.flops * (double)info.runs;
        buckets[at].bytes += info.bytes * (double)info.runs;
        buckets[at].runs += info.runs;
        buckets[at].launches++;
        *total += info.seconds;
    }
    return count;
}

lbk_status lbk_report_profile(const lbk_plan *plan, lbk_text *out) {
    bucket *buckets = NULL;
    double total = 1e-30;
    LBK_TRY(lbk_calloc(lbk_plan_launch_count(plan) + 1, sizeof *buckets, &buckets));
    size_t count = gather(plan, buckets, &total);
    qsort(buckets, count, sizeof *buckets, longest_first);
    lbk_status status = lbk_text_printf(out, "  %6s %9s %8s %9s %9s  %s\n", "share", "time", "launches", "GFLOP/s",
                                        "GB/s", "op, variant, kernel");
    for (size_t i = 0; i < count && status == LBK_OK; i++) {
        const bucket *b = &buckets[i];
        char time[24];
        double seconds = b->seconds > 0 ? b->seconds : 1e-30;
        status = lbk_text_printf(out, "  %5.1f%% %9s %8d %9.1f %9.1f  %s %s %s\n", 100 * b->seconds / total,
                                 lbk_report_time(b->seconds, time), b->launches, b->flops / seconds * 1e-9,
                                 b->bytes / seconds * 1e-9, b->info.op, b->info.variant, b->info.kernel);
    }
    free(buckets);
    return status;
}
