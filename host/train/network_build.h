/* What the files that make a network up share. */
#ifndef LBK_TRAIN_NETWORK_BUILD_H
#define LBK_TRAIN_NETWORK_BUILD_H

#include "train/network.h"

/* "FILE: [ROLE]" in front of the message. */
lbk_status lbk_network_context(const lbk_network *network, lbk_status status);
/* Inputs of `graph` for what the model reads, in its order. */
lbk_status lbk_network_declare_inputs(lbk_network *network, lbk_graph *graph, lbk_value *inputs);
/* Its model's nodes. step: LBK_NONE unless `training`. */
lbk_status lbk_network_build_model(const lbk_network *network, lbk_graph *graph, const lbk_value *inputs,
                                   lbk_value step, bool training, lbk_model_built *built);

/* [role] init = teacher. */
bool lbk_network_begins_as_teacher(const lbk_network *network);
/* Finds what `init` has for this network, before any device is touched; with weights: and copies it there. */
lbk_status lbk_network_use_init(lbk_network *network, lbk_weights *weights);

#endif
