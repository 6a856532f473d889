#include "tensor/convert.h"

#include "tensor/half.h"

#include <string.h>

static void from_half(lbk_dtype type, const void *from, size_t count, float *to) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const char *)from + 2 * i, 2);
        to[i] = lbk_half_to_float(type, half);
    }
}

static void from_f16(const void *from, size_t count, void *to) {
    from_half(LBK_F16, from, count, to);
}

static void from_bf16(const void *from, size_t count, void *to) {
    from_half(LBK_BF16, from, count, to);
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
