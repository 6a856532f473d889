/* Samples that a loss looks at besides the batch. */
#include "data/view.h"
#include "distill/method.h"

#include <stdlib.h>
#include <string.h>

#define OTHER_VIEWS 0x80000000u /* in an epoch's number: views that no batch shows */

typedef struct images {
    const lbk_data *data;
    lbk_part part;
    lbk_pick pick;
    const void *context;
    size_t sample; /* floats in one */
    int batch;
} images;

static lbk_status read_rows(const images *m, const lbk_view *view, const lbk_batch *batch, float *out, float *scratch) {
    int label;
    bool teacher = m->part == LBK_PART_TEACHER;
    for (int row = 0; row < batch->valid; row++) {
        const lbk_numbers pixels = {.f32 = out + (size_t)row * m->sample};
        LBK_TRY(lbk_view_read(view, m->part, batch->epoch | OTHER_VIEWS, m->pick(m->context, batch, row),
                              teacher ? NULL : &pixels, teacher ? &pixels : NULL, scratch, &label));
    }
    memset(out + (size_t)batch->valid * m->sample, 0, (size_t)(m->batch - batch->valid) * m->sample * sizeof *out);
    return LBK_OK;
}

static lbk_status fill(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const images *m = context;
    lbk_view view = {0};
    float *scratch = NULL;
    lbk_status status = LBK_OK;
    (void)step;
    LBK_GOTO(lbk_view_init(&view, m->data));
    LBK_GOTO(lbk_calloc(m->sample, sizeof *scratch, &scratch));
    LBK_GOTO(read_rows(m, &view, batch, memory, scratch));
out:
    free(scratch);
    lbk_view_release(&view);
    return status;
}

lbk_status lbk_method_images(lbk_method_context *c, const char *name, lbk_pick pick, const void *context,
                             lbk_value *out) {
    const lbk_shape shape = *lbk_method_shape(c, c->x);
    images *m = NULL;
    if (c->targets.share != LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "a second image of a row that is mixed of two is not defined; expected "
                                       "[data] mix = none");
    LBK_TRY(lbk_arena_alloc(&c->graph->arena, sizeof *m, &m));
    *m = (images){.data = c->data,
                  .part = c->part,
                  .pick = pick,
                  .context = context,
                  .sample = (size_t)(lbk_shape_count(&shape) / shape.dim[0]),
                  .batch = (int)shape.dim[0]};
    return lbk_method_host_input(c, name, LBK_F32, shape, fill, m, out);
}
