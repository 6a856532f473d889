/* A model built into a graph of its own. */
#ifndef LBK_TESTS_MODEL_NETWORK_H
#define LBK_TESTS_MODEL_NETWORK_H

#include "model/model.h"

#include <criterion/criterion.h>

typedef struct network {
    lbk_model model;
    lbk_graph *graph;
    lbk_value inputs[LBK_MODEL_INPUTS], input, step; /* input: the first */
    lbk_model_use use;
    lbk_model_built built;
} network;

/* One image of this size, 10 classes, training. */
void network_sized(network *n, int height, int width, int channels);
/* CIFAR-10's shapes. */
void network_cifar(network *n);
/* The digits' shapes. */
void network_digits(network *n);
/* Loads `name` (relative to `folder`) and builds it as n->use says. On failure everything is released already. */
lbk_status network_try(network *n, const char *name, const char *folder);
/* The same; a failure fails the test. */
void network_build(network *n, const char *name);
void network_release(network *n);

/* Index of the node with this name in the graph; -1: there is none. */
int network_node(const network *n, const char *name);
/* FLOPs of all nodes of op `op`. */
double network_flops(const network *n, const char *op);
/* 2 x multiply-adds of all convolutions, dense and recurrent layers: the products with their weights. */
double network_products(const network *n);

#endif
