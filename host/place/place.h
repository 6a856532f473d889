/* Which model runs on which device. */
#ifndef LBK_PLACE_PLACE_H
#define LBK_PLACE_PLACE_H

#include "device/device.h"

/* FLOPs that a device does while it moves a byte; measured on two cores: 399 GFLOP/s and 24 GB/s. */
#define LBK_PLACE_FLOPS_PER_BYTE 16.0

/* What one network takes per step: the teacher's forward pass, the student's forward and backward pass. */
typedef struct lbk_place_job {
    double work;  /* lbk_graph_work() */
    int launches; /* about as many as there are nodes */
} lbk_place_job;

typedef struct lbk_place_jobs {
    lbk_place_job teacher, student;
} lbk_place_jobs;

/* An estimate, for comparing devices only: compute units x clock x lanes (GPU: 64 per unit; else the vector width). */
double lbk_place_speed(const lbk_caps *caps);

/* Whether the user's word leaves the device to us: auto or apart. */
bool lbk_place_is_free(const char *device);

/* Turns the user's words (auto, apart, or what lbk_device_spec_parse() reads) into specs.
 *   both auto: the teacher on the fastest GPU, the student on the next GPU; with one GPU the student on that GPU or on a CPU,
 *   whichever finishes a step of both sooner by the estimate; no GPU: two sub-devices of one CPU, compute units shared out by work,
 *   or the whole of it for both in turn where that is sooner: where no share of the units is near that of the work, and launches
 *   are large; accelerators only by name. One auto: the best device beside the other's, by the same rules.
 * apart: as auto, but what the other network runs on is shared only where there is nothing else. A single-unit CPU is shared whole. Errors: LBK_ERR_INPUT (no such device), LBK_ERR_DEVICE (no device at all). */
lbk_status lbk_place_choose(const lbk_device_list *list, const char *teacher, const char *student, lbk_place_jobs jobs,
                            lbk_device_spec *teacher_spec, lbk_device_spec *student_spec);

/* For a student without a teacher: auto is the best device. */
lbk_status lbk_place_choose_alone(const lbk_device_list *list, const char *student, lbk_device_spec *spec);

/* The whole of the fastest GPU, else of the fastest CPU. */
lbk_status lbk_place_best(const lbk_device_list *list, lbk_device_spec *spec);

/* How `units` compute units are shared between two jobs so that the slower one finishes first: at least one each. */
uint32_t lbk_place_share(uint32_t units, double work_a, double work_b);

#endif
