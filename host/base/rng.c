#include "base/rng.h"

#include <math.h>

/* Multipliers and Weyl increments of Philox 4x32 (Salmon et al. 2011, table 2 and section 3.3). */
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

static const double two_pi = 6.283185307179586476925;

void lbk_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * x0, p1 = (uint64_t)PHILOX_M1 * x2;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

void lbk_rng_init(lbk_rng *rng, uint64_t seed, lbk_rng_purpose purpose, uint32_t epoch, uint64_t sample) {
    rng->key[0] = (uint32_t)seed;
    rng->key[1] = (uint32_t)(seed >> 32);
    rng->counter[0] = 0;
    rng->counter[1] = epoch;
    rng->counter[2] = (uint32_t)sample;
    rng->counter[3] = (uint32_t)purpose << 24 | ((uint32_t)(sample >> 32) & 0xFFFFFFu);
    rng->used = 4;
}

uint32_t lbk_rng_u32(lbk_rng *rng) {
    if (rng->used == 4) {
        lbk_philox(rng->counter, rng->key, rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

/* High half of a 32 x 32 product; the low half tells the few values that would bias the result (Lemire, "Fast random
 * integer generation in an interval", 2019). */
uint32_t lbk_rng_below(lbk_rng *rng, uint32_t bound) {
    uint32_t biased = bound ? (0u - bound) % bound : 0; /* 2^32 mod bound */
    uint64_t product;
    do {
        product = (uint64_t)lbk_rng_u32(rng) * bound;
    } while ((uint32_t)product < biased);
    return (uint32_t)(product >> 32);
}

float lbk_rng_uniform(lbk_rng *rng) {
    return (float)(lbk_rng_u32(rng) >> 8) * 0x1p-24f;
}

double lbk_rng_between(lbk_rng *rng, double low, double high) {
    return low + (high - low) * (double)lbk_rng_uniform(rng);
}

/* Uniform in (0, 1]: its logarithm stays finite. */
static double positive(lbk_rng *rng) {
    return (lbk_rng_u32(rng) + 1.0) * 0x1p-32;
}

float lbk_rng_normal(lbk_rng *rng) {
    double radius = positive(rng);
    double angle = lbk_rng_u32(rng) * 0x1p-32;
    return (float)(sqrt(-2.0 * log(radius)) * cos(two_pi * angle));
}

/* The logarithm of a gamma variate, which for small shapes is itself too small for a double. Rejection for shape + 1,
 * brought down by U^(1/shape): Marsaglia and Tsang 2000, sections 2 and 6. */
static double log_gamma_variate(lbk_rng *rng, double shape) {
    double d = shape + 1.0 - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d), x, v;
    do {
        do {
            x = (double)lbk_rng_normal(rng);
            v = 1.0 + c * x;
        } while (v <= 0.0);
        v = v * v * v;
    } while (log(positive(rng)) >= 0.5 * x * x + d - d * v + d * log(v));
    return log(d * v) + log(positive(rng)) / shape;
}

double lbk_rng_beta(lbk_rng *rng, double shape) {
    double own = log_gamma_variate(rng, shape), other = log_gamma_variate(rng, shape);
    return 1.0 / (1.0 + exp(other - own));
}

void lbk_rng_shuffle(lbk_rng *rng, uint32_t *items, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = lbk_rng_below(rng, (uint32_t)i);
        uint32_t held = items[i - 1];
        items[i - 1] = items[j];
        items[j] = held;
    }
}
