/* Every kind of malformed INI file, with the whole message it gets. */
#include "base/ini.h"
#include "support/scratch.h"

#define NAME_RULE " may hold letters, digits"
#define SECTION_RULE "section name" NAME_RULE ", single spaces and _ - . / * + only"
#define KEY_RULE "key" NAME_RULE " and _ - . / * + only"
#define QUOTE_RULE "'#' and ';' start a comment after white space; put a value that holds one in double quotes"
#define BYTE_RULE " is not printable text (UTF-8)"
#define LINE_RULE "a line may not end in '\\': values and comments take one line"
#define FORM_RULE "expected [section], key = value or a comment"

static const struct {
    const char *text, *message;
    size_t length; /* 0: of the text */
} bad[] = {
    {"a = 1\n", ":1: key \"a\" stands before the first [section]", 0},
    {"# c\n\na = 1\n[s]\n", ":3: key \"a\" stands before the first [section]", 0},
    {"[s]\nword\n", ":2: " FORM_RULE, 0},
    {"[s]\nx", ":2: " FORM_RULE, 0},
    {"[s]\nkey : value\n", ":2: " FORM_RULE, 0},
    {"[s]\n= 3\n", ":2: key is empty", 0},
    {"[s]\n   = 3\n", ":2: key is empty", 0},
    {"[s]\nlearning rate = 3\n", ":2: " KEY_RULE, 0},
    {"[s]\n\"a\" = 3\n", ":2: " KEY_RULE, 0},
    {"[s]\na:b = 3\n", ":2: " KEY_RULE, 0},
    {"[s]\ncaf\xC3\xA9 = 3\n", ":2: " KEY_RULE, 0},
    {"[s]\n// x = 3\n", ":2: " KEY_RULE, 0},
    {"[]\n", ":1: section name is empty", 0},
    {"[   ]\n", ":1: section name is empty", 0},
    {"[s\n", ":1: section name lacks its ']'", 0},
    {"[\n", ":1: section name lacks its ']'", 0},
    {"[s] # comment\n", ":1: text after the ']' of a section (a comment needs a line of its own)", 0},
    {"[s]]\n", ":1: text after the ']' of a section (a comment needs a line of its own)", 0},
    {"[s] a = 1]\n", ":1: text after the ']' of a section (a comment needs a line of its own)", 0},
    {"[a:b]\n", ":1: " SECTION_RULE, 0},
    {"[a[b]\n", ":1: " SECTION_RULE, 0},
    {"[a  b]\n", ":1: " SECTION_RULE, 0},
    {"[a\tb]\n", ":1: " SECTION_RULE, 0},
    {"[s]\na = 1\n[t]\n[s]\n", ":4: section \"s\" was given before, in line 1", 0},
    {"[s]\n[S]\n", ":2: section \"S\" differs only in case from \"s\" in line 1", 0},
    {"[s]\na = 1\nb = 2\na = 3\n", ":4: key \"a\" was given before, in line 2", 0},
    {"[s]\nlr = 1\nLR = 2\n", ":3: key \"LR\" differs only in case from \"lr\" in line 2", 0},
    {"[s]\na = x#y\n", ":2: [s] a: " QUOTE_RULE, 0},
    {"[s]\na = x;\n", ":2: [s] a: " QUOTE_RULE, 0},
    {"[s]\na = \"x\n", ":2: [s] a: value lacks its closing quote", 0},
    {"[s]\na = '\n", ":2: [s] a: value lacks its closing quote", 0},
    {"[s]\na = \"x\" y\n", ":2: [s] a: text after the closing quote", 0},
    {"[s]\na = \"x\"\"y\"\n", ":2: [s] a: text after the closing quote", 0},
    {"[s]\na = \"x\"# y\n", ":2: [s] a: a comment needs white space before it", 0},
    {"[s]\na = 1 \\\n2\n", ":2: " LINE_RULE, 0},
    {"[s]\n# comment \\ \na = 1\n", ":2: " LINE_RULE, 0},
    {"[s]\na = \x01\n", ":2: byte 0x01 in column 5" BYTE_RULE, 0},
    {"[s]\na = 1\rb = 2\n", ":2: byte 0x0D in column 6" BYTE_RULE, 0},
    {"[s]\na = 1\f\n", ":2: byte 0x0C in column 6" BYTE_RULE, 0},
    {"[s]\na = \x7F\n", ":2: byte 0x7F in column 5" BYTE_RULE, 0},
    {"[s]\na = caf\xE9\n", ":2: byte 0xE9 in column 8" BYTE_RULE, 0},
    {"[s]\na = \x80\n", ":2: byte 0x80 in column 5" BYTE_RULE, 0},
    {"[s]\na = \xC0\xAF\n", ":2: byte 0xC0 in column 5" BYTE_RULE, 0},
    {"[s]\na = \xE0\x80\xAF\n", ":2: byte 0xE0 in column 5" BYTE_RULE, 0},
    {"[s]\na = \xED\xA0\x80\n", ":2: byte 0xED in column 5" BYTE_RULE, 0},
    {"[s]\na = \xF4\x90\x80\x80\n", ":2: byte 0xF4 in column 5" BYTE_RULE, 0},
    {"[s]\na = \xC2\x85\n", ":2: byte 0xC2 in column 5" BYTE_RULE, 0},
    {"[s]\n# caf\xC3", ":2: byte 0xC3 in column 6" BYTE_RULE, 0},
    {"[s]\na = 1\0b\n", ":2: byte 0x00 in column 6" BYTE_RULE, 12},
    {"\xEF\xBB\xBF[s]\n", ":1: the file starts with a byte order mark; save it as plain UTF-8", 0},
    {"[\0s]\n", ":1: byte 0x00 in column 2" BYTE_RULE, 5},
    {"\xFF\xFE[\0s\0]\0\n\0", ":1: byte 0xFF in column 1" BYTE_RULE, 10},
};

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(ini_bad, .init = setup, .fini = teardown);

static void expect_refused(const char *text, size_t length, const char *message) {
    char expected[1024];
    lbk_ini ini;
    const char *path = scratch_write(&s, "x.ini", text, length);
    snprintf(expected, sizeof expected, "%s%s", path, message);
    cr_expect_eq(lbk_ini_load(&ini, path), LBK_ERR_INPUT, "accepted: %s", text);
    cr_expect_str_eq(lbk_error_message(), expected);
    lbk_ini_release(&ini);
    lbk_error_clear();
}

Test(ini_bad, messages) {
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused(bad[i].text, bad[i].length ? bad[i].length : strlen(bad[i].text), bad[i].message);
}

Test(ini_bad, long_lines_and_names) {
    char text[2000] = "[s]\nkey = ";
    memset(text + 10, 'v', 995);
    expect_refused(text, strlen(text), ":2: line of 1001 bytes; at most 1000");
    memset(text, 'k', 129);
    memcpy(text + 129, " = 1\n", 6);
    expect_refused(text, strlen(text), ":1: key is longer than 128 bytes");
    memset(text, 's', 130);
    text[0] = '[';
    memcpy(text + 130, "]\n", 3);
    expect_refused(text, strlen(text), ":1: section name is longer than 128 bytes");
}
