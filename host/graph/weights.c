#include "graph/weights.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t align_up(size_t bytes, size_t align) {
    return (bytes + align - 1) / align * align;
}

static lbk_status add_entry(lbk_weights *w, const lbk_value_info *info) {
    LBK_TRY(lbk_grow(&w->entries, &w->capacity, w->count + 1, sizeof *w->entries));
    lbk_weights_entry *e = &w->entries[w->count];
    memset(e, 0, sizeof *e);
    LBK_TRY(lbk_arena_strdup(&w->arena, info->name, &e->name));
    e->kind = info->kind;
    e->shape = info->desc.shape;
    e->layout = info->layout;
    e->init = info->init;
    e->fan_in = info->fan_in;
    e->fan_out = info->fan_out;
    e->mean = info->mean;
    e->deviation = info->deviation;
    e->zero_row = info->zero_row;
    e->auxiliary = info->auxiliary;
    size_t *total = info->kind == LBK_VALUE_PARAM ? &w->param_bytes : &w->state_bytes;
    e->offset = *total;
    *total = align_up(*total + lbk_tensor_bytes(&info->desc), w->device->info.caps.align_bytes);
    w->count++;
    return LBK_OK;
}

static lbk_status lay_out(lbk_weights *w, const lbk_graph *graph) {
    for (size_t v = 0; v < graph->value_count; v++)
        if (lbk_graph_is_weight(graph, (lbk_value)v))
            LBK_TRY(add_entry(w, &graph->values[v]));
    LBK_TRY(lbk_arena_alloc(&w->arena, (graph->counter_count + 1) * sizeof *w->counter_names, &w->counter_names));
    for (size_t i = 0; i < graph->counter_count; i++)
        LBK_TRY(lbk_arena_strdup(&w->arena, graph->counters[i], &w->counter_names[i]));
    w->counter_count = graph->counter_count;
    return LBK_OK;
}

static lbk_status allocate(lbk_weights *w, bool trainable) {
    LBK_TRY(lbk_buffer_create(w->device, w->param_bytes, &w->params));
    LBK_TRY(lbk_buffer_create(w->device, w->state_bytes, &w->states));
    LBK_TRY(lbk_buffer_zero(w->device, w->params, w->param_bytes));
    LBK_TRY(lbk_buffer_zero(w->device, w->states, w->state_bytes));
    if (!trainable)
        return LBK_OK;
    LBK_TRY(lbk_buffer_create(w->device, w->param_bytes, &w->grads));
    return lbk_buffer_zero(w->device, w->grads, w->param_bytes);
}

lbk_status lbk_weights_create(const lbk_graph *graph, lbk_device *device, bool trainable, lbk_weights **out) {
    lbk_weights *w = NULL;
    *out = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *w, &w));
    w->device = device;
    lbk_status status = lay_out(w, graph);
    if (status == LBK_OK)
        status = lbk_context(allocate(w, trainable), "weights (%zu bytes) on %s", w->param_bytes, device->label);
    if (status != LBK_OK) {
        lbk_weights_destroy(w);
        return status;
    }
    *out = w;
    return LBK_OK;
}

void lbk_weights_destroy(lbk_weights *w) {
    if (!w)
        return;
    lbk_buffer_destroy(w->device, &w->params);
    lbk_buffer_destroy(w->device, &w->states);
    lbk_buffer_destroy(w->device, &w->grads);
    free(w->entries);
    lbk_arena_release(&w->arena);
    free(w);
}

const lbk_weights_entry *lbk_weights_find(const lbk_weights *w, const char *name) {
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->entries[i].name, name) == 0)
            return &w->entries[i];
    return NULL;
}

/* The stream of numbers belongs to the name, so that adding a layer elsewhere leaves this one's start unchanged. */
static void initial_values(const lbk_weights_entry *e, uint64_t seed, float *out, size_t count) {
    lbk_rng rng;
    lbk_rng_init(&rng, seed, LBK_RNG_INIT, 0, lbk_hash_text(LBK_HASH_START, e->name));
    double kaiming = sqrt(2.0 / (double)(e->fan_out > 0 ? e->fan_out : 1));
    double bound = 1.0 / sqrt((double)(e->fan_in > 0 ? e->fan_in : 1));
    for (size_t i = 0; i < count; i++) {
        switch (e->init) {
        case LBK_INIT_ZERO:
            out[i] = 0.0f;
            break;
        case LBK_INIT_ONE:
            out[i] = 1.0f;
            break;
        case LBK_INIT_KAIMING_NORMAL_FAN_OUT:
            out[i] = (float)(kaiming * lbk_rng_normal(&rng));
            break;
        case LBK_INIT_NORMAL:
            out[i] = (float)(e->mean + e->deviation * lbk_rng_normal(&rng));
            break;
        case LBK_INIT_UNIFORM_FAN_IN:
            out[i] = (float)(bound * (2.0 * lbk_rng_uniform(&rng) - 1.0));
            break;
        }
    }
    if (e->zero_row > 0) {
        size_t row = count / (size_t)lbk_layout_file_shape(e->layout, &e->shape).dim[0];
        memset(out + (size_t)(e->zero_row - 1) * row, 0, row * sizeof *out);
    }
}

static cl_mem buffer_of(const lbk_weights *w, const lbk_weights_entry *e) {
    return e->kind == LBK_VALUE_PARAM ? w->params : w->states;
}

lbk_status lbk_weights_initialize(lbk_weights *w, uint64_t seed) {
    w->counter = 0;
    /* A plan's warm-up ran an optimiser with whatever learning rate there was over the padding, too. */
    LBK_TRY(lbk_buffer_zero(w->device, w->params, w->param_bytes));
    LBK_TRY(lbk_buffer_zero(w->device, w->states, w->state_bytes));
    if (w->grads)
        LBK_TRY(lbk_buffer_zero(w->device, w->grads, w->param_bytes));
    for (size_t i = 0; i < w->count; i++) {
        const lbk_weights_entry *e = &w->entries[i];
        size_t count = (size_t)lbk_shape_count(&e->shape);
        float *file = NULL, *device = NULL;
        lbk_status status = LBK_OK;
        LBK_GOTO(lbk_calloc(count, sizeof *file, &file));
        LBK_GOTO(lbk_calloc(count, sizeof *device, &device));
        initial_values(e, seed, file, count);
        lbk_layout_to_device(e->layout, &e->shape, file, device);
        LBK_GOTO(lbk_buffer_write(w->device, buffer_of(w, e), e->offset, device, count * sizeof *device));
    out:
        free(file);
        free(device);
        LBK_TRY(status);
    }
    return LBK_OK;
}

static lbk_status load_entry(lbk_weights *w, const lbk_weights_entry *e, const lbk_st_file *file, const char *name) {
    const lbk_st_entry *found = lbk_st_find(file, name);
    if (!found)
        return lbk_fail(LBK_ERR_INPUT, "%s: has no tensor '%s'", file->path, name);
    lbk_shape want = lbk_layout_file_shape(e->layout, &e->shape);
    char have_text[LBK_SHAPE_TEXT], want_text[LBK_SHAPE_TEXT];
    if (found->dtype != LBK_F32 || !lbk_shape_equal(&found->shape, &want))
        return lbk_fail(LBK_ERR_INPUT, "%s: tensor '%s' is %s %s, expected F32 %s", file->path, name,
                        lbk_dtype_name(found->dtype), lbk_shape_print(&found->shape, have_text),
                        lbk_shape_print(&want, want_text));
    float *copy = NULL, *device = NULL;
    size_t count = (size_t)lbk_shape_count(&e->shape);
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(count, sizeof *copy, &copy));
    LBK_GOTO(lbk_calloc(count, sizeof *device, &device));
    memcpy(copy, found->data, count * sizeof *copy);
    lbk_layout_to_device(e->layout, &e->shape, copy, device);
    LBK_GOTO(lbk_buffer_write(w->device, buffer_of(w, e), e->offset, device, count * sizeof *device));
out:
    free(copy);
    free(device);
    return status;
}

lbk_status lbk_weights_load_one(lbk_weights *w, const char *name, const lbk_st_file *file, const char *tensor) {
    const lbk_weights_entry *e = lbk_weights_find(w, name);
    LBK_ENSURE(e);
    return load_entry(w, e, file, tensor);
}

static lbk_status load_all(lbk_weights *w, const lbk_st_file *file, const char *prefix) {
    lbk_text name = {0};
    lbk_status status = LBK_OK;
    for (size_t i = 0; i < w->count && status == LBK_OK; i++) {
        if (w->entries[i].auxiliary)
            continue;
        name.length = 0;
        status = lbk_text_printf(&name, "%s%s", prefix, w->entries[i].name);
        if (status == LBK_OK)
            status = load_entry(w, &w->entries[i], file, name.data);
    }
    lbk_text_release(&name);
    return status;
}

static bool is_counter(const lbk_weights *w, const char *name) {
    for (size_t i = 0; i < w->counter_count; i++)
        if (strcmp(w->counter_names[i], name) == 0)
            return true;
    return false;
}

/* What the file has besides our weights: counters, of which *steps gets the value, and what is nobody's. */
static lbk_status others_check(const lbk_weights *w, const lbk_st_file *file, const char *prefix, int64_t *steps) {
    size_t length = strlen(prefix);
    for (size_t i = 0; i < file->count; i++) {
        const lbk_st_entry *entry = &file->entries[i];
        bool below = strncmp(entry->name, prefix, length) == 0;
        if (below && entry->dtype == LBK_I64 && is_counter(w, entry->name + length))
            memcpy(steps, entry->data, sizeof *steps);
        else if (length > 0 || lbk_weights_find(w, entry->name) || is_counter(w, entry->name))
            continue;
        else if (entry->dtype == LBK_I64)
            lbk_log(LBK_LOG_INFO, "%s: left out '%s': integers are no weights", file->path, entry->name);
        else
            return lbk_fail(LBK_ERR_INPUT, "%s: tensor '%s' belongs to no layer of the model", file->path, entry->name);
    }
    return LBK_OK;
}

lbk_status lbk_weights_load(lbk_weights *w, const char *path, const char *prefix) {
    lbk_st_file file;
    const char *start = prefix ? prefix : "";
    int64_t steps = 0;
    lbk_status status = lbk_st_open(&file, path);
    if (status != LBK_OK)
        return status;
    LBK_GOTO(others_check(w, &file, start, &steps));
    LBK_GOTO(load_all(w, &file, start));
    w->counter = steps;
out:
    lbk_st_close(&file);
    return status;
}

/* One tensor from the device, times `factor`, into file layout, memory in `arena`. */
static lbk_status fetch(const lbk_weights *w, const lbk_weights_entry *e, cl_mem buffer, float factor, lbk_arena *arena,
                        lbk_st_entry *out) {
    size_t count = (size_t)lbk_shape_count(&e->shape);
    float *device = NULL, *file = NULL;
    LBK_TRY(lbk_arena_alloc(arena, count * sizeof *file, &file));
    LBK_TRY(lbk_calloc(count, sizeof *device, &device));
    lbk_status status = lbk_buffer_read(w->device, buffer, e->offset, device, count * sizeof *device);
    for (size_t i = 0; i < count; i++)
        device[i] *= factor;
    if (status == LBK_OK)
        lbk_layout_to_file(e->layout, &e->shape, device, file);
    free(device);
    *out = (lbk_st_entry){e->name, LBK_F32, lbk_layout_file_shape(e->layout, &e->shape), file};
    return status;
}

typedef enum contents { NETWORK, EVERYTHING, GRADIENTS } contents;

static lbk_status write_all(const lbk_weights *w, const char *path, contents what, float factor,
                            const char *const *metadata) {
    bool gradients = what == GRADIENTS;
    lbk_arena arena = {0};
    lbk_st_entry *entries = NULL;
    size_t count = 0;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(w->count + w->counter_count, sizeof *entries, &entries));
    for (size_t i = 0; i < w->count; i++) {
        if (gradients ? w->entries[i].kind != LBK_VALUE_PARAM : what == NETWORK && w->entries[i].auxiliary)
            continue;
        cl_mem buffer = gradients ? w->grads : buffer_of(w, &w->entries[i]);
        LBK_GOTO(fetch(w, &w->entries[i], buffer, factor, &arena, &entries[count++]));
    }
    for (size_t i = 0; !gradients && i < w->counter_count; i++)
        entries[count++] = (lbk_st_entry){w->counter_names[i], LBK_I64, lbk_shape_of(0, NULL), &w->counter};
    LBK_GOTO(lbk_st_write(path, entries, count, metadata));
out:
    free(entries);
    lbk_arena_release(&arena);
    return status;
}

lbk_status lbk_weights_save(const lbk_weights *w, const char *path, const char *const *metadata) {
    return write_all(w, path, NETWORK, 1, metadata);
}

lbk_status lbk_weights_dump(const lbk_weights *w, const char *path) {
    return write_all(w, path, EVERYTHING, 1, NULL);
}

lbk_status lbk_weights_save_gradients(const lbk_weights *w, float factor, const char *path) {
    LBK_ENSURE(w->grads);
    return write_all(w, path, GRADIENTS, factor, NULL);
}

static lbk_status copy_entry(const lbk_weights *from, const lbk_weights_entry *a, lbk_weights *to,
                             const lbk_weights_entry *b) {
    LBK_ENSURE(b && lbk_shape_equal(&a->shape, &b->shape));
    size_t bytes = (size_t)lbk_shape_count(&a->shape) * sizeof(float);
    void *host = NULL;
    lbk_status status = lbk_calloc(bytes, 1, &host);
    if (status == LBK_OK)
        status = lbk_buffer_read(from->device, buffer_of(from, a), a->offset, host, bytes);
    if (status == LBK_OK)
        status = lbk_buffer_write(to->device, buffer_of(to, b), b->offset, host, bytes);
    free(host);
    return status;
}

lbk_status lbk_weights_copy_one(const lbk_weights *from, const char *theirs, lbk_weights *to, const char *own) {
    const lbk_weights_entry *entry = lbk_weights_find(from, theirs);
    LBK_ENSURE(entry);
    return copy_entry(from, entry, to, lbk_weights_find(to, own));
}

lbk_status lbk_weights_copy(const lbk_weights *from, lbk_weights *to, const char *prefix) {
    lbk_text name = {0};
    lbk_status status = LBK_OK;
    for (size_t i = 0; i < from->count; i++) {
        const lbk_weights_entry *entry = &from->entries[i];
        if (entry->auxiliary)
            continue;
        name.length = 0;
        LBK_GOTO(lbk_text_printf(&name, "%s%s", prefix, entry->name));
        LBK_GOTO(copy_entry(from, entry, to, lbk_weights_find(to, name.data)));
    }
    if (!*prefix)
        to->counter = from->counter;
out:
    lbk_text_release(&name);
    return status;
}
