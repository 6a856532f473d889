#include "base/ini.h"
#include "support/scratch.h"

typedef struct train {
    int epochs;
    double rate;
    const char *note;
    bool shuffle;
} train;

static const lbk_param table[] = {LBK_PARAM_INT(train, epochs, NULL, 1, 1000, "epochs", "length", NULL),
                                  LBK_PARAM_FLOAT(train, rate, "0.1", 0, 10, NULL, "learning rate", NULL),
                                  LBK_PARAM_TEXT(train, note, "none", "remark", NULL),
                                  LBK_PARAM_BOOL(train, shuffle, "yes", "shuffle", NULL), LBK_PARAM_END};

static scratch s;
static lbk_ini ini;

static void setup(void) {
    scratch_make(&s);
}

static void teardown(void) {
    lbk_ini_release(&ini);
    scratch_remove(&s);
}

TestSuite(ini, .init = setup, .fini = teardown);

static lbk_status load(const char *text) {
    return lbk_ini_load(&ini, scratch_write(&s, "x.ini", text, strlen(text)));
}

static void load_well(const char *text) {
    cr_assert_eq(load(text), LBK_OK, "%s", lbk_error_message());
}

static void expect_message(const char *rest) {
    char expected[1024];
    snprintf(expected, sizeof expected, "%s/x.ini%s", s.folder, rest);
    cr_expect_str_eq(lbk_error_message(), expected);
}

static void expect_value(const char *section, const char *key, const char *value, int line) {
    const lbk_ini_entry *entry = lbk_ini_find(&ini, section, key);
    cr_assert_not_null(entry, "[%s] %s", section, key);
    cr_expect_str_eq(entry->value, value);
    cr_expect_eq(entry->line, line, "%s: line %d", key, entry->line);
}

Test(ini, forms_of_values) {
    load_well("# comment\n"
              "; comment = too\n"
              "\n"
              "   \t\n"
              "[ first section ]\r\n"
              "a=1\n"
              "  B = two words  \n"
              "c = 3 ; comment\n"
              "d = 4\t# comment = 5\n"
              "e =\n"
              "f = ; only a comment\n"
              "g = \"quoted # ; = 'x'\" ; comment\n"
              "h = '  spaces \"kept\" '\n"
              "i = \"\"\n"
              "j = \"\" # empty\n"
              "k = it's \"fine\" inside\n"
              "l = stride=index==0?2:1 when=stride!=1||in!=width\n"
              "downsample.0 = = x\n"
              "m = caf\xC3\xA9 \xE2\x86\x92\tx # \xF0\x9F\x98\x80\n"
              "[layer1.0/conv_2-*+]\n"
              "a = last");
    cr_expect_eq(ini.section_count, 2);
    cr_expect_eq(ini.entry_count, 15);
    expect_value("first section", "a", "1", 6);
    expect_value("first section", "B", "two words", 7);
    expect_value("first section", "c", "3", 8);
    expect_value("first section", "d", "4", 9);
    expect_value("first section", "e", "", 10);
    expect_value("first section", "f", "", 11);
    expect_value("first section", "g", "quoted # ; = 'x'", 12);
    expect_value("first section", "h", "  spaces \"kept\" ", 13);
    expect_value("first section", "i", "", 14);
    expect_value("first section", "j", "", 15);
    expect_value("first section", "k", "it's \"fine\" inside", 16);
    expect_value("first section", "l", "stride=index==0?2:1 when=stride!=1||in!=width", 17);
    expect_value("first section", "downsample.0", "= x", 18);
    expect_value("first section", "m", "caf\xC3\xA9 \xE2\x86\x92\tx", 19);
    expect_value("layer1.0/conv_2-*+", "a", "last", 21);
    cr_expect_null(lbk_ini_find(&ini, "first section", "b"), "keys match in the case written");
    cr_expect_null(lbk_ini_find(&ini, "First section", "a"));
    cr_expect_null(lbk_ini_section_find(&ini, "none"));
    cr_expect_eq(lbk_ini_section_find(&ini, "layer1.0/conv_2-*+")->line, 20);
}

Test(ini, empty_file_and_empty_sections) {
    load_well("");
    cr_expect_eq(ini.section_count, 0);
    lbk_ini_release(&ini);
    load_well("[a]\n[b]\n");
    cr_expect_eq(ini.section_count, 2);
    cr_expect_eq(ini.entry_count, 0);
}

Test(ini, longest_line) {
    char text[1100] = "[a]\nkey = ";
    memset(text + 10, 'v', 994);
    load_well(text);
    cr_expect_eq(strlen(lbk_ini_find(&ini, "a", "key")->value), 994);
}

Test(ini, missing_file_and_other_than_files) {
    char expected[600];
    cr_assert_eq(lbk_ini_load(&ini, scratch_path(&s, "none.ini")), LBK_ERR_IO);
    snprintf(expected, sizeof expected, "cannot read \"%s\": No such file or directory", s.path);
    cr_expect_str_eq(lbk_error_message(), expected);
    lbk_ini_release(&ini);
    cr_assert_eq(lbk_ini_load(&ini, s.folder), LBK_ERR_IO);
    snprintf(expected, sizeof expected, "cannot read \"%s\": not a regular file", s.folder);
    cr_expect_str_eq(lbk_error_message(), expected);
}

Test(ini, read_by_table) {
    train t = {0};
    bool seen[4];
    load_well("[train]\nrate = 0.5\nepochs = 010\n");
    cr_assert_eq(lbk_ini_read(&ini, "train", table, &t, seen), LBK_OK, "%s", lbk_error_message());
    cr_expect(t.epochs == 10 && t.rate == 0.5 && t.shuffle);
    cr_expect_str_eq(t.note, "none");
    cr_expect(seen[0] && seen[1] && !seen[2] && !seen[3]);
    cr_expect_eq(lbk_ini_finish(&ini, (const char *const[]){"train", NULL}), LBK_OK, "%s", lbk_error_message());
}

Test(ini, absent_section_gives_defaults) {
    train t = {0};
    bool seen[3] = {true, true, true};
    load_well("[other]\n");
    cr_assert_eq(lbk_ini_read(&ini, "train", table + 1, &t, seen), LBK_OK);
    cr_expect(t.rate == 0.1 && t.shuffle && !seen[0] && !seen[1] && !seen[2]);
}

Test(ini, read_failures) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"[train]\nepochs = 32x\n", ":2: [train] epochs: expected integer in [1, 1000], got \"32x\""},
        {"[train]\nepochs = 3\n\nrate = -1\n", ":4: [train] rate: expected number in [0, 10], got \"-1\""},
        {"[train]\nepochs = 3\nrates = 1\n", ":3: [train] rates: unknown key; did you mean \"rate\"?"},
        {"[train]\nEpochs = 3\n", ":2: [train] Epochs: unknown key; did you mean \"epochs\"?"},
        {"[train]\nepochs = 3\nmomentum = 1\n", ":3: [train] momentum: unknown key"},
        {"\n[train]\nrate = 1\n", ":2: [train] lacks the key \"epochs\" (integer in [1, 1000])"},
        {"[Train]\nepochs = 1\n", ": [train] lacks the key \"epochs\" (integer in [1, 1000])"},
        {"[train]\nepochs =\n", ":2: [train] epochs: expected integer in [1, 1000], got \"\""},
        {"[train]\nepochs = 3\nshuffle = \" yes please\"\n",
         ":3: [train] shuffle: expected yes or no, got \" yes please\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        train t;
        load_well(rows[i].text);
        cr_expect_eq(lbk_ini_read(&ini, "train", table, &t, NULL), LBK_ERR_INPUT, "row %zu", i);
        expect_message(rows[i].message);
        lbk_ini_release(&ini);
    }
}

Test(ini, finish_refuses_what_nobody_used) {
    static const char *const known[] = {"train", "teacher", "student", NULL};
    load_well("[teacher]\nmodel = x\n[studnet]\nmodel = y\n");
    lbk_ini_find(&ini, "teacher", "model");
    cr_expect_eq(lbk_ini_finish(&ini, known), LBK_ERR_INPUT);
    expect_message(":3: unknown or unused section [studnet]; did you mean \"student\"?");
    lbk_ini_release(&ini);
    load_well("[teacher]\nmodel = x\ndepth = y\n");
    lbk_ini_find(&ini, "teacher", "model");
    cr_expect_eq(lbk_ini_finish(&ini, known), LBK_ERR_INPUT);
    expect_message(":3: [teacher] depth: this key is not used here");
    lbk_ini_release(&ini);
    load_well("[zebra]\n");
    cr_expect_eq(lbk_ini_finish(&ini, known), LBK_ERR_INPUT);
    expect_message(":1: unknown or unused section [zebra]");
    lbk_ini_release(&ini);
    load_well("[teacher]\n");
    lbk_ini_section_find(&ini, "teacher");
    cr_expect_eq(lbk_ini_finish(&ini, known), LBK_OK);
}

static void override_well(const char *assignment) {
    cr_assert_eq(lbk_ini_override(&ini, assignment), LBK_OK, "%s", lbk_error_message());
}

Test(ini, override_replaces_and_adds) {
    load_well("[train]\nepochs = 3\n[block a.b]\nx = 1\n");
    override_well("train.epochs=7");
    override_well("train.rate=0.25");
    override_well("block a.b.x=a=b # \"c\"");
    override_well("new.part.key=");
    expect_value("train", "epochs", "7", 0);
    expect_value("train", "rate", "0.25", 0);
    expect_value("block a.b", "x", "a=b # \"c\"", 0);
    expect_value("new.part", "key", "", 0);
    cr_expect_eq(ini.section_count, 3);
    cr_expect_eq(ini.entry_count, 4);
    train t;
    cr_expect_eq(lbk_ini_read(&ini, "train", table, &t, NULL), LBK_OK);
    cr_expect(t.epochs == 7 && t.rate == 0.25);
}

Test(ini, override_failures) {
    static const char *const rows[][2] = {
        {"train", "--set \"train\": expected section.key=value"},
        {"train.epochs", "--set \"train.epochs\": expected section.key=value"},
        {"epochs=3", "--set \"epochs=3\": expected section.key=value"},
        {"", "--set \"\": expected section.key=value"},
        {".epochs=3", "--set \".epochs=3\": section name is empty"},
        {"train.=3", "--set \"train.=3\": key is empty"},
        {"train.a b=3", "--set \"train.a b=3\": key may hold letters, digits and _ - . / * + only"},
        {"train.x=\x01", "--set \"train.x=\x01\": value is not printable text (UTF-8)"},
        {"train.x=a\nb", "--set \"train.x=a\nb\": value is not printable text (UTF-8)"},
    };
    load_well("[train]\nepochs = 3\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(lbk_ini_override(&ini, rows[i][0]), LBK_ERR_INPUT);
        cr_expect_str_eq(lbk_error_message(), rows[i][1]);
    }
    cr_expect_eq(ini.entry_count, 1);
}

Test(ini, overridden_values_are_reported_as_such) {
    train t;
    load_well("[train]\nepochs = 3\n");
    override_well("train.epochs=x");
    cr_expect_eq(lbk_ini_read(&ini, "train", table, &t, NULL), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "--set: [train] epochs: expected integer in [1, 1000], got \"x\"");
    override_well("train.epochs=5");
    override_well("train.epoch=5");
    cr_expect_eq(lbk_ini_read(&ini, "train", table, &t, NULL), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "--set: [train] epoch: unknown key; did you mean \"epochs\"?");
    override_well("trian.epochs=5");
    lbk_ini_section_find(&ini, "train");
    cr_expect_eq(lbk_ini_finish(&ini, (const char *const[]){"train", NULL}), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "--set: unknown or unused section [trian]; did you mean \"train\"?");
}

Test(ini, underlaid_entries_are_defaults) {
    static const char *const known[] = {"train", NULL};
    lbk_ini below;
    scratch other;
    train t;
    scratch_make(&other);
    static const char text[] = "[train]\nepochs = 4\nrate = 0.5\n\nnobody = 1\n[unused]\nx = 1\n";
    cr_assert_eq(lbk_ini_load(&below, scratch_write(&other, "below.ini", text, sizeof text - 1)), LBK_OK);
    load_well("[train]\nrate = 0.25\n");
    cr_assert_eq(lbk_ini_underlay(&ini, &below), LBK_OK);
    lbk_ini_release(&below);
    cr_assert_eq(lbk_ini_read(&ini, "train", table, &t, NULL), LBK_OK, "%s", lbk_error_message());
    cr_expect(t.epochs == 4 && t.rate == 0.25);
    cr_expect_eq(lbk_ini_finish(&ini, known), LBK_OK, "%s", lbk_error_message());
    lbk_ini_fail(&ini, lbk_ini_find(&ini, "train", "epochs"), "too few");
    cr_expect(strstr(lbk_error_message(), "below.ini:2: [train] epochs: too few"), "%s", lbk_error_message());
    lbk_ini_fail(&ini, lbk_ini_find(&ini, "train", "rate"), "too low");
    expect_message(":2: [train] rate: too low");
    scratch_remove(&other);
}

Test(ini, printed_values_read_back) {
    static const char *const values[] = {
        "",           "plain", "a # b",      "#x",    ";x",          " spaced ",    "a;b", "\"q\"",
        "it's # odd", "'x",    "ends in \\", "x = y", "caf\xC3\xA9", "tab\tinside", "\"",  "a \"b\" c"};
    enum { COUNT = sizeof values / sizeof values[0] };
    lbk_text text = {0};
    lbk_text_printf(&text, "[v]\n");
    for (int i = 0; i < COUNT; i++) {
        lbk_text_printf(&text, "k%d = ", i);
        cr_assert_eq(lbk_ini_value_print(values[i], &text), LBK_OK);
        lbk_text_printf(&text, "\n");
    }
    load_well(text.data);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        expect_value("v", key, values[i], i + 2);
    }
    lbk_text_release(&text);
}

Test(ini, unprintable_values_are_refused) {
    lbk_text text = {0};
    cr_expect_eq(lbk_ini_value_print("a\nb", &text), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "\"a\nb\" is not printable text");
    cr_expect_eq(lbk_ini_value_print("\"it's\" #", &text), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "\"\"it's\" #\" holds both kinds of quotes: no INI line can hold it");
    lbk_text_release(&text);
}

Test(ini, parts_of_a_section) {
    static const lbk_param other[] = {LBK_PARAM_INT(train, epochs, "5", 1, 1000, "epochs", "length", NULL),
                                      LBK_PARAM_END};
    const lbk_param *const tables[] = {other, NULL, table + 1};
    train t = {0};
    bool seen[3];
    load_well("[train]\nrate = 0.5\nepochs = 9\n");
    cr_assert_eq(lbk_ini_check_section(&ini, "train", tables, 3), LBK_OK, "%s", lbk_error_message());
    cr_expect(!ini.entries[0].used && !ini.entries[1].used, "checking is not reading");
    cr_assert_eq(lbk_ini_read_part(&ini, "train", table + 1, &t, seen), LBK_OK);
    cr_expect(t.rate == 0.5 && t.epochs == 0 && seen[0] && !seen[1]);
    cr_expect(ini.entries[0].used && !ini.entries[1].used);
    cr_assert_eq(lbk_ini_read_part(&ini, "train", other, &t, NULL), LBK_OK);
    cr_expect_eq(t.epochs, 9);
    cr_expect_eq(lbk_ini_check_section(&ini, "train", tables + 1, 2), LBK_ERR_INPUT);
    expect_message(":3: [train] epochs: unknown key");
    lbk_ini_override(&ini, "train.suffle=no");
    cr_expect_eq(lbk_ini_check_section(&ini, "train", tables, 3), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "--set: [train] suffle: unknown key; did you mean \"shuffle\"?");
    cr_expect_eq(lbk_ini_check_section(&ini, "absent", tables, 3), LBK_OK);
}

Test(ini, failures_of_entries_and_defaults) {
    load_well("[train]\nrate = 0.5\n");
    cr_expect_eq(lbk_ini_fail(&ini, &ini.entries[0], "must be %d", 3), LBK_ERR_INPUT);
    expect_message(":2: [train] rate: must be 3");
    cr_expect_eq(lbk_ini_fail(&ini, NULL, "warmup must be at most %d", 3), LBK_ERR_INPUT);
    expect_message(": warmup must be at most 3");
}
