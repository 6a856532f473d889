/* Weights from a file: what besides the weights may stand in it. */
#include "base/log.h"
#include "graph/weights.h"
#include "support/scratch.h"

static scratch s;
static lbk_device_list list;
static lbk_device *device;
static lbk_graph *graph;
static lbk_weights *weights;
static char logged[512];

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

static void listen(void *context, lbk_log_level level, const char *line) {
    (void)context;
    (void)level;
    snprintf(logged, sizeof logged, "%s", line);
}

static void setup(void) {
    const lbk_weight weight = {.suffix = "weight", .kind = LBK_WEIGHT_PARAM, .input = 1, .shape = {1, {3}}};
    const lbk_weight counter = {.suffix = "num_batches_tracked", .kind = LBK_WEIGHT_COUNTER, .input = -1};
    lbk_device_spec spec;
    lbk_value value;
    scratch_make(&s);
    lbk_log_set(listen, NULL, LBK_LOG_INFO);
    must(lbk_device_list_init(&list));
    must(lbk_device_spec_parse(&list, "cpu", &spec));
    must(lbk_device_open(&list, &spec, NULL, 1, &device));
    must(lbk_graph_create(&graph));
    must(lbk_graph_weight(graph, "norm.weight", &weight, &value));
    must(lbk_graph_weight(graph, "norm.num_batches_tracked", &counter, &value));
    must(lbk_weights_create(graph, device, false, &weights));
}

static void teardown(void) {
    lbk_weights_destroy(weights);
    lbk_graph_destroy(graph);
    lbk_device_close(device);
    lbk_device_list_release(&list);
    scratch_remove(&s);
}

TestSuite(weights, .init = setup, .fini = teardown);

static const float three[] = {0.5f, -1.5f, 2.5f};
static const int64_t numbers[] = {7, 8, 9};
static const lbk_st_entry weight_entry = {"norm.weight", LBK_F32, {1, {3}}, three};
static const lbk_st_entry counter_entry = {"norm.num_batches_tracked", LBK_I64, {0}, numbers};
static const lbk_st_entry positions_entry = {"position_ids", LBK_I64, {2, {1, 3}}, numbers};
static const lbk_st_entry stranger_entry = {"head.weight", LBK_F32, {1, {3}}, three};

static lbk_status load(size_t count, const lbk_st_entry *entries) {
    must(lbk_st_write(scratch_path(&s, "weights.safetensors"), entries, count, NULL));
    return lbk_weights_load(weights, s.path, NULL);
}

Test(weights, a_file_of_just_the_weights) {
    float back[3];
    must(load(2, (lbk_st_entry[]){weight_entry, counter_entry}));
    must(lbk_buffer_read(device, weights->params, weights->entries[0].offset, back, sizeof back));
    cr_expect_arr_eq(back, three, sizeof three);
    cr_expect_eq(weights->counter, 7);
    cr_expect_str_empty(logged);
}

Test(weights, integers_of_nobody_are_left_out_with_a_word) {
    must(load(2, (lbk_st_entry[]){weight_entry, positions_entry}));
    cr_expect_eq(weights->counter, 0);
    cr_expect_not_null(strstr(logged, "weights.safetensors: left out 'position_ids': integers are no weights"), "%s",
                       logged);
}

Test(weights, numbers_of_nobody_are_refused) {
    cr_assert_eq(load(2, (lbk_st_entry[]){weight_entry, stranger_entry}), LBK_ERR_INPUT);
    cr_expect_not_null(strstr(lbk_error_message(), "tensor 'head.weight' belongs to no layer of the model"), "%s",
                       lbk_error_message());
}

Test(weights, a_weight_must_be_there) {
    cr_assert_eq(load(1, (lbk_st_entry[]){counter_entry}), LBK_ERR_INPUT);
    cr_expect_not_null(strstr(lbk_error_message(), "has no tensor 'norm.weight'"), "%s", lbk_error_message());
}
