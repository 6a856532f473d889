/* What a finished run says: numbers with units, the table, result.json; and the catalogue behind lists and docs. */
#include "report/catalog.h"
#include "report/report.h"
#include "support/scratch.h"

#include <math.h>

#define SI(number, want)                                                                                               \
    cr_expect_str_eq(lbk_report_si(number, text), want, "%g is %s, expected %s", (double)(number), text, want)
#define TIME(number, want)                                                                                             \
    cr_expect_str_eq(lbk_report_time(number, text), want, "%g s is %s, expected %s", (double)(number), text, want)

Test(report, si_prefixes) {
    char text[16];
    SI(0, "0");
    SI(7, "7");
    SI(999, "999");
    SI(999.4, "999");
    SI(999.6, "1.00 k");
    SI(1000, "1.00 k");
    SI(12345, "12.3 k");
    SI(123456, "123 k");
    SI(56554, "56.6 k");
    SI(1.5e6, "1.50 M");
    SI(4.1e9, "4.10 G");
    SI(2e15, "2.00 P");
    SI(-1500, "-1.50 k");
}

Test(report, times) {
    char text[24];
    TIME(0, "0.0 us");
    TIME(12.3e-6, "12.3 us");
    TIME(4.5e-3, "4.5 ms");
    TIME(0.5, "500.0 ms");
    TIME(1, "1.0 s");
    TIME(99.9, "99.9 s");
    TIME(200, "3 min 20 s");
    TIME(7265, "2 h 01 min");
}

static lbk_run_result example(void) {
    lbk_run_result r = {.name = "example",
                        .seed = 3,
                        .agreement = 0.975,
                        .distillation_error = 0.0625,
                        .control_agreement = 0.5,
                        .control_distillation_error = 1.25,
                        .total_s = 12,
                        .compile_s = 3,
                        .programs_built = 4,
                        .programs_cached = 5,
                        .overlap = 0.875};
    r.teacher = (lbk_model_result){.present = true,
                                   .device = "0.0 A",
                                   .parameters = 56554,
                                   .flops = 3.61e6,
                                   .accuracy = 0.99,
                                   .loss = 0.03,
                                   .macro_f1 = 0.985,
                                   .device_s_per_sample = 4e-5};
    r.student = (lbk_model_result){.present = true,
                                   .device = "1.0 B",
                                   .parameters = 426,
                                   .flops = 14752,
                                   .accuracy = 0.9625,
                                   .loss = 0.13,
                                   .macro_f1 = 0.96,
                                   .device_s_per_sample = 3e-6};
    r.control = r.student;
    r.control.accuracy = 0.8;
    r.distillation = (lbk_phase_result){
        .steps = 10, .wall_s = 2, .teacher_busy_s = 1.5, .student_busy_s = 1, .bytes_moved = 4096, .bridge = "host"};
    snprintf(r.folder, sizeof r.folder, "somewhere");
    return r;
}

static lbk_text table_of(const lbk_run_result *r) {
    lbk_text text = {0};
    cr_assert_eq(lbk_report_table(r, &text), LBK_OK, "%s", lbk_error_message());
    return text;
}

Test(report, table) {
    lbk_run_result r = example();
    lbk_text text = table_of(&r);
    static const char *const lines[] = {
        "                                teacher        student        control\n",
        "parameters                       56.6 k            426            426\n",
        "test accuracy                   99.00 %        96.25 %        80.00 %\n",
        "agreement with teacher                -        97.50 %        50.00 %\n",
        "distillation error (KL)               -         0.0625         1.2500\n",
        "teacher on 0.0 A\nstudent on 1.0 B\n",
        "overlap efficiency 0.88, bridge host\n",
        "total 12.0 s, of which compiling 3.0 s\nrun folder: somewhere\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_expect(strstr(text.data, lines[i]), "no line \"%s\" in:\n%s", lines[i], text.data);
    lbk_text_release(&text);
}

Test(report, table_without_control_and_distillation) {
    lbk_run_result r = example();
    r.control.present = false;
    r.distillation.steps = 0;
    lbk_text text = table_of(&r);
    cr_expect_not(strstr(text.data, "control"));
    cr_expect_not(strstr(text.data, "overlap"));
    lbk_text_release(&text);
}

Test(report, of_a_teacher_alone) {
    lbk_run_result r = example();
    json_t *root = NULL;
    r.student.present = r.control.present = false;
    memset(r.control.device, 0, sizeof r.control.device);
    r.distillation = (lbk_phase_result){0};
    lbk_text text = table_of(&r);
    cr_expect(strstr(text.data, "teacher\n") && strstr(text.data, "teacher on 0.0 A\n"), "%s", text.data);
    cr_expect_not(strstr(text.data, "student"), "%s", text.data);
    lbk_text_release(&text);
    cr_assert_eq(lbk_report_json(&r, &root), LBK_OK, "%s", lbk_error_message());
    cr_expect(json_object_get(root, "teacher"));
    cr_expect_not(json_object_get(root, "student") || json_object_get(root, "agreement") ||
                  json_object_get(root, "control") || json_object_get(root, "overlap"));
    json_decref(root);
}

static double figure(const json_t *root, const char *a, const char *b, const char *c) {
    const json_t *value = json_object_get(root, a);
    value = b ? json_object_get(value, b) : value;
    value = c ? json_object_get(value, c) : value;
    cr_assert(json_is_number(value), "no number %s.%s.%s", a, b ? b : "", c ? c : "");
    return json_number_value(value);
}

static void check_json(const json_t *root) {
    cr_expect_str_eq(json_string_value(json_object_get(root, "name")), "example");
    cr_expect_eq(figure(root, "seed", NULL, NULL), 3);
    cr_expect_str_eq(json_string_value(json_object_get(json_object_get(root, "devices"), "student")), "1.0 B");
    cr_expect_eq(figure(root, "teacher", "params", NULL), 56554);
    cr_expect_eq(figure(root, "student", "test", "accuracy"), 0.9625);
    cr_expect_eq(figure(root, "control", "test", "accuracy"), 0.8);
    cr_expect_eq(figure(root, "control", "agreement", NULL), 0.5);
    cr_expect_eq(figure(root, "agreement", NULL, NULL), 0.975);
    cr_expect_eq(figure(root, "distillation_error", NULL, NULL), 0.0625);
    cr_expect_eq(figure(root, "time", "compile_s", NULL), 3);
    cr_expect_eq(figure(root, "overlap", "efficiency", NULL), 0.875);
    cr_expect_eq(figure(root, "overlap", "teacher_busy_s", NULL), 1.5);
    cr_expect_eq(figure(root, "overlap", "bytes_moved", NULL), 4096);
}

Test(report, json_is_written_and_reads_back) {
    lbk_run_result r = example();
    scratch s;
    scratch_make(&s);
    snprintf(r.folder, sizeof r.folder, "%s", s.folder);
    cr_assert_eq(lbk_report_write(&r), LBK_OK, "%s", lbk_error_message());
    json_t *root = json_load_file(scratch_path(&s, "result.json"), 0, NULL);
    cr_assert(root);
    check_json(root);
    json_decref(root);
    cr_expect_eq(scratch_count(&s), 1);
    scratch_remove(&s);
}

/* JSON has no NaN: a diverged run must not leave a file that nobody can read. */
Test(report, figures_that_are_no_numbers_are_refused) {
    static const double bad[] = {NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        lbk_run_result r = example();
        json_t *root = NULL;
        if (i < 2)
            r.student.loss = bad[i];
        else if (i == 2)
            r.control.loss = NAN;
        else
            r.distillation_error = NAN;
        cr_expect_eq(lbk_report_json(&r, &root), LBK_ERR_DEVICE, "case %d", i);
        cr_expect_null(root);
    }
}

Test(catalog, every_entry_is_described) {
    lbk_arena arena = {0};
    for (const lbk_catalog_kind *kind = lbk_catalog_kinds(); kind->plural; kind++) {
        lbk_catalog_entry *entries;
        size_t count;
        cr_expect_eq(lbk_catalog_kind_find(kind->plural), kind);
        cr_expect_eq(lbk_catalog_kind_find(kind->singular), kind);
        cr_assert_eq(lbk_catalog_entries(kind, &arena, &entries, &count), LBK_OK, "%s", lbk_error_message());
        cr_expect_gt(count, 0, "no %s", kind->plural);
        for (size_t i = 0; i < count; i++) {
            lbk_text text = {0};
            cr_expect(entries[i].summary && *entries[i].summary, "%s %s has no summary", kind->singular,
                      entries[i].name);
            cr_assert_eq(lbk_catalog_describe(kind, &entries[i], &text), LBK_OK);
            for (const lbk_param *p = entries[i].params; p && p->name; p++)
                cr_expect(strstr(text.data, p->name) && strstr(text.data, p->meaning), "%s.%s", entries[i].name,
                          p->name);
            lbk_text_release(&text);
        }
    }
    cr_expect_null(lbk_catalog_kind_find("nonsense"));
    lbk_arena_release(&arena);
}
