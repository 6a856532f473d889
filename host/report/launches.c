/* Which variants of which ops a plan would launch. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#define LINE 110 /* characters */

typedef struct tally {
    const char *op, *variant;
    int nodes;
} tally;

static int by_name(const void *a, const void *b) {
    const tally *x = a, *y = b;
    int order = strcmp(x->op, y->op);
    return order ? order : strcmp(x->variant, y->variant);
}

static size_t count_nodes(const lbk_graph *graph, const char *const *variants, tally *tallies) {
    size_t count = 0;
    for (size_t n = 0; n < graph->node_count; n++) {
        size_t i = 0;
        while (i < count &&
               (strcmp(tallies[i].op, graph->nodes[n].op->name) != 0 || strcmp(tallies[i].variant, variants[n]) != 0))
            i++;
        if (i == count)
            tallies[count++] = (tally){graph->nodes[n].op->name, variants[n], 0};
        tallies[i].nodes++;
    }
    qsort(tallies, count, sizeof *tallies, by_name);
    return count;
}

static lbk_status print(const tally *tallies, size_t count, lbk_text *out) {
    size_t column = 0;
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && strcmp(tallies[i].op, tallies[i - 1].op) == 0;
        size_t width = strlen(tallies[i].variant) + (same ? 0 : strlen(tallies[i].op)) + 8;
        const char *separator = i == 0 ? "" : same ? "," : ";";
        bool wrap = column + width > LINE;
        LBK_TRY(lbk_text_printf(out, "%s%s", separator, wrap ? "\n   " : ""));
        column = wrap ? width : column + width;
        if (!same)
            LBK_TRY(lbk_text_printf(out, " %s", tallies[i].op));
        LBK_TRY(lbk_text_printf(out, " %s", tallies[i].variant));
        if (tallies[i].nodes > 1)
            LBK_TRY(lbk_text_printf(out, " x%d", tallies[i].nodes));
    }
    return lbk_text_printf(out, "\n");
}

lbk_status lbk_report_launches(const lbk_graph *graph, const char *const *variants, lbk_text *out) {
    tally *tallies = NULL;
    LBK_TRY(lbk_calloc(graph->node_count + 1, sizeof *tallies, &tallies));
    lbk_status status = print(tallies, count_nodes(graph, variants, tallies), out);
    free(tallies);
    return status;
}
