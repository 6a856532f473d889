/* Random numbers of a loss, made on the host. */
#include "base/hash.h"
#include "base/rng.h"
#include "distill/method.h"

typedef struct noise {
    uint64_t seed;
    lbk_noise kind;
    size_t count;
} noise;

static lbk_status fill(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const noise *n = context;
    float *out = memory;
    lbk_rng rng;
    (void)batch;
    lbk_rng_init(&rng, n->seed, LBK_RNG_METHOD, 0, (uint64_t)step);
    for (size_t i = 0; i < n->count; i++)
        out[i] = n->kind == LBK_NOISE_NORMAL ? lbk_rng_normal(&rng) : 2 * lbk_rng_uniform(&rng) - 1;
    return LBK_OK;
}

lbk_status lbk_method_noise(lbk_method_context *c, const char *name, lbk_noise kind, lbk_shape shape, lbk_value *out) {
    noise *n = NULL;
    LBK_TRY(lbk_arena_alloc(&c->graph->arena, sizeof *n, &n));
    uint64_t own = lbk_hash_text(lbk_hash_text(LBK_HASH_START ^ c->seed, c->name), name);
    *n = (noise){own, kind, (size_t)lbk_shape_count(&shape)};
    return lbk_method_host_input(c, name, LBK_F32, shape, fill, n, out);
}
