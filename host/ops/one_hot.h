/* Parameters of one_hot, for rules that emit it. */
#ifndef LBK_OPS_ONE_HOT_H
#define LBK_OPS_ONE_HOT_H

typedef struct lbk_one_hot_params {
    int classes;
} lbk_one_hot_params;

#endif
