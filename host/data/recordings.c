#include "data/recordings.h"

#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct recording {
    const char *path;
    char *bytes;
    const unsigned char *numbers; /* in `bytes`: little-endian pairs */
    size_t count;
    uint32_t rate;
} recording;

static uint32_t little(const unsigned char *bytes, int count) {
    uint32_t value = 0;
    for (int i = count; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* What the chunk "fmt " says; its extensible form has the format's number in front of an identifier. */
static lbk_status read_format(recording *r, const unsigned char *chunk, uint32_t length) {
    uint32_t kind = length >= 16 ? little(chunk, 2) : 0;
    if (kind == 0xfffe && length >= 26)
        kind = little(chunk + 24, 2);
    if (length < 16 || kind != 1 || little(chunk + 14, 2) != 16)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: format %u of %u bits, expected plain numbers (1) of 16 bits",
                        r->path, (size_t)((const char *)chunk - r->bytes), kind,
                        length >= 16 ? little(chunk + 14, 2) : 0);
    if (little(chunk + 2, 2) != 1)
        return lbk_fail(LBK_ERR_INPUT, "%s: %u channels, expected one", r->path, little(chunk + 2, 2));
    r->rate = little(chunk + 4, 4);
    return r->rate >= 1 && r->rate <= 1 << 20
               ? LBK_OK
               : lbk_fail(LBK_ERR_INPUT, "%s: %u samples a second, expected 1 to %d", r->path, r->rate, 1 << 20);
}

/* RIFF: a name and a length in front of each chunk, which takes an even number of bytes. */
static lbk_status read_chunks(recording *r, size_t length) {
    const unsigned char *bytes = (const unsigned char *)r->bytes;
    if (length < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        return lbk_fail(LBK_ERR_INPUT, "%s: no WAV file: it does not begin with RIFF and WAVE", r->path);
    for (size_t at = 12; at + 8 <= length;) {
        uint32_t size = little(bytes + at + 4, 4);
        const unsigned char *chunk = bytes + at + 8;
        if (size > length - at - 8)
            return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: a chunk of %u bytes, but the file ends after %zu", r->path,
                            at, size, length - at - 8);
        if (memcmp(bytes + at, "fmt ", 4) == 0)
            LBK_TRY(read_format(r, chunk, size));
        if (memcmp(bytes + at, "data", 4) == 0 && r->rate) {
            r->numbers = chunk;
            r->count = size / 2;
            return LBK_OK;
        }
        at += 8 + (size_t)size + size % 2;
    }
    return lbk_fail(LBK_ERR_INPUT, "%s: has no %s chunk", r->path, r->rate ? "data" : "fmt");
}

/* free(r->bytes) in every case. */
static lbk_status recording_read(const char *path, recording *r) {
    size_t length;
    *r = (recording){.path = path};
    LBK_TRY(lbk_file_read(path, &r->bytes, &length));
    return read_chunks(r, length);
}

lbk_status lbk_recordings_open(lbk_recordings *r, double seconds) {
    recording first;
    lbk_status status = recording_read(r->paths[0], &first);
    free(first.bytes);
    LBK_TRY(status);
    double samples = round(seconds * first.rate);
    if (samples < 1 || samples > 1 << 24)
        return lbk_fail(LBK_ERR_INPUT, "%s: %g seconds of %u samples each are %g samples, expected 1 to %d", first.path,
                        seconds, first.rate, samples, 1 << 24);
    r->rate = (int)first.rate;
    r->samples = (int)samples;
    return LBK_OK;
}

void lbk_recordings_describe(const lbk_recordings *r, lbk_source *source) {
    source->inputs[source->input_count++] = (lbk_sample_input){"waveform", {LBK_F32, lbk_shape_1(r->samples)}};
    source->sizes[source->size_count++] = (lbk_size){"samples", r->samples};
    source->sizes[source->size_count++] = (lbk_size){"sample_rate", r->rate};
}

static void fill(const lbk_recordings *all, const recording *r, float *waveform) {
    size_t samples = (size_t)all->samples, used = r->count < samples ? r->count : samples;
    for (size_t i = 0; i < used; i++)
        waveform[i] = (float)(int16_t)little(r->numbers + 2 * i, 2) / 32768.0f;
    memset(waveform + used, 0, (samples - used) * sizeof *waveform);
}

lbk_status lbk_recordings_read(const lbk_recordings *all, uint32_t row, float *waveform) {
    recording r;
    lbk_status status = recording_read(all->paths[row], &r);
    if (status == LBK_OK && r.rate != (uint32_t)all->rate)
        status = lbk_fail(LBK_ERR_INPUT, "%s: %u samples a second, but %s has %d; resample it", r.path, r.rate,
                          all->paths[0], all->rate);
    if (status == LBK_OK)
        fill(all, &r, waveform);
    free(r.bytes);
    return status;
}
