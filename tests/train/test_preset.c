/* Presets: defaults beneath the experiment's own keys, with their own file and line in messages. */
#include "train/helpers/little_run.h"

#include "support/scratch.h"
#include "train/preset.h"
#include "train/run.h"

#include <stdlib.h>
#include <string.h>

TestSuite(preset, .init = little_enter, .fini = little_leave, .timeout = 900);

static const char mine[] =
    "[preset]\nsummary = of the test\n"
    "[data]\nbatch = 32\naugment = crop\n"
    "[augment.crop]\npadding = 1\n"
    "[teacher]\nepochs = 7\n"
    "[student]\noptimizer = sgd\nmomentum = 0.5\nlr = 0.25\nschedule = multistep\nmilestones = 3\n"
    "[distill]\nmethods = kd\nhard_weight = 0.75\n"
    "[distill.kd]\ntemperature = 2\nweight = 0.25\n";

/* The experiment of `text` above the preset mine.ini, loaded with one --set (NULL: none). */
static lbk_status load(lbk_experiment *x, const char *text, const char *set) {
    char all[1024];
    snprintf(all, sizeof all,
             "[experiment]\nname = p\n[data]\ndataset = digits\n[teacher]\nmodel = mlp-wide\n[student]\nmodel = "
             "mlp-tiny\n%s",
             text);
    little_write("p.ini", all);
    return lbk_experiment_load(x, "p.ini", &set, set != NULL);
}

static char *resolved(const char *text, const char *set) {
    lbk_experiment x;
    lbk_text out = {0};
    little_write("mine.ini", mine);
    cr_assert_eq(load(&x, text, set), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_experiment_print(&x, &out), LBK_OK, "%s", lbk_error_message());
    lbk_experiment_release(&x);
    return out.data;
}

/* `section` of a resolved experiment has the line `want`. */
static void expect_line(const char *text, const char *section, const char *want) {
    const char *at = strstr(text, section), *end = at ? strstr(at + 1, "\n[") : NULL;
    const char *found = at ? strstr(at, want) : NULL;
    cr_expect(found && (!end || found < end) && found[-1] == '\n', "%s lacks %s:\n%s", section, want, text);
}

#define USE "[distill]\npreset = mine.ini\n"

Test(preset, is_beneath_the_experiment_and_the_command_line) {
    char *text = resolved("epochs = 5\nlr = 0.5\n" USE "[distill.kd]\nweight = 3\n", "student.lr=0.125");
    expect_line(text, "[data]", "batch = 32\n");
    expect_line(text, "[augment.crop]", "padding = 1\n");
    expect_line(text, "[teacher]", "epochs = 7\n");
    expect_line(text, "[student]", "epochs = 5\n");
    expect_line(text, "[student]", "lr = 0.125\n");
    expect_line(text, "[student]", "momentum = 0.5\n");
    expect_line(text, "[student]", "milestones = 3\n");
    expect_line(text, "[distill]", "hard_weight = 0.75\n");
    expect_line(text, "[distill.kd]", "temperature = 2\n");
    expect_line(text, "[distill.kd]", "weight = 3\n");
    cr_expect_not(strstr(text, "preset"), "the resolved experiment needs no preset:\n%s", text);
    free(text);
}

/* Resolved once, it reads back as the same without the preset's file. */
Test(preset, resolved_experiment_stands_alone) {
    lbk_experiment x;
    lbk_text again = {0};
    char *text = resolved(USE, NULL);
    little_write("resolved.ini", text);
    cr_assert_eq(remove("mine.ini"), 0);
    cr_assert_eq(lbk_experiment_load(&x, "resolved.ini", NULL, 0), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_experiment_print(&x, &again), LBK_OK);
    cr_expect_str_eq(again.data, text);
    lbk_experiment_release(&x);
    lbk_text_release(&again);
    free(text);
}

Test(preset, what_the_experiment_has_no_use_for_is_passed_over) {
    char *text = resolved("optimizer = adam\nschedule = constant\n" USE, "data.augment=none");
    expect_line(text, "[student]", "optimizer = adam\n");
    cr_expect_not(strstr(text, "milestones") || strstr(text, "[augment.crop]"), "%s", text);
    free(text);
    text = resolved(USE, "teacher.weights=t.safetensors");
    cr_expect_not(strstr(text, "epochs = 7"), "%s", text);
    free(text);
}

Test(preset, by_command_line_and_taken_off_again) {
    char *text = resolved("[distill]\nmethods = kd\n", "distill.preset=mine.ini");
    expect_line(text, "[distill]", "hard_weight = 0.75\n");
    free(text);
    text = resolved(USE, "distill.preset=");
    expect_line(text, "[distill]", "hard_weight = 0.1\n");
    free(text);
}

static void expect_refused(const char *experiment, const char *message) {
    lbk_experiment x;
    cr_expect_eq(load(&x, experiment, NULL), LBK_ERR_INPUT, "%s", message);
    cr_expect_str_eq(lbk_error_message(), message);
    lbk_experiment_release(&x);
}

Test(preset, faults_name_its_file_and_line) {
    static const struct {
        const char *preset, *message;
    } rows[] = {
        {"[student]\nmomentun = 0.9\n",
         "p.ini:10: [distill] preset: ./bad.ini:4: [student] momentun: unknown key; did you mean \"momentum\"?"},
        {"[studnt]\nlr = 1\n",
         "p.ini:10: [distill] preset: ./bad.ini:3: a preset has no section [studnt]; did you mean "
         "[student]?"},
        {"[distill.fitnt]\nweight = 1\n",
         "p.ini:10: [distill] preset: ./bad.ini:3: a preset has no section [distill.fitnt]; "
         "did you mean [distill.fitnet]?"},
        {"[experiment]\nseed = 2\n", "p.ini:10: [distill] preset: ./bad.ini:3: a preset has no section [experiment]"},
        {"[distill]\npreset = repdistiller\n",
         "p.ini:10: [distill] preset: ./bad.ini:4: [distill] preset: a preset names another one as [preset] base"},
        {"[student]\nlr = fast\n", "./bad.ini:4: [student] lr: expected number in [0, 1000], got \"fast\""},
        {"[student]\nwarmup = 31\n", "./bad.ini:4: [student] warmup: must be at most epochs = 30"},
        {"[student]\n\noptimizer = sgdd\n",
         "./bad.ini:5: [student] optimizer: unknown optimizer \"sgdd\"; did you mean \"sgd\"?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "[preset]\nsummary = bad\n%s", rows[i].preset);
        little_write("bad.ini", text);
        expect_refused("[distill]\npreset = bad.ini\n", rows[i].message);
    }
    little_write("bad.ini", "[student]\nlr = 1\n");
    expect_refused("[distill]\npreset = bad.ini\n",
                   "p.ini:10: [distill] preset: ./bad.ini: [preset] lacks the key \"summary\" (text)");
    expect_refused("[distill]\npreset = repdistilller\n",
                   "p.ini:10: [distill] preset: there is no preset \"repdistilller\"; did you mean \"repdistiller\"?");
}

Test(preset, stands_on_another) {
    lbk_experiment x;
    lbk_text out = {0};
    little_write("mine.ini", mine);
    little_write("top.ini", "[preset]\nsummary = top\nbase = mine.ini\n[student]\nlr = 0.75\n");
    cr_assert_eq(load(&x, "[distill]\npreset = top.ini\n", NULL), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_experiment_print(&x, &out), LBK_OK);
    expect_line(out.data, "[student]", "lr = 0.75\n");
    expect_line(out.data, "[student]", "momentum = 0.5\n");
    expect_line(out.data, "[distill]", "hard_weight = 0.75\n");
    lbk_experiment_release(&x);
    lbk_text_release(&out);
    little_write("mine.ini", "[preset]\nsummary = s\n[student]\nlr = x\n");
    little_write("top.ini", "[preset]\nsummary = top\nbase = mine.ini\n");
    expect_refused("[distill]\npreset = top.ini\n",
                   "./mine.ini:4: [student] lr: expected number in [0, 1000], got \"x\"");
    little_write("top.ini", "[preset]\nsummary = top\nbase = top.ini\n");
    cr_expect_eq(load(&x, "[distill]\npreset = top.ini\n", NULL), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "more than 4 presets stand on each other"), "%s", lbk_error_message());
    lbk_experiment_release(&x);
}

/* The user's own section without effect stays an error. */
Test(preset, does_not_excuse_the_experiment) {
    little_write("mine.ini", mine);
    expect_refused(USE "[distill.fitnt]\nweight = 1\n",
                   "p.ini:11: [distill.fitnt]: unknown method \"fitnt\"; did you mean \"fitnet\"?");
    expect_refused("optimizer = adam\nmomentum = 0.9\n" USE, "p.ini:10: [student] momentum: unknown key");
}

/* Some method of the preset reads a teacher. */
static bool needs_teacher(lbk_preset *preset) {
    const lbk_ini_entry *entry = lbk_ini_find(&preset->ini, "distill", "methods");
    char words[128], *rest = NULL;
    bool needs = false;
    snprintf(words, sizeof words, "%s", entry ? entry->value : "kd");
    for (char *word = strtok_r(words, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest))
        needs = needs || !lbk_method_find(word)->teacherless;
    return needs;
}

/* As far as `limbeck check` goes, between two small ResNets. */
static void prepare(const char *name) {
    static const char *const teacher = "[teacher]\nmodel = resnet8\nparameters = width=4\n";
    static const char *const assistant = "[assistant.ta]\nmodel = resnet8\n";
    char text[256];
    lbk_experiment x;
    lbk_preset preset;
    lbk_session session = {0};
    memset(&x, 0, sizeof x);
    cr_expect_eq(lbk_preset_load(&preset, name, NULL), LBK_OK, "%s", lbk_error_message());
    cr_expect(preset.source && *preset.source, "%s has no source", name);
    snprintf(text, sizeof text,
             "[data]\ndataset = digits\n%s%s[student]\nmodel = resnet8\nparameters = width=3\n[distill]\npreset = %s\n",
             needs_teacher(&preset) ? teacher : "", lbk_ini_section_find(&preset.ini, "assistant.ta") ? assistant : "",
             name);
    lbk_preset_release(&preset);
    little_write("p.ini", text);
    cr_expect_eq(lbk_experiment_load(&x, "p.ini", NULL, 0), LBK_OK, "%s: %s", name, lbk_error_message());
    cr_expect_eq(lbk_session_prepare(&session, &x), LBK_OK, "%s: %s", name, lbk_error_message());
    lbk_session_release(&session);
    lbk_experiment_release(&x);
}

Test(preset, shipped_ones_make_experiments) {
    lbk_arena arena = {0};
    const char *const *names;
    cr_assert_eq(lbk_shipped_list(&lbk_preset_kind, &arena, &names), LBK_OK, "%s", lbk_error_message());
    cr_expect(names[0]);
    for (; *names; names++)
        prepare(*names);
    lbk_arena_release(&arena);
}
