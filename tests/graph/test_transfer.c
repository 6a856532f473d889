/* Paths of weights, and which tensors of a file become which of a network's. No device. */
#include "graph/names.h"
#include "graph/transfer.h"
#include "support/scratch.h"

#include <criterion/criterion.h>

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(transfer, .init = setup, .fini = teardown);

Test(transfer, a_name_lies_under_the_paths_above_it) {
    cr_expect(lbk_name_under("layer1.0.conv", "layer1"));
    cr_expect(lbk_name_under("layer1.0.conv", "layer1.0.conv"));
    cr_expect(lbk_name_under("layer1.0.conv", ""));
    cr_expect_not(lbk_name_under("layer1.0.conv", "layer"));
    cr_expect_not(lbk_name_under("layer1.0.conv", "layer1.0.conv.weight"));
    cr_expect_not(lbk_name_under("layer10.conv", "layer1"));
}

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

/* A file of vectors; names and sizes. */
static const char *write_file(const char *const *names, const int *sizes, size_t count) {
    static float numbers[64];
    lbk_st_entry entries[16];
    for (size_t i = 0; i < count; i++)
        entries[i] = (lbk_st_entry){names[i], LBK_F32, lbk_shape_1(sizes[i]), numbers};
    snprintf(s.path, sizeof s.path, "%s/x.safetensors", s.folder);
    must(lbk_st_write(s.path, entries, count, NULL));
    return s.path;
}

/* A graph with vectors of 3 of these names; the last is a running statistic. */
static lbk_graph *make_graph(const char *const *names, size_t count) {
    lbk_graph *graph;
    lbk_value value;
    must(lbk_graph_create(&graph));
    for (size_t i = 0; i < count; i++) {
        lbk_weight weight = {.kind = i + 1 < count ? LBK_WEIGHT_PARAM : LBK_WEIGHT_STATE, .shape = lbk_shape_1(3)};
        must(lbk_graph_weight(graph, names[i], &weight, &value));
    }
    return graph;
}

static const char *const ours[] = {"stem.w", "body.0.w", "body.0.b", "head.w", "head.s"};

/* The plan as text: "ours=theirs ... | kept ... | unused ..." */
static void expect_plan(const lbk_words map, const lbk_words except, const char *want) {
    static const char *const theirs[] = {"net.stem.w", "net.body.0.w", "net.body.0.b", "stem.w", "other.w", "head.s"};
    static const int sizes[] = {3, 3, 3, 3, 7, 3};
    lbk_graph *graph = make_graph(ours, 5);
    lbk_transfer_rules rules = {map, except};
    lbk_transfer t;
    lbk_arena arena = {0};
    lbk_st_file file;
    lbk_text text = {0};
    must(lbk_st_open(&file, write_file(theirs, sizes, 6)));
    if (lbk_transfer_plan(graph, &file, &rules, &arena, &t) == LBK_OK) {
        for (size_t i = 0; i < t.count; i++)
            must(lbk_text_printf(&text, "%s=%s ", t.ours[i], t.theirs[i]));
        must(lbk_transfer_print(&t, &text));
    } else {
        must(lbk_text_printf(&text, "%s", lbk_error_message() + strlen(s.folder)));
    }
    cr_expect_str_eq(text.data, want);
    lbk_text_release(&text);
    lbk_st_close(&file);
    lbk_arena_release(&arena);
    lbk_graph_destroy(graph);
}

#define WORDS(...)                                                                                                     \
    (lbk_words) {                                                                                                      \
        sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]) {                                     \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
static const lbk_words none = {0, NULL};

Test(transfer, without_rules_names_must_be_equal) {
    expect_plan(none, none,
                "stem.w=stem.w head.s=head.s 2 of 5 weights; not loaded: body.0.w, body.0.b, head.w; not used: "
                "net.body.0.b, net.body.0.w, net.stem.w, other.w");
}

Test(transfer, a_rule_moves_what_lies_under_a_path) {
    expect_plan(WORDS("net.body:body"), none,
                "body.0.w=net.body.0.w body.0.b=net.body.0.b 2 of 5 weights; not loaded: stem.w, head.w, head.s; not "
                "used: head.s, net.stem.w, other.w, stem.w");
    expect_plan(WORDS("net:"), WORDS("body.0.b"),
                "stem.w=net.stem.w body.0.w=net.body.0.w 2 of 5 weights; not loaded: body.0.b, head.w, head.s; not "
                "used: head.s, net.body.0.b, other.w, stem.w");
    expect_plan(WORDS("net.stem.w:head.w", ":stem"), none,
                "head.w=net.stem.w 1 of 5 weights; not loaded: stem.w, body.0.w, body.0.b, head.s; not used: head.s, "
                "net.body.0.b, net.body.0.w, other.w, stem.w");
}

Test(transfer, shapes_must_agree) {
    lbk_graph *graph = make_graph((const char *[]){"other.w", "z"}, 2);
    static const char *const theirs[] = {"other.w"};
    lbk_transfer_rules rules = {none, none};
    lbk_transfer t;
    lbk_arena arena = {0};
    lbk_st_file file;
    char want[1024];
    must(lbk_st_open(&file, write_file(theirs, (const int[]){7}, 1)));
    cr_assert_eq(lbk_transfer_plan(graph, &file, &rules, &arena, &t), LBK_ERR_INPUT);
    snprintf(want, sizeof want,
             "%s: tensor 'other.w' is F32 7, expected F32 3; init_except = other.w leaves it at its initial values",
             s.path);
    cr_expect_str_eq(lbk_error_message(), want);
    lbk_st_close(&file);
    lbk_arena_release(&arena);
    lbk_graph_destroy(graph);
}
