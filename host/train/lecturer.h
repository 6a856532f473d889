/* A teacher at work for a learner: its own input, what carries its outputs over, and the cache that may stand in for it. */
#ifndef LBK_TRAIN_LECTURER_H
#define LBK_TRAIN_LECTURER_H

#include "place/bridge.h"
#include "place/feed.h"
#include "train/network.h"
#include "train/teacher_cache.h"

typedef struct lbk_lecturer {
    const lbk_teacher_link *link;
    lbk_network *net;
    lbk_feed *feed;         /* of the teacher's inputs */
    lbk_feed *learner_feed; /* where the outputs go, from input `first` on */
    int first, slots;
    lbk_bridge *bridge;
    lbk_teacher_cache *cache;     /* NULL: none */
    struct lbk_lecture *lectures; /* [slots]: what is under way */
} lbk_lecturer;

/* The teacher is compiled and has its weights. `cache` NULL: it computes every batch; else only those that the cache lacks, and the
 * caller closes it. Close in every case, after lbk_lecturer_finish(). */
lbk_status lbk_lecturer_open(lbk_lecturer *lecturer, const lbk_teacher_link *link, lbk_feed *learner_feed, int first,
                             int slots, lbk_bridge_mode mode, lbk_teacher_cache *cache);
/* Waits for the teacher's device. The learner's queues must be idle as well before close: they may still read from here. */
void lbk_lecturer_finish(const lbk_lecturer *lecturer);
void lbk_lecturer_close(lbk_lecturer *lecturer); /* harmless on a zeroed one */

/* Sees that the learner's inputs of `slot` get the teacher's outputs for `batch`, which stays valid until retired. Enqueues only. */
lbk_status lbk_lecturer_begin(lbk_lecturer *lecturer, int slot, const lbk_batch *batch);
/* Waits until the teacher has done its part of `slot`. */
lbk_status lbk_lecturer_wait(lbk_lecturer *lecturer, int slot);
/* The learner's step is done: waits, adds the teacher's kernel time, stores what the cache lacked. */
lbk_status lbk_lecturer_retire(lbk_lecturer *lecturer, int slot, double *busy_s);
/* Bytes moved so far: host to device and between devices. */
uint64_t lbk_lecturer_moved(const lbk_lecturer *lecturer);

#endif
