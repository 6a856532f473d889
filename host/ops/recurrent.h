/* What lstm and gru share: one direction of one recurrent layer over x[N,T,C], and its launches.
 *
 * What comes from x, for all gates and steps, is one matrix product; the recurrence follows, on CPUs as one launch, elsewhere
 * as one launch a step. The derivative runs the recurrence backwards for the gates' gradients only: those of x and of the
 * weights are then products over all steps (dense_backward_data, dense_backward_weights). Gates lie side by side in
 * PyTorch's order. The state before the first step is zero. */
#ifndef LBK_OPS_RECURRENT_H
#define LBK_OPS_RECURRENT_H

#include "ops/gemm.h"

typedef struct lbk_rnn_params {
    int hidden;
    bool reverse, bias;
} lbk_rnn_params;
extern const lbk_param lbk_rnn_table[]; /* of lstm and gru */

/* Parameters of their backward ops, and of the ops of steps.c. */
typedef struct lbk_direction_params {
    bool reverse;
} lbk_direction_params;
extern const lbk_param lbk_direction_table[];

/* lengths is optional: steps behind a sample's length give zeros, and the reverse direction begins at that length, as with
 * PyTorch's packed sequences. Biases are optional together. */
enum { LBK_RNN_X, LBK_RNN_LENGTHS, LBK_RNN_WEIGHT_IH, LBK_RNN_WEIGHT_HH, LBK_RNN_BIAS_IH, LBK_RNN_BIAS_HH };
enum { LBK_RNN_Y, LBK_RNN_GATES, LBK_RNN_CELL }; /* outputs of the forward ops: [N,T,H], [N,T,4H], LSTM: [N,T,H] */
enum { LBK_RNN_DY, LBK_RNN_B_GATES, LBK_RNN_B_STATE, LBK_RNN_B_WEIGHT, LBK_RNN_B_LENGTHS }; /* of the backward ops */

/* N, T, C (forward only), H, and the number of gates: 4 or 3. */
typedef struct lbk_rnn_sizes {
    int64_t samples, steps, channels, hidden, gates;
} lbk_rnn_sizes;
lbk_rnn_sizes lbk_rnn_forward_sizes(const void *params, const lbk_tensor_desc *input, int gates);
lbk_rnn_sizes lbk_rnn_backward_sizes(const lbk_tensor_desc *input, int gates);

/* LBK_ERR_INPUT unless input `input`, when present, has one number per sample: [N], or [N,1], as models read it. */
lbk_status lbk_rnn_check_lengths(const lbk_infer *infer, int input, int64_t samples);
/* Checks the inputs and appends the outputs y and gates. */
lbk_status lbk_rnn_infer(lbk_infer *infer, int gates);
/* Checks the inputs, `state` being called so; appends no outputs. */
lbk_status lbk_rnn_backward_infer(lbk_infer *infer, int gates, const char *state);
lbk_status lbk_rnn_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list, int gates);
void lbk_rnn_cost(const lbk_infer *shapes, lbk_cost *cost, const lbk_rnn_sizes *s);

/* The gradients of x and of the weights from the gates' gradients: `dgates` of what comes from x, `dhidden` of what comes
 * from h. */
lbk_status lbk_rnn_differentiate(lbk_gradient *g, lbk_value dgates, lbk_value dhidden);
/* Emits the backward op `op`, whose state is output `state` of the forward op. */
lbk_status lbk_rnn_emit_gradient(lbk_gradient *g, const char *op, int state, lbk_value *outputs);

/* For the references: a sample's steps run `count` times from `first` on by `by`. */
typedef struct lbk_rnn_walk {
    int64_t first, by, count;
} lbk_rnn_walk;
lbk_rnn_walk lbk_rnn_walk_of(const double *lengths, int64_t sample, int64_t steps, bool reverse);
/* bias_ih + x W_ih and bias_hh + h W_hh for column `column` of the gates; row: of x and of y, -1 for no state yet. */
double lbk_rnn_from_x(const lbk_reference *r, int64_t row, int64_t column);
double lbk_rnn_from_h(const lbk_reference *r, int64_t row, int64_t column);

lbk_status lbk_rnn_emit(lbk_emit *e, lbk_gemm_way way, int gates);
lbk_status lbk_rnn_backward_emit(lbk_emit *e, lbk_class cls, int gates);

#endif
