#include "graph/half_check.h"

#include "graph/plan.h"
#include "ops/pack.h"
#include "tensor/half.h"

#include <math.h>
#include <stdlib.h>

#define HALVES 0x10000
#define COUNT (4 * HALVES - 1) /* odd, so that no vector width divides it */

typedef struct half_check {
    lbk_dtype type;
    lbk_graph *graph;
    lbk_plan *plan;
    lbk_value x, packed, unpacked;
    float *numbers, *found;
    uint16_t *halves;
} half_check;

static void fill(half_check *c) {
    for (uint32_t i = 0; i < COUNT; i++) {
        float x = lbk_half_to_float(c->type, (uint16_t)(i / 4));
        float next = lbk_half_to_float(c->type, (uint16_t)(i / 4 + 1));
        float middle = (float)(0.5 * ((double)x + (double)next));
        c->numbers[i] = i % 4 == 0   ? x
                        : i % 4 == 1 ? nextafterf(middle, x)
                        : i % 4 == 2 ? middle
                                     : nextafterf(middle, next);
    }
}

static lbk_status build(half_check *c, lbk_device *device) {
    LBK_TRY(lbk_calloc(COUNT, sizeof *c->numbers, &c->numbers));
    LBK_TRY(lbk_calloc(COUNT, sizeof *c->found, &c->found));
    LBK_TRY(lbk_calloc(COUNT, sizeof *c->halves, &c->halves));
    LBK_TRY(lbk_graph_create(&c->graph));
    LBK_TRY(lbk_graph_input(c->graph, "x", LBK_F32, lbk_shape_1(COUNT), &c->x));
    LBK_TRY(lbk_graph_apply(c->graph, lbk_pack_name(c->type), NULL, 1, &c->x, &c->packed));
    LBK_TRY(lbk_graph_apply(c->graph, lbk_unpack_name(c->type), NULL, 1, &c->packed, &c->unpacked));
    LBK_TRY(lbk_graph_keep(c->graph, c->packed));
    LBK_TRY(lbk_graph_keep(c->graph, c->unpacked));
    return lbk_plan_create(c->graph, NULL, device, &(lbk_plan_options){0}, &c->plan);
}

static lbk_status compare(const half_check *c, const lbk_device *device) {
    for (uint32_t i = 0; i < COUNT; i++) {
        uint16_t want = lbk_half_from_float(c->type, c->numbers[i]);
        float widened = lbk_half_to_float(c->type, want);
        if (isnan(widened) ? isnan(c->found[i]) : c->halves[i] == want && c->found[i] == widened)
            continue;
        return lbk_fail(LBK_ERR_DEVICE, "%s keeps %.9g as %.9g (bits %04x), expected %.9g (%04x); use float32",
                        device->info.name, (double)c->numbers[i], (double)c->found[i], c->halves[i], (double)widened,
                        want);
    }
    return LBK_OK;
}

lbk_status lbk_half_check(lbk_device *device, lbk_dtype type) {
    half_check c = {.type = type};
    lbk_status status = LBK_OK;
    LBK_GOTO(build(&c, device));
    fill(&c);
    LBK_GOTO(lbk_buffer_write(device, lbk_plan_buffer(c.plan, c.x), 0, c.numbers, COUNT * sizeof *c.numbers));
    LBK_GOTO(lbk_plan_enqueue(c.plan, NULL));
    LBK_GOTO(lbk_buffer_read(device, lbk_plan_buffer(c.plan, c.packed), 0, c.halves, COUNT * sizeof *c.halves));
    LBK_GOTO(lbk_buffer_read(device, lbk_plan_buffer(c.plan, c.unpacked), 0, c.found, COUNT * sizeof *c.found));
    status = compare(&c, device);
out:
    lbk_plan_destroy(c.plan);
    lbk_graph_destroy(c.graph);
    free(c.numbers);
    free(c.found);
    free(c.halves);
    return status;
}
