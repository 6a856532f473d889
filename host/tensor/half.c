#include "tensor/half.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define INFINITE 0x7f800000u /* bits of binary32's infinity: beyond lie the NaNs */

static uint16_t binary16(uint32_t bits) {
    uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size >= INFINITE)
        return (uint16_t)(sign | 0x7c00u | (size > INFINITE ? 0x200u : 0));
    if (size >= 0x477ff000u) /* rounds beyond 65504 */
        return (uint16_t)(sign | 0x7c00u);
    if (size < 0x38800000u) { /* subnormal: as many units of 2^-24 */
        float number;
        memcpy(&number, &size, sizeof number);
        return (uint16_t)(sign | (uint32_t)nearbyintf(number * 0x1p24f));
    }
    uint32_t rounded = size + 0xfffu + (size >> 13 & 1u); /* may carry into the exponent, as it should */
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}

/* bfloat16 is the upper half of binary32. */
static uint16_t bfloat16(uint32_t bits) {
    if ((bits & 0x7fffffffu) > INFINITE)
        return (uint16_t)(bits >> 16 | 0x40u); /* a NaN whose payload was all below stays one */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

uint16_t lbk_half_from_float(lbk_dtype type, float number) {
    uint32_t bits;
    assert(type == LBK_F16 || type == LBK_BF16);
    memcpy(&bits, &number, sizeof bits);
    return type == LBK_F16 ? binary16(bits) : bfloat16(bits);
}

/* Scaling by 2^112 rebiases normal and subnormal numbers alike; it is exact. */
static uint32_t widened(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, size = half & 0x7fffu, bits = size << 13;
    if (size >= 0x7c00u) {
        bits |= INFINITE;
    } else {
        float number;
        memcpy(&number, &bits, sizeof number);
        number *= 0x1p112f;
        memcpy(&bits, &number, sizeof bits);
    }
    return sign | bits;
}

float lbk_half_to_float(lbk_dtype type, uint16_t half) {
    uint32_t bits = type == LBK_F16 ? widened(half) : (uint32_t)half << 16;
    float number;
    assert(type == LBK_F16 || type == LBK_BF16);
    memcpy(&number, &bits, sizeof number);
    return number;
}
