/* What is done to images between a dataset and a batch: the keys `augment`, `student_view`, `teacher_view` and `mix` of
 * [data] and the sections [augment.NAME] and [mix.NAME]. */
#ifndef LBK_DATA_TRANSFORMS_H
#define LBK_DATA_TRANSFORMS_H

#include "data/data.h"

/* Finds everything that data->params names, reads its section into data->arena, and refuses sections that nothing
 * names. */
lbk_status lbk_transforms_read(lbk_data *data, lbk_ini *ini);

/* `; did you mean "x"?`, or nothing, into text[96], which is returned. */
const char *lbk_transforms_suggest(const char *word, const char *const *names, size_t count, char *text);

#endif
