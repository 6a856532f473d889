/* Which of a sample's inputs a model reads. */
#ifndef LBK_TRAIN_BIND_H
#define LBK_TRAIN_BIND_H

#include "data/data.h"
#include "model/model.h"

/* sample_input[i] gets the place in data->source.inputs of what the model's inputs[i] (lbk_model_inputs()) reads: that of its name, or,
 * for a model that names none, the image. Type and shape must be the same. LBK_ERR_INPUT says what the model reads and what there is. */
lbk_status lbk_bind_inputs(const lbk_model *model, const lbk_model_input *inputs, int count, const lbk_data *data,
                           int *sample_input);

#endif
