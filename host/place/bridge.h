/* What carries the teacher's outputs to the student's device.
 *
 * Same context: a device-side copy into the student's staging slot, ordered by an event. Different contexts or platforms: events
 * cannot cross, so the teacher's queue reads into host memory, that event's callback completes a user event of the student's
 * context, and the student's copy queue, which waits for it, writes the slot. No host thread waits in either case.
 * The user event completes even when the read failed: lbk_bridge_check() must be asked before a step counts as done. */
#ifndef LBK_PLACE_BRIDGE_H
#define LBK_PLACE_BRIDGE_H

#include "place/feed.h"

typedef enum lbk_bridge_mode { LBK_BRIDGE_AUTO, LBK_BRIDGE_DIRECT, LBK_BRIDGE_HOST } lbk_bridge_mode;

typedef struct lbk_bridge lbk_bridge;

/* Carries sources[count] of `from` into inputs [first, first + count) of `feed`, with `depth` slots. DIRECT where the devices share no
 * context is LBK_ERR_INPUT. */
lbk_status lbk_bridge_create(lbk_device *from, const cl_mem *sources, int count, lbk_feed *feed, int first, int depth,
                             lbk_bridge_mode mode, lbk_bridge **out);
/* Waits for callbacks under way; NULL is allowed. */
void lbk_bridge_destroy(lbk_bridge *bridge);
/* Enqueues the transport of what the compute queue of `from` computes next before this call returns into `slot`. */
lbk_status lbk_bridge_carry(lbk_bridge *bridge, int slot);
/* LBK_ERR_DEVICE when a transport whose student step is done has failed: that step worked on something else. */
lbk_status lbk_bridge_check(const lbk_bridge *bridge);
const char *lbk_bridge_name(const lbk_bridge *bridge); /* "direct" or "host" */
uint64_t lbk_bridge_moved(const lbk_bridge *bridge);   /* bytes carried so far */

#endif
