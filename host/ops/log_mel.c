/* log_mel: the log-mel spectrogram of waveforms, what networks for sound take in place of samples. Frames, window and
 * filters are those of torchaudio.transforms.MelSpectrogram with power = 2 (so of librosa.feature.melspectrogram, which has
 * mel_scale = norm = slaney as its defaults); then y = log(max(spectrogram, floor)). Sizes of the transform are powers of
 * two. Made for a model's first layer: there is no derivative. */
#include "ops/support.h"

#include <math.h>

static const char *const scale_names[] = {"htk", "slaney", NULL};
static const char *const norm_names[] = {"none", "slaney", NULL};

typedef struct log_mel_params {
    int sample_rate, n_fft, win_length, hop_length, mels;
    double f_min, f_max, floor;
    int mel_scale, norm;
    bool center;
} log_mel_params;

static const lbk_param log_mel_table[] = {
    LBK_PARAM_INT(log_mel_params, sample_rate, "16000", 1, 1 << 20, "Hz", "samples a second", NULL),
    LBK_PARAM_INT(log_mel_params, n_fft, "512", 16, 4096, "samples", "size of the Fourier transform, a power of two",
                  NULL),
    LBK_PARAM_INT(log_mel_params, win_length, "0", 0, 4096, "samples", "length of the Hann window; 0: n_fft", NULL),
    LBK_PARAM_INT(log_mel_params, hop_length, "0", 0, 1 << 20, "samples", "from frame to frame; 0: half a window",
                  NULL),
    LBK_PARAM_INT(log_mel_params, mels, "64", 1, 1024, NULL, "mel bands", NULL),
    LBK_PARAM_FLOAT(log_mel_params, f_min, "0", 0, 1e6, "Hz", "where the lowest band begins", NULL),
    LBK_PARAM_FLOAT(log_mel_params, f_max, "0", 0, 1e6, "Hz", "where the highest band ends; 0: half the sample rate",
                    NULL),
    LBK_PARAM_CHOICE(log_mel_params, mel_scale, "htk", scale_names, "how Hz become mels",
                     "O'Shaughnessy 1987; Slaney 1998, Auditory Toolbox"),
    LBK_PARAM_CHOICE(log_mel_params, norm, "none", norm_names, "slaney: bands of equal area, none: of equal height",
                     NULL),
    LBK_PARAM_BOOL(log_mel_params, center, "yes", "frame t has its middle at sample t * hop_length; ends are reflected",
                   NULL),
    LBK_PARAM_FLOAT(log_mel_params, floor, "1e-10", 1e-30, 1e30, NULL, "least number whose logarithm is taken", NULL),
    LBK_PARAM_END};

static double mel_of(const log_mel_params *p, double hz) {
    if (p->mel_scale == 0)
        return 2595 * log10(1 + hz / 700);
    return hz < 1000 ? hz * 3 / 200 : 15 + 27 * log(hz / 1000) / log(6.4);
}

static double hz_of(const log_mel_params *p, double mel) {
    if (p->mel_scale == 0)
        return 700 * (pow(10, mel / 2595) - 1);
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

/* With the defaults filled in. Band m begins at low + m * step mels and is two steps wide. */
typedef struct sizes {
    int64_t n, samples, frames;
    int n_fft, window, hop, offset;
    double f_max, low, step;
} sizes;

static sizes sizes_of(const log_mel_params *p, const lbk_shape *x) {
    sizes s = {.n = x->dim[0], .samples = lbk_shape_count(x) / x->dim[0], .n_fft = p->n_fft};
    s.window = p->win_length > 0 ? p->win_length : s.n_fft;
    s.hop = p->hop_length > 0 ? p->hop_length : s.window > 1 ? s.window / 2 : 1;
    s.offset = p->center ? s.n_fft / 2 : 0;
    s.frames = (s.samples + 2 * (int64_t)s.offset - s.n_fft) / s.hop + 1;
    s.f_max = p->f_max > 0 ? p->f_max : p->sample_rate / 2.0;
    s.low = mel_of(p, p->f_min);
    s.step = (mel_of(p, s.f_max) - s.low) / (p->mels + 1);
    return s;
}

static lbk_status params_check(const log_mel_params *p, const sizes *s) {
    if ((p->n_fft & (p->n_fft - 1)) != 0)
        return lbk_fail(LBK_ERR_INPUT, "n_fft is %d, expected a power of two", p->n_fft);
    if (s->window > p->n_fft)
        return lbk_fail(LBK_ERR_INPUT, "win_length is %d, expected at most n_fft, %d", s->window, p->n_fft);
    if (s->f_max > p->sample_rate / 2.0 || p->f_min >= s->f_max)
        return lbk_fail(LBK_ERR_INPUT, "f_min is %g and f_max %g, expected f_min < f_max <= half the sample rate, %g",
                        p->f_min, s->f_max, p->sample_rate / 2.0);
    return LBK_OK;
}

static lbk_status log_mel_infer(lbk_infer *infer) {
    const log_mel_params *p = infer->params;
    const lbk_shape *x = &infer->input[0].shape;
    char text[LBK_SHAPE_TEXT];
    if (x->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "x has %d dimensions, expected at least 2", x->rank);
    sizes s = sizes_of(p, x);
    LBK_TRY(params_check(p, &s));
    for (int i = 1; i < x->rank; i++)
        if (x->dim[i] != 1 && x->dim[i] != s.samples)
            return lbk_fail(LBK_ERR_INPUT, "x (%s) is no batch of waveforms: two dimensions behind the first exceed 1",
                            lbk_shape_print(x, text));
    int64_t least = p->center ? s.n_fft / 2 + 1 : s.n_fft;
    if (s.samples < least)
        return lbk_fail(LBK_ERR_INPUT, "waveforms of %lld samples, n_fft = %d needs %lld", (long long)s.samples,
                        s.n_fft, (long long)least);
    lbk_infer_output(infer, LBK_F32, (lbk_shape){3, {s.n, s.frames, p->mels}});
    return LBK_OK;
}

/* A transform of n real numbers counts as 2.5 n log2(n), as is usual; a bin is in two bands. */
static void log_mel_cost(const lbk_infer *shapes, lbk_cost *cost) {
    sizes s = sizes_of(shapes->params, &shapes->input[0].shape);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = (double)(s.n * s.frames) * s.n_fft * (2.5 * log2(s.n_fft) + 6);
}

/* P[k] of the frame that begins at sample `start`, from the definition of the transform. */
static double reference_power(const sizes *s, const double *x, int64_t start, int k) {
    double re = 0, im = 0;
    for (int i = 0; i < s->n_fft; i++) {
        int inside = i - (s->n_fft - s->window) / 2;
        int64_t at = start + i < 0 ? -(start + i) : start + i;
        if (inside < 0 || inside >= s->window)
            continue;
        double weight = 0.5 - 0.5 * cos(2 * M_PI * inside / s->window);
        double angle = 2 * M_PI * ((int64_t)i * k % s->n_fft) / s->n_fft;
        double sample = weight * x[at < s->samples ? at : 2 * (s->samples - 1) - at];
        re += sample * cos(angle);
        im -= sample * sin(angle);
    }
    return re * re + im * im;
}

static double reference_weight(const log_mel_params *p, const sizes *s, int m, int k) {
    double low = hz_of(p, s->low + m * s->step), top = hz_of(p, s->low + (m + 1) * s->step);
    double high = hz_of(p, s->low + (m + 2) * s->step), hz = (double)k * p->sample_rate / s->n_fft;
    double weight = fmax(0, fmin((hz - low) / (top - low), (high - hz) / (high - top)));
    return p->norm == 0 ? weight : weight * 2 / (high - low);
}

static void log_mel_reference(const lbk_reference *r) {
    const log_mel_params *p = r->params;
    sizes s = sizes_of(p, &r->input[0].shape);
    for (int64_t frame = 0; frame < s.n * s.frames; frame++) {
        const double *x = r->in[0] + frame / s.frames * s.samples;
        double *y = r->out[0] + frame * p->mels;
        for (int k = 0; k <= s.n_fft / 2; k++) {
            double power = reference_power(&s, x, frame % s.frames * s.hop - s.offset, k);
            for (int m = 0; m < p->mels; m++)
                y[m] += reference_weight(p, &s, m, k) * power;
        }
        for (int m = 0; m < p->mels; m++)
            y[m] = log(fmax(p->floor, y[m]));
    }
}

static lbk_status log_mel_differentiate(lbk_gradient *g) {
    (void)g;
    return lbk_fail(LBK_ERR_UNSUPPORTED,
                    "it prepares the input and has no derivative: nothing trained may come before it");
}

static lbk_status emit_tables(lbk_emit *e, const sizes *s, int table) {
    const log_mel_params *p = e->params;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/log_mel", "log_mel_tables", &call));
    lbk_call_scratch(call, table);
    lbk_call_int(call, s->n_fft);
    lbk_call_int(call, s->window);
    lbk_call_int(call, p->mels);
    lbk_call_float(call, s->low);
    lbk_call_float(call, s->step);
    lbk_call_float(call, (double)s->n_fft / p->sample_rate);
    lbk_call_int(call, p->mel_scale);
    lbk_call_range_1d(call, (size_t)(s->n_fft > p->mels + 2 ? s->n_fft : p->mels + 2), lbk_emit_local(e));
    return LBK_OK;
}

static void call_end(lbk_call *call, const log_mel_params *p, const sizes *s) {
    lbk_call_int(call, s->hop);
    lbk_call_int(call, p->mels);
    lbk_call_int(call, s->offset);
    lbk_call_float(call, (double)s->n_fft / p->sample_rate);
    lbk_call_float(call, p->floor);
    lbk_call_int(call, p->norm);
}

static lbk_status begin(lbk_emit *e, const sizes *s, const char *file, lbk_call **call) {
    const log_mel_params *p = e->params;
    int table = lbk_emit_scratch(e, (size_t)(2 * s->n_fft + p->mels + 2) * sizeof(float));
    LBK_TRY(emit_tables(e, s, table));
    LBK_TRY(lbk_emit_kernel(e, file, "log_mel", call));
    lbk_call_input(*call, 0);
    lbk_call_scratch(*call, table);
    lbk_call_output(*call, 0);
    return LBK_OK;
}

/* A work-group per frame; a work-item has at least two butterflies of a stage. */
static lbk_status log_mel_emit_group(lbk_emit *e) {
    const log_mel_params *p = e->params;
    sizes s = sizes_of(p, &e->input[0].shape);
    size_t group = lbk_emit_local(e);
    lbk_call *call;
    while (group > 1 && group > (size_t)s.n_fft / 8)
        group /= 2;
    LBK_TRY(begin(e, &s, "generic/log_mel", &call));
    lbk_call_int(call, s.samples);
    lbk_call_int(call, s.frames);
    lbk_call_int(call, s.n_fft);
    call_end(call, p, &s);
    lbk_call_local_memory(call, (size_t)s.n_fft * sizeof(float));
    lbk_call_range_1d(call, (size_t)(s.n * s.frames) * group, group);
    return LBK_OK;
}

static lbk_status log_mel_emit_cpu(lbk_emit *e) {
    const log_mel_params *p = e->params;
    sizes s = sizes_of(p, &e->input[0].shape);
    int64_t width = lbk_emit_vector_width(e);
    lbk_call *call;
    LBK_TRY(begin(e, &s, "cpu/log_mel", &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d -DN_FFT=%d", (int)width, s.n_fft));
    lbk_call_int(call, s.n * s.frames);
    lbk_call_int(call, s.samples);
    lbk_call_int(call, s.frames);
    call_end(call, p, &s);
    lbk_call_range_1d(call, (size_t)((s.n * s.frames + width - 1) / width), 1);
    return LBK_OK;
}

static const lbk_variant log_mel_variants[] = {
    {LBK_CLASS_CPU, "lanes", log_mel_emit_cpu}, {LBK_CLASS_GENERIC, "group", log_mel_emit_group}, {.emit = NULL}};

static const lbk_op_example log_mel_examples[] = {
    {.params = "n_fft=256 win_length=200 hop_length=80 mels=20", .input = {{2, {3, 1000}}}, .input_count = 1},
    {.params = "sample_rate=8000 n_fft=64 mels=9 center=no f_min=60 f_max=3500",
     .input = {{2, {2, 333}}},
     .input_count = 1},
    {.params = "n_fft=256 mels=17 mel_scale=slaney norm=slaney", .input = {{4, {1, 1, 700, 1}}}, .input_count = 1},
    {.params = "sample_rate=100 n_fft=16 mels=1 floor=0.5", .input = {{2, {5, 9}}}, .input_count = 1},
};

static const lbk_op log_mel_op = {
    .name = "log_mel",
    .summary = "log-mel spectrogram of waveforms, as torchaudio's MelSpectrogram; a first layer",
    .formula = "y[n,t,m] = log(max(floor, sum_k w[m,k] |DFT(window * x[n, t*hop - n_fft/2 ...])[k]|^2))",
    .inputs = "x[N,S] (or more dimensions of 1)",
    .outputs = "y[N,T,M], T = S/hop + 1, or (S - n_fft)/hop + 1 without center",
    .params = log_mel_table,
    .params_size = sizeof(log_mel_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = log_mel_infer,
    .cost = log_mel_cost,
    .differentiate = log_mel_differentiate,
    .reference = log_mel_reference,
    .variants = log_mel_variants,
    .examples = log_mel_examples,
    .example_count = sizeof log_mel_examples / sizeof *log_mel_examples,
};

const lbk_op *const lbk_ops_log_mel[] = {&log_mel_op, NULL};
