/* Log-mel spectrogram, class cpu. Formulas, tensors and the tables: generic/log_mel.cl, whose log_mel_tables runs first.
 *
 * log_mel(x, table, y, int count, samples, frames, hop, mels, offset, float per_hz, floor, int normalised)
 *   One work-item per work-group takes VW of the `count` frames of all samples, one a lane. Local size (1), global size
 *   (ceil(count/VW)).
 *
 * Macros: VW 16, floats per vector: 4, 8 or 16; N_FFT 512. */
#ifndef VW
#define VW 16
#endif
#ifndef N_FFT
#define N_FFT 512
#endif

#define HALF (N_FFT / 2)
#define INLINE static inline __attribute__((always_inline))

#if VW == 16
typedef float16 vec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

INLINE float sample(const __global float *x, int i, int samples)
{
    i = max(i, -i);
    return x[min(i, 2 * (samples - 1) - i)];
}

INLINE int reversed(int i)
{
    int out = 0;
    for (int bit = 1; bit < HALF; bit *= 2) {
        out = out * 2 + (i & 1);
        i /= 2;
    }
    return out;
}

/* re, im[HALF][VW]: samples 2i and 2i+1 of every lane's frame, windowed, in bit-reversed order. */
INLINE void load_frames(float *re, float *im, const __global float *x, const __global float *window, int first,
                        int count, int samples, int frames, int hop, int offset)
{
    int order[HALF];
    for (int i = 0; i < HALF; ++i) order[i] = reversed(i) * VW;
    for (int l = 0; l < VW; ++l) {
        const int frame = min(first + l, count - 1), start = frame % frames * hop - offset;
        const __global float *wave = x + (size_t)(frame / frames) * samples;
        if (start >= 0 && start + N_FFT <= samples) {
            for (int i = 0; i < HALF; ++i) {
                re[order[i] + l] = window[2 * i] * wave[start + 2 * i];
                im[order[i] + l] = window[2 * i + 1] * wave[start + 2 * i + 1];
            }
        } else {
            for (int i = 0; i < HALF; ++i) {
                re[order[i] + l] = window[2 * i] * sample(wave, start + 2 * i, samples);
                im[order[i] + l] = window[2 * i + 1] * sample(wave, start + 2 * i + 1, samples);
            }
        }
    }
}

INLINE void transform(float *re, float *im, const __global float *turn)
{
    for (int span = 1; span < HALF; span *= 2)
        for (int begin = 0; begin < HALF; begin += 2 * span)
            for (int k = 0; k < span; ++k) {
                float *r0 = re + (begin + k) * VW, *i0 = im + (begin + k) * VW;
                float *r1 = r0 + span * VW, *i1 = i0 + span * VW;
                const float c = turn[2 * k * (HALF / span)], s = turn[2 * k * (HALF / span) + 1];
                const vec ar = LOAD(r0), ai = LOAD(i0), br = LOAD(r1), bi = LOAD(i1);
                const vec tr = br * c + bi * s, ti = bi * c - br * s;
                STORE(ar + tr, r0);
                STORE(ai + ti, i0);
                STORE(ar - tr, r1);
                STORE(ai - ti, i1);
            }
}

/* P[k] in re[k], and P[HALF] in im[0]. */
INLINE void powers(float *re, float *im, const __global float *turn)
{
    for (int k = 0; k <= HALF / 2; ++k) {
        const int mirror = (HALF - k) & (HALF - 1);
        const vec ar = LOAD(re + k * VW), ai = LOAD(im + k * VW);
        const vec br = LOAD(re + mirror * VW), bi = LOAD(im + mirror * VW);
        const vec even_r = 0.5f * (ar + br), even_i = 0.5f * (ai - bi);
        const vec odd_r = 0.5f * (ai + bi), odd_i = 0.5f * (br - ar);
        const float c = turn[2 * k], s = turn[2 * k + 1];
        const vec tr = odd_r * c + odd_i * s, ti = odd_i * c - odd_r * s;
        const vec here_r = even_r + tr, here_i = even_i + ti, there_r = even_r - tr, there_i = even_i - ti;
        STORE(there_r * there_r + there_i * there_i, re + mirror * VW);
        STORE(here_r * here_r + here_i * here_i, re + k * VW);
        if (k == 0) STORE(there_r * there_r, im);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
log_mel(const __global float *restrict x, const __global float *restrict table, __global float *restrict y, int count,
        int samples, int frames, int hop, int mels, int offset, float per_hz, float floor_, int normalised)
{
    const int first = get_global_id(0) * VW;
    const __global float *turn = table + N_FFT, *edge = table + 2 * N_FFT;
    float re[HALF * VW], im[HALF * VW], lanes[VW];
    load_frames(re, im, x, table, first, count, samples, frames, hop, offset);
    transform(re, im, turn);
    powers(re, im, turn);
    for (int m = 0; m < mels; ++m) {
        const float low = edge[m], top = edge[m + 1], high = edge[m + 2];
        vec sum = (vec)(0.0f);
        for (int k = (int)low + 1; k <= HALF && (float)k < high; ++k) {
            const float w = fmin(((float)k - low) / (top - low), (high - (float)k) / (high - top));
            sum += w * LOAD(k < HALF ? re + k * VW : im);
        }
        if (normalised) sum *= 2.0f * per_hz / (high - low);
        STORE(log(fmax(sum, (vec)(floor_))), lanes);
        for (int l = 0; l < VW && first + l < count; ++l) y[(size_t)(first + l) * mels + m] = lanes[l];
    }
}
