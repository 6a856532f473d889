#include "base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* Known answers of philox4x32 with 10 rounds: Random123's kat_vectors. */
static const struct {
    uint32_t counter[4], key[2], out[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

Test(rng, philox_known_answers) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t out[4];
        lbk_philox(known[i].counter, known[i].key, out);
        cr_assert_arr_eq(out, known[i].out, sizeof out);
    }
}

/* The layout that kernels rely on. */
Test(rng, stream_is_philox_of_its_arguments) {
    lbk_rng rng;
    lbk_rng_init(&rng, 0x1122334455667788u, LBK_RNG_DROPOUT, 77, 0x00ABCDEF01234567u);
    uint32_t key[2] = {0x55667788, 0x11223344}, counter[4] = {0, 77, 0x01234567, 0x04ABCDEF}, out[4];
    for (uint32_t i = 0; i < 40; i++) {
        counter[0] = i / 4;
        lbk_philox(counter, key, out);
        cr_assert_eq(lbk_rng_u32(&rng), out[i % 4]);
    }
}

Test(rng, every_argument_makes_another_stream) {
    static const struct {
        uint64_t seed;
        lbk_rng_purpose purpose;
        uint32_t epoch;
        uint64_t sample;
    } streams[] = {{1, LBK_RNG_INIT, 0, 0},         {2, LBK_RNG_INIT, 0, 0}, {1ull << 40, LBK_RNG_INIT, 0, 0},
                   {1, LBK_RNG_SHUFFLE, 0, 0},      {1, LBK_RNG_INIT, 1, 0}, {1, LBK_RNG_INIT, 0, 1},
                   {1, LBK_RNG_INIT, 0, 1ull << 50}};
    uint32_t drawn[7][4];
    for (int i = 0; i < 7; i++) {
        lbk_rng rng;
        lbk_rng_init(&rng, streams[i].seed, streams[i].purpose, streams[i].epoch, streams[i].sample);
        for (int j = 0; j < 4; j++)
            drawn[i][j] = lbk_rng_u32(&rng);
        for (int k = 0; k < i; k++)
            cr_assert_neq(memcmp(drawn[i], drawn[k], sizeof drawn[i]), 0, "streams %d and %d", i, k);
    }
}

enum { DRAWS = 200000 };

Test(rng, uniform_moments_and_range) {
    lbk_rng rng;
    double sum = 0, squares = 0;
    lbk_rng_init(&rng, 3, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < DRAWS; i++) {
        float u = lbk_rng_uniform(&rng);
        cr_assert(u >= 0.0f && u < 1.0f);
        cr_assert_eq(u * 0x1p24f, floorf(u * 0x1p24f));
        sum += u;
        squares += (double)u * u;
    }
    /* five standard errors of a mean and of a mean square */
    cr_assert_float_eq(sum / DRAWS, 0.5, 5 * sqrt(1.0 / 12 / DRAWS));
    cr_assert_float_eq(squares / DRAWS, 1.0 / 3, 5 * sqrt(4.0 / 45 / DRAWS));
}

Test(rng, normal_moments_and_tails) {
    lbk_rng rng;
    double power[5] = {0};
    int beyond_two = 0;
    lbk_rng_init(&rng, 4, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < DRAWS; i++) {
        double x = lbk_rng_normal(&rng), term = 1;
        cr_assert(isfinite(x));
        beyond_two += fabs(x) > 2;
        for (int p = 1; p <= 4; p++)
            power[p] += (term *= x);
    }
    /* five standard errors: Var x = 1, Var x^2 = 2, Var x^3 = 15, Var x^4 = 96; P(|x| > 2) = 0.0455 */
    cr_assert_float_eq(power[1] / DRAWS, 0, 5 * sqrt(1.0 / DRAWS));
    cr_assert_float_eq(power[2] / DRAWS, 1, 5 * sqrt(2.0 / DRAWS));
    cr_assert_float_eq(power[3] / DRAWS, 0, 5 * sqrt(15.0 / DRAWS));
    cr_assert_float_eq(power[4] / DRAWS, 3, 5 * sqrt(96.0 / DRAWS));
    cr_assert_float_eq((double)beyond_two / DRAWS, 0.0455003, 5 * sqrt(0.0455 * 0.9545 / DRAWS));
}

Test(rng, between_spans_its_range) {
    lbk_rng rng;
    double sum = 0, squares = 0;
    lbk_rng_init(&rng, 8, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < DRAWS; i++) {
        double u = lbk_rng_between(&rng, -2.0, 6.0);
        cr_assert(u >= -2.0 && u < 6.0);
        sum += u;
        squares += (u - 2.0) * (u - 2.0);
    }
    cr_assert_float_eq(sum / DRAWS, 2.0, 5 * sqrt(64.0 / 12 / DRAWS));
    cr_assert_float_eq(squares / DRAWS, 64.0 / 12, 5 * sqrt(64.0 * 64 / 180 / DRAWS));
    cr_assert_eq(lbk_rng_between(&rng, 3.5, 3.5), 3.5);
}

/* Distribution functions in closed form: the arcsine law, the uniform law, and 3x^2 - 2x^3. */
Test(rng, beta_follows_its_law) {
    static const double shapes[] = {0.5, 1.0, 2.0}, places[] = {0.01, 0.2, 0.5, 0.9};
    for (int s = 0; s < 3; s++) {
        int below[4] = {0};
        lbk_rng rng;
        lbk_rng_init(&rng, 9, LBK_RNG_TEST, 0, (uint64_t)s);
        for (int i = 0; i < DRAWS; i++) {
            double x = lbk_rng_beta(&rng, shapes[s]);
            cr_assert(x >= 0.0 && x <= 1.0);
            for (int k = 0; k < 4; k++)
                below[k] += x < places[k];
        }
        for (int k = 0; k < 4; k++) {
            double x = places[k];
            double p = s == 0 ? asin(sqrt(x)) / asin(1.0) : s == 1 ? x : 3 * x * x - 2 * x * x * x;
            cr_assert_float_eq((double)below[k] / DRAWS, p, 5 * sqrt(p * (1 - p) / DRAWS), "shape %g at %g", shapes[s],
                               x);
        }
    }
}

/* Nearly a coin: both ends are reached and nothing is not a number. */
Test(rng, beta_of_tiny_shapes_is_finite) {
    lbk_rng rng;
    int ends = 0, high = 0;
    lbk_rng_init(&rng, 10, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < 10000; i++) {
        double x = lbk_rng_beta(&rng, 0.01);
        cr_assert(x >= 0.0 && x <= 1.0);
        ends += x < 1e-3 || x > 1 - 1e-3;
        high += x > 0.5;
    }
    cr_assert_gt(ends, 9000);
    cr_assert(high > 4750 && high < 5250, "%d", high); /* deviation 50 */
}

Test(rng, below_is_even) {
    lbk_rng rng;
    int counts[7] = {0};
    double chi_square = 0;
    lbk_rng_init(&rng, 5, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < 70000; i++) {
        uint32_t x = lbk_rng_below(&rng, 7);
        cr_assert_lt(x, 7);
        counts[x]++;
    }
    for (int i = 0; i < 7; i++)
        chi_square += (counts[i] - 10000.0) * (counts[i] - 10000.0) / 10000.0;
    cr_assert_lt(chi_square, 30.0); /* 6 degrees of freedom: p = 4e-5 */
}

/* With bound 3 * 2^30, the modulus alone would give the lowest third twice as often as the others, and the high half of
 * the product alone the multiples of three. */
Test(rng, below_has_no_bias_for_large_bounds) {
    lbk_rng rng;
    uint32_t bound = 3u << 30;
    int low = 0, multiples = 0;
    lbk_rng_init(&rng, 6, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < 30000; i++) {
        uint32_t x = lbk_rng_below(&rng, bound);
        cr_assert_lt(x, bound);
        low += x < 1u << 30;
        multiples += x % 3 == 0;
    }
    cr_assert_float_eq(low / 30000.0, 1.0 / 3, 5 * sqrt(2.0 / 9 / 30000));
    cr_assert_float_eq(multiples / 30000.0, 1.0 / 3, 5 * sqrt(2.0 / 9 / 30000));
    cr_assert_eq(lbk_rng_below(&rng, 1), 0);
    cr_assert_eq(lbk_rng_below(&rng, 0), 0);
}

Test(rng, shuffle_is_a_fair_permutation) {
    int at[5][5] = {{0}};
    for (uint64_t trial = 0; trial < 20000; trial++) {
        lbk_rng rng;
        uint32_t items[5] = {0, 1, 2, 3, 4}, mask = 0;
        lbk_rng_init(&rng, 7, LBK_RNG_SHUFFLE, 0, trial);
        lbk_rng_shuffle(&rng, items, 5);
        for (int i = 0; i < 5; i++) {
            cr_assert_lt(items[i], 5);
            mask |= 1u << items[i];
            at[items[i]][i]++;
        }
        cr_assert_eq(mask, 31);
    }
    for (int item = 0; item < 5; item++)
        for (int place = 0; place < 5; place++)
            cr_assert_float_eq(at[item][place] / 20000.0, 0.2, 5 * sqrt(0.16 / 20000));
}

Test(rng, shuffle_of_nothing) {
    lbk_rng rng;
    uint32_t one = 9;
    lbk_rng_init(&rng, 8, LBK_RNG_TEST, 0, 0);
    lbk_rng_shuffle(&rng, NULL, 0);
    lbk_rng_shuffle(&rng, &one, 1);
    cr_assert_eq(one, 9);
}
