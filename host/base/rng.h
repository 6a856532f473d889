/* Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A number is a function of (seed, purpose, epoch, sample, index): there is no state to save, and
 * any order of evaluation, on any device, gives the same numbers. */
#ifndef LBK_BASE_RNG_H
#define LBK_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef enum lbk_rng_purpose {
    LBK_RNG_INIT = 1,    /* initial weights; epoch = hash of the parameter's name */
    LBK_RNG_SHUFFLE = 2, /* order of samples; epoch = epoch */
    LBK_RNG_AUGMENT = 3, /* epoch, sample = view */
    LBK_RNG_DROPOUT = 4, /* epoch = step, sample = node */
    LBK_RNG_SUBSET = 5,  /* which training samples the student may see with labels */
    LBK_RNG_METHOD = 6,  /* for distillation methods */
    LBK_RNG_TEST = 7,
    LBK_RNG_SYNTHETIC = 8, /* images of the dataset synthetic; epoch = part, sample = sample or class */
    LBK_RNG_MIX = 9,       /* which samples of a batch are mixed, and how; sample = batch of the epoch */
} lbk_rng_purpose;

typedef struct lbk_rng {
    uint32_t key[2], counter[4]; /* counter[0] advances by one for every four numbers */
    uint32_t block[4];
    int used; /* numbers of `block` handed out */
} lbk_rng;

/* One Philox block: out[4] from counter[4] and key[2]. */
void lbk_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A stream of numbers; streams with different arguments are independent; sample < 2^56. A kernel gets the same numbers
 * from key = {seed low, seed high}, counter = {index / 4, epoch, sample low, purpose << 24 | sample high}. */
void lbk_rng_init(lbk_rng *rng, uint64_t seed, lbk_rng_purpose purpose, uint32_t epoch, uint64_t sample);
uint32_t lbk_rng_u32(lbk_rng *rng);
/* Uniform in [0, bound), without bias; 0 for a bound of 0 or 1. */
uint32_t lbk_rng_below(lbk_rng *rng, uint32_t bound);
/* Uniform in [0, 1), 24 bits. */
float lbk_rng_uniform(lbk_rng *rng);
/* Uniform in [low, high], low <= high, of as many steps as lbk_rng_uniform(). */
double lbk_rng_between(lbk_rng *rng, double low, double high);
/* Normal, mean 0, variance 1 (Box-Muller's cosine half: two numbers drawn for each). */
float lbk_rng_normal(lbk_rng *rng);
/* Beta(shape, shape), shape >= 0.01: the share of one of two equal gamma variates (Marsaglia and Tsang, "A simple method
 * for generating gamma variables", 2000). Draws as many numbers as it needs. */
double lbk_rng_beta(lbk_rng *rng, double shape);
/* Fisher-Yates over items[count], count < 2^32. */
void lbk_rng_shuffle(lbk_rng *rng, uint32_t *items, size_t count);

#endif
