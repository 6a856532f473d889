/* One view of one sample: read, augmented, normalised. A function of (seed, epoch, sample) and nothing else. */
#ifndef LBK_DATA_VIEW_H
#define LBK_DATA_VIEW_H

#include "data/data.h"

typedef struct lbk_view {
    const lbk_data *data;
    float *mean_row, *deviation_row; /* [W*C]: the channel's values, repeated, so that normalising runs in long loops */
} lbk_view;

/* `data` must be open and outlive the view. Release in every case. */
lbk_status lbk_view_init(lbk_view *view, const lbk_data *data);
void lbk_view_release(lbk_view *view); /* harmless on a zeroed view */

/* Sample `sample` of `part` (an index into the dataset's train part, but for TEST) into inputs[input_count], and as the teacher
 * sees it into teacher_inputs[input_count]; either may be NULL, and one is where samples are no images: these look the same to
 * both. Augmented for training parts only, but for what is fixed in a network's own view. scratch[H*W*C] is the calling
 * thread's. Thread-safe. */
lbk_status lbk_view_read(const lbk_view *view, lbk_part part, uint32_t epoch, uint32_t sample,
                         const lbk_numbers *inputs, const lbk_numbers *teacher_inputs, float *scratch, int *label);

/* One of the inputs of samples[count], one behind the other: as the student sees them, or in part TEACHER the teacher. For a few
 * samples: it opens a view of its own. */
lbk_status lbk_view_read_rows(const lbk_data *data, lbk_part part, uint32_t epoch, const uint32_t *samples, int count,
                              int input, void *out);

#endif
