/* What a finished run says: the table on the terminal and result.json. */
#ifndef LBK_REPORT_REPORT_H
#define LBK_REPORT_REPORT_H

#include "device/peak.h"
#include "train/run.h"

#include <jansson.h>

/* The summary table: teacher, student and control side by side. */
lbk_status lbk_report_table(const lbk_run_result *result, lbk_text *out);
/* Every figure of the table and more; one reference. */
lbk_status lbk_report_json(const lbk_run_result *result, json_t **out);
/* result.json in the run folder, replaced atomically. */
lbk_status lbk_report_write(const lbk_run_result *result);

/* Where a plan's time went, by op, variant and kernel, the longest first: share, runs, rates. */
lbk_status lbk_report_profile(const lbk_plan *plan, lbk_text *out);

/* Each layer of a plan whose steps were collected, the longest first: time a step, rates, variant, and the share of the roofline:
 * the least time in which the device could do it over the time it took. Above 100 %: caches, or Winograd. */
lbk_status lbk_report_explain(const lbk_plan *plan, const lbk_peak *peak, lbk_text *out);

/* "conv2d cpu/direct x3, cpu/winograd x6; relu generic/elementwise": where the nodes of a graph run, by op; variants as
 * lbk_plan_measure() finds them. Ends with a newline; further lines are indented. */
lbk_status lbk_report_launches(const lbk_graph *graph, const char *const *variants, lbk_text *out);

/* "12.3 k", "4.56 M": four significant digits with an SI prefix, into text (16 bytes). */
const char *lbk_report_si(double number, char *text);
/* "12.3 us", "4.5 ms", "3 min 20 s". */
const char *lbk_report_time(double seconds, char *text);

#endif
