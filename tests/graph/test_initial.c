/* What weights start with: the distribution of each kind of initial values, and what they depend on. */
#include "graph/weights.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 300
#define COLUMNS 200

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

/* The initial values of one weight called `name`, [ROWS][COLUMNS]. */
static void draw(const lbk_weight *weight, const char *name, uint64_t seed, float *out) {
    lbk_graph *graph;
    lbk_weights *weights;
    lbk_value value;
    lbk_device_list list;
    lbk_device *device;
    lbk_device_spec spec = {.info = 0};
    must(lbk_device_list_init(&list));
    if (list.count == 0)
        cr_skip_test("no OpenCL device");
    must(lbk_device_open(&list, &spec, NULL, 1, &device));
    must(lbk_graph_create(&graph));
    must(lbk_graph_weight(graph, name, weight, &value));
    must(lbk_weights_create(graph, device, false, &weights));
    must(lbk_weights_initialize(weights, seed));
    must(lbk_buffer_read(device, weights->params, lbk_weights_find(weights, name)->offset, out,
                         sizeof(float) * ROWS * COLUMNS));
    lbk_weights_destroy(weights);
    lbk_graph_destroy(graph);
    lbk_device_close(device);
    lbk_device_list_release(&list);
}

static lbk_weight weight_of(lbk_init init) {
    return (lbk_weight){.kind = LBK_WEIGHT_PARAM,
                        .shape = lbk_shape_2(ROWS, COLUMNS),
                        .init = init,
                        .fan_in = 50,
                        .fan_out = 32,
                        .mean = 0.25,
                        .deviation = 0.02};
}

/* Mean and deviation within five standard errors (and rounding); no number beyond `most`. */
Test(initial, distributions) {
    static const struct {
        lbk_init init;
        double mean, deviation, most;
    } rows[] = {{LBK_INIT_ZERO, 0, 0, 0},
                {LBK_INIT_ONE, 1, 0, 1},
                {LBK_INIT_KAIMING_NORMAL_FAN_OUT, 0, 0.25, 1.5},
                {LBK_INIT_NORMAL, 0.25, 0.02, 0.37},
                {LBK_INIT_UNIFORM_FAN_IN, 0, 0.0816496580927726, 0.14142136}};
    static float values[ROWS * COLUMNS];
    const double count = ROWS * COLUMNS;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        lbk_weight weight = weight_of(rows[r].init);
        double mean = 0, square = 0, most = 0;
        draw(&weight, "w", 7, values);
        for (size_t i = 0; i < ROWS * COLUMNS; i++) {
            mean += values[i] / count;
            most = fmax(most, fabsf(values[i]));
        }
        for (size_t i = 0; i < ROWS * COLUMNS; i++)
            square += (values[i] - mean) * (values[i] - mean) / count;
        double error = 5 * rows[r].deviation / sqrt(count) + 1e-9;
        cr_expect_leq(fabs(mean - rows[r].mean), error, "kind %d: mean %g", (int)rows[r].init, mean);
        cr_expect_leq(fabs(sqrt(square) - rows[r].deviation), error, "kind %d: deviation %g", (int)rows[r].init,
                      sqrt(square));
        cr_expect_leq(most, rows[r].most, "kind %d: up to %g", (int)rows[r].init, most);
    }
}

/* Of seed and name; a row of padding starts at zero, and leaves the others as they were. */
Test(initial, dependence) {
    static float base[ROWS * COLUMNS], other[ROWS * COLUMNS];
    lbk_weight weight = weight_of(LBK_INIT_NORMAL);
    draw(&weight, "embed.weight", 7, base);
    draw(&weight, "embed.weight", 7, other);
    cr_expect(memcmp(base, other, sizeof base) == 0);
    draw(&weight, "embed.weight", 8, other);
    cr_expect(memcmp(base, other, sizeof base) != 0);
    draw(&weight, "embed2.weight", 7, other);
    cr_expect(memcmp(base, other, sizeof base) != 0);
    weight.zero_row = 1 + 13;
    memset(&base[13 * COLUMNS], 0, sizeof(float) * COLUMNS);
    draw(&weight, "embed.weight", 7, other);
    cr_expect(memcmp(base, other, sizeof base) == 0);
}
