/* Names of weights as paths: "layer1.0.conv1.weight" lies under "layer1", "layer1.0", "layer1.0.conv1", and "". */
#ifndef LBK_GRAPH_NAMES_H
#define LBK_GRAPH_NAMES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* `name` is `path`, or begins with it and a dot; everything lies under "". */
bool lbk_name_under(const char *name, const char *path);
/* LBK_ERR_INPUT unless some of names[count] lies under `path`; suggests the nearest path there is. `owner` goes into the
 * message: "the network". */
lbk_status lbk_name_path_check(const char *const *names, size_t count, const char *path, const char *owner);

#endif
