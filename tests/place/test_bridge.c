/* The bridge carries what was computed, in order, through both ways, within one context and across two. */
#include "place/bridge.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 5000
#define DEPTH 3
#define ROUNDS 50

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

typedef struct pair {
    lbk_device_list list;
    lbk_device *devices[2];
} pair;

static void open_pair(pair *p, bool separate) {
    lbk_device_spec specs[2] = {{0}, {0}};
    lbk_open_options options[2] = {{.separate_contexts = separate}, {.separate_contexts = separate}};
    must(lbk_device_list_init(&p->list));
    cr_assert_gt(p->list.count, 0);
    must(lbk_device_open(&p->list, specs, options, 2, p->devices));
    cr_assert_eq(p->devices[0]->cl != p->devices[1]->cl, separate);
}

static void close_pair(pair *p) {
    lbk_device_close(p->devices[0]);
    lbk_device_close(p->devices[1]);
    lbk_device_list_release(&p->list);
}

/* Round r writes r * COUNT + i on the first device; the second one must see it, whatever runs ahead. */
static void carry_rounds(pair *p, lbk_bridge_mode mode, const char *name) {
    size_t bytes = COUNT * sizeof(int32_t);
    lbk_device *from = p->devices[0], *to = p->devices[1];
    cl_mem source, target;
    lbk_feed *feed;
    lbk_bridge *bridge;
    must(lbk_buffer_create(from, bytes, &source));
    must(lbk_buffer_create(to, bytes, &target));
    must(lbk_feed_create(to, &(lbk_feed_target){target, bytes}, 1, DEPTH, &feed));
    must(lbk_bridge_create(from, &source, 1, feed, 0, DEPTH, mode, &bridge));
    cr_expect_str_eq(lbk_bridge_name(bridge), name);
    int32_t *sent = malloc(bytes * ROUNDS), *got = malloc(bytes * ROUNDS);
    cl_event done[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        if (r >= DEPTH)
            must(lbk_event_wait(to, done[r - DEPTH]));
        for (int i = 0; i < COUNT; i++)
            sent[r * COUNT + i] = r * COUNT + i;
        must(LBK_CL(clEnqueueWriteBuffer(from->queue, source, CL_FALSE, 0, bytes, sent + r * COUNT, 0, NULL, NULL)));
        must(lbk_bridge_carry(bridge, r % DEPTH));
        must(lbk_feed_enqueue(feed, r % DEPTH));
        must(LBK_CL(clEnqueueReadBuffer(to->queue, target, CL_FALSE, 0, bytes, got + r * COUNT, 0, NULL, &done[r])));
        clFlush(to->queue);
    }
    clFinish(from->queue);
    clFinish(to->copy_queue);
    clFinish(to->queue);
    cr_expect_eq(memcmp(sent, got, bytes * ROUNDS), 0);
    cr_expect_eq(lbk_bridge_moved(bridge), bytes * ROUNDS);
    for (int r = 0; r < ROUNDS; r++)
        clReleaseEvent(done[r]);
    lbk_bridge_destroy(bridge);
    lbk_feed_destroy(feed);
    lbk_buffer_destroy(from, &source);
    lbk_buffer_destroy(to, &target);
    free(sent);
    free(got);
}

Test(bridge, direct_within_one_context) {
    pair p;
    open_pair(&p, false);
    carry_rounds(&p, LBK_BRIDGE_AUTO, "direct");
    close_pair(&p);
}

Test(bridge, through_the_host_within_one_context) {
    pair p;
    open_pair(&p, false);
    carry_rounds(&p, LBK_BRIDGE_HOST, "host");
    close_pair(&p);
}

Test(bridge, through_the_host_across_contexts) {
    pair p;
    open_pair(&p, true);
    carry_rounds(&p, LBK_BRIDGE_AUTO, "host");
    close_pair(&p);
}

Test(bridge, direct_across_contexts_is_refused) {
    pair p;
    lbk_feed *feed;
    lbk_bridge *bridge;
    cl_mem target;
    open_pair(&p, true);
    must(lbk_buffer_create(p.devices[1], 64, &target));
    must(lbk_feed_create(p.devices[1], &(lbk_feed_target){target, 64}, 1, 1, &feed));
    cr_expect_eq(lbk_bridge_create(p.devices[0], &target, 1, feed, 0, 1, LBK_BRIDGE_DIRECT, &bridge), LBK_ERR_INPUT);
    lbk_feed_destroy(feed);
    lbk_buffer_destroy(p.devices[1], &target);
    close_pair(&p);
}

/* An event of another context must never be waited for: some drivers accept it, others crash. */
Test(feed, refuses_a_foreign_event) {
    pair p;
    lbk_feed *feed;
    cl_mem target;
    open_pair(&p, true);
    must(lbk_buffer_create(p.devices[1], 64, &target));
    must(lbk_feed_create(p.devices[1], &(lbk_feed_target){target, 64}, 1, 1, &feed));
    cl_event foreign = clCreateUserEvent(p.devices[0]->cl, NULL);
    clSetUserEventStatus(foreign, CL_COMPLETE);
    cr_expect_eq(lbk_feed_expect(feed, 0, 0, foreign), LBK_ERR_INTERNAL);
    lbk_feed_destroy(feed);
    lbk_buffer_destroy(p.devices[1], &target);
    close_pair(&p);
}
