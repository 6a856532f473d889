/* What a distillation method is.
 *
 * To add one: write host/distill/NAME.c with `const lbk_method lbk_method_NAME = {...};` and the line LBK_METHOD(NAME) in
 * host/distill/registry.def. docs/adding-method.md walks through one.
 *
 * A method says what it needs (layers of both networks, sample numbers, ...) and adds its loss to the student's graph out of
 * ordinary ops; autodiff finds the gradient. The loop, the loader and the bridge act on needs; nobody but this folder's
 * registry knows a method by name. Batch B, classes K; images [B,H,W,C], sequences [B,T,C], vectors [B,D]. */
#ifndef LBK_DISTILL_METHOD_H
#define LBK_DISTILL_METHOD_H

#include "data/data.h"
#include "model/model.h"

#define LBK_MAX_PAIRS 32
#define LBK_MAX_EXTRAS (2 * LBK_MAX_PAIRS)

/* ---- What a method needs: said once both networks' graphs are built, before the loss is ---- */

/* One network as a method sees it then. */
typedef struct lbk_side {
    const char *label; /* "teacher", for messages */
    lbk_graph *graph;
    const lbk_model_built *built;
} lbk_side;

/* Two layers that belong together. In `needs` each value is one of its own side's graph, to which nodes may be added; when the
 * loss is built, both are values of the student's graph: there the teacher's is an input that the bridge fills. */
typedef struct lbk_pair {
    lbk_tap student, teacher;
} lbk_pair;

/* The logits of both need not be asked for. */
typedef struct lbk_needs {
    int pair_count, extra_count;
    lbk_pair pair[LBK_MAX_PAIRS];
    lbk_tap extra[LBK_MAX_EXTRAS]; /* further values of the teacher's graph, its weights included */
    bool samples;                  /* the number of each sample */
} lbk_needs;

/* Adds the pairs that `layers` (a parameter of the method) names: "stages", all pairs of stages (lbk_model_stages()), the last ones
 * matched and so on forwards; "spread", the shorter network's stages with those at the same share of the other's depth; "last",
 * the last of them; "2", the second; "feature", what the classifiers read; "a:b", the student's node a and the teacher's b; "a",
 * of both. */
#define LBK_LAYERS_MEANING                                                                                             \
    "layers to compare: stages, spread, last, feature, a stage's number, a node of both, or student_node:teacher_node"
lbk_status lbk_needs_layers(lbk_needs *needs, const lbk_words *layers, const lbk_side *student,
                            const lbk_side *teacher);
/* The same for methods that compare each layer with the next one: at least two. */
lbk_status lbk_needs_successive(lbk_needs *needs, const lbk_words *layers, const lbk_side *student,
                                const lbk_side *teacher);
/* Moves every pair to what its activation reads, where there is one. */
void lbk_needs_before_activation(lbk_needs *needs, const lbk_side *student, const lbk_side *teacher);
/* One more value of the teacher's graph, say a weight. */
lbk_status lbk_needs_extra(lbk_needs *needs, const char *name, lbk_value value);
/* The teacher's classifier as the next one or two extras: weight[D,K] and, where it has one, bias[K]. */
lbk_status lbk_needs_classifier(lbk_needs *needs, const lbk_side *teacher);

/* The pair that `layers` = last means. */
lbk_status lbk_needs_last(const lbk_side *student, const lbk_side *teacher, lbk_pair *out);

/* ---- What is deployed: said before the student is built, of the plain student and its teacher ---- */

#define LBK_MAX_DEPLOYED 32

/* A weight of the student that is the teacher's, untrained. */
typedef struct lbk_deployed_weight {
    const char *own, *theirs;
} lbk_deployed_weight;

/* A student with more behind it than its model has. From here on that is the student: what methods and the hard loss call its
 * logits, what is measured, and what its file holds; a model file beside it says so, too. */
typedef struct lbk_deployment {
    const char *method; /* its name begins all names; NULL: the student is deployed as it is */
    lbk_model_line line[LBK_MAX_DEPLOYED];
    int line_count;
    lbk_deployed_weight teachers[LBK_MAX_DEPLOYED];
    int teachers_count;
    lbk_arena *arena;
} lbk_deployment;

/* A line of a model file (model/model.h), "<method>.<name> = ..."; the first one says by `from` where it starts, the last one makes
 * the logits. */
lbk_status lbk_deploy_line(lbk_deployment *d, const char *name, const char *fmt, ...) LBK_PRINTF(3, 4);
/* The teacher's classifier, as it is, on the line before, [B, features]. */
lbk_status lbk_deploy_classifier(lbk_deployment *d, const char *name, const lbk_side *teacher, int64_t features);

/* ---- Building the loss ---- */

/* A number that changes over the run: a scalar of the graph and where its value comes from. */
typedef struct lbk_scheduled {
    lbk_value scalar;
    lbk_ramp ramp;
} lbk_scheduled;

/* Fills `memory` (the tensor, in host layout) for the step that trains on `batch`, `step` counting from 0. Called by one thread, in
 * order of steps; must be a function of its arguments, so that a resumed run sees the same. */
typedef lbk_status (*lbk_fill)(const void *context, const lbk_batch *batch, int64_t step, void *memory);

/* An input of the student's graph that the host fills for every step. */
typedef struct lbk_host_input {
    lbk_value value;
    lbk_fill fill;
    const void *context;
} lbk_host_input;

/* What a batch says is right: labels [B]:i32, -1 unknown. Where batches are mixed, row i shows share[i] of its own sample and
 * 1 - share[i] of another, whose label is partner_labels[i]; else both are LBK_NONE. */
typedef struct lbk_targets {
    lbk_value labels, partner_labels, share;
} lbk_targets;

/* A network that a loss runs besides the student: its peers, another view of itself, a copy of the teacher. */
typedef struct lbk_companion {
    const lbk_model *model;
    lbk_model_use use;
} lbk_companion;

/* While a method builds its loss. */
typedef struct lbk_method_context {
    lbk_graph
        *graph; /* the student's; weights declared now are the method's own: trained, in checkpoints, not exported */
    const char *name; /* the method's; prefix of its scalars and of its weights */
    const void *params;
    uint64_t seed;
    const char *folder; /* the experiment's: relative paths start here; NULL for the current one */
    const lbk_data *data;
    lbk_part part;           /* what the batches are of: TRAIN, or TEACHER where a teacher has methods of its own */
    int input_count;         /* of what the student reads */
    const lbk_value *inputs; /* [input_count] */
    const int *sample_input; /* [input_count]: the place of each in data->source.inputs */
    lbk_value x;             /* inputs[0] where it is an image, [B,H,W,C]; else LBK_NONE */
    lbk_value labels;    /* [B]:i32, -1 where the student has no label; LBK_NONE for an output about other classes */
    lbk_targets targets; /* the same, and what is mixed into it */
    lbk_value samples;   /* [B]:i32, index in the dataset's training part; LBK_NONE unless needed */
    lbk_value student_logits;             /* [B,K] */
    lbk_value teacher_logits;             /* [B,K], an input of the graph; LBK_NONE without a teacher */
    int pair_count, extra_count;          /* as needed, in order */
    const lbk_pair *pair;                 /* [pair_count] */
    const lbk_tap *extra;                 /* [extra_count] */
    const lbk_model_built *student;       /* all its nodes */
    lbk_companion student_network;        /* for lbk_method_student() and lbk_method_peer() */
    const lbk_companion *teacher_network; /* for lbk_method_teacher(); NULL without a teacher */
    lbk_value weight;                     /* {1}: the method's weight */
    lbk_value hard_weight;    /* {1}, when this method is to compute the hard loss too (absorbs_hard); else LBK_NONE */
    int teacher;              /* which of several; 0 without one */
    const char *teacher_name; /* "" for [teacher] */
    struct lbk_loss *loss;    /* collects scalars and host inputs */
    /* To fill: */
    lbk_value total;  /* {1}: weight * loss (+ hard_weight * hard loss when asked to); differentiable */
    lbk_value report; /* {1}: the unweighted loss, for metrics.jsonl */
    lbk_value hard;   /* {1}: the unweighted hard loss, when asked for it */
    lbk_value own;    /* {1}: what networks of the method's own learn by, whatever its weight; leads to no weight of the
                       * student. LBK_NONE: nothing but `total` */
} lbk_method_context;

typedef struct lbk_method {
    const char *name, *summary, *formula, *source;
    const lbk_param
        *params; /* keys of [distill.NAME]; every table has `weight` (a schedule) at offset 0 of its struct */
    size_t params_size;
    bool absorbs_hard; /* computes the cross entropy in the same pass when asked (hard_weight given) */
    bool images;       /* reads `x`, so samples must be images */
    bool teacherless;  /* reads no teacher: an experiment of such methods alone has none */
    /* NULL: logits only. `teacher` is NULL for a teacherless method. */
    lbk_status (*needs)(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *needs);
    /* NULL: the student as its model has it. One method of an objective may have it, with one teacher. */
    lbk_status (*deploy)(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_deployment *out);
    lbk_status (*build)(lbk_method_context *context);
    /* NULL: it acts between small untrained ResNets. Else settings, "section.key=value", NULL-terminated, under which it does. */
    const char *const *example;
} lbk_method;

/* Between vision transformers, for methods that compare sequences. */
extern const char *const lbk_method_example_sequences[];

const lbk_method *const *lbk_method_all(void); /* NULL-terminated */
const lbk_method *lbk_method_find(const char *name);

/* A scalar "<method>.<name>" that follows `ramp` over the run. "temperature": times a factor, where temperatures are learned (meta.h). */
lbk_status lbk_method_scheduled(lbk_method_context *context, const char *name, lbk_ramp ramp, lbk_value *out);
/* An input "<method>.<name>" of the graph. `context` must live as long as the graph (in its arena, say). */
lbk_status lbk_method_host_input(lbk_method_context *c, const char *name, lbk_dtype dtype, lbk_shape shape,
                                 lbk_fill fill, const void *context, lbk_value *out);
/* The objective's hard loss of any logits [B,K]: their cross entropy with the labels. */
lbk_status lbk_method_hard(lbk_method_context *context, lbk_value logits, lbk_value *out);
/* Most methods' last line: total = weight * loss, report = loss. */
lbk_status lbk_method_finish(lbk_method_context *context, lbk_value loss);

/* Which training sample (an index in the dataset's train part) is to stand in row `row`, below batch->valid; a function of its
 * arguments. */
typedef uint32_t (*lbk_pick)(const void *context, const lbk_batch *batch, int row);
/* Inputs "<method>.<name>", like c->inputs, of samples that `pick` names, as the student sees them; images in another random view than
 * they have in this epoch's batches. Refused where batches are mixed. `context` as above. out[c->input_count]. */
lbk_status lbk_method_samples(lbk_method_context *c, const char *name, lbk_pick pick, const void *context,
                              lbk_value *out);

/* Numbers of a distribution's own, drawn anew in every step by (seed, step). */
typedef enum lbk_noise { LBK_NOISE_NORMAL, LBK_NOISE_UNIFORM } lbk_noise; /* N(0, 1), or uniform in [-1, 1) */
lbk_status lbk_method_noise(lbk_method_context *c, const char *name, lbk_noise kind, lbk_shape shape, lbk_value *out);

/* ---- Modules: layers and networks of the method's own ---- */

/* A layer op with weights of its own, "distill.<method>.<name>.weight", ...; params as in a model file, after formatting: "out=64
 * kernel=1 bias=no". *out: its first output. */
lbk_status lbk_method_layer(lbk_method_context *c, const char *name, const char *op, lbk_value x, lbk_value *out,
                            const char *params, ...) LBK_PRINTF(6, 7);
/* The student's layer brought to the shape of the teacher's: a convolution (3x3 with stride 2 to half the size, transposed to twice
 * the size, else a kernel that shrinks), or a dense layer for sequences and vectors; with batch norm and ReLU behind it when
 * `rectified`. RepDistiller's ConvReg. */
lbk_status lbk_method_regressor(lbk_method_context *c, const char *name, lbk_value student, lbk_value teacher,
                                bool rectified, lbk_value *out);
/* A convolution of one pixel to `channels` and batch norm, for images; for vectors, [B,C], a dense layer in the convolution's place. */
lbk_status lbk_method_connector(lbk_method_context *c, const char *name, lbk_value x, int64_t channels, lbk_value *out);
/* The student's image of pair `pair` with as many channels as the teacher's: itself, or what a connector, "connector<pair>", makes of
 * it. */
lbk_status lbk_method_equal_channels(lbk_method_context *c, int pair, lbk_value *out);
/* What the classifier that lbk_needs_classifier() brought as extras `first` and following makes of x[B,D]. */
lbk_status lbk_method_classify(lbk_method_context *c, int first, lbk_value x, lbk_value *out);
/* The student once more, same weights, on other inputs of the same shapes, inputs[c->input_count]. Training: with noise (dropout) of its own, and batch norm's
 * running statistics count this batch too; else as evaluated, but with gradients. out->logits: the output that student_logits is. */
lbk_status lbk_method_student(lbk_method_context *c, const lbk_value *inputs, bool training, lbk_model_built *out);
/* Another network of the student's model (model "" or NULL) or of the one called `model` (model/model.h), with weights of its own below
 * "distill.<method>.<name>.", which start from other values than the student's; trained, or states that only the method changes. In
 * training mode, with noise of its own. `inputs` like c->inputs, of which a model finds those of its names. */
lbk_status lbk_method_peer(lbk_method_context *c, const char *name, const char *model, bool frozen,
                           const lbk_value *inputs, lbk_model_built *out);
/* The moving average of the student, in training mode, with noise of its own: at the start of every step each of its weights becomes
 * decay[0] * itself + (1 - decay[0]) * the student's, as states that start anywhere (let the first decay be 0). Batch norm
 * has its own running statistics. One small launch for each weight. */
lbk_status lbk_method_average(lbk_method_context *c, const char *name, lbk_value decay, const lbk_value *inputs,
                              lbk_model_built *out);
/* A frozen copy of the teacher on the student's device, in eval mode, on any image of the teacher's shape: gradients flow through it
 * to the input. */
lbk_status lbk_method_teacher(lbk_method_context *c, lbk_value x, lbk_model_built *out);
/* Where that copy's weights are: "distill.teacher.<name>", or "distill.teacher-NAME.<name>" for [teacher.NAME]. */
#define LBK_TEACHER_COPY "distill.teacher"
/* A trained network that makes images like x, [B,H,W,C], of the normal noise "z", [B,noise], anew in every step: a dense layer,
 * [B,H/4,W/4,width], twice enlarged (nearest) before a convolution with batch norm and leaky ReLU, the second to half the
 * width, and a convolution to C channels of mean 0 and variance 1. The generator of ZSKT's and DAFL's code. */
typedef struct lbk_generator {
    int noise, width;
    double eps;   /* of the inner batch norms */
    bool bounded; /* tanh, and no weights in the last batch norm: DAFL's; else ZSKT's */
} lbk_generator;
lbk_status lbk_method_generator(lbk_method_context *c, const lbk_generator *generator, lbk_value *image);

/* ---- Shorthand for graphs of ops ---- */

/* lbk_graph_apply() with parameters as text: lbk_method_op(c, "mean", &loss, "", 1, x) or ("permute", &y, "order=0,2,1", 1, x). */
lbk_status lbk_method_op(lbk_method_context *c, const char *op, lbk_value *out, const char *params, int input_count,
                         ...);
/* *sum += term; LBK_NONE counts as nothing. */
lbk_status lbk_method_add(lbk_method_context *c, lbk_value *sum, lbk_value term);
/* factor * x */
lbk_status lbk_method_scale(lbk_method_context *c, lbk_value x, double factor, lbk_value *out);
/* A pair of sequences [B,T,C] of one length; where the widths differ, the student's goes through a dense layer called `name`. */
lbk_status lbk_method_sequences(lbk_method_context *c, const char *name, lbk_value student, lbk_value teacher,
                                lbk_value *out);
/* The method's whole loss, finished: over pairs of such sequences the sum of the op `loss` of two tensors. */
lbk_status lbk_method_match_sequences(lbk_method_context *c, const char *loss);
/* An image [B,H,W,C] as rows, [B,H*W,C]. */
lbk_status lbk_method_pixels(lbk_method_context *c, lbk_value x, lbk_value *out);
/* Images [B,H,W,C] at the smaller of both sizes, by adaptive average pooling. */
lbk_status lbk_method_same_size(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *student_out,
                                lbk_value *teacher_out);
static inline const lbk_shape *lbk_method_shape(const lbk_method_context *c, lbk_value value) {
    return &lbk_graph_desc(c->graph, value)->shape;
}

/* [B,...]: dL/dx as values of the graph, which a loss may be made of and differentiated again; `loss` {1} depends on x. */
lbk_status lbk_method_derivative(lbk_method_context *c, lbk_value loss, lbk_value x, lbk_value *out);
/* [B,...] -> [B,1]: the sum of each row's squares. */
lbk_status lbk_method_squares_of_rows(lbk_method_context *c, lbk_value x, lbk_value *out);
/* x itself, whose derivative is -factor: what is behind it learns the contrary (Ganin and Lempitsky 2015, gradient reversal). */
lbk_status lbk_method_reverse(lbk_method_context *c, lbk_value x, double factor, lbk_value *out);

/* ---- What losses on logits share ---- */

/* z / T */
lbk_status lbk_method_soften(lbk_method_context *c, lbk_value logits, lbk_value temperature, lbk_value *out);
/* T^2 * loss: a gradient that went through z / T twice keeps its size (Hinton et al. 2015, section 2). */
lbk_status lbk_method_times_square(lbk_method_context *c, lbk_value loss, lbk_value temperature, lbk_value *out);
/* [B,1]: -sum_k p_k ln softmax(z)_k, targets p[B,K]. */
lbk_status lbk_method_cross_entropy(lbk_method_context *c, lbk_value logits, lbk_value targets, lbk_value *out);
/* [B,...] -> {1}: the sum of all elements over B. */
lbk_status lbk_method_mean_of_rows(lbk_method_context *c, lbk_value x, lbk_value *out);
/* Each row less its mean, over its standard deviation (Sun et al. 2024, equation 11). */
lbk_status lbk_method_standardise(lbk_method_context *c, lbk_value logits, lbk_value *out);

/* Some of a batch's rows. */
typedef struct lbk_rows {
    lbk_value one_hot; /* [B,K]: the rows' classes; zeros in rows that do not count */
    lbk_value mask;    /* [B,1]: 1 where a row counts, else 0 */
    lbk_value weight;  /* [B,1]: how much, of mixed batches; LBK_NONE: as the mask says */
    lbk_value count;   /* {1}: how many, at least 1; of mixed batches the sum of the weights */
} lbk_rows;
/* The rows that have a label; of mixed batches, one of their own. */
lbk_status lbk_method_labelled(lbk_method_context *c, lbk_rows *out);
/* For a loss of rows' labels: *count = 1, the rows that have one. Where batches are mixed *count = 2, the rows with their own label and
 * with their partner's, each by its share, and `count` of both; the loss is the sum of both (Zhang et al. 2018, mixup). */
lbk_status lbk_method_labels(lbk_method_context *c, lbk_rows rows[2], int *count);
/* *rows with another mask: `mask` and the count of its ones. */
lbk_status lbk_method_mask(lbk_method_context *c, lbk_value mask, lbk_rows *rows);
/* The mean of T^2 KL(softmax(t / T), softmax(s / T)) over the rows that count, by their weights, 0 when none does. */
lbk_status lbk_method_masked_kl(lbk_method_context *c, const lbk_rows *rows, lbk_value student, lbk_value teacher,
                                lbk_value temperature, lbk_value *out);
/* The sum of x[B,K], in which rows that do not count are 0, by the rows' weights. */
lbk_status lbk_method_sum_rows(lbk_method_context *c, const lbk_rows *rows, lbk_value x, lbk_value *out);
/* sum over k of KL between Bernoulli(sigmoid(t_k)) and Bernoulli(sigmoid(s_k)), summed over all rows, by their weights unless `rows`
 * is NULL. */
lbk_status lbk_method_binary_kl(lbk_method_context *c, const lbk_rows *rows, lbk_value student, lbk_value teacher,
                                lbk_value *out);

#endif
