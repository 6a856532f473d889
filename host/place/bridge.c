#include "place/bridge.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct lbk_bridge {
    lbk_device *from;
    lbk_feed *feed;
    cl_mem *sources;
    void **host; /* [depth][count]: HOST mode */
    int count, first, depth;
    bool direct;
    uint64_t moved;
    atomic_int pending; /* callbacks that have not run yet */
    atomic_int failure; /* status of the first read that failed; 0: none */
};

lbk_status lbk_bridge_create(lbk_device *from, const cl_mem *sources, int count, lbk_feed *feed, int first, int depth,
                             lbk_bridge_mode mode, lbk_bridge **out) {
    *out = NULL;
    bool shared = from->cl == lbk_feed_device(feed)->cl;
    if (mode == LBK_BRIDGE_DIRECT && !shared)
        return lbk_fail(LBK_ERR_INPUT, "bridge = direct: %s and %s share no context; use auto or host", from->label,
                        lbk_feed_device(feed)->label);
    lbk_bridge *b = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *b, &b));
    b->from = from;
    b->feed = feed;
    b->count = count;
    b->first = first;
    b->depth = depth;
    b->direct = shared && mode != LBK_BRIDGE_HOST;
    lbk_status status = lbk_calloc((size_t)count, sizeof *b->sources, &b->sources);
    if (status == LBK_OK)
        status = lbk_calloc((size_t)(count * depth), sizeof *b->host, &b->host);
    for (int i = 0; status == LBK_OK && i < count; i++) {
        b->sources[i] = sources[i];
        for (int s = 0; status == LBK_OK && !b->direct && s < depth; s++)
            status = lbk_calloc(1, lbk_feed_bytes(feed, first + i), &b->host[s * count + i]);
    }
    if (status != LBK_OK) {
        lbk_bridge_destroy(b);
        return status;
    }
    *out = b;
    return LBK_OK;
}

void lbk_bridge_destroy(lbk_bridge *b) {
    if (!b)
        return;
    /* A finished command's callback may still be about to run on the driver's thread. */
    while (atomic_load(&b->pending) > 0)
        nanosleep(&(struct timespec){0, 100000}, NULL);
    for (int i = 0; b->host && i < b->count * b->depth; i++)
        free(b->host[i]);
    free(b->host);
    free(b->sources);
    free(b);
}

static lbk_status carry_direct(lbk_bridge *b, int slot, int i) {
    size_t bytes = lbk_feed_bytes(b->feed, b->first + i);
    cl_event ready = NULL;
    LBK_TRY(LBK_CL(clEnqueueCopyBuffer(b->from->queue, b->sources[i], lbk_feed_staging(b->feed, slot, b->first + i), 0,
                                       0, bytes, 0, NULL, &ready)));
    b->moved += bytes;
    return lbk_feed_expect(b->feed, slot, b->first + i, ready);
}

/* What the callback of one read needs; freed by it. */
typedef struct crossing {
    lbk_bridge *bridge;
    cl_event gate; /* user event of the student's context */
} crossing;

/* Lets the student go on, whatever happened: whoever waits must not wait for ever, and a failed event that others wait for
 * makes PoCL 3.1 abort now and then. So a failure travels through lbk_bridge_check() and not through the gate. */
static void release_gate(cl_event gate) {
    if (clSetUserEventStatus(gate, CL_COMPLETE) != CL_SUCCESS)
        clSetUserEventStatus(gate, CL_COMPLETE);
    clReleaseEvent(gate);
}

static void CL_CALLBACK open_gate(cl_event event, cl_int status, void *data) {
    crossing *c = data;
    int none = 0;
    (void)event;
    if (status < 0)
        atomic_compare_exchange_strong(&c->bridge->failure, &none, status);
    release_gate(c->gate);
    atomic_fetch_sub(&c->bridge->pending, 1);
    free(c);
}

/* From here on the callback owns the gate, unless registering it fails. */
static lbk_status hand_over(lbk_bridge *b, cl_event read, cl_event gate) {
    crossing *c = NULL;
    lbk_status status = lbk_calloc(1, sizeof *c, &c);
    if (status == LBK_OK) {
        *c = (crossing){b, gate};
        atomic_fetch_add(&b->pending, 1);
        status = LBK_CL(clSetEventCallback(read, CL_COMPLETE, open_gate, c));
        if (status == LBK_OK)
            return LBK_OK;
        atomic_fetch_sub(&b->pending, 1);
        free(c);
    }
    release_gate(gate);
    return status;
}

static lbk_status carry_host(lbk_bridge *b, int slot, int i) {
    size_t bytes = lbk_feed_bytes(b->feed, b->first + i);
    void *host = b->host[slot * b->count + i];
    cl_int code;
    cl_event gate = clCreateUserEvent(lbk_feed_device(b->feed)->cl, &code), read = NULL;
    LBK_TRY(lbk_cl_check(code, "clCreateUserEvent", __FILE__, __LINE__));
    lbk_status status =
        LBK_CL(clEnqueueReadBuffer(b->from->queue, b->sources[i], CL_FALSE, 0, bytes, host, 0, NULL, &read));
    if (status != LBK_OK) {
        clReleaseEvent(gate);
        return status;
    }
    status = lbk_feed_write(b->feed, slot, b->first + i, host, gate);
    lbk_status handed = hand_over(b, read, gate);
    clReleaseEvent(read);
    b->moved += bytes;
    return status != LBK_OK ? status : handed;
}

lbk_status lbk_bridge_carry(lbk_bridge *b, int slot) {
    for (int i = 0; i < b->count; i++)
        LBK_TRY(b->direct ? carry_direct(b, slot, i) : carry_host(b, slot, i));
    return LBK_CL(clFlush(b->from->queue));
}

lbk_status lbk_bridge_check(const lbk_bridge *b) {
    int code = atomic_load(&b->failure);
    return code ? lbk_fail(LBK_ERR_DEVICE, "reading the teacher's outputs on %s: %s", b->from->label,
                           lbk_cl_error_name(code))
                : LBK_OK;
}

const char *lbk_bridge_name(const lbk_bridge *b) {
    return b->direct ? "direct" : "host";
}

uint64_t lbk_bridge_moved(const lbk_bridge *b) {
    return b->moved;
}
