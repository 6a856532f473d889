#include "graph/half_check.h"

#include "graph/plan.h"
#include "ops/pack.h"
#include "ops/round.h"
#include "tensor/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALVES 0x10000
#define COUNT (4 * HALVES - 1) /* odd, so that no vector width divides it */

typedef struct half_check {
    lbk_arithmetic type;
    lbk_graph *graph;
    lbk_plan *plan;
    lbk_value x, packed, y; /* packed: LBK_NONE where numbers are rounded, not kept */
    float *numbers, *found;
    uint16_t *halves; /* of packed */
} half_check;

static lbk_dtype half_of(lbk_arithmetic type) {
    return type == LBK_ARITHMETIC_FLOAT16 ? LBK_F16 : LBK_BF16;
}

/* A number of the type and the one after it. Of tf32's not all: every upper half, the three bits of fraction below it in turn. */
static void neighbours(lbk_arithmetic type, uint32_t i, float *x, float *next) {
    uint32_t bits = i << 16 | (i << 13 & 0xe000u), after = bits + 0x2000u;
    memcpy(x, &bits, sizeof bits);
    memcpy(next, &after, sizeof after);
    if (type == LBK_ARITHMETIC_TF32)
        return;
    *x = lbk_half_to_float(half_of(type), (uint16_t)i);
    *next = lbk_half_to_float(half_of(type), (uint16_t)(i + 1));
}

static void fill(half_check *c) {
    for (uint32_t i = 0; i < COUNT; i++) {
        float x, next;
        neighbours(c->type, i / 4, &x, &next);
        float middle = (float)(0.5 * ((double)x + (double)next));
        c->numbers[i] = i % 4 == 0   ? x
                        : i % 4 == 1 ? nextafterf(middle, x)
                        : i % 4 == 2 ? middle
                                     : nextafterf(middle, next);
    }
}

static lbk_status add_kept(half_check *c) {
    lbk_dtype half = half_of(c->type);
    LBK_TRY(lbk_graph_apply(c->graph, lbk_pack_name(half), NULL, 1, &c->x, &c->packed));
    LBK_TRY(lbk_graph_apply(c->graph, lbk_unpack_name(half), NULL, 1, &c->packed, &c->y));
    return lbk_graph_keep(c->graph, c->packed);
}

static lbk_status add_rounded(half_check *c) {
    const lbk_round_params params = {.type = (int)c->type};
    c->packed = LBK_NONE;
    return lbk_graph_apply(c->graph, "round", &params, 1, &c->x, &c->y);
}

static lbk_status build(half_check *c, lbk_device *device, lbk_status (*add)(half_check *)) {
    LBK_TRY(lbk_calloc(COUNT, sizeof *c->numbers, &c->numbers));
    LBK_TRY(lbk_calloc(COUNT, sizeof *c->found, &c->found));
    LBK_TRY(lbk_calloc(COUNT, sizeof *c->halves, &c->halves));
    LBK_TRY(lbk_graph_create(&c->graph));
    LBK_TRY(lbk_graph_input(c->graph, "x", LBK_F32, lbk_shape_1(COUNT), &c->x));
    LBK_TRY(add(c));
    LBK_TRY(lbk_graph_keep(c->graph, c->y));
    return lbk_plan_create(c->graph, NULL, device, &(lbk_plan_options){0}, &c->plan);
}

static lbk_status compare(const half_check *c, const lbk_device *device) {
    bool kept = c->packed != LBK_NONE;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint16_t bits = kept ? lbk_half_from_float(half_of(c->type), c->numbers[i]) : 0;
        float want = lbk_round_number(c->type, c->numbers[i]);
        if (isnan(want) ? isnan(c->found[i]) : c->halves[i] == bits && c->found[i] == want)
            continue;
        if (!kept)
            return lbk_fail(LBK_ERR_DEVICE, "%s rounds %.9g to %.9g, expected %.9g; use float32", device->info.name,
                            (double)c->numbers[i], (double)c->found[i], (double)want);
        return lbk_fail(LBK_ERR_DEVICE, "%s keeps %.9g as %.9g (bits %04x), expected %.9g (%04x); use float32",
                        device->info.name, (double)c->numbers[i], (double)c->found[i], c->halves[i], (double)want,
                        bits);
    }
    return LBK_OK;
}

static lbk_status check(lbk_device *device, lbk_arithmetic type, lbk_status (*add)(half_check *)) {
    half_check c = {.type = type};
    lbk_status status = LBK_OK;
    LBK_GOTO(build(&c, device, add));
    fill(&c);
    LBK_GOTO(lbk_buffer_write(device, lbk_plan_buffer(c.plan, c.x), 0, c.numbers, COUNT * sizeof *c.numbers));
    LBK_GOTO(lbk_plan_enqueue(c.plan, NULL));
    if (c.packed != LBK_NONE)
        LBK_GOTO(lbk_buffer_read(device, lbk_plan_buffer(c.plan, c.packed), 0, c.halves, COUNT * sizeof *c.halves));
    LBK_GOTO(lbk_buffer_read(device, lbk_plan_buffer(c.plan, c.y), 0, c.found, COUNT * sizeof *c.found));
    status = compare(&c, device);
out:
    lbk_plan_destroy(c.plan);
    lbk_graph_destroy(c.graph);
    free(c.numbers);
    free(c.found);
    free(c.halves);
    return status;
}

lbk_status lbk_half_check(lbk_device *device, lbk_dtype type) {
    return check(device, type == LBK_F16 ? LBK_ARITHMETIC_FLOAT16 : LBK_ARITHMETIC_BFLOAT16, add_kept);
}

lbk_status lbk_round_check(lbk_device *device, lbk_arithmetic type) {
    return check(device, type, add_rounded);
}
