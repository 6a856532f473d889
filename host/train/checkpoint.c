#include "train/checkpoint.h"

#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The buffers as they lie on the device: exact, and no layout to get wrong. */
typedef struct part {
    const char *name;
    cl_mem buffer;
    size_t bytes;
} part;

static int list_parts(const lbk_network *net, part *parts) {
    static const char *const state_names[LBK_OPTIMIZER_STATES] = {"optimizer.0", "optimizer.1", "optimizer.2",
                                                                  "optimizer.3"};
    int count = 0;
    parts[count++] = (part){"params", net->weights->params, net->weights->param_bytes};
    if (net->weights->state_bytes)
        parts[count++] = (part){"states", net->weights->states, net->weights->state_bytes};
    for (int i = 0; i < LBK_OPTIMIZER_STATES; i++)
        if (net->optimizer_state[i])
            parts[count++] = (part){state_names[i], net->optimizer_state[i], net->weights->param_bytes};
    return count;
}

/* Padding between tensors depends on the device, so a checkpoint only fits devices of the same alignment. */
static lbk_status save(const lbk_network *net, const char *path, const char *const *metadata, lbk_arena *arena) {
    part parts[2 + LBK_OPTIMIZER_STATES];
    lbk_st_entry entries[2 + LBK_OPTIMIZER_STATES];
    int count = list_parts(net, parts);
    for (int i = 0; i < count; i++) {
        void *host = NULL;
        LBK_TRY(lbk_arena_alloc(arena, parts[i].bytes, &host));
        LBK_TRY(lbk_buffer_read(net->device, parts[i].buffer, 0, host, parts[i].bytes));
        entries[i] =
            (lbk_st_entry){parts[i].name, LBK_F32, lbk_shape_1((int64_t)(parts[i].bytes / sizeof(float))), host};
    }
    return lbk_st_write(path, entries, (size_t)count, metadata);
}

lbk_status lbk_checkpoint_save(const lbk_network *net, const char *path, int64_t steps_done, long metrics_bytes) {
    char steps[32], bytes[32], counter[32];
    snprintf(steps, sizeof steps, "%lld", (long long)steps_done);
    snprintf(bytes, sizeof bytes, "%ld", metrics_bytes);
    snprintf(counter, sizeof counter, "%lld", (long long)net->weights->counter);
    const char *const metadata[] = {"format", "limbeck-checkpoint-1", "counter", counter, "steps",
                                    steps,    "metrics_bytes",        bytes,     NULL};
    lbk_arena arena = {0};
    lbk_status status = save(net, path, metadata, &arena);
    lbk_arena_release(&arena);
    return lbk_context(status, "checkpoint");
}

static lbk_status read_number(const lbk_st_file *file, const char *key, long long *out) {
    const char *text = lbk_st_metadata(file, key);
    if (!text || !lbk_parse_int(text, out))
        return lbk_fail(LBK_ERR_INPUT, "%s: metadata '%s' is missing or no integer", file->path, key);
    return LBK_OK;
}

static lbk_status load_part(const lbk_network *net, const lbk_st_file *file, const part *p) {
    const lbk_st_entry *e = lbk_st_find(file, p->name);
    if (!e || lbk_tensor_bytes(&(lbk_tensor_desc){e->dtype, e->shape}) != p->bytes)
        return lbk_fail(LBK_ERR_INPUT, "%s: '%s' is missing or not of %zu bytes: made by another experiment or device?",
                        file->path, p->name, p->bytes);
    void *copy = NULL;
    LBK_TRY(lbk_calloc(p->bytes, 1, &copy));
    memcpy(copy, e->data, p->bytes);
    lbk_status status = lbk_buffer_write(net->device, p->buffer, 0, copy, p->bytes);
    free(copy);
    return status;
}

static lbk_status load(lbk_network *net, const lbk_st_file *file, int64_t *steps_done, long *metrics_bytes) {
    part parts[2 + LBK_OPTIMIZER_STATES];
    int count = list_parts(net, parts);
    long long steps, bytes, counter;
    LBK_TRY(read_number(file, "steps", &steps));
    LBK_TRY(read_number(file, "metrics_bytes", &bytes));
    LBK_TRY(read_number(file, "counter", &counter));
    for (int i = 0; i < count; i++)
        LBK_TRY(load_part(net, file, &parts[i]));
    *steps_done = steps;
    *metrics_bytes = (long)bytes;
    net->weights->counter = counter;
    return LBK_OK;
}

lbk_status lbk_checkpoint_load(lbk_network *net, const char *path, int64_t *steps_done, long *metrics_bytes) {
    lbk_st_file file;
    lbk_status status = lbk_st_open(&file, path);
    if (status == LBK_OK)
        status = load(net, &file, steps_done, metrics_bytes);
    lbk_st_close(&file);
    return lbk_context(status, "checkpoint");
}

lbk_status lbk_checkpoint_steps(const char *path, int64_t *steps_done) {
    lbk_st_file file;
    long long steps = 0;
    lbk_status status = lbk_st_open(&file, path);
    if (status == LBK_OK)
        status = read_number(&file, "steps", &steps);
    lbk_st_close(&file);
    *steps_done = steps;
    return lbk_context(status, "checkpoint");
}
