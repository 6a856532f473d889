#include "tensor/half.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

/* Every number there is comes back; between two of them the nearer one, and the even one from the middle. `last` is the largest
 * finite one. */
static void check(lbk_dtype type, uint32_t last) {
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = lbk_half_to_float(type, (uint16_t)h);
        if (isnan(x)) {
            cr_assert(isnan(lbk_half_to_float(type, lbk_half_from_float(type, x))));
            continue;
        }
        cr_assert_eq(lbk_half_from_float(type, x), h, "%04x", h);
        if ((h & 0x7fff) >= last)
            continue;
        float next = lbk_half_to_float(type, (uint16_t)(h + 1)), middle = (float)(0.5 * ((double)x + (double)next));
        cr_assert_eq(lbk_half_from_float(type, middle), h & 1 ? h + 1 : h, "the middle behind %04x", h);
        cr_assert_eq(lbk_half_from_float(type, nextafterf(middle, x)), h);
        cr_assert_eq(lbk_half_from_float(type, nextafterf(middle, next)), h + 1);
    }
    cr_assert_eq(lbk_half_from_float(type, -INFINITY), 0x8000 | (last + 1));
    cr_assert_eq(lbk_half_from_float(type, -FLT_MAX), 0x8000 | (last + 1));
    cr_assert_eq(lbk_half_from_float(type, -0.0f), 0x8000);
}

Test(half, binary16) {
    check(LBK_F16, 0x7bff);
    cr_assert_eq(lbk_half_from_float(LBK_F16, 65519.996f), 0x7bff);
    cr_assert_eq(lbk_half_from_float(LBK_F16, 65520.0f), 0x7c00);
    cr_assert_eq(lbk_half_to_float(LBK_F16, 0x3555), 0.333251953125f);
    cr_assert_eq(lbk_half_to_float(LBK_F16, 0x8001), -0x1p-24f);
}

Test(half, bfloat16) {
    check(LBK_BF16, 0x7f7f);
    cr_assert_eq(lbk_half_from_float(LBK_BF16, 1.00390625f), 0x3f80);
    cr_assert_eq(lbk_half_to_float(LBK_BF16, 0x3eab), 0.333984375f);
    cr_assert_eq(lbk_half_to_float(LBK_BF16, 0x8001), -0x1p-133f);
    union {
        uint32_t bits;
        float number;
    } low_nan = {0x7f800001u}; /* its payload is in the half that is cut off */
    cr_assert(isnan(lbk_half_to_float(LBK_BF16, lbk_half_from_float(LBK_BF16, low_nan.number))));
}
