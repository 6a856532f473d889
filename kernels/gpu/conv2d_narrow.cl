/* conv2d_narrow, class gpu: the convolution of gpu/conv2d.cl where groups have few channels (depthwise: one), whose implicit
 * GEMM would be mostly empty. No local memory.
 *
 *   out[n,q,v,k] = epilogue( sum over i<KH, j<KW, c in k's group of in[n, row(q,i), column(v,j), c] * weight[i,j,c,k] )
 *   row(q,i) = (q*GH + FH + i*DH) / TH,  column(v,j) = (v*GW + FW + j*DW) / TW;  a tap counts where both are whole and inside
 *   forward: G = stride, T = 1, w[KH,KW,C/groups,K];  backward data: G = 1, T = stride, D < 0, BACKWARD, w[KH,KW,K/groups,C]
 *   epilogue, in this order: + bias[k]; * scale[k] + shift[k]; + addend[n,q,v,k]; negative -> 0 (NaN is kept)
 *
 * Kernel:
 *   conv2d_narrow(out[N,OH,OW,K], in[N,H,W,C], w, bias[K], scale[K], shift[K], addend[N,OH,OW,K], int epilogue,
 *                 int N, H, W, C, OH, OW, K, KH, KW, GH, GW, TH, TW, FH, FW, DH, DW, groups)
 *   epilogue: what there is of it, a sum of 1: bias; 2: scale and shift; 4: addend; 8: negative -> 0. A buffer that is not
 *     there is not read.
 *   addend may be the buffer out itself; nothing else may overlap it. Every element of out is written.
 *   Requires: C % groups == 0, K % groups == 0, every tensor below 2^31 elements.
 *
 * Mapping: work-item -> VEC channels x STRIP pixels of one output row that are TW apart, so that they have the same taps.
 *   local size:  (WG)
 *   global size: (N*OH * TW*ceil(ceil(OW/TW)/STRIP) * (K/VEC) rounded up to WG)
 *
 * Macros:
 *   BACKWARD  0 or 1, default 0: how the weights lie
 *   DEPTHWISE 0 or 1, default 0: groups == C == K
 *   VEC    1 (default) or 4: width of global accesses. 4 requires K % 4 == 0 and DEPTHWISE or (K/groups) % 4 == 0, and
 *          buffers that start on 16 bytes.
 *   WG 128: local size.  STRIP 4.
 * Scratch: none.
 */
#ifndef BACKWARD
#define BACKWARD 0
#endif
#ifndef DEPTHWISE
#define DEPTHWISE 0
#endif
#ifndef VEC
#define VEC 1
#endif
#ifndef WG
#define WG 128
#endif
#ifndef STRIP
#define STRIP 4
#endif

#if VEC == 4
typedef float4 fvec;
#else
typedef float fvec;
#endif

/* Bits of `epilogue`. */
#define BIAS 1
#define SCALE 2
#define ADDEND 4
#define RELU 8

static fvec load(__global const float *p)
{
    return *(__global const fvec *)p;
}

/* The weights that output channels k.. have for input channel c of their group. */
static fvec load_weights(__global const float *w, int tap, int c, int k, int C, int K, int cg, int kg)
{
#if !BACKWARD
    return load(w + (tap * cg + c) * K + k);
#elif DEPTHWISE
    return load(w + tap * C + k);
#else
    __global const float *p = w + (tap * kg + k % kg) * C + k / kg * cg + c;
#if VEC == 4
    return (fvec)(p[0], p[C], p[2 * C], p[3 * C]);
#else
    return p[0];
#endif
#endif
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
conv2d_narrow(__global float *out, __global const float *restrict in, __global const float *restrict w,
              __global const float *restrict bias, __global const float *restrict scale,
              __global const float *restrict shift, __global const float *addend, int epilogue,
              int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
              int GH, int GW, int TH, int TW, int FH, int FW, int DH, int DW, int groups)
{
    const int cg = C / groups, kg = K / groups, strips = ((OW + TW - 1) / TW + STRIP - 1) / STRIP;
    const int id = (int)get_global_id(0), k = id % (K / VEC) * VEC, place = id / (K / VEC) % (TW * strips);
    const int row = id / (K / VEC) / (TW * strips), q = row % OH, v = place % TW + place / TW * STRIP * TW;
    if (row >= N * OH)
        return;

    fvec acc[STRIP];
#pragma unroll
    for (int t = 0; t < STRIP; ++t)
        acc[t] = (fvec)0.0f;
    for (int i = 0; i < KH; ++i) {
        const int ph = q * GH + FH + i * DH, h = ph / TH;
        if (ph < 0 || ph % TH != 0 || h >= H)
            continue;
        for (int j = 0; j < KW; ++j) {
            const int pw = v * GW + FW + j * DW, l0 = pw / TW;
            if (pw % TW != 0)
                continue;
            for (int c = 0; c < cg; ++c) {
                __global const float *src = in + ((row / OH * H + h) * W + l0) * C + (DEPTHWISE ? k : k / kg * cg + c);
                const fvec wv = load_weights(w, i * KW + j, c, k, C, K, cg, kg);
#pragma unroll
                for (int t = 0; t < STRIP; ++t)
                    if (l0 + t * GW >= 0 && l0 + t * GW < W)
#if DEPTHWISE
                        acc[t] += load(src + t * GW * C) * wv;
#else
                        acc[t] += src[t * GW * C] * wv;
#endif
            }
        }
    }
#pragma unroll
    for (int t = 0; t < STRIP; ++t) {
        const int at = (row * OW + v + t * TW) * K + k;
        fvec r = acc[t];
        if (v + t * TW >= OW)
            continue;
        if (epilogue & BIAS)
            r += load(bias + k);
        if (epilogue & SCALE)
            r = r * load(scale + k) + load(shift + k);
        if (epilogue & ADDEND)
            r += load(addend + at);
        if (epilogue & RELU)
            r = select(r, (fvec)0.0f, r < (fvec)0.0f);
        *(__global fvec *)(out + at) = r;
    }
}
