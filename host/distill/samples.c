/* Samples that a loss looks at besides the batch. */
#include "data/view.h"
#include "distill/method.h"

#include <stdlib.h>
#include <string.h>

#define OTHER_VIEWS 0x80000000u /* in an epoch's number: views that no batch shows */

typedef struct samples {
    const lbk_data *data;
    lbk_part part;
    lbk_pick pick;
    const void *context;
    int input, batch;
} samples;

static lbk_status fill(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const samples *s = context;
    size_t row = lbk_tensor_bytes(&s->data->source.inputs[s->input].desc);
    uint32_t *picked = NULL;
    (void)step;
    LBK_TRY(lbk_calloc((size_t)s->batch, sizeof *picked, &picked));
    for (int i = 0; i < batch->valid; i++)
        picked[i] = s->pick(s->context, batch, i);
    lbk_status status =
        lbk_view_read_rows(s->data, s->part, batch->epoch | OTHER_VIEWS, picked, batch->valid, s->input, memory);
    memset((char *)memory + (size_t)batch->valid * row, 0, (size_t)(s->batch - batch->valid) * row);
    free(picked);
    return status;
}

lbk_status lbk_method_samples(lbk_method_context *c, const char *name, lbk_pick pick, const void *context,
                              lbk_value *out) {
    if (c->targets.share != LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "a second image of a row that is mixed of two is not defined; expected "
                                       "[data] mix = none");
    for (int i = 0; i < c->input_count; i++) {
        const lbk_tensor_desc desc = *lbk_graph_desc(c->graph, c->inputs[i]);
        const char *full = name;
        samples *s = NULL;
        if (c->input_count > 1)
            LBK_TRY(lbk_arena_printf(&c->graph->arena, &full, "%s%d", name, i));
        LBK_TRY(lbk_arena_alloc(&c->graph->arena, sizeof *s, &s));
        *s = (samples){.data = c->data,
                       .part = c->part,
                       .pick = pick,
                       .context = context,
                       .input = c->sample_input[i],
                       .batch = (int)desc.shape.dim[0]};
        LBK_TRY(lbk_method_host_input(c, full, desc.dtype, desc.shape, fill, s, &out[i]));
    }
    return LBK_OK;
}
