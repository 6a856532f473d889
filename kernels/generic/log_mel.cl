/* Log-mel spectrogram, classes generic and gpu. Frame t of a waveform is n_fft of its samples from t*hop - offset on,
 * reflected at both ends (without the end sample itself), times the window; with P[k] the squared magnitude of its discrete
 * Fourier transform at bin k <= n_fft/2,
 *
 *   y[n,t,m] = log(max(floor, sum over k of w[m,k] P[k]))
 *
 * w[m] is a triangle over the bins, 0 at edge[m] and edge[m+2] and 1 at edge[m+1], times 2 / its width in Hz when
 * normalised. Edges are equally spaced on the mel scale.
 *
 * Kernels
 *   log_mel_tables(table, int n_fft, window, mels, float low, step, per_hz, int slaney)
 *     table: window[n_fft], (cos, sin)(2 pi k / n_fft) for k < n_fft/2, edge[mels+2] in bins: 2*n_fft + mels + 2 floats
 *     window: length of the Hann window inside n_fft; low, step: mels; per_hz: bins per Hz
 *     global size: at least the larger of n_fft and mels + 2
 *   log_mel(x[n,samples], table, y[n,frames,mels], int samples, frames, n_fft, hop, mels, offset, float per_hz, floor,
 *           int normalised, local)
 *     One work-group per frame; local size: any; local: n_fft floats.
 *     The n_fft real samples are transformed as n_fft/2 complex ones, in place, by radix 2 (Cooley and Tukey 1965). */

__kernel void log_mel_tables(__global float *table, int n_fft, int window, int mels, float low, float step,
                             float per_hz, int slaney) {
    int i = (int)get_global_id(0), half_way = n_fft / 2, inside = i - (n_fft - window) / 2;
    if (i < n_fft) {
        float s = sinpi((float)inside / (float)window);
        table[i] = inside >= 0 && inside < window ? s * s : 0.0f;
    }
    if (i < half_way) {
        table[n_fft + 2 * i] = cospi((float)i / (float)half_way);
        table[n_fft + 2 * i + 1] = sinpi((float)i / (float)half_way);
    }
    if (i < mels + 2) {
        float mel = low + step * (float)i, hz = 700.0f * expm1(mel * 8.8731606e-4f); /* log(10) / 2595 */
        if (slaney)
            hz = mel < 15.0f ? mel * (200.0f / 3.0f) : 1000.0f * exp((mel - 15.0f) * 0.068751778f); /* log(6.4) / 27 */
        table[2 * n_fft + i] = hz * per_hz;
    }
}

static float sample(__global const float *x, int i, int samples) {
    i = max(i, -i);
    return x[min(i, 2 * (samples - 1) - i)];
}

/* The lowest bits of i, half_way = 2^bits, in the opposite order. */
static int reversed(int i, int half_way) {
    int out = 0;
    for (int bit = 1; bit < half_way; bit *= 2) {
        out = out * 2 + (i & 1);
        i /= 2;
    }
    return out;
}

/* a times cos - i sin. */
static float2 turned(float2 a, __global const float *turn) {
    return (float2)(a.x * turn[0] + a.y * turn[1], a.y * turn[0] - a.x * turn[1]);
}

/* z = its transform, from bit-reversed order; ends with a barrier. */
static void transform(__local float2 *z, __global const float *turn, int half_way) {
    int me = (int)get_local_id(0), size = (int)get_local_size(0);
    for (int span = 1; span < half_way; span *= 2) {
        for (int b = me; b < half_way / 2; b += size) {
            int k = b & (span - 1), at = 2 * b - k;
            float2 a = z[at], t = turned(z[at + span], turn + 2 * k * (half_way / span));
            z[at] = a + t;
            z[at + span] = a - t;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* From the transform of x[2i] + i x[2i+1] to P: P[k] in z[k].x, and P[half_way] in z[0].y. Ends with a barrier. */
static void powers(__local float2 *z, __global const float *turn, int half_way) {
    for (int k = (int)get_local_id(0); k <= half_way / 2; k += (int)get_local_size(0)) {
        int mirror = (half_way - k) & (half_way - 1);
        float2 a = z[k], b = z[mirror];
        float2 even = 0.5f * (float2)(a.x + b.x, a.y - b.y);
        float2 odd = turned(0.5f * (float2)(a.y + b.y, b.x - a.x), turn + 2 * k);
        float2 here = even + odd, there = even - odd;
        z[mirror].x = there.x * there.x + there.y * there.y;
        z[k].x = here.x * here.x + here.y * here.y;
        if (k == 0)
            z[0].y = there.x * there.x;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

__kernel void log_mel(__global const float *x, __global const float *table, __global float *y, int samples, int frames,
                      int n_fft, int hop, int mels, int offset, float per_hz, float floor_, int normalised,
                      __local float2 *z) {
    int me = (int)get_local_id(0), size = (int)get_local_size(0), half_way = n_fft / 2;
    int start = (int)get_group_id(0) % frames * hop - offset;
    __global const float *turn = table + n_fft, *edge = table + 2 * n_fft;
    x += (size_t)(get_group_id(0) / frames) * samples;
    for (int i = me; i < half_way; i += size)
        z[reversed(i, half_way)] = (float2)(table[2 * i] * sample(x, start + 2 * i, samples),
                                            table[2 * i + 1] * sample(x, start + 2 * i + 1, samples));
    barrier(CLK_LOCAL_MEM_FENCE);
    transform(z, turn, half_way);
    powers(z, turn, half_way);
    for (int m = me; m < mels; m += size) {
        float low = edge[m], top = edge[m + 1], high = edge[m + 2], sum = 0.0f;
        for (int k = (int)low + 1; k <= half_way && (float)k < high; k++)
            sum += fmin(((float)k - low) / (top - low), (high - (float)k) / (high - top)) *
                   (k < half_way ? z[k].x : z[0].y);
        if (normalised)
            sum *= 2.0f * per_hz / (high - low);
        y[get_group_id(0) * mels + m] = log(fmax(sum, floor_));
    }
}
