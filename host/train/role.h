/* The sections of networks: [teacher], [teacher.NAME], [assistant.NAME], [student]. */
#ifndef LBK_TRAIN_ROLE_H
#define LBK_TRAIN_ROLE_H

#include "train/experiment.h"

/* "teacher", or "teacher.NAME"; or a section of one of their methods, "teacher/cs_kd". */
bool lbk_section_is_teacher(const char *section);
/* Whether a key of such a section acts although `weights` says where the teacher is loaded from. */
bool lbk_role_key_loads(const char *key);

/* Reads section `name` by its table, loads its model. `name` outlives the role. */
lbk_status lbk_role_read(lbk_experiment *experiment, lbk_role *role, const char *name, const lbk_param *table);
void lbk_role_release(lbk_role *role); /* harmless on a zeroed one */

#endif
