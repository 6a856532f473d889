/* Recordings as an input of a sample: WAV files of 16-bit numbers and one channel, all of one sample rate. A sample has the waveform, -1
 * to 1: so many seconds from the beginning, zeros behind a shorter one. Files are read when they are asked for. wav and table
 * share this. */
#ifndef LBK_DATA_RECORDINGS_H
#define LBK_DATA_RECORDINGS_H

#include "data/dataset.h"

#define LBK_RECORDINGS_SECONDS(S) LBK_PARAM_FLOAT(S, seconds, "1", 0.01, 60, "seconds", "length of a recording", NULL)

typedef struct lbk_recordings {
    const char **paths; /* [count]; the caller's */
    int rate, samples;
} lbk_recordings;

/* `paths` is set; the first file says the sample rate. */
lbk_status lbk_recordings_open(lbk_recordings *r, double seconds);
/* Adds the input waveform [samples] and the sizes samples and sample_rate. */
void lbk_recordings_describe(const lbk_recordings *r, lbk_source *source);
/* The waveform of a file. Errors name it. */
lbk_status lbk_recordings_read(const lbk_recordings *r, uint32_t row, float *waveform);

#endif
