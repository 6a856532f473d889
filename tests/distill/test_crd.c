/* crd beyond its loss: which samples are compared, and what the states hold. */
#include "distill/helpers/rig.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

static void build(rig *r, const char *a, const char *b) {
    must(rig_build(r, (const char *const[]){"distill.methods=crd", a, b, NULL}, 4));
    cr_assert_eq(r->student.loss.host_input_count, 1);
}

/* index[batch][1 + negatives] of a step. */
static int32_t *draw(const rig *r, int64_t step) {
    const lbk_host_input *host = &r->student.loss.host_input[0];
    int32_t *index = malloc(lbk_tensor_bytes(lbk_graph_desc(r->student.train, host->value)));
    must(host->fill(host->context, r->batch, step, index));
    return index;
}

/* The class that the student knows a sample to have; -1: none. */
static int known_class(const rig *r, int32_t sample) {
    const lbk_data *data = &r->experiment.data;
    int label = -1;
    cr_assert(sample >= 0 && (uint32_t)sample < data->source.train_count, "there is no sample %d", sample);
    if (data->labelled[sample])
        must(data->dataset->read(&data->source, LBK_PART_TRAIN, (uint32_t)sample, NULL, &label));
    return label;
}

/* How often each sample is a negative of the row, at least `least` and at most `most` times if it may be one. */
static void check_row(const rig *r, const int32_t *row, int negatives, int least, int most) {
    uint32_t samples = r->experiment.data.source.train_count;
    int own = known_class(r, row[0]), *times = calloc(samples, sizeof *times);
    for (int k = 1; k <= negatives; k++)
        times[row[k]]++;
    for (uint32_t s = 0; s < samples; s++) {
        bool excluded = (int32_t)s == row[0] || (own >= 0 && known_class(r, (int32_t)s) == own);
        cr_expect(excluded ? !times[s] : times[s] >= least && times[s] <= most,
                  "sample %u is a negative of %d %d times", s, row[0], times[s]);
    }
    free(times);
}

static void check_draws(const char *set, int negatives, int least, int most) {
    rig r;
    build(&r, set, NULL);
    int32_t *first = draw(&r, 0), *again = draw(&r, 0), *second = draw(&r, 1);
    size_t bytes = (size_t)r.student.batch * (size_t)(1 + negatives) * sizeof *first;
    cr_expect_arr_eq(first, again, bytes, "a step's samples are no function of the step");
    cr_expect_arr_neq(first, second, bytes, "two steps have the same samples");
    for (int b = 0; b < r.student.batch; b++) {
        cr_expect_eq(first[b * (1 + negatives)], (int32_t)r.batch->samples[b]);
        check_row(&r, first + b * (1 + negatives), negatives, least, most);
    }
    free(first);
    free(again);
    free(second);
    rig_release(&r);
}

/* 1437 training samples of ten classes. */
Test(crd, negatives_are_others_and_differ) {
    check_draws("distill.crd.negatives=500", 500, 0, 1);
}

Test(crd, many_negatives_repeat_evenly) {
    check_draws("distill.crd.negatives=3000", 3000, 2, 3);
}

Test(crd, relaxed_positives_share_the_class) {
    rig r;
    int others = 0, unknown = 0;
    build(&r, "distill.crd.negatives=1", "distill.crd.mode=relax");
    for (int step = 0; step < 5; step++) {
        int32_t *index = draw(&r, step);
        for (int b = 0; b < r.student.batch; b++) {
            int32_t sample = (int32_t)r.batch->samples[b];
            cr_expect_eq(known_class(&r, index[2 * b]), known_class(&r, sample));
            cr_expect(known_class(&r, sample) >= 0 || index[2 * b] == sample, "an unlabelled sample's positive");
            others += index[2 * b] != sample;
            unknown += known_class(&r, sample) < 0;
        }
        free(index);
    }
    cr_expect(others > 10 && unknown > 0, "%d positives are other samples, %d samples are unlabelled", others, unknown);
    rig_release(&r);
}

/* Z comes of the first step alone; the banks' rows of a batch move and have length 1, the others stay. */
Test(crd, states) {
    rig r;
    build(&r, "distill.crd.negatives=20", NULL);
    const lbk_graph *graph = r.student.train;
    double *z = r.memory[lbk_graph_find(graph, "distill.crd.z_student")];
    lbk_value bank = lbk_graph_find(graph, "distill.crd.bank_teacher");
    int64_t rows = lbk_graph_desc(graph, bank)->shape.dim[0], width = lbk_graph_desc(graph, bank)->shape.dim[1];
    double *before = malloc((size_t)(rows * width) * sizeof *before);
    memcpy(before, r.memory[bank], (size_t)(rows * width) * sizeof *before);
    *z = 0;
    must(rig_step(&r, 0));
    double first = *z;
    cr_expect_gt(first, 0);
    must(rig_step(&r, 0));
    cr_expect_eq(*z, first, "Z changed from %g to %g", first, *z);
    for (int64_t s = 0; s < rows; s++) {
        const double *row = r.memory[bank] + s * width;
        double square = 0;
        bool seen = false;
        for (int b = 0; b < r.student.batch; b++)
            seen |= r.batch->samples[b] == (uint32_t)s;
        for (int64_t d = 0; d < width; d++)
            square += row[d] * row[d];
        bool same = memcmp(row, before + s * width, (size_t)width * sizeof *row) == 0;
        cr_expect(seen ? fabs(square - 1) < 1e-12 : same, "row %lld", (long long)s);
    }
    free(before);
    rig_release(&r);
}
