#include "train/phase.h"

#include "base/clock.h"
#include <stdlib.h>
#include <string.h>

#define MAX_LOSSES (LBK_MAX_METHODS + 2)

/* A step under way. */
typedef struct flight {
    lbk_batch *batch;
    cl_event done;
    float losses[MAX_LOSSES]; /* the device writes here: total, hard, then per method */
    float guard[LBK_GUARD_COUNT];
    int64_t step;
    double lr;
    bool busy;
    void *filled[LBK_MAX_HOST_INPUTS]; /* what the host gave to the losses' inputs, until the step is done */
} flight;

typedef struct runner {
    const lbk_phase *phase;
    lbk_network *net;
    lbk_feed *feed;
    lbk_lecturer teachers[LBK_MAX_TEACHERS];
    int teacher_count;
    lbk_loader *loader;
    flight *flights; /* [slots] */
    int slots;
    int64_t per_epoch, total, last;
    uint64_t start_ns;
    double waited_s; /* processor time of waiting: some drivers spin */
    lbk_phase_result *result;
} runner;

/* The learner's inputs in this order: what its model reads, labels, the partners' labels and shares if batches are mixed, sample
 * numbers if asked for, host inputs, the teachers'. */
#define MAX_INPUTS (LBK_MODEL_INPUTS + 4 + LBK_MAX_HOST_INPUTS + LBK_MAX_CARRIED * LBK_MAX_TEACHERS)

static lbk_feed_target target_of(const lbk_plan *plan, const lbk_graph *graph, lbk_value value) {
    return (lbk_feed_target){lbk_plan_buffer(plan, value), lbk_tensor_bytes(lbk_graph_desc(graph, value))};
}

static lbk_feed_target train_target(const lbk_network *net, lbk_value value) {
    return target_of(net->train_plan, net->train, value);
}

static int first_host_input(const lbk_network *net) {
    return net->input_count + 1 + (net->targets.share != LBK_NONE ? 2 : 0) + (net->samples != LBK_NONE);
}

static lbk_status open_student_feed(runner *r) {
    lbk_network *net = r->net;
    lbk_feed_target targets[MAX_INPUTS];
    int count = 0;
    for (int i = 0; i < net->input_count; i++)
        targets[count++] = train_target(net, net->inputs[i]);
    targets[count++] = train_target(net, net->targets.labels);
    if (net->targets.share != LBK_NONE) {
        targets[count++] = train_target(net, net->targets.partner_labels);
        targets[count++] = train_target(net, net->targets.share);
    }
    if (net->samples != LBK_NONE)
        targets[count++] = train_target(net, net->samples);
    for (int i = 0; i < net->loss.host_input_count; i++) {
        targets[count] = train_target(net, net->loss.host_input[i].value);
        for (int s = 0; s < r->slots; s++)
            LBK_TRY(lbk_calloc(targets[count].bytes, 1, &r->flights[s].filled[i]));
        count++;
    }
    for (int t = 0; t < net->teacher_count; t++)
        for (int i = 0; i < net->teacher[t].bindings->carried_count; i++)
            targets[count++] = train_target(net, net->teacher[t].carried[i]);
    return lbk_feed_create(net->device, targets, count, r->slots, &r->feed);
}

/* Behind the losses' own inputs stand those that the teachers fill, one after the other. */
static lbk_status open_teachers(runner *r) {
    const lbk_network *net = r->net;
    const lbk_phase *p = r->phase;
    int first = first_host_input(net) + net->loss.host_input_count;
    for (int t = 0; t < net->teacher_count; t++) {
        r->teacher_count = t + 1;
        LBK_TRY(lbk_lecturer_open(&r->teachers[t], &net->teacher[t], r->feed, first, r->slots, p->bridge,
                                  p->caches ? p->caches[t] : NULL));
        first += net->teacher[t].bindings->carried_count;
    }
    return LBK_OK;
}

static lbk_status open_runner(runner *r) {
    const lbk_phase *p = r->phase;
    r->per_epoch = lbk_data_batches_per_epoch(p->data, p->part);
    if (!r->per_epoch)
        return lbk_fail(LBK_ERR_INPUT, "the training part has no batch");
    r->total = r->per_epoch * p->epochs;
    r->last = p->max_steps && p->max_steps < r->total ? p->max_steps : r->total;
    r->slots = p->timing == LBK_TIMING_SERIAL ? 1 : p->slots;
    LBK_TRY(lbk_calloc((size_t)r->slots, sizeof *r->flights, &r->flights));
    LBK_TRY(open_student_feed(r));
    LBK_TRY(open_teachers(r));
    return lbk_loader_create(p->data, p->part, (uint32_t)(p->first_step / r->per_epoch),
                             (uint32_t)(p->first_step % r->per_epoch), (uint32_t)p->epochs, r->slots + 2, 1,
                             &r->loader);
}

static void close_runner(runner *r) {
    for (int t = 0; t < r->teacher_count; t++)
        lbk_lecturer_finish(&r->teachers[t]);
    clFinish(r->net->device->copy_queue);
    clFinish(r->net->device->queue);
    for (int t = 0; t < r->teacher_count; t++)
        lbk_lecturer_close(&r->teachers[t]);
    for (int s = 0; r->flights && s < r->slots; s++) {
        flight *f = &r->flights[s];
        if (f->done)
            clReleaseEvent(f->done);
        if (f->batch)
            lbk_loader_release_batch(r->loader, f->batch);
        for (int i = 0; i < LBK_MAX_HOST_INPUTS; i++)
            free(f->filled[i]);
    }
    lbk_loader_destroy(r->loader);
    lbk_feed_destroy(r->feed);
    free(r->flights);
}

static lbk_status wait_for_step(runner *r, flight *f) {
    double before = lbk_clock_thread_s();
    lbk_status status = lbk_event_wait(r->net->device, f->done);
    r->waited_s += lbk_clock_thread_s() - before;
    clReleaseEvent(f->done);
    f->done = NULL;
    return status;
}

static bool scaled(const runner *r) {
    return r->net->guard != LBK_NONE;
}

static lbk_status report_step(runner *r, const flight *f) {
    const lbk_phase *p = r->phase;
    const lbk_loss *loss = &r->net->loss;
    double method[LBK_MAX_METHODS];
    for (int i = 0; i < loss->report_count; i++)
        method[i] = f->losses[2 + i];
    lbk_step_report report = {.phase = r->net->label,
                              .step = f->step,
                              .total_steps = r->last,
                              .per_epoch = r->per_epoch,
                              .total = f->losses[0],
                              .hard = f->losses[1],
                              .method_name = loss->report_name,
                              .method = method,
                              .method_count = loss->report_count,
                              .lr = f->lr,
                              .loss_scale = scaled(r) ? 1 / (double)f->guard[LBK_GUARD_FACTOR] : 0,
                              .skipped_steps = r->result->skipped_steps,
                              .elapsed_s = lbk_clock_since(r->start_ns),
                              .batch = r->net->batch};
    return p->observer.step ? p->observer.step(p->observer.context, &report) : LBK_OK;
}

/* Waits for the step in `slot`, if any, collects what it left and frees its batch. */
static lbk_status retire(runner *r, int slot) {
    flight *f = &r->flights[slot];
    if (!f->busy)
        return LBK_OK;
    f->busy = false;
    LBK_TRY(wait_for_step(r, f));
    LBK_TRY(lbk_plan_collect(r->net->train_plan, 1, &r->result->student_busy_s));
    if (lbk_look_ahead_is_due(&r->net->look_ahead, f->step))
        LBK_TRY(lbk_plan_collect(r->net->look_ahead.plan, 1, &r->result->student_busy_s));
    for (int t = 0; t < r->teacher_count; t++)
        LBK_TRY(lbk_lecturer_retire(&r->teachers[t], slot, &r->result->teacher_busy_s));
    lbk_loader_release_batch(r->loader, f->batch);
    f->batch = NULL;
    r->result->steps++;
    r->result->skipped_steps = (int64_t)f->guard[LBK_GUARD_SKIPPED];
    return report_step(r, f);
}

static lbk_status run_teacher(runner *r, int t, flight *f, int slot) {
    LBK_TRY(lbk_lecturer_begin(&r->teachers[t], slot, f->batch));
    if (r->phase->timing != LBK_TIMING_SERIAL)
        return LBK_OK;
    double before = lbk_clock_thread_s();
    LBK_TRY(lbk_lecturer_wait(&r->teachers[t], slot));
    r->waited_s += lbk_clock_thread_s() - before;
    return LBK_OK;
}

static lbk_status read_floats(runner *r, lbk_value value, int count, float *host, cl_event *done) {
    return LBK_CL(clEnqueueReadBuffer(r->net->device->queue, lbk_plan_buffer(r->net->train_plan, value), CL_FALSE, 0,
                                      (size_t)count * sizeof(float), host, 0, NULL, done));
}

static lbk_status feed_student(runner *r, flight *f, int slot) {
    const lbk_network *net = r->net;
    const lbk_batch *b = f->batch;
    int input = 0;
    for (int i = 0; i < net->input_count; i++)
        LBK_TRY(lbk_feed_write(r->feed, slot, input++, lbk_network_numbers(net, b, i), NULL));
    LBK_TRY(lbk_feed_write(r->feed, slot, input++, b->seen_labels, NULL));
    if (net->targets.share != LBK_NONE) {
        LBK_TRY(lbk_feed_write(r->feed, slot, input++, b->partner_seen_labels, NULL));
        LBK_TRY(lbk_feed_write(r->feed, slot, input++, b->share, NULL));
    }
    if (net->samples != LBK_NONE)
        LBK_TRY(lbk_feed_write(r->feed, slot, input++, b->samples, NULL));
    for (int i = 0; i < net->loss.host_input_count; i++) {
        const lbk_host_input *host = &net->loss.host_input[i];
        LBK_TRY(host->fill(host->context, b, f->step, f->filled[i]));
        LBK_TRY(lbk_feed_write(r->feed, slot, input++, f->filled[i], NULL));
    }
    return LBK_OK;
}

static lbk_status run_student(runner *r, flight *f, int slot) {
    lbk_network *net = r->net;
    const lbk_loss *loss = &net->loss;
    LBK_TRY(feed_student(r, f, slot));
    LBK_TRY(lbk_feed_enqueue(r->feed, slot));
    f->lr = lbk_network_set_step(net, f->step, r->per_epoch, r->total);
    if (lbk_look_ahead_is_due(&net->look_ahead, f->step))
        LBK_TRY(lbk_look_ahead_enqueue(&net->look_ahead, net->weights, net->train_plan));
    LBK_TRY(lbk_plan_enqueue(net->train_plan, NULL));
    LBK_TRY(read_floats(r, loss->hard, 1, &f->losses[1], NULL));
    for (int i = 0; i < loss->report_count; i++)
        LBK_TRY(read_floats(r, loss->report[i], 1, &f->losses[2 + i], NULL));
    if (scaled(r))
        LBK_TRY(read_floats(r, net->guard, LBK_GUARD_COUNT, f->guard, NULL));
    LBK_TRY(read_floats(r, loss->total, 1, &f->losses[0], &f->done));
    LBK_TRY(LBK_CL(clFlush(net->device->queue)));
    net->weights->counter++;
    return LBK_OK;
}

static lbk_status begin_step(runner *r, int64_t step) {
    int slot = (int)(step % r->slots);
    flight *f = &r->flights[slot];
    LBK_TRY(retire(r, slot));
    LBK_TRY(lbk_loader_next(r->loader, &f->batch));
    LBK_ENSURE(f->batch);
    f->step = step;
    for (int t = 0; t < r->teacher_count; t++)
        LBK_TRY(run_teacher(r, t, f, slot));
    LBK_TRY(run_student(r, f, slot));
    f->busy = true;
    return r->phase->timing == LBK_TIMING_SERIAL ? retire(r, slot) : LBK_OK;
}

/* Retires everything under way, oldest first. */
static lbk_status drain(runner *r, int64_t next_step) {
    for (int s = 0; s < r->slots; s++)
        LBK_TRY(retire(r, (int)((next_step + s) % r->slots)));
    return LBK_OK;
}

static lbk_status end_epoch(runner *r, int64_t steps_done) {
    const lbk_observer *o = &r->phase->observer;
    LBK_TRY(drain(r, steps_done));
    return o->epoch ? o->epoch(o->context, r->net, steps_done, (int)(steps_done / r->per_epoch)) : LBK_OK;
}

static lbk_status run_steps(runner *r) {
    for (int64_t step = r->phase->first_step; step < r->last; step++) {
        if (r->phase->stop && *r->phase->stop) {
            LBK_TRY(drain(r, step));
            return lbk_fail(LBK_ERR_INTERRUPTED, "interrupted in the %s phase after step %lld", r->net->label,
                            (long long)step);
        }
        LBK_TRY(begin_step(r, step));
        if ((step + 1) % r->per_epoch == 0 && step + 1 < r->last)
            LBK_TRY(end_epoch(r, step + 1));
    }
    return end_epoch(r, r->last);
}

static void count_bytes(const runner *r, lbk_phase_result *result) {
    if (r->feed)
        result->bytes_moved += lbk_feed_moved(r->feed);
    for (int t = 0; t < r->teacher_count; t++)
        result->bytes_moved += lbk_lecturer_moved(&r->teachers[t]);
}

lbk_status lbk_phase_run(const lbk_phase *phase, lbk_phase_result *result) {
    memset(result, 0, sizeof *result);
    runner r = {.phase = phase, .net = phase->network, .result = result};
    lbk_status status = open_runner(&r);
    double begin = lbk_clock_thread_s();
    r.start_ns = lbk_clock_ns();
    if (status == LBK_OK)
        status = run_steps(&r);
    result->wall_s = lbk_clock_since(r.start_ns);
    result->host_s = lbk_clock_thread_s() - begin - r.waited_s;
    result->bridge = r.teachers[0].bridge ? lbk_bridge_name(r.teachers[0].bridge) : "none";
    count_bytes(&r, result);
    close_runner(&r);
    return lbk_context(status, "%s", phase->network->label);
}

double lbk_phase_overlap(const lbk_phase_result *result) {
    double teacher = result->teacher_busy_s, student = result->student_busy_s;
    double shorter = teacher < student ? teacher : student;
    return shorter > 0 ? (teacher + student - result->wall_s) / shorter : 0;
}
