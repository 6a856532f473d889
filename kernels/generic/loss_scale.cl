/* Loss scaling (host/optim/loss_scale.h): whether a step's gradients are all finite, and what follows.
 * guard: [0] 1 / scale, [1] 1 or 0: the step is left out, [2] steps left out, [3] taken in a row, [4] not 0: something was found. */

#define EXPONENT 0x7f800000 /* all set: infinite or not a number */
#define SMALLEST 0x1p-126f
#define LARGEST 0x1p126f

/* Work-item i reads vectors of four from i * begin on, `each` of them, `stride` apart. Whoever finds something writes the same. */
__kernel void find_infinite(__global const float *restrict grad, volatile __global float *restrict guard, int begin,
                            int stride, int items, int each, int n) {
    int item = (int)get_global_id(0);
    uint count = (uint)n, first = (uint)item * (uint)begin;
    int4 found = 0;
    if (item >= items)
        return;
    for (uint i = first; each > 0 && i + 3 < count; each--, i += (uint)stride)
        found |= (as_int4(vload4(0, grad + i)) & EXPONENT) == EXPONENT;
    for (uint i = count / 4 * 4; item == 0 && i < count; i++)
        found.x |= (as_int(grad[i]) & EXPONENT) == EXPONENT ? -1 : 0;
    if (any(found))
        atomic_xchg(guard + 4, 1.0f);
}

/* One work-item. 1 / scale is exact: of a power of two it has the exponent with the other sign. */
__kernel void decide(__global float *restrict scale, __global float *restrict guard, int interval) {
    float now = scale[0], taken = guard[4] == 0.0f ? 1.0f : 0.0f, streak = taken * (guard[3] + 1.0f);
    bool grows = streak >= (float)interval;
    guard[0] = as_float((254 << 23) - as_int(now));
    guard[1] = taken;
    guard[2] += 1.0f - taken;
    guard[3] = grows ? 0.0f : streak;
    guard[4] = 0.0f;
    scale[0] = clamp(taken == 0.0f ? 0.5f * now : grows ? 2.0f * now : now, SMALLEST, LARGEST);
}
