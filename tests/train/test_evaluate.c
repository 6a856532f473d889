/* The figures of a run against cases worked out by hand. */
#include "train/evaluate.h"

#include <criterion/criterion.h>
#include <math.h>

#define LN2 0.693147180559945309
#define NEAR(got, want)                                                                                                \
    cr_expect(fabs((got) - (want)) < 1e-6, #got " is %.9g, expected %.9g", (double)(got), (double)(want))

/* Rows of probabilities become logits ln p + a shift, which no figure may see. */
static lbk_evaluation make(float *logits, int32_t *labels, const double *p, uint32_t count, int classes, double shift) {
    for (uint32_t i = 0; i < count * (uint32_t)classes; i++)
        logits[i] = (float)(log(p[i]) + shift);
    return (lbk_evaluation){.count = count, .classes = classes, .logits = logits, .labels = labels};
}

static const double sure_p[] = {0.5,   0.25, 0.25,  /* says 0, is 0 */
                                0.25,  0.5,  0.25,  /* says 1, is 0 */
                                0.125, 0.75, 0.125, /* says 1, is 1 */
                                0.25,  0.5,  0.25,  /* says 1, is 1 */
                                0.5,   0.25, 0.25}; /* says 0, is 2 */
static int32_t truth[] = {0, 0, 1, 1, 2};

Test(evaluate, accuracy_loss_f1) {
    float logits[15];
    lbk_evaluation e = make(logits, truth, sure_p, 5, 3, 0);
    cr_assert_eq(lbk_evaluation_score(&e), LBK_OK);
    NEAR(e.accuracy, 3.0 / 5);
    NEAR(e.loss, (LN2 + 2 * LN2 - log(0.75) + LN2 + 2 * LN2) / 5);
    NEAR(e.macro_f1, (2.0 * 1 / (2 + 2) + 2.0 * 2 / (3 + 2) + 0.0 / (0 + 1)) / 3);
}

Test(evaluate, class_that_never_comes_is_left_out_of_f1) {
    static const double p[] = {0.7, 0.1, 0.1, 0.1, 0.1, 0.7, 0.1, 0.1, 0.7, 0.1, 0.1, 0.1};
    static int32_t labels[] = {0, 1, 1};
    float logits[12];
    lbk_evaluation e = make(logits, labels, p, 3, 4, 0);
    cr_assert_eq(lbk_evaluation_score(&e), LBK_OK);
    NEAR(e.accuracy, 2.0 / 3);
    NEAR(e.macro_f1, (2.0 / 3 + 2.0 / 3) / 2); /* classes 2 and 3: neither said nor true */
}

Test(evaluate, all_right) {
    float logits[15];
    static int32_t said[] = {0, 1, 1, 1, 0};
    lbk_evaluation e = make(logits, said, sure_p, 5, 3, 0);
    cr_assert_eq(lbk_evaluation_score(&e), LBK_OK);
    NEAR(e.accuracy, 1);
    NEAR(e.macro_f1, 1);
}

/* float32 holds ln p + 1000 to 6e-5. */
Test(evaluate, large_logits_do_not_overflow) {
    float logits[15];
    lbk_evaluation e = make(logits, truth, sure_p, 5, 3, 1000);
    cr_assert_eq(lbk_evaluation_score(&e), LBK_OK);
    cr_expect(fabs(e.loss - (6 * LN2 - log(0.75)) / 5) < 1e-4, "%g", e.loss);
    NEAR(e.accuracy, 3.0 / 5);
}

Test(evaluate, agreement) {
    static const double other_p[] = {0.5,  0.25, 0.25, 0.5, 0.25, 0.25, 0.25, 0.5,
                                     0.25, 0.25, 0.25, 0.5, 0.5,  0.25, 0.25};
    float logits_a[15], logits_b[15];
    lbk_evaluation a = make(logits_a, truth, sure_p, 5, 3, 0), b = make(logits_b, truth, other_p, 5, 3, 7);
    NEAR(lbk_evaluation_agreement(&a, &b), 3.0 / 5); /* 0 1 1 1 0 against 0 0 1 2 0 */
    NEAR(lbk_evaluation_agreement(&a, &a), 1);
}

Test(evaluate, divergence) {
    static const double t[] = {0.5, 0.25, 0.25, 0.25, 0.5, 0.25}, s[] = {0.25, 0.5, 0.25, 0.25, 0.25, 0.5};
    float logits_t[6], logits_s[6];
    lbk_evaluation teacher = make(logits_t, truth, t, 2, 3, 0), student = make(logits_s, truth, s, 2, 3, -3);
    NEAR(lbk_evaluation_divergence(&teacher, &student), 0.25 * LN2); /* 1/2 ln 2 + 1/4 ln 1/2, twice, over 2 samples */
    NEAR(lbk_evaluation_divergence(&teacher, &teacher), 0);
}

/* KL is no distance: the teacher's probabilities weigh. */
Test(evaluate, divergence_is_not_symmetric) {
    static const double t[] = {0.5, 0.5}, s[] = {0.75, 0.25};
    float logits_t[2], logits_s[2];
    lbk_evaluation teacher = make(logits_t, truth, t, 1, 2, 0), student = make(logits_s, truth, s, 1, 2, 0);
    NEAR(lbk_evaluation_divergence(&teacher, &student), 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25));
    NEAR(lbk_evaluation_divergence(&student, &teacher), 0.75 * log(0.75 / 0.5) + 0.25 * log(0.25 / 0.5));
}
