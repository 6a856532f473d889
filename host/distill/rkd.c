/* Park, Kim, Lu, Cho, "Relational knowledge distillation", CVPR 2019, equations 2 to 9. Distances are 0 on the diagonal and
 * divided by the mean of those that are not; both losses are means over all pairs and triples, as in RepDistiller. */
#include "distill/method.h"

#include <stdio.h>

#define SMALLEST "1e-12" /* number that is divided by */

typedef struct rkd_params {
    lbk_ramp weight;
    double distance, angle;
    lbk_words layers;
} rkd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(rkd_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 1"),
    LBK_PARAM_FLOAT(rkd_params, distance, "25", 0, 1e6, NULL, "factor of the loss of distances", "paper: lambda = 25"),
    LBK_PARAM_FLOAT(rkd_params, angle, "50", 0, 1e6, NULL, "factor of the loss of angles", "paper: lambda = 50"),
    LBK_PARAM_WORDS(rkd_params, layers, "feature", LBK_LAYERS_MEANING, "RepDistiller: the pooled feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const rkd_params *)params)->layers, student, teacher);
}

/* x[B,...] -> distances[B,B] over their mean, and angles[B,B,B]: cosines between i - j and i - k */
typedef struct relations {
    lbk_value distances, angles;
} relations;

/* differences[B,B,D]; squares[B,B] of their lengths */
static lbk_status differ(lbk_method_context *c, lbk_value x, lbk_value *differences, lbk_value *squares) {
    const long long batch = lbk_method_shape(c, x)->dim[0];
    char as_rows[48], as_columns[48];
    lbk_value row, column, square;
    snprintf(as_rows, sizeof as_rows, "shape=%lld,1,-1", batch);
    snprintf(as_columns, sizeof as_columns, "shape=1,%lld,-1", batch);
    LBK_TRY(lbk_method_op(c, "reshape", &row, as_rows, 1, x));
    LBK_TRY(lbk_method_op(c, "reshape", &column, as_columns, 1, x));
    LBK_TRY(lbk_method_op(c, "sub", differences, "", 2, row, column));
    LBK_TRY(lbk_method_op(c, "square", &square, "", 1, *differences));
    return lbk_method_op(c, "sum", squares, "axes=2", 1, square);
}

/* 1 over the lengths, 0 where there is none: neither value nor derivative is infinite there. */
static lbk_status invert(lbk_method_context *c, lbk_value squares, lbk_value *apart, lbk_value *inverse) {
    lbk_value size;
    LBK_TRY(lbk_method_op(c, "sign", apart, "", 1, squares));
    LBK_TRY(lbk_method_op(c, "clamp", &size, "min=" SMALLEST, 1, squares));
    LBK_TRY(lbk_method_op(c, "rsqrt", &size, "", 1, size));
    return lbk_method_op(c, "mul", inverse, "", 2, *apart, size);
}

static lbk_status relate(lbk_method_context *c, lbk_value x, relations *out) {
    lbk_value differences, squares, apart, inverse, distances, total, count, directions;
    LBK_TRY(differ(c, x, &differences, &squares));
    LBK_TRY(invert(c, squares, &apart, &inverse));
    LBK_TRY(lbk_method_op(c, "mul", &distances, "", 2, squares, inverse));
    LBK_TRY(lbk_method_op(c, "sum", &total, "", 1, distances));
    LBK_TRY(lbk_method_op(c, "clamp", &total, "min=" SMALLEST, 1, total));
    LBK_TRY(lbk_method_op(c, "sum", &count, "", 1, apart));
    LBK_TRY(lbk_method_op(c, "div", &count, "", 2, count, total));
    LBK_TRY(lbk_method_op(c, "mul", &out->distances, "", 2, distances, count));
    LBK_TRY(lbk_method_op(c, "reshape", &inverse, "shape=0,0,1", 1, inverse));
    LBK_TRY(lbk_method_op(c, "mul", &directions, "", 2, differences, inverse));
    return lbk_method_op(c, "matmul", &out->angles, "trans_b=yes", 2, directions, directions);
}

/* *sum += factor * the mean of Huber's loss */
static lbk_status compare(lbk_method_context *c, lbk_value student, lbk_value teacher, double factor, lbk_value *sum) {
    lbk_value loss;
    LBK_TRY(lbk_method_op(c, "smooth_l1_loss", &loss, "", 2, student, teacher));
    LBK_TRY(lbk_method_scale(c, loss, factor, &loss));
    return lbk_method_add(c, sum, loss);
}

static lbk_status build(lbk_method_context *c) {
    const rkd_params *p = c->params;
    lbk_value sum = LBK_NONE;
    for (int i = 0; i < c->pair_count; i++) {
        relations student, teacher;
        LBK_TRY(relate(c, c->pair[i].student.value, &student));
        LBK_TRY(relate(c, c->pair[i].teacher.value, &teacher));
        LBK_TRY(compare(c, student.distances, teacher.distances, p->distance, &sum));
        LBK_TRY(compare(c, student.angles, teacher.angles, p->angle, &sum));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_rkd = {
    .name = "rkd",
    .summary = "relations: distances between samples and angles of three of them are those of the teacher",
    .formula = "distance / B^2 sum_ij huber(d_s - d_t) + angle / B^3 sum_ijk huber(a_s - a_t), d_ij = |f_i - f_j| over "
               "their mean, a_ijk = cos(f_i - f_j, f_i - f_k)",
    .source = "Park et al. 2019",
    .params = table,
    .params_size = sizeof(rkd_params),
    .needs = needs,
    .build = build,
};
