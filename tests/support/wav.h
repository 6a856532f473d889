/* WAV files for tests. */
#ifndef LBK_TESTS_WAV_H
#define LBK_TESTS_WAV_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WAV_HEADER 44

static inline void wav_put(unsigned char *at, unsigned value, int count) {
    for (int i = 0; i < count; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

/* The plain form: RIFF, fmt of 16 bytes, data. bytes[WAV_HEADER + 2 * count]; gives that length. */
static inline size_t wav_make(unsigned char *bytes, unsigned rate, const int16_t *numbers, int count) {
    memcpy(bytes, "RIFF....WAVEfmt ", 16);
    wav_put(bytes + 4, (unsigned)(WAV_HEADER - 8 + 2 * count), 4);
    wav_put(bytes + 16, 16, 4);
    wav_put(bytes + 20, 1, 2); /* plain numbers */
    wav_put(bytes + 22, 1, 2); /* channels */
    wav_put(bytes + 24, rate, 4);
    wav_put(bytes + 28, 2 * rate, 4);
    wav_put(bytes + 32, 2, 2);
    wav_put(bytes + 34, 16, 2);
    memcpy(bytes + 36, "data", 4);
    wav_put(bytes + 40, (unsigned)(2 * count), 4);
    for (int i = 0; i < count; i++)
        wav_put(bytes + WAV_HEADER + 2 * i, (unsigned)numbers[i], 2);
    return (size_t)(WAV_HEADER + 2 * count);
}

#endif
