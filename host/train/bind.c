#include "train/bind.h"

#include <string.h>

/* A network that names no input reads an image. */
static bool reads_image(const lbk_model_input *input) {
    return strcmp(input->name, "input") == 0;
}

/* "tokens 128 I32", without the batch where the shape has one. */
static lbk_status print_input(const char *name, lbk_tensor_desc desc, bool batch, lbk_text *out) {
    char text[LBK_SHAPE_TEXT];
    desc.shape.rank -= batch;
    memmove(desc.shape.dim, desc.shape.dim + batch, (size_t)desc.shape.rank * sizeof *desc.shape.dim);
    return lbk_text_printf(out, "%s %s %s", name, lbk_shape_print(&desc.shape, text), lbk_dtype_name(desc.dtype));
}

static lbk_status input_missing(const lbk_model *model, const lbk_source *source, const lbk_model_input *want) {
    lbk_text text = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(reads_image(want) ? lbk_text_printf(&text, "an image") : print_input(want->name, want->desc, true, &text));
    for (int i = 0; i < source->input_count; i++) {
        LBK_GOTO(lbk_text_printf(&text, i ? ", " : "; a sample of the data is "));
        LBK_GOTO(print_input(source->inputs[i].name, source->inputs[i].desc, false, &text));
    }
    status = lbk_fail(LBK_ERR_INPUT, "model %s reads %s", model->name, text.data);
out:
    lbk_text_release(&text);
    return status;
}

static bool input_fits(const lbk_model_input *want, const lbk_sample_input *have) {
    const lbk_shape *batch = &want->desc.shape, *sample = &have->desc.shape;
    bool fits = want->desc.dtype == have->desc.dtype && batch->rank == sample->rank + 1;
    for (int d = 0; fits && d < sample->rank; d++)
        fits = batch->dim[d + 1] == sample->dim[d];
    return fits;
}

/* That of its name, or the image. */
static lbk_status bind(const lbk_model *model, const lbk_data *data, const lbk_model_input *want, int *out) {
    const lbk_source *source = &data->source;
    bool image = !data->dataset->no_images && reads_image(want);
    for (*out = 0; *out < source->input_count; ++*out) {
        const lbk_sample_input *have = &source->inputs[*out];
        if ((image || strcmp(have->name, want->name) == 0) && input_fits(want, have))
            return LBK_OK;
    }
    return input_missing(model, source, want);
}

lbk_status lbk_bind_inputs(const lbk_model *model, const lbk_model_input *inputs, int count, const lbk_data *data,
                           int *sample_input) {
    for (int i = 0; i < count; i++)
        LBK_TRY(bind(model, data, &inputs[i], &sample_input[i]));
    return LBK_OK;
}
