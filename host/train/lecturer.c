#include "train/lecturer.h"

#include <stdlib.h>
#include <string.h>

/* One batch on its way. */
typedef struct lbk_lecture {
    const lbk_batch *batch;
    cl_event done;                /* all that was enqueued; NULL: nothing (from the cache) */
    bool stores;                  /* rows are to go into the cache */
    float *rows[LBK_MAX_CARRIED]; /* with a cache: the outputs on the host, or the weights that are carried */
} lecture;

static const lbk_tensor_desc *desc_of(const lbk_lecturer *l, int i) {
    return lbk_graph_desc(l->net->eval, l->link->bindings->carried[i].value);
}

static bool is_weight(const lbk_lecturer *l, int i) {
    return lbk_graph_is_weight(l->net->eval, l->link->bindings->carried[i].value);
}

static cl_mem source_of(const lbk_lecturer *l, int i) {
    return lbk_plan_buffer(l->net->eval_plan, l->link->bindings->carried[i].value);
}

/* Room for the rows; weights do not change and are read once. */
static lbk_status make_rows(lbk_lecturer *l, lecture *own) {
    for (int i = 0; i < l->link->bindings->carried_count; i++) {
        size_t bytes = lbk_tensor_bytes(desc_of(l, i));
        LBK_TRY(lbk_calloc(bytes, 1, &own->rows[i]));
        if (is_weight(l, i))
            LBK_TRY(lbk_buffer_read(l->net->device, source_of(l, i), 0, own->rows[i], bytes));
    }
    return LBK_OK;
}

lbk_status lbk_lecturer_open(lbk_lecturer *l, const lbk_teacher_link *link, lbk_feed *learner_feed, int first,
                             int slots, lbk_bridge_mode mode, lbk_teacher_cache *cache) {
    lbk_network *net = link->network;
    const lbk_bindings *bindings = link->bindings;
    cl_mem sources[LBK_MAX_CARRIED];
    lbk_feed_target inputs[LBK_MODEL_INPUTS];
    *l = (lbk_lecturer){
        .link = link, .net = net, .learner_feed = learner_feed, .first = first, .slots = slots, .cache = cache};
    LBK_TRY(lbk_calloc((size_t)slots, sizeof *l->lectures, &l->lectures));
    for (int s = 0; cache && s < slots; s++)
        LBK_TRY(make_rows(l, &l->lectures[s]));
    for (int i = 0; i < net->input_count; i++)
        inputs[i] = (lbk_feed_target){lbk_plan_buffer(net->eval_plan, net->eval_inputs[i]),
                                      lbk_tensor_bytes(lbk_graph_desc(net->eval, net->eval_inputs[i]))};
    LBK_TRY(lbk_feed_create(net->device, inputs, net->input_count, slots, &l->feed));
    for (int i = 0; i < bindings->carried_count; i++)
        sources[i] = source_of(l, i);
    return lbk_bridge_create(net->device, sources, bindings->carried_count, learner_feed, first, slots, mode,
                             &l->bridge);
}

void lbk_lecturer_finish(const lbk_lecturer *l) {
    clFinish(l->net->device->copy_queue);
    clFinish(l->net->device->queue);
}

void lbk_lecturer_close(lbk_lecturer *l) {
    for (int s = 0; l->lectures && s < l->slots; s++) {
        if (l->lectures[s].done)
            clReleaseEvent(l->lectures[s].done);
        for (int i = 0; i < LBK_MAX_CARRIED; i++)
            free(l->lectures[s].rows[i]);
    }
    free(l->lectures);
    lbk_bridge_destroy(l->bridge);
    lbk_feed_destroy(l->feed);
    memset(l, 0, sizeof *l);
}

/* The tensors that the cache holds: those with a row for each sample. */
static void rows_of(const lbk_lecturer *l, const lecture *own, float **rows) {
    int count = 0;
    for (int i = 0; i < l->link->bindings->carried_count; i++)
        if (!is_weight(l, i))
            rows[count++] = own->rows[i];
}

static lbk_status recall(lbk_lecturer *l, int slot, lecture *own) {
    float *rows[LBK_MAX_CARRIED];
    rows_of(l, own, rows);
    lbk_teacher_cache_read(l->cache, own->batch, rows);
    for (int i = 0; i < l->link->bindings->carried_count; i++)
        LBK_TRY(lbk_feed_write(l->learner_feed, slot, l->first + i, own->rows[i], NULL));
    return LBK_OK;
}

/* Behind the teacher's work in its queue, and done when the last of them is. */
static lbk_status read_back(lbk_lecturer *l, lecture *own) {
    for (int i = 0; i < l->link->bindings->carried_count; i++) {
        cl_event event = NULL;
        if (is_weight(l, i))
            continue;
        LBK_TRY(LBK_CL(clEnqueueReadBuffer(l->net->device->queue, source_of(l, i), CL_FALSE, 0,
                                           lbk_tensor_bytes(desc_of(l, i)), own->rows[i], 0, NULL, &event)));
        clReleaseEvent(own->done);
        own->done = event;
    }
    own->stores = true;
    return LBK_CL(clFlush(l->net->device->queue));
}

lbk_status lbk_lecturer_begin(lbk_lecturer *l, int slot, const lbk_batch *batch) {
    lecture *own = &l->lectures[slot];
    own->batch = batch;
    own->stores = false;
    if (l->cache && lbk_teacher_cache_has(l->cache, batch))
        return recall(l, slot, own);
    for (int i = 0; i < l->net->input_count; i++)
        LBK_TRY(lbk_feed_write(l->feed, slot, i, lbk_network_numbers(l->net, batch, i), NULL));
    LBK_TRY(lbk_feed_enqueue(l->feed, slot));
    LBK_TRY(lbk_plan_enqueue(l->net->eval_plan, &own->done));
    LBK_TRY(lbk_bridge_carry(l->bridge, slot));
    return l->cache ? read_back(l, own) : LBK_OK;
}

lbk_status lbk_lecturer_wait(lbk_lecturer *l, int slot) {
    return l->lectures[slot].done ? lbk_event_wait(l->net->device, l->lectures[slot].done) : LBK_OK;
}

lbk_status lbk_lecturer_retire(lbk_lecturer *l, int slot, double *busy_s) {
    lecture *own = &l->lectures[slot];
    float *rows[LBK_MAX_CARRIED];
    LBK_TRY(lbk_bridge_check(l->bridge));
    if (!own->done)
        return LBK_OK;
    lbk_status status = lbk_event_wait(l->net->device, own->done);
    clReleaseEvent(own->done);
    own->done = NULL;
    LBK_TRY(status);
    LBK_TRY(lbk_plan_collect(l->net->eval_plan, 1, busy_s));
    rows_of(l, own, rows);
    return own->stores ? lbk_teacher_cache_write(l->cache, own->batch, (const float *const *)rows) : LBK_OK;
}

uint64_t lbk_lecturer_moved(const lbk_lecturer *l) {
    return (l->feed ? lbk_feed_moved(l->feed) : 0) + (l->bridge ? lbk_bridge_moved(l->bridge) : 0);
}
