/* Prefetching batches.
 *
 * Batches are numbered 0, 1, ... from the start position. A thread takes a free slot and the next number together,
 * under the lock, so the lowest number outstanding always has a slot and somebody working on it: lbk_loader_next()
 * cannot wait for a batch that nobody can start. Which samples a number stands for is settled at that moment; what they
 * look like depends only on (seed, epoch, sample). So neither threads nor depth can change a batch. */
#include "data/data.h"
#include "data/mix.h"
#include "data/view.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_FAILED, SLOT_HELD } slot_state;

typedef struct loader_slot {
    lbk_batch batch; /* first: lbk_loader_release_batch() gets its address */
    slot_state state;
    bool two_views; /* the teacher's inputs are memory of their own */
    uint64_t number;
    lbk_status status; /* SLOT_FAILED */
    char *message;     /* SLOT_FAILED; NULL when there was no memory for it */
} loader_slot;

struct lbk_loader {
    const lbk_data *data;
    lbk_view view;
    lbk_part part;
    uint32_t start_epoch, start_index, batches_per_epoch;
    uint64_t claimed, delivered, end; /* numbers: next to start, next to hand out, one past the last */
    uint32_t *order;                  /* [part's count]: samples of epoch `order_epoch` in order */
    uint32_t order_epoch;
    bool ordered; /* `order` is filled */
    loader_slot *slots;
    int depth, held;
    pthread_t *threads;
    int thread_count;
    pthread_mutex_t lock; /* guards all above that changes, but not the contents of a slot being filled */
    pthread_cond_t room, ready;
    bool failed;
    atomic_bool stop;
};

/* ---- Which samples ---- */

static void order_epoch(lbk_loader *loader, uint32_t epoch) {
    const lbk_data *data = loader->data;
    uint32_t count = lbk_data_count(data, loader->part);
    if (loader->ordered && loader->order_epoch == epoch)
        return;
    const uint32_t *samples = lbk_data_samples(data, loader->part);
    for (uint32_t i = 0; i < count; i++)
        loader->order[i] = samples ? samples[i] : i;
    if (lbk_part_is_training(loader->part) && data->params.shuffle) {
        lbk_rng rng;
        lbk_rng_init(&rng, data->seed, LBK_RNG_SHUFFLE, epoch, 0);
        lbk_rng_shuffle(&rng, loader->order, count);
    }
    loader->order_epoch = epoch;
    loader->ordered = true;
}

static void assign(lbk_loader *loader, loader_slot *slot) {
    lbk_batch *batch = &slot->batch;
    uint64_t position = loader->start_index + loader->claimed;
    uint32_t size = (uint32_t)loader->data->params.batch, count = lbk_data_count(loader->data, loader->part);
    slot->number = loader->claimed++;
    slot->state = SLOT_FILLING;
    batch->epoch = loader->start_epoch + (uint32_t)(position / loader->batches_per_epoch);
    batch->index = (uint32_t)(position % loader->batches_per_epoch);
    order_epoch(loader, batch->epoch);
    uint32_t first = batch->index * size, left = count - first;
    batch->valid = (int)(left < size ? left : size);
    memset(batch->samples, 0, size * sizeof *batch->samples);
    memcpy(batch->samples, loader->order + first, (size_t)batch->valid * sizeof *batch->samples);
}

/* ---- Filling, in the threads ---- */

/* Floats that a thread needs beside a batch: for an image of a batch, when mixing copies them all. */
static size_t scratch_size(const lbk_data *data) {
    return lbk_data_image_size(data) * (data->mix ? (size_t)data->params.batch : 1);
}

/* Where row i of each input lies. */
static void find_row(const lbk_data *data, const lbk_numbers *all, int i, lbk_numbers *row) {
    for (int k = 0; k < data->source.input_count; k++)
        row[k].any = (char *)all[k].any + (size_t)i * lbk_tensor_bytes(&data->source.inputs[k].desc);
}

static void clear_row(const lbk_data *data, const lbk_numbers *row) {
    for (int k = 0; k < data->source.input_count; k++)
        memset(row[k].any, 0, lbk_tensor_bytes(&data->source.inputs[k].desc));
}

/* Inputs and label of row i. */
static lbk_status fill_row(const lbk_loader *loader, lbk_batch *batch, int i, float *scratch) {
    lbk_numbers row[LBK_SAMPLE_INPUTS], teacher_row[LBK_SAMPLE_INPUTS];
    bool two = batch->teacher_inputs[0].any != batch->inputs[0].any, teacher = loader->part == LBK_PART_TEACHER;
    find_row(loader->data, batch->inputs, i, row);
    find_row(loader->data, batch->teacher_inputs, i, teacher_row);
    batch->labels[i] = -1;
    if (i >= batch->valid) {
        clear_row(loader->data, row);
        clear_row(loader->data, teacher_row);
        return LBK_OK;
    }
    return lbk_view_read(&loader->view, loader->part, batch->epoch, batch->samples[i], teacher ? NULL : row,
                         two || teacher ? teacher_row : NULL, scratch, &batch->labels[i]);
}

static lbk_status fill(const lbk_loader *loader, lbk_batch *batch, float *scratch) {
    const lbk_data *data = loader->data;
    bool training = lbk_part_is_training(loader->part);
    for (int i = 0; i < data->params.batch; i++) {
        if (atomic_load_explicit(&loader->stop, memory_order_relaxed))
            return LBK_OK;
        LBK_TRY(fill_row(loader, batch, i, scratch));
        bool seen = loader->part != LBK_PART_TRAIN || (i < batch->valid && data->labelled[batch->samples[i]]);
        batch->seen_labels[i] = seen ? batch->labels[i] : -1;
    }
    lbk_mix_batch(data, training, batch, scratch);
    return LBK_OK;
}

/* With the lock held: a slot to fill, or NULL when this thread should end. */
static loader_slot *claim(lbk_loader *loader) {
    for (;;) {
        if (loader->stop || loader->failed || loader->claimed == loader->end)
            return NULL;
        for (int i = 0; i < loader->depth; i++)
            if (loader->slots[i].state == SLOT_FREE) {
                assign(loader, &loader->slots[i]);
                return &loader->slots[i];
            }
        pthread_cond_wait(&loader->room, &loader->lock);
    }
}

static void store_failure(loader_slot *slot, lbk_status status) {
    slot->state = SLOT_FAILED;
    slot->status = status;
    slot->message = NULL;
    if (lbk_strdup(lbk_error_message(), &slot->message) != LBK_OK)
        slot->message = NULL;
}

static void *work(void *argument) {
    lbk_loader *loader = argument;
    float *scratch = NULL;
    lbk_status ready = lbk_calloc(scratch_size(loader->data), sizeof *scratch, &scratch);
    pthread_mutex_lock(&loader->lock);
    for (loader_slot *slot; (slot = claim(loader)) != NULL;) {
        pthread_mutex_unlock(&loader->lock);
        lbk_status status = ready == LBK_OK ? fill(loader, &slot->batch, scratch) : ready;
        pthread_mutex_lock(&loader->lock);
        slot->state = SLOT_READY;
        if (status != LBK_OK) {
            store_failure(slot, status);
            loader->failed = true;
            pthread_cond_broadcast(&loader->room);
        }
        pthread_cond_broadcast(&loader->ready);
    }
    pthread_mutex_unlock(&loader->lock);
    free(scratch);
    return NULL;
}

/* ---- Starting and stopping ---- */

static lbk_status inputs_alloc(const lbk_data *data, lbk_numbers *inputs) {
    for (int k = 0; k < data->source.input_count; k++)
        LBK_TRY(lbk_calloc((size_t)data->params.batch, lbk_tensor_bytes(&data->source.inputs[k].desc), &inputs[k].any));
    return LBK_OK;
}

static lbk_status slot_alloc(loader_slot *slot, const lbk_data *data, bool two_views) {
    size_t batch = (size_t)data->params.batch;
    slot->two_views = two_views;
    LBK_TRY(inputs_alloc(data, slot->batch.inputs));
    if (two_views)
        LBK_TRY(inputs_alloc(data, slot->batch.teacher_inputs));
    else
        memcpy(slot->batch.teacher_inputs, slot->batch.inputs, sizeof slot->batch.inputs);
    LBK_TRY(lbk_calloc(batch, sizeof(int32_t), &slot->batch.labels));
    LBK_TRY(lbk_calloc(batch, sizeof(int32_t), &slot->batch.seen_labels));
    LBK_TRY(lbk_calloc(batch, sizeof(uint32_t), &slot->batch.partners));
    LBK_TRY(lbk_calloc(batch, sizeof(int32_t), &slot->batch.partner_labels));
    LBK_TRY(lbk_calloc(batch, sizeof(int32_t), &slot->batch.partner_seen_labels));
    LBK_TRY(lbk_calloc(batch, sizeof(float), &slot->batch.share));
    return lbk_calloc(batch, sizeof(uint32_t), &slot->batch.samples);
}

/* Signals stay with the thread that runs the program. */
static lbk_status start_threads(lbk_loader *loader, int threads) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = 0;
    while (code == 0 && loader->thread_count < threads) {
        code = pthread_create(&loader->threads[loader->thread_count], NULL, work, loader);
        loader->thread_count += code == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? LBK_OK : lbk_fail(LBK_ERR_MEMORY, "cannot start a data loader thread: %s", strerror(code));
}

static lbk_status set_range(lbk_loader *loader, uint32_t end_epoch) {
    uint32_t per_epoch = loader->batches_per_epoch;
    if (loader->start_index > per_epoch)
        return lbk_fail(LBK_ERR_INPUT, "cannot start at batch %u of the %s part: an epoch has %u batches",
                        loader->start_index, lbk_part_name(loader->part), per_epoch);
    uint64_t epochs = 1;
    if (lbk_part_is_training(loader->part))
        epochs = end_epoch > loader->start_epoch ? end_epoch - loader->start_epoch : 0;
    uint64_t all = epochs * per_epoch;
    loader->end = all > loader->start_index ? all - loader->start_index : 0;
    return LBK_OK;
}

static lbk_status prepare(lbk_loader *loader, uint32_t end_epoch, int depth, int threads) {
    LBK_TRY(set_range(loader, end_epoch));
    LBK_TRY(lbk_view_init(&loader->view, loader->data));
    LBK_TRY(lbk_calloc(lbk_data_count(loader->data, loader->part), sizeof *loader->order, &loader->order));
    LBK_TRY(lbk_calloc((size_t)threads, sizeof *loader->threads, &loader->threads));
    LBK_TRY(lbk_calloc((size_t)depth, sizeof *loader->slots, &loader->slots));
    loader->depth = depth;
    bool two_views = !loader->data->same_views && loader->part != LBK_PART_TEACHER;
    for (int i = 0; i < depth; i++)
        LBK_TRY(slot_alloc(&loader->slots[i], loader->data, two_views));
    return start_threads(loader, threads);
}

lbk_status lbk_loader_create(const lbk_data *data, lbk_part part, uint32_t start_epoch, uint32_t start_index,
                             uint32_t end_epoch, int depth, int threads, lbk_loader **out) {
    lbk_loader *loader;
    *out = NULL;
    LBK_ENSURE(depth >= 1 && threads >= 1);
    LBK_TRY(lbk_calloc(1, sizeof *loader, &loader));
    loader->data = data;
    loader->part = part;
    loader->start_epoch = start_epoch;
    loader->start_index = start_index;
    loader->batches_per_epoch = lbk_data_batches_per_epoch(data, part);
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->room, NULL);
    pthread_cond_init(&loader->ready, NULL);
    lbk_status status = prepare(loader, end_epoch, depth, threads);
    if (status != LBK_OK) {
        lbk_loader_destroy(loader);
        return status;
    }
    *out = loader;
    return LBK_OK;
}

static void slot_release(loader_slot *slot) {
    for (int k = 0; k < LBK_SAMPLE_INPUTS; k++) {
        free(slot->batch.inputs[k].any);
        if (slot->two_views)
            free(slot->batch.teacher_inputs[k].any);
    }
    free(slot->batch.labels);
    free(slot->batch.seen_labels);
    free(slot->batch.samples);
    free(slot->batch.partners);
    free(slot->batch.partner_labels);
    free(slot->batch.partner_seen_labels);
    free(slot->batch.share);
    free(slot->message);
}

void lbk_loader_destroy(lbk_loader *loader) {
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->room);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->thread_count; i++)
        pthread_join(loader->threads[i], NULL);
    for (int i = 0; i < loader->depth; i++)
        slot_release(&loader->slots[i]);
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->room);
    pthread_mutex_destroy(&loader->lock);
    lbk_view_release(&loader->view);
    free(loader->slots);
    free(loader->threads);
    free(loader->order);
    free(loader);
}

/* ---- Handing out ---- */

/* With the lock held: the slot of the next batch, once it is done, well or badly. */
static loader_slot *wait_for_next(lbk_loader *loader) {
    for (;;) {
        for (int i = 0; i < loader->depth; i++) {
            loader_slot *slot = &loader->slots[i];
            bool done = slot->state == SLOT_READY || slot->state == SLOT_FAILED;
            if (done && slot->number == loader->delivered)
                return slot;
        }
        pthread_cond_wait(&loader->ready, &loader->lock);
    }
}

/* A failed slot stays, so that every later call fails in the same way. */
static lbk_status take(lbk_loader *loader, lbk_batch **out) {
    if (loader->delivered == loader->end)
        return LBK_OK;
    LBK_ENSURE(loader->held < loader->depth); /* the caller holds every slot: waiting would never end */
    loader_slot *slot = wait_for_next(loader);
    if (slot->state == SLOT_FAILED)
        return lbk_fail(slot->status, "%s", slot->message ? slot->message : "a data loader thread failed");
    slot->state = SLOT_HELD;
    loader->held++;
    loader->delivered++;
    *out = &slot->batch;
    return LBK_OK;
}

lbk_status lbk_loader_next(lbk_loader *loader, lbk_batch **out) {
    *out = NULL;
    pthread_mutex_lock(&loader->lock);
    lbk_status status = take(loader, out);
    pthread_mutex_unlock(&loader->lock);
    return status;
}

void lbk_loader_release_batch(lbk_loader *loader, lbk_batch *batch) {
    loader_slot *slot = (loader_slot *)batch;
    pthread_mutex_lock(&loader->lock);
    if (slot->state == SLOT_HELD) {
        slot->state = SLOT_FREE;
        loader->held--;
        pthread_cond_signal(&loader->room);
    }
    pthread_mutex_unlock(&loader->lock);
}

uint32_t lbk_loader_batches_per_epoch(const lbk_loader *loader) {
    return loader->batches_per_epoch;
}
