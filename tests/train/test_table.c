/* Table files: what is read, and every way to get one wrong. */
#include "train/helpers/little_run.h"

#include "train/table.h"

#include <math.h>

TestSuite(table, .init = little_enter, .fini = little_leave, .timeout = 900);

#define HEAD "[table]\nsummary = s\nexperiment = sub/x.ini\n"
#define COLUMN "[column.a]\nstudent.model = cnn-tiny\n"
#define ROW "[row.one]\ndistill.kd.temperature = 10 -> 1\n"

Test(table, is_read) {
    static const char text[] =
        HEAD "seeds = 4\nteacher_seed = 2\nsource = book\n" COLUMN "data.labels = 0.1\n[column.b]\ntitle = second\n" ROW
             "expected = b:70.5\n[row.control]\nexpected = a:1 b:2\nsource = paper\n[row.two]\n";
    lbk_table t;
    little_write("t.ini", text);
    cr_assert_eq(lbk_table_load(&t, "./t.ini"), LBK_OK, "%s", lbk_error_message());
    cr_expect_str_eq(t.name, "t");
    cr_expect_str_eq(t.experiment, "./sub/x.ini");
    cr_expect(t.params.seeds == 4 && t.params.teacher_seed == 2 && t.column_count == 2 && t.row_count == 4);
    cr_expect_eq(t.columns[0].set_count, 2);
    cr_expect_str_eq(t.columns[0].sets[1], "data.labels=0.1");
    cr_expect_str_eq(t.columns[1].title, "second");
    cr_expect_str_eq(t.rows[LBK_TABLE_TEACHER].title, "teacher");
    cr_expect(isnan(t.rows[LBK_TABLE_TEACHER].expected[1]));
    cr_expect(t.rows[LBK_TABLE_CONTROL].expected[0] == 1 && t.rows[LBK_TABLE_CONTROL].expected[1] == 2);
    cr_expect_str_eq(t.rows[LBK_TABLE_CONTROL].source, "paper");
    cr_expect_str_eq(t.rows[LBK_TABLE_OWN].sets[0], "distill.kd.temperature=10 -> 1");
    cr_expect(isnan(t.rows[LBK_TABLE_OWN].expected[0]) && t.rows[LBK_TABLE_OWN].expected[1] == 70.5);
    cr_expect(t.rows[3].set_count == 0 && isnan(t.rows[3].expected[1]));
    lbk_table_release(&t);
}

Test(table, refused_with_file_and_line) {
    static const char *const rows[][2] = {
        {"[table]\nsummary = s\n", "./t.ini:1: [table] lacks the key \"experiment\" (text)"},
        {HEAD "sets = 3\n", "./t.ini:4: [table] sets: unknown key; did you mean \"seeds\"?"},
        {HEAD "seeds = 0\n", "./t.ini:4: [table] seeds: expected integer in [1, 1000], got \"0\""},
        {HEAD "seeds = 2\nteacher_seed = 3\n", "./t.ini:5: [table] teacher_seed: must be at most seeds = 2"},
        {HEAD COLUMN, "./t.ini: has no section [row.NAME]"},
        {HEAD ROW, "./t.ini: has no section [column.NAME]"},
        {HEAD COLUMN "[row.teacher]\ntitle = t\n", "./t.ini: has no section [row.NAME]"},
        {HEAD COLUMN ROW "[rows.two]\n", "./t.ini:8: unknown or unused section [rows.two]"},
        {HEAD COLUMN ROW "titel = x\n", "./t.ini:8: [row.one] titel: unknown key; did you mean \"title\"?"},
        {HEAD COLUMN ROW "lr = 1\n",
         "./t.ini:8: [row.one] lr: unknown key; expected section.key of the experiment, title, source or expected"},
        {HEAD COLUMN ROW "experiment.seed = 2\n", "./t.ini:8: [row.one] experiment.seed: a table sets this itself"},
        {HEAD COLUMN "experiment.control = no\n" ROW,
         "./t.ini:6: [column.a] experiment.control: a table sets this itself"},
        {HEAD COLUMN ROW "teacher.epochs = 2\n",
         "./t.ini:8: [row.one] teacher.epochs: the teacher is the column's; all rows share it"},
        {HEAD COLUMN ROW "teacher/cs_kd.weight = 2\n",
         "./t.ini:8: [row.one] teacher/cs_kd.weight: the teacher is the column's; all rows share it"},
        {HEAD COLUMN ROW "[row.control]\nstudent.lr = 2\n",
         "./t.ini:9: [row.control] student.lr: the control is as the column says; expected title, source or expected"},
        {HEAD COLUMN ROW "expected = b:3\n", "./t.ini:8: [row.one] expected: there is no column \"b\""},
        {HEAD COLUMN ROW "expected = 3\n",
         "./t.ini:8: [row.one] expected: expected COLUMN:VALUE with a percentage, found \"3\""},
        {HEAD COLUMN ROW "expected = a:101\n",
         "./t.ini:8: [row.one] expected: expected COLUMN:VALUE with a percentage, found \"a:101\""},
        {HEAD COLUMN "expected = a:10\n" ROW, "./t.ini:6: [column.a] expected: belongs into a row"},
        {HEAD COLUMN "[row.a/b]\n", "./t.ini:6: [row.a/b]: \"a/b\" is no name for a folder"},
        {HEAD COLUMN "[row..a]\n", "./t.ini:6: [row..a]: \".a\" is no name for a folder"},
        {HEAD COLUMN "[row.alone]\n", "./t.ini:6: [row.alone]: the folder \"alone\" is that of teacher and control"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lbk_table t;
        little_write("t.ini", rows[i][0]);
        cr_expect_eq(lbk_table_load(&t, "./t.ini"), LBK_ERR_INPUT, "%s", rows[i][1]);
        cr_expect_str_eq(lbk_error_message(), rows[i][1]);
        lbk_table_release(&t);
    }
}

/* All settings of a shipped table make experiments. */
Test(table, shipped_ones_fit_their_experiments) {
    lbk_arena arena = {0};
    const char *const *names;
    cr_assert_eq(lbk_shipped_list(&lbk_table_kind, &arena, &names), LBK_OK, "%s", lbk_error_message());
    cr_expect(names[0]);
    for (; *names; names++) {
        lbk_table t;
        cr_assert_eq(lbk_table_load(&t, *names), LBK_OK, "%s", lbk_error_message());
        for (size_t c = 0; c < t.column_count; c++)
            for (size_t r = 0; r < t.row_count; r++) {
                const char *sets[64];
                size_t count = 0;
                lbk_experiment x;
                for (size_t i = 0; i < t.columns[c].set_count; i++)
                    sets[count++] = t.columns[c].sets[i];
                for (size_t i = 0; i < t.rows[r].set_count; i++)
                    sets[count++] = t.rows[r].sets[i];
                cr_expect_eq(lbk_experiment_load_with(&x, t.experiment, sets, count, "/earlier"), LBK_OK, "%s: %s",
                             *names, lbk_error_message());
                lbk_experiment_release(&x);
            }
        lbk_table_release(&t);
    }
    lbk_arena_release(&arena);
}

/* A teacher from elsewhere: what the file says about training it is passed over, other mistakes are not. */
Test(table, experiment_with_another_teacher) {
    static const char *const good[] = {"teacher.epochs=3", "teacher.methods=cs_kd", "teacher/cs_kd.weight=2"};
    static const char *const bad[] = {"student.epoch=3"};
    lbk_experiment x;
    cr_expect_eq(lbk_experiment_load_with(&x, "little.ini", good, 3, "/old"), LBK_OK, "%s", lbk_error_message());
    cr_expect_str_eq(x.teacher.params.weights, "/old/teacher.safetensors");
    cr_expect_eq(x.teacher.objective.method_count, 0);
    lbk_experiment_release(&x);
    cr_expect_eq(lbk_experiment_load_with(&x, "little.ini", bad, 1, "/old"), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "--set: [student] epoch: unknown key; did you mean \"epochs\"?");
    lbk_experiment_release(&x);
}
