/* A student that is deployed with more behind it than its model has (distill/method.h). */
#ifndef LBK_TRAIN_DEPLOYED_H
#define LBK_TRAIN_DEPLOYED_H

#include "train/network.h"

/* Asks the methods, the network's plain evaluating graph and those of its teachers being built. Where one deploys something, sets
 * network->deployment, and model and freeze to what is to be built from then on; else changes nothing. */
lbk_status lbk_network_extend(lbk_network *network, const lbk_objective *objective);
/* Once that is built: paths that the user has frozen, or given initial weights of their own, and that only `plain`, the graph before,
 * has, such as the classifier that another one replaces, are none of the network's. */
lbk_status lbk_network_forget_replaced(lbk_network *network, const lbk_graph *plain);
/* What it has of its teacher: weights on both devices, the teacher's ready. */
lbk_status lbk_network_take_deployed(lbk_network *network);
/* The extended model as a file, "<label>.ini" beside the weights; nothing where nothing is deployed. */
lbk_status lbk_network_write_model(const lbk_network *network, const char *folder);

#endif
