#include "place/feed.h"

#include <stdlib.h>

typedef struct cell {
    cl_mem staging;
    cl_event ready;
} cell;

struct lbk_feed {
    lbk_device *device;
    lbk_feed_target *targets;
    cell *cells; /* [depth][count] */
    int count, depth;
    uint64_t moved;
};

static cell *cell_of(const lbk_feed *f, int slot, int input) {
    return &f->cells[slot * f->count + input];
}

lbk_status lbk_feed_create(lbk_device *device, const lbk_feed_target *targets, int count, int depth, lbk_feed **out) {
    lbk_feed *f = NULL;
    *out = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *f, &f));
    f->device = device;
    f->count = count;
    f->depth = depth;
    lbk_status status = lbk_calloc((size_t)count, sizeof *f->targets, &f->targets);
    if (status == LBK_OK)
        status = lbk_calloc((size_t)(count * depth), sizeof *f->cells, &f->cells);
    for (int i = 0; status == LBK_OK && i < count; i++) {
        f->targets[i] = targets[i];
        for (int s = 0; status == LBK_OK && s < depth; s++)
            status = lbk_buffer_create(device, targets[i].bytes, &cell_of(f, s, i)->staging);
    }
    if (status != LBK_OK) {
        lbk_feed_destroy(f);
        return lbk_context(status, "input staging on %s", device->label);
    }
    *out = f;
    return LBK_OK;
}

void lbk_feed_destroy(lbk_feed *f) {
    if (!f)
        return;
    for (int i = 0; f->cells && i < f->count * f->depth; i++) {
        if (f->cells[i].ready)
            clReleaseEvent(f->cells[i].ready);
        lbk_buffer_destroy(f->device, &f->cells[i].staging);
    }
    free(f->cells);
    free(f->targets);
    free(f);
}

lbk_device *lbk_feed_device(const lbk_feed *f) {
    return f->device;
}

cl_mem lbk_feed_staging(const lbk_feed *f, int slot, int input) {
    return cell_of(f, slot, input)->staging;
}

size_t lbk_feed_bytes(const lbk_feed *f, int input) {
    return f->targets[input].bytes;
}

lbk_status lbk_feed_write(lbk_feed *f, int slot, int input, const void *host, cl_event after) {
    cell *c = cell_of(f, slot, input);
    cl_event ready = NULL;
    LBK_TRY(LBK_CL(clEnqueueWriteBuffer(f->device->copy_queue, c->staging, CL_FALSE, 0, f->targets[input].bytes, host,
                                        after ? 1 : 0, after ? &after : NULL, &ready)));
    f->moved += f->targets[input].bytes;
    LBK_TRY(lbk_feed_expect(f, slot, input, ready));
    return LBK_CL(clFlush(f->device->copy_queue));
}

lbk_status lbk_feed_expect(lbk_feed *f, int slot, int input, cl_event event) {
    cell *c = cell_of(f, slot, input);
    if (c->ready)
        clReleaseEvent(c->ready);
    c->ready = event;
    cl_context owner = NULL;
    LBK_TRY(LBK_CL(clGetEventInfo(event, CL_EVENT_CONTEXT, sizeof owner, &owner, NULL)));
    LBK_ENSURE(owner == f->device->cl); /* some drivers accept a foreign event, others crash */
    return LBK_OK;
}

lbk_status lbk_feed_enqueue(lbk_feed *f, int slot) {
    for (int i = 0; i < f->count; i++) {
        cell *c = cell_of(f, slot, i);
        LBK_ENSURE(c->ready);
        LBK_TRY(LBK_CL(clEnqueueCopyBuffer(f->device->queue, c->staging, f->targets[i].buffer, 0, 0,
                                           f->targets[i].bytes, 1, &c->ready, NULL)));
        clReleaseEvent(c->ready);
        c->ready = NULL;
    }
    return LBK_OK;
}

uint64_t lbk_feed_moved(const lbk_feed *f) {
    return f->moved;
}
