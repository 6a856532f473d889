/* A table's results as Markdown and as JSON. */
#include "report/reproduce.h"

#include "base/file.h"
#include "base/json.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many seeds a cell should have. */
static int seeds_of(const lbk_reproduction *r, size_t row) {
    return row == LBK_TABLE_TEACHER && r->teacher_seed ? 1 : r->seeds;
}

static bool is_compared(size_t row) {
    return row >= LBK_TABLE_OWN;
}

/* To the control; false: one of the two has no value. */
static bool difference_to_control(const lbk_reproduction *r, size_t row, size_t column, double *difference) {
    double mean, control, deviation;
    bool both = lbk_reproduction_mean(r, row, column, &mean, &deviation) &&
                lbk_reproduction_mean(r, LBK_TABLE_CONTROL, column, &control, &deviation);
    *difference = both ? mean - control : NAN;
    return both;
}

/* ---- Markdown ---- */

static lbk_status print_value(double mean, double deviation, int count, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "%.2f", mean));
    return count > 1 ? lbk_text_printf(out, " \u00b1 %.2f", deviation) : LBK_OK;
}

/* "93.61 ± 0.40 (+8.61)"; "[2 of 3]" where runs failed. */
static lbk_status print_cell(const lbk_reproduction *r, size_t row, size_t column, lbk_text *out) {
    double mean, deviation, difference;
    int count = lbk_reproduction_mean(r, row, column, &mean, &deviation), wanted = seeds_of(r, row);
    if (!count)
        return lbk_text_printf(out, " - |");
    LBK_TRY(lbk_text_printf(out, " "));
    LBK_TRY(print_value(mean, deviation, count, out));
    if (is_compared(row) && difference_to_control(r, row, column, &difference))
        LBK_TRY(lbk_text_printf(out, " (%+.2f)", difference));
    if (count < wanted)
        LBK_TRY(lbk_text_printf(out, " [%d of %d]", count, wanted));
    return lbk_text_printf(out, " |");
}

static lbk_status print_grid(const lbk_reproduction *r, lbk_text *out) {
    const lbk_table *t = r->table;
    LBK_TRY(lbk_text_printf(out, "| |"));
    for (size_t c = 0; c < t->column_count; c++)
        if (r->column_chosen[c])
            LBK_TRY(lbk_text_printf(out, " %s |", t->columns[c].title));
    LBK_TRY(lbk_text_printf(out, "\n|---|"));
    for (size_t c = 0; c < t->column_count; c++)
        if (r->column_chosen[c])
            LBK_TRY(lbk_text_printf(out, "---|"));
    LBK_TRY(lbk_text_printf(out, "\n"));
    for (size_t row = 0; row < t->row_count; row++) {
        if (!r->row_chosen[row])
            continue;
        LBK_TRY(lbk_text_printf(out, "| %s |", t->rows[row].title));
        for (size_t c = 0; c < t->column_count; c++)
            if (r->column_chosen[c])
                LBK_TRY(print_cell(r, row, c, out));
        LBK_TRY(lbk_text_printf(out, "\n"));
    }
    return LBK_OK;
}

static lbk_status print_comparison(const lbk_reproduction *r, size_t row, size_t column, lbk_text *out) {
    const lbk_table_part *part = &r->table->rows[row];
    double expected = part->expected[column], mean, deviation;
    int count = lbk_reproduction_mean(r, row, column, &mean, &deviation);
    const char *source = *part->source ? part->source : r->table->params.source;
    LBK_TRY(lbk_text_printf(out, "| %s | %s | ", part->title, r->table->columns[column].title));
    LBK_TRY(count ? print_value(mean, deviation, count, out) : lbk_text_printf(out, "-"));
    LBK_TRY(lbk_text_printf(out, " | %.2f | ", expected));
    LBK_TRY(count ? lbk_text_printf(out, "%+.2f", mean - expected) : lbk_text_printf(out, "-"));
    return lbk_text_printf(out, " | %s |\n", source);
}

/* Every published value beside what was found; nothing where none was published. */
static lbk_status print_comparisons(const lbk_reproduction *r, lbk_text *out) {
    bool any = false;
    for (size_t row = 0; row < r->table->row_count; row++)
        for (size_t c = 0; c < r->table->column_count; c++) {
            if (!r->row_chosen[row] || !r->column_chosen[c] || isnan(r->table->rows[row].expected[c]))
                continue;
            if (!any)
                LBK_TRY(lbk_text_printf(
                    out, "\n| | | found | expected | difference | source |\n|---|---|---|---|---|---|\n"));
            any = true;
            LBK_TRY(print_comparison(r, row, c, out));
        }
    return LBK_OK;
}

lbk_status lbk_reproduction_markdown(const lbk_reproduction *r, lbk_text *out) {
    char time[24];
    LBK_TRY(lbk_text_printf(out,
                            "# %s\n\n%s.\n\nTest accuracy after the last epoch in percent, mean \u00b1 standard "
                            "deviation over %d seed%s (difference to the control).\n\n",
                            r->table->name, r->table->params.summary, r->seeds, r->seeds > 1 ? "s" : ""));
    LBK_TRY(print_grid(r, out));
    LBK_TRY(print_comparisons(r, out));
    LBK_TRY(lbk_text_printf(out, "\n%d runs, %s (%.2f hours), limbeck %s; the teacher %s.\n", r->runs,
                            lbk_report_time(r->seconds, time), r->seconds / 3600, LIMBECK_VERSION,
                            r->teacher_seed ? "is the same for all seeds" : "is another one for each seed"));
    for (int i = 0; i < r->device_count; i++)
        LBK_TRY(lbk_text_printf(out, "%s%s\n", i ? "" : "\n", r->devices[i]));
    if (r->failures)
        LBK_TRY(lbk_text_printf(out, "\nRuns that failed:\n\n%s", r->failed.data));
    return LBK_OK;
}

/* ---- JSON ---- */

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *cell_json(const lbk_reproduction *r, size_t row, size_t column) {
    double mean, deviation, difference, expected = r->table->rows[row].expected[column];
    int count = lbk_reproduction_mean(r, row, column, &mean, &deviation);
    json_t *cell = json_object(), *values = json_array();
    size_t at = (row * r->table->column_count + column) * (size_t)r->seeds;
    for (int i = 0; i < r->seeds; i++)
        json_array_append_new(values, number_or_null(r->accuracy[at + (size_t)i]));
    json_object_set_new(cell, "accuracy", values);
    json_object_set_new(cell, "mean", number_or_null(mean));
    json_object_set_new(cell, "deviation", count > 1 ? json_real(deviation) : json_null());
    if (is_compared(row)) {
        difference_to_control(r, row, column, &difference);
        json_object_set_new(cell, "difference_to_control", number_or_null(difference));
    }
    if (!isnan(expected)) {
        json_object_set_new(cell, "expected", json_real(expected));
        json_object_set_new(cell, "difference_to_expected", number_or_null(mean - expected));
    }
    return cell;
}

static json_t *row_json(const lbk_reproduction *r, size_t row) {
    const lbk_table_part *part = &r->table->rows[row];
    json_t *cells = json_object();
    for (size_t c = 0; c < r->table->column_count; c++)
        if (r->column_chosen[c])
            json_object_set_new(cells, r->table->columns[c].name, cell_json(r, row, c));
    return json_pack("{ss ss so}", "name", part->name, "title", part->title, "columns", cells);
}

lbk_status lbk_reproduction_json(const lbk_reproduction *r, json_t **out) {
    json_t *rows = json_array(), *devices = json_array();
    for (size_t row = 0; row < r->table->row_count; row++)
        if (r->row_chosen[row])
            json_array_append_new(rows, row_json(r, row));
    for (int i = 0; i < r->device_count; i++)
        json_array_append_new(devices, json_string(r->devices[i]));
    *out = json_pack("{ss ss ss si si so so si si sf}", "table", r->table->name, "version", LIMBECK_VERSION, "unit",
                     "percent", "seeds", r->seeds, "teacher_seed", r->teacher_seed, "rows", rows, "devices", devices,
                     "runs", r->runs, "failures", r->failures, "seconds", r->seconds);
    return *out ? LBK_OK : lbk_fail(LBK_ERR_MEMORY, "table.json: out of memory");
}

lbk_status lbk_reproduction_write(const lbk_reproduction *r) {
    lbk_text text = {0};
    json_t *json = NULL;
    char *markdown_path = NULL, *json_path = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_path_make_folder(r->folder));
    LBK_GOTO(lbk_path_join(r->folder, "table.md", &markdown_path));
    LBK_GOTO(lbk_path_join(r->folder, "table.json", &json_path));
    LBK_GOTO(lbk_reproduction_markdown(r, &text));
    LBK_GOTO(lbk_reproduction_json(r, &json));
    LBK_GOTO(lbk_file_write_atomic(markdown_path, text.data, text.length));
    LBK_GOTO(lbk_json_write(json_path, json));
out:
    lbk_text_release(&text);
    json_decref(json);
    free(markdown_path);
    free(json_path);
    return status;
}
