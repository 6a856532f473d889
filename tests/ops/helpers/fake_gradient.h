/* lbk_gradient_emit() without a graph: it notes what a rule asked for, so that rules can be checked alone. */
#ifndef LBK_TESTS_FAKE_GRADIENT_H
#define LBK_TESTS_FAKE_GRADIENT_H

#include "ops/gradient.h"

typedef struct fake_node {
    char op[64];
    int input_count;
    lbk_value input[LBK_MAX_INPUTS];
} fake_node;

extern fake_node fake_nodes[16];
extern int fake_node_count;

/* Outputs of fake node n are the values FAKE_OUTPUT(n, 0), FAKE_OUTPUT(n, 1), ... */
#define FAKE_OUTPUT(n, i) (1000 + 10 * (n) + (i))

#endif
