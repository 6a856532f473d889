/* A plan's inputs, some steps ahead: a ring of staging slots on the device.
 *
 * The copy queue (or a bridge) fills slot s while the compute queue still works on earlier steps; lbk_feed_enqueue() then copies the
 * slot into the plan's input buffers, on the compute queue, waiting on the device for the slot's events. A slot may be filled again
 * only when the step that used it is done: the caller waits for that. */
#ifndef LBK_PLACE_FEED_H
#define LBK_PLACE_FEED_H

#include "device/device.h"

typedef struct lbk_feed lbk_feed;

typedef struct lbk_feed_target {
    cl_mem buffer; /* a plan's input */
    size_t bytes;
} lbk_feed_target;

lbk_status lbk_feed_create(lbk_device *device, const lbk_feed_target *targets, int count, int depth, lbk_feed **out);
void lbk_feed_destroy(lbk_feed *feed); /* both queues must be idle; NULL is allowed */

lbk_device *lbk_feed_device(const lbk_feed *feed);
cl_mem lbk_feed_staging(const lbk_feed *feed, int slot, int input);
size_t lbk_feed_bytes(const lbk_feed *feed, int input);

/* Fills input `input` of the slot from host memory, which must stay valid until the step is done. `after`: an event of the feed's context to
 * wait for on the device, or NULL. */
lbk_status lbk_feed_write(lbk_feed *feed, int slot, int input, const void *host, cl_event after);
/* Somebody else fills it; `event` (of the feed's context; ownership passes) says when. */
lbk_status lbk_feed_expect(lbk_feed *feed, int slot, int input, cl_event event);
/* Compute queue: slot -> inputs. Every input must have been written or expected since the slot's last use. */
lbk_status lbk_feed_enqueue(lbk_feed *feed, int slot);
/* Host-to-device bytes written so far. */
uint64_t lbk_feed_moved(const lbk_feed *feed);

#endif
