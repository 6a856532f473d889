#include "tensor/convert.h"

#include <string.h>

/* IEEE 754 binary16 to binary32. Scaling by 2^112 rebiases normal and subnormal numbers alike; it is exact. */
static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7FFFu, bits;
    float value;
    if (magnitude >= 0x7C00u) {
        bits = 0x7F800000u | (magnitude & 0x3FFu) << 13; /* infinity or NaN */
    } else {
        bits = magnitude << 13;
        memcpy(&value, &bits, 4);
        value *= 0x1p112f;
        memcpy(&bits, &value, 4);
    }
    bits |= sign;
    memcpy(&value, &bits, 4);
    return value;
}

static void from_f16(const void *from, size_t count, void *to) {
    float *out = to;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const char *)from + 2 * i, 2);
        out[i] = half_to_float(half);
    }
}

/* bfloat16 is the upper half of binary32. */
static void from_bf16(const void *from, size_t count, void *to) {
    uint32_t *out = to;
    for (size_t i = 0; i < count; i++) {
        uint16_t upper;
        memcpy(&upper, (const char *)from + 2 * i, 2);
        out[i] = (uint32_t)upper << 16;
    }
}

static void from_f64(const void *from, size_t count, void *to) {
    float *out = to;
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, (const char *)from + 8 * i, 8);
        out[i] = (float)value;
    }
}

static void from_u8(const void *from, size_t count, void *to) {
    const uint8_t *in = from;
    int32_t *out = to;
    for (size_t i = 0; i < count; i++)
        out[i] = in[i];
}

static void from_i8(const void *from, size_t count, void *to) {
    const int8_t *in = from;
    int32_t *out = to;
    for (size_t i = 0; i < count; i++)
        out[i] = in[i];
}

static void from_i16(const void *from, size_t count, void *to) {
    int32_t *out = to;
    for (size_t i = 0; i < count; i++) {
        int16_t value;
        memcpy(&value, (const char *)from + 2 * i, 2);
        out[i] = value;
    }
}

static const lbk_st_dtype dtypes[] = {
    {"F32", 4, LBK_F32, NULL},     {"I32", 4, LBK_I32, NULL},       {"I64", 8, LBK_I64, NULL},
    {"F16", 2, LBK_F32, from_f16}, {"BF16", 2, LBK_F32, from_bf16}, {"F64", 8, LBK_F32, from_f64},
    {"BOOL", 1, LBK_I32, from_u8}, {"U8", 1, LBK_I32, from_u8},     {"I8", 1, LBK_I32, from_i8},
    {"I16", 2, LBK_I32, from_i16},
};

const lbk_st_dtype *lbk_st_dtype_find(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}
