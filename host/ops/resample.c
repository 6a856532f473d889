#include "ops/resample.h"

#include <math.h>

lbk_status lbk_resample_check(const lbk_resample *map) {
    for (int d = 0; d < 2; d++)
        for (int side = 0; side < 2; side++) {
            int64_t pixels = side ? map->axis[d].out : map->axis[d].in;
            if (pixels > LBK_RESAMPLE_MOST)
                return lbk_fail(LBK_ERR_INPUT, "%lld pixels in a %s, at most %d are possible", (long long)pixels,
                                d == 0 ? "column" : "row", LBK_RESAMPLE_MOST);
        }
    return LBK_OK;
}

lbk_shape lbk_resample_shape(const lbk_resample *map, bool out) {
    const lbk_resample_axis *h = &map->axis[0], *w = &map->axis[1];
    return lbk_shape_4(map->n, out ? h->out : h->in, out ? w->out : w->in, map->c);
}

static lbk_status begin(lbk_emit *e, const char *name, const lbk_resample *map, bool backward, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, "generic/resample", name, call));
    lbk_call_input(*call, 0);
    lbk_call_output(*call, 0);
    lbk_call_int(*call, map->kind);
    lbk_call_int(*call, backward);
    lbk_call_int(*call, map->c);
    return LBK_OK;
}

static void call_axes(lbk_call *call, const lbk_resample *map) {
    for (int d = 0; d < 2; d++) {
        const lbk_resample_axis *a = &map->axis[d];
        lbk_call_int(call, a->in);
        lbk_call_int(call, a->out);
        lbk_call_int(call, a->mul);
        lbk_call_int(call, a->add);
        lbk_call_int(call, a->den);
    }
}

/* A work-item per row of pixels of several images, as long as there are enough to share among the device's cores. */
static lbk_status emit_rows(lbk_emit *e, const lbk_resample *map, bool backward) {
    enum { MOST_IMAGES = 8, ITEMS_PER_CORE = 16 };
    int64_t rows = backward ? map->axis[0].in : map->axis[0].out;
    int64_t each = map->n * rows / (ITEMS_PER_CORE * (int64_t)e->caps->compute_units);
    lbk_call *call;
    each = each < 1 ? 1 : each > MOST_IMAGES ? MOST_IMAGES : each;
    LBK_TRY(begin(e, "resample_rows", map, backward, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    lbk_call_int(call, map->n);
    lbk_call_int(call, each);
    call_axes(call, map);
    lbk_call_range_2d(call, (size_t)rows, (size_t)((map->n + each - 1) / each), 1, 1);
    return LBK_OK;
}

static lbk_status emit_elements(lbk_emit *e, const lbk_resample *map, bool backward) {
    lbk_shape y = lbk_resample_shape(map, !backward);
    lbk_call *call;
    LBK_TRY(begin(e, "resample", map, backward, &call));
    lbk_call_int(call, lbk_shape_count(&y));
    call_axes(call, map);
    lbk_call_range_1d(call, (size_t)lbk_shape_count(&y), lbk_emit_local(e));
    return LBK_OK;
}

lbk_status lbk_resample_emit(lbk_emit *e, lbk_class cls, const lbk_resample *map, bool backward) {
    return cls == LBK_CLASS_CPU ? emit_rows(e, map, backward) : emit_elements(e, map, backward);
}

static double place(lbk_resample_kind kind, const lbk_resample_axis *a, int64_t i) {
    double at = (double)(i * a->mul + a->add) / (double)a->den, most = (double)(a->in - 1);
    if (kind == LBK_RESAMPLE_NEAREST)
        return floor(at);
    if (kind == LBK_RESAMPLE_REFLECT)
        return at < 0 ? -at : at > most ? 2 * most - at : at;
    return fmin(fmax(at, 0), most);
}

/* Window [first, end) in which pixels count, and the pixels that are there. */
static double mean_weight(lbk_resample_kind kind, const lbk_resample_axis *a, int64_t i, int64_t r) {
    double first = (double)(i * a->mul + a->add), end = fmin(first + (double)a->den, (double)(a->in - a->add));
    if (kind == LBK_RESAMPLE_ADAPTIVE) {
        first = floor((double)(i * a->in) / (double)a->out);
        end = ceil((double)((i + 1) * a->in) / (double)a->out);
    } else if (kind == LBK_RESAMPLE_AVERAGE_INSIDE) {
        first = fmax(first, 0);
        end = fmin(end, (double)a->in);
    }
    return (double)r >= first && (double)r < end ? 1 / (end - first) : 0;
}

static double weight(lbk_resample_kind kind, const lbk_resample_axis *a, int64_t i, int64_t r) {
    if (kind >= LBK_RESAMPLE_AVERAGE)
        return mean_weight(kind, a, i, r);
    return fmax(0, 1 - fabs(place(kind, a, i) - (double)r));
}

void lbk_resample_reference(const lbk_resample *map, const double *from, double *to, bool backward) {
    const lbk_resample_axis *h = &map->axis[0], *w = &map->axis[1];
    for (int64_t i = 0; i < h->out; i++)
        for (int64_t r = 0; r < h->in; r++) {
            double of_row = weight(map->kind, h, i, r);
            for (int64_t js = 0; of_row != 0 && js < w->out * w->in; js++) {
                int64_t j = js / w->in, s = js % w->in;
                double of_both = of_row * weight(map->kind, w, j, s);
                for (int64_t k = 0; of_both != 0 && k < map->n * map->c; k++) {
                    int64_t n = k / map->c, c = k % map->c;
                    int64_t x = ((n * h->in + r) * w->in + s) * map->c + c;
                    int64_t y = ((n * h->out + i) * w->out + j) * map->c + c;
                    to[backward ? x : y] += of_both * from[backward ? y : x];
                }
            }
        }
}

void lbk_resample_cost(const lbk_resample *map, const lbk_infer *shapes, lbk_cost *cost) {
    double taps = 1;
    for (int d = 0; d < 2; d++) {
        const lbk_resample_axis *a = &map->axis[d];
        taps *= map->kind == LBK_RESAMPLE_ADAPTIVE ? fmax((double)a->out, (double)a->in)
                : map->kind == LBK_RESAMPLE_LINEAR ? 2 * (double)a->out
                                                   : (double)a->out;
    }
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = 2 * taps * (double)(map->n * map->c);
}
