#include "train/evaluate.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 2 /* batches under way: one is loaded while one is computed */

typedef struct pending {
    lbk_batch *batch;
    cl_event done;
    float *logits; /* [batch, classes] */
    uint32_t first;
} pending;

static lbk_status finish(lbk_network *net, lbk_loader *loader, lbk_evaluation *e, pending *p, double *busy_s) {
    if (!p->batch)
        return LBK_OK;
    lbk_status status = lbk_event_wait(net->device, p->done);
    clReleaseEvent(p->done);
    p->done = NULL;
    for (int i = 0; status == LBK_OK && i < p->batch->valid; i++) {
        e->labels[p->first + (uint32_t)i] = p->batch->labels[i];
        memcpy(e->logits + (size_t)(p->first + (uint32_t)i) * (size_t)e->classes, p->logits + i * e->classes,
               (size_t)e->classes * sizeof(float));
    }
    lbk_loader_release_batch(loader, p->batch);
    p->batch = NULL;
    LBK_TRY(status);
    return lbk_plan_collect(net->eval_plan, 1, busy_s);
}

static lbk_status begin(lbk_network *net, pending *p, int classes) {
    for (int i = 0; i < net->input_count; i++) {
        cl_mem buffer = lbk_plan_buffer(net->eval_plan, net->eval_inputs[i]);
        size_t bytes = lbk_tensor_bytes(lbk_graph_desc(net->eval, net->eval_inputs[i]));
        LBK_TRY(LBK_CL(clEnqueueWriteBuffer(net->device->queue, buffer, CL_FALSE, 0, bytes,
                                            lbk_network_numbers(net, p->batch, i), 0, NULL, NULL)));
    }
    LBK_TRY(lbk_plan_enqueue(net->eval_plan, NULL));
    LBK_TRY(
        LBK_CL(clEnqueueReadBuffer(net->device->queue, lbk_plan_buffer(net->eval_plan, net->eval_logits), CL_FALSE, 0,
                                   (size_t)(net->batch * classes) * sizeof(float), p->logits, 0, NULL, &p->done)));
    return LBK_CL(clFlush(net->device->queue));
}

static lbk_status run(lbk_network *net, lbk_loader *loader, lbk_evaluation *e, pending *slots, double *busy_s) {
    uint32_t first = 0;
    int slot = 0;
    for (;; slot = (slot + 1) % DEPTH) {
        pending *p = &slots[slot];
        LBK_TRY(finish(net, loader, e, p, busy_s));
        LBK_TRY(lbk_loader_next(loader, &p->batch));
        if (!p->batch)
            break;
        p->first = first;
        first += (uint32_t)p->batch->valid;
        LBK_TRY(begin(net, p, e->classes));
    }
    for (int i = 1; i < DEPTH; i++)
        LBK_TRY(finish(net, loader, e, &slots[(slot + i) % DEPTH], busy_s));
    LBK_ENSURE(first == e->count);
    return LBK_OK;
}

/* Training samples in file order, as they are and every one of them: what the loader does with the parts that are not
 * trained on. The copy shares all memory with `data`. */
static lbk_data as_measured(const lbk_data *data, lbk_part *part) {
    lbk_data copy = *data;
    if (*part == LBK_PART_TRAIN) {
        *part = LBK_PART_VALIDATION;
        copy.validation = data->known;
        copy.validation_count = data->known_count;
    }
    return copy;
}

lbk_status lbk_evaluate(lbk_network *net, const lbk_data *data, lbk_part part, lbk_evaluation *e) {
    memset(e, 0, sizeof *e);
    e->count = lbk_data_count(data, part);
    e->classes = net->classes;
    if (!e->count)
        return lbk_fail(LBK_ERR_INPUT, "the %s part is empty", lbk_part_name(part));
    lbk_data measured = as_measured(data, &part);
    pending slots[DEPTH] = {{0}};
    lbk_loader *loader = NULL;
    double busy_s = 0;
    uint64_t start = lbk_clock_ns();
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc((size_t)e->count * (size_t)e->classes, sizeof *e->logits, &e->logits));
    LBK_GOTO(lbk_calloc(e->count, sizeof *e->labels, &e->labels));
    for (int i = 0; i < DEPTH; i++)
        LBK_GOTO(lbk_calloc((size_t)(net->batch * e->classes), sizeof(float), &slots[i].logits));
    LBK_GOTO(lbk_loader_create(&measured, part, 0, 0, 1, DEPTH + 1, 1, &loader));
    LBK_GOTO(run(net, loader, e, slots, &busy_s));
    e->device_s_per_sample = busy_s / e->count;
    e->wall_s_per_sample = lbk_clock_since(start) / e->count;
    status = lbk_evaluation_score(e);
out:
    clFinish(net->device->queue);
    for (int i = 0; i < DEPTH; i++) {
        if (slots[i].done)
            clReleaseEvent(slots[i].done);
        if (slots[i].batch)
            lbk_loader_release_batch(loader, slots[i].batch);
        free(slots[i].logits);
    }
    lbk_loader_destroy(loader);
    return lbk_context(status, "evaluating the %s", net->label);
}

void lbk_evaluation_release(lbk_evaluation *e) {
    free(e->logits);
    free(e->labels);
    memset(e, 0, sizeof *e);
}

static int argmax(const float *z, int count) {
    int best = 0;
    for (int k = 1; k < count; k++)
        if (z[k] > z[best])
            best = k;
    return best;
}

/* ln sum exp(z), stable. */
static double log_sum_exp(const float *z, int count) {
    double top = z[argmax(z, count)], sum = 0;
    for (int k = 0; k < count; k++)
        sum += exp(z[k] - top);
    return top + log(sum);
}

static double mean_f1(const double *right, const double *said, const double *true_count, int classes) {
    double sum = 0;
    int seen = 0;
    for (int k = 0; k < classes; k++) {
        if (said[k] + true_count[k] == 0)
            continue;
        sum += 2 * right[k] / (said[k] + true_count[k]);
        seen++;
    }
    return seen ? sum / seen : 0;
}

lbk_status lbk_evaluation_score(lbk_evaluation *e) {
    double *counts = NULL, loss = 0, hits = 0;
    LBK_TRY(lbk_calloc((size_t)e->classes * 3, sizeof *counts, &counts));
    double *right = counts, *said = counts + e->classes, *true_count = counts + 2 * e->classes;
    for (uint32_t i = 0; i < e->count; i++) {
        const float *z = e->logits + (size_t)i * (size_t)e->classes;
        int guess = argmax(z, e->classes), label = e->labels[i];
        loss += log_sum_exp(z, e->classes) - z[label];
        hits += guess == label;
        right[label] += guess == label;
        said[guess]++;
        true_count[label]++;
    }
    e->accuracy = hits / e->count;
    e->loss = loss / e->count;
    e->macro_f1 = mean_f1(right, said, true_count, e->classes);
    free(counts);
    return LBK_OK;
}

double lbk_evaluation_agreement(const lbk_evaluation *a, const lbk_evaluation *b) {
    double same = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        size_t at = (size_t)i * (size_t)a->classes;
        same += argmax(a->logits + at, a->classes) == argmax(b->logits + at, b->classes);
    }
    return same / a->count;
}

double lbk_evaluation_divergence(const lbk_evaluation *teacher, const lbk_evaluation *student) {
    double sum = 0;
    for (uint32_t i = 0; i < teacher->count; i++) {
        const float *t = teacher->logits + (size_t)i * (size_t)teacher->classes;
        const float *s = student->logits + (size_t)i * (size_t)teacher->classes;
        double zt = log_sum_exp(t, teacher->classes), zs = log_sum_exp(s, teacher->classes);
        for (int k = 0; k < teacher->classes; k++)
            sum += exp(t[k] - zt) * ((t[k] - zt) - (s[k] - zs));
    }
    return sum / teacher->count;
}
